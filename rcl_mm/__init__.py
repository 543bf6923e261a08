"""rcl_mm: Rebalanced Contrastive Learning for the OpenMMLab stack."""

__version__ = '0.1.0'
