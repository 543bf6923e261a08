"""Class weights by effective numbers, from one epoch on and after a resume."""

from pathlib import Path

import numpy as np
import pytest

from rcl_mm.datasets import long_tailed_counts
from rcl_mm.engine.hooks.deferred_reweighting import (
    DeferredReweightingHook,
    effective_number_weights,
)

CROSS_ENTROPY = Path(__file__).resolve().parents[2] / 'configs/cross_entropy/resnet8_digits_lt.py'
LDAM = """
model = dict(
    head=dict(
        type='CosineClsHead', scale=30.0, loss=dict(_delete_=True, type='LDAMLoss', scale=30.0)
    )
)
custom_hooks = [dict(type='ClassCountsHook'), dict(type='DeferredReweightingHook', begin=1)]
"""


def test_weights_are_those_of_the_effective_numbers() -> None:
    counts = long_tailed_counts(10, 5000, 100)
    expected = (1 - 0.9999) / (1 - 0.9999 ** counts.astype(float))
    expected *= 10 / expected.sum()
    weights = effective_number_weights(counts)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)
    assert weights.mean() == pytest.approx(1.0) and weights[9] > weights[0]


def test_limits_of_beta() -> None:
    counts = [1000, 100, 10]
    np.testing.assert_allclose(effective_number_weights(counts, beta=0.0), np.ones(3))
    inverse = 1 / np.array(counts)
    np.testing.assert_allclose(
        effective_number_weights(counts, beta=1 - 1e-12), 3 * inverse / inverse.sum(), rtol=1e-4
    )


def test_class_without_images_has_weight_zero() -> None:
    weights = effective_number_weights([100, 0, 10])
    assert weights[1] == 0 and weights.sum() == pytest.approx(2.0)


@pytest.mark.parametrize(
    'call, message',
    [
        (lambda: effective_number_weights([1, 2], beta=1.0), 'beta is 1.0'),
        (lambda: effective_number_weights([0, 0]), 'are all 0'),
        (lambda: DeferredReweightingHook(begin=-1), 'begin is -1'),
        (lambda: DeferredReweightingHook(begin=3, beta=2), 'beta is 2'),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def seen_weights(monkeypatch):
    """Class weights that the loss had in each epoch, seen after the hook."""
    seen = []
    before = DeferredReweightingHook.before_train_epoch

    def spy(hook, runner):
        before(hook, runner)
        seen.append((runner.epoch, runner.model.head.loss_module.class_weights))

    monkeypatch.setattr(DeferredReweightingHook, 'before_train_epoch', spy)
    return seen


def test_weights_begin_with_the_epoch_and_survive_a_resume(
    tool, write_config, tmp_path, seen_weights
) -> None:
    config = write_config(LDAM, base=CROSS_ENTROPY)
    assert tool('train', config, '--work-dir', tmp_path / 'run') == 0
    assert [epoch for epoch, _ in seen_weights] == [0, 1]
    assert seen_weights[0][1] is None
    weights = seen_weights[1][1].numpy()
    counts = long_tailed_counts(10, 24, 8)
    np.testing.assert_allclose(weights, effective_number_weights(counts), rtol=1e-6)
    options = ['train_cfg.max_epochs=3']
    assert tool('train', config, '--work-dir', tmp_path / 'run', '--resume', options=options) == 0
    assert [epoch for epoch, _ in seen_weights] == [0, 1, 2]
    np.testing.assert_array_equal(seen_weights[2][1].numpy(), weights)


def test_model_without_such_a_loss_is_refused(tool, write_config, tmp_path, capfd) -> None:
    hooks = LDAM[LDAM.index('custom_hooks') :]
    config = write_config(hooks)
    assert tool('train', config, '--work-dir', tmp_path / 'run') != 0
    assert 'no module of the model takes class weights' in capfd.readouterr().err
