"""What every test shares: it leaves the process's environment as it found it."""

import gc
import os

import pytest


@pytest.fixture(autouse=True)
def environment_stays():
    """Undo what code under test writes into ``os.environ``, such as a launcher's RANK."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before) - {'PYTEST_CURRENT_TEST'}:
        del os.environ[name]
    os.environ.update({k: v for k, v in before.items() if os.environ.get(k) != v})


@pytest.fixture(scope='session', autouse=True)
def quick_garbage_collection():
    """Each data set that MMEngine builds collects garbage, over all that torch has imported."""
    import rcl_mm  # noqa: F401

    gc.collect()
    gc.freeze()
