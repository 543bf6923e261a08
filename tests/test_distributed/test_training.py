"""DDP training of a real config over 2 and 3 ranks is training of one process, to 1e-9."""

import numpy as np
import pytest

from .training import train
from .wrong_gathers import WRONG

STANDALONE = {
    'model.head.classifier': None,
    'model.head.prototypes': 'learnable',
    'model.head.loss.cls_weight': 0.0,
    'model.head.loss.feature_scale': 1.4,
    'model.head.loss.chunk_size': 5,
}
CASES = {'group': ('group', None), 'frozen': ('frozen', None), 'standalone': ('frozen', STANDALONE)}


@pytest.fixture(scope='module')
def one_process(tmp_path_factory):
    """Results of one process on the whole batch, each computed once."""
    results = {}

    def result(case):
        if case not in results:
            results[case] = train(0, 1, str(tmp_path_factory.mktemp(case)), *CASES[case])
        return results[case]

    return result


def largest_difference(found, expected):
    assert found.keys() == expected.keys()
    return max(np.abs(found[name] - expected[name]).max() for name in expected)


@pytest.mark.parametrize('case', CASES)
def test_losses_gradients_and_weights_equal_one_process(ranks, one_process, case, tmp_path):
    expected = one_process(case)
    results = ranks.run(train, str(tmp_path), *CASES[case])
    assert len(expected['losses']) == 5
    for step, losses in enumerate(expected['losses']):
        for name in [name for name in losses if name.startswith('loss')]:
            mean = np.mean([result['losses'][step][name] for result in results])
            assert mean == pytest.approx(losses[name], rel=1e-9)
    for result in results:
        assert largest_difference(result['gradients'], expected['gradients']) < 1e-9
        assert largest_difference(result['weights'], expected['weights']) < 1e-9
        # The config says 'auto': the hook reads them from the training set on every rank.
        assert result['counts'] == expected['counts']
    assert max(expected['counts']) > 10 * min(expected['counts'])
    # Every part learns: backbone, both MLPs or the free prototypes, and the classifier.
    assert min(np.abs(gradient).max() for gradient in expected['gradients'].values()) > 1e-6


@pytest.mark.parametrize('wrong', WRONG)
def test_a_gather_that_loses_gradients_is_noticed(two_ranks, one_process, wrong, tmp_path):
    expected = one_process('group')
    results = two_ranks.run(train, str(tmp_path), *CASES['group'], wrong)
    first = np.mean([result['losses'][0]['loss_con'] for result in results])
    assert first == pytest.approx(expected['losses'][0]['loss_con'], rel=1e-9)
    for result in results:
        assert largest_difference(result['gradients'], expected['gradients']) > 1e-4
        assert largest_difference(result['weights'], expected['weights']) > 1e-5
