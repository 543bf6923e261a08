"""Many runners in one process, one after another, without what MMEngine keeps of each."""

import gc
import logging
from contextlib import contextmanager
from typing import Iterator, List

from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer


def _managed_classes(cls: type = ManagerMixin) -> List[type]:
    """``ManagerMixin``'s subclasses: each keeps every instance it ever made, by name."""
    found = [cls]
    for child in cls.__subclasses__():
        found += _managed_classes(child)
    return found


@contextmanager
def isolated_runner_state() -> Iterator[None]:
    """Forget, at the end, the global instances that were made inside.

    MMEngine keeps loggers (with their open log files), message hubs (with the whole log history),
    visualizers and default scopes for the life of the process, and what it calls the current
    instance is the one made last. After the block both are as before.
    """
    before = {cls: set(cls._instance_dict) for cls in _managed_classes()}
    try:
        yield
    finally:
        for cls in _managed_classes():
            for name in set(cls._instance_dict) - before.get(cls, set()):
                _close(cls._instance_dict.pop(name))
        # A runner, its loops and its hooks refer to each other.
        gc.collect()


def _close(instance: ManagerMixin) -> None:
    if isinstance(instance, MMLogger):
        for handler in instance.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()
        instance.handlers.clear()
    elif isinstance(instance, Visualizer):
        instance.close()
