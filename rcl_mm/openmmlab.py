"""What rcl_mm is where MMEngine is not installed: its losses, and one clear line for the rest."""

import sys
from importlib.util import find_spec

WITHOUT_MMENGINE = (
    'class_counts',
    'errors',
    'functional',
    'openmmlab',
    'ops',
    'text_files',
    'version',
)
"""The parts that need torch and numpy only."""


def is_installed(package: str) -> bool:
    """Whether a top-level package can be found. It is not imported: a broken one raises its error
    where it is used."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # from a finder that refuses it
        return False


def missing(name: str, package: str) -> ModuleNotFoundError:
    """The error of a part that cannot be used without a package."""
    # Full mmcv and mmcv-lite are both `mmcv`: neither may be installed over the other.
    lite = '' if is_installed('mmcv') else ' "rcl_mm[mmcv-lite]"'
    return ModuleNotFoundError(
        f'{name} is not available, because the package "{package}" is not installed: '
        f'pip install "rcl_mm[mm]"{lite}',
        name=package,
    )


def require(*packages: str) -> None:
    """Refuse to go on where one of the packages is not installed.

    Raises:
        ModuleNotFoundError: Which one, and what to install.
    """
    for package in packages:
        if not is_installed(package):
            raise missing('rcl_mm with its registered parts', package)


class RefuseOtherParts:
    """A finder that makes ``import rcl_mm.models`` and the like say what to install."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package, _, part = name.partition('.')
        if package == 'rcl_mm' and part.partition('.')[0] not in WITHOUT_MMENGINE:
            raise missing(name, 'mmengine')


def be_the_losses_alone() -> None:
    """Let every other part of rcl_mm be refused with one clear line."""
    sys.meta_path.insert(0, RefuseOtherParts)
