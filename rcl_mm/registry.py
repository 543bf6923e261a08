"""The scope ``rcl_mm``: windows onto MMPretrain's registries, with nothing of their own in them.

Parts of this package are in MMEngine's root registries and need no scope. But MMEngine marks what
a config takes over by name from ``_base_ = 'rcl_mm::...'`` (``pipeline = _base_.train_pipeline``)
with ``_scope_='rcl_mm'``, and imports ``rcl_mm.registry`` to build it. A name that is looked up
here is found in MMPretrain's registry or in the root.
"""

from mmengine.registry import Registry
from mmpretrain import registry as mmpretrain_registry

for _name, _registry in vars(mmpretrain_registry).items():
    if isinstance(_registry, Registry):
        globals()[_name] = Registry(
            _registry.name, parent=_registry, scope='rcl_mm', locations=['rcl_mm']
        )
