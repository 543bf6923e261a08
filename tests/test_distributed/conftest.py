import pytest

from .ranks import Ranks


@pytest.fixture(scope='session')
def two_ranks(tmp_path_factory):
    ranks = Ranks(2, tmp_path_factory.mktemp('two_ranks'))
    yield ranks
    ranks.close()


@pytest.fixture(scope='session')
def three_ranks(tmp_path_factory):
    ranks = Ranks(3, tmp_path_factory.mktemp('three_ranks'))
    yield ranks
    ranks.close()


@pytest.fixture(params=[2, 3])
def ranks(request):
    """Two ranks, then three."""
    return request.getfixturevalue({2: 'two_ranks', 3: 'three_ranks'}[request.param])
