"""Imports of modules that warn when they are imported, once, of what no user can change.

Imported before everything else of the package; changes no filter, and hands on other warnings.
"""

import importlib
import warnings

NOISY_MODULES = {
    # MMEngine imports an optimizer of torch that torch 2.4 calls deprecated.
    'mmengine.optim': '`TorchScript` support for functional optimizers',
    # mmcv-lite has no compiled operators; no model of image classification needs this one.
    'mmcv.cnn.bricks.transformer': 'Fail to import ``MultiScaleDeformableAttention``',
}


def import_quietly(module: str, needless: str) -> None:
    """Import a module without the warning that begins with ``needless``.

    Recorded, not filtered: torch sets a filter of its own where it warns.
    """
    with warnings.catch_warnings(record=True) as seen:
        importlib.import_module(module)
    for one in seen:
        if not str(one.message).startswith(needless):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


for _module, _needless in NOISY_MODULES.items():
    import_quietly(_module, _needless)
