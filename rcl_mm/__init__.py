"""rcl_mm: Rebalanced Contrastive Learning for the OpenMMLab stack.

Importing it registers its parts in MMEngine's root registries, so that ``dict(type='RCLLoss')``
builds under any library's default scope; nothing else happens. Where MMEngine is not installed it
is the losses alone: ``rcl_mm.functional``, which needs torch and numpy.
"""

from rcl_mm import openmmlab
from rcl_mm.version import __version__

if openmmlab.is_installed('mmengine'):
    openmmlab.require('mmcv', 'mmpretrain')
    # First the runtime: it imports mmcv without the warning that mmcv-lite gives in every run.
    from rcl_mm import runtime

    # isort: split
    from rcl_mm import augment, datasets, engine, evaluation, models
    from rcl_mm.apis import config_path, to_rcl

    __all__ = [
        '__version__',
        'augment',
        'config_path',
        'datasets',
        'engine',
        'evaluation',
        'models',
        'runtime',
        'to_rcl',
    ]
else:
    openmmlab.be_the_losses_alone()
    __all__ = ['__version__']

    def __getattr__(name: str):
        raise AttributeError(str(openmmlab.missing(f'rcl_mm.{name}', 'mmengine')))
