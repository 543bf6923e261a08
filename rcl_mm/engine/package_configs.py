"""Base configs of this package in configs of other projects: ``_base_ = 'rcl_mm::...'``."""

import os.path as osp

from mmengine.config import utils as config_utils

from rcl_mm.engine.compat import mend_missing_pkg_resources

PACKAGE = 'rcl_mm'


def register_config_package() -> None:
    """Let MMEngine find ``_base_ = 'rcl_mm::rcl/resnext50_imagenet_lt.py'``.

    MMEngine knows the packages whose configs it may load by a fixed list. It reads base configs
    before ``custom_imports``, so ``rcl_mm`` has to be imported before the config is read: our tools
    and ``import rcl_mm`` in a script do so; elsewhere the config can, see :func:`config_path`.
    """
    config_utils.MODULE2PACKAGE.setdefault(PACKAGE, PACKAGE)
    mend_missing_pkg_resources()


def config_path(name: str) -> str:
    """Path of one of this package's configs, for scripts that do not import ``rcl_mm`` first.

    Args:
        name (str): Path below configs/, for example 'rcl/resnext50_imagenet_lt.py'.

    Returns:
        str: Absolute path.

    Raises:
        FileNotFoundError: If there is no such config.

    Example:
        >>> # In a config, where MMEngine evaluates this expression alone
        >>> _base_ = __import__('rcl_mm').config_path('rcl/resnext50_imagenet_lt.py')
    """
    folder = osp.join(osp.dirname(osp.dirname(osp.abspath(__file__))), '.mim', 'configs')
    path = osp.join(folder, *name.split('/'))
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'rcl_mm has no config "{name}": give a path below {folder}, such as '
            'rcl/resnext50_imagenet_lt.py'
        )
    return path
