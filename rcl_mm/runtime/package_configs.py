"""Base configs of this package in configs of other projects: ``_base_ = 'rcl_mm::...'``."""

import os.path as osp
from typing import Optional, Tuple

from mmengine.config import Config

PREFIX = 'rcl_mm::'


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
    # Where MMEngine expects the configs of a package; a link in the source tree.
    folder = osp.join(osp.dirname(osp.dirname(osp.abspath(__file__))), '.mim', 'configs')
    path = osp.join(folder, *name.split('/'))
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'rcl_mm has no config "{name}": give a path below {folder}, such as '
            'rcl/resnext50_imagenet_lt.py'
        )
    return path


def register_config_package() -> None:
    """Let MMEngine find ``_base_ = 'rcl_mm::rcl/resnext50_imagenet_lt.py'``.

    MMEngine has a fixed list of packages whose configs it loads. It also marks all that comes from
    another package's base with ``_scope_``, which our parts do not need (they are in the root
    registries) and which its own data loader then hands to ``default_collate`` as an argument. So
    the path is all that is taken from here.

    It reads base configs before ``custom_imports``: ``rcl_mm`` has to be imported before the config
    is read. Our tools and ``import rcl_mm`` in a script do so; elsewhere see :func:`config_path`.
    """
    mmengines = Config._get_cfg_path
    if hasattr(mmengines, 'without_rcl_mm'):
        return

    def get_cfg_path(cfg_path: str, filename: str) -> Tuple[str, Optional[str]]:
        if cfg_path.startswith(PREFIX):
            return config_path(cfg_path.removeprefix(PREFIX)), None
        return mmengines(cfg_path, filename)

    get_cfg_path.without_rcl_mm = mmengines
    Config._get_cfg_path = staticmethod(get_cfg_path)
