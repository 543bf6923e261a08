"""rcl_mm: Rebalanced Contrastive Learning for the OpenMMLab stack.

Importing it registers its parts in MMEngine's root registries, so that ``dict(type='RCLLoss')``
builds under any library's default scope; nothing else happens.
"""

from rcl_mm import datasets, engine, evaluation, models

__version__ = '0.1.0'
__all__ = ['datasets', 'engine', 'evaluation', 'models']
