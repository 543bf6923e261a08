"""The first loss or weight that is not finite ends training, named."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from rcl_mm.engine.hooks.finite_loss import (
    FiniteLossHook,
    NonFiniteError,
    check_finite_weights,
    first_non_finite,
    image_names,
)


def make_runner(tmp_path, **values):
    scalars = {f'train/{name}': HistoryBuffer([value], [1]) for name, value in values.items()}
    return SimpleNamespace(
        iter=6,
        epoch=1,
        world_size=1,
        rank=0,
        work_dir=str(tmp_path),
        message_hub=SimpleNamespace(get_scalar=scalars.__getitem__),
        model=nn.Linear(2, 2),
    )


def batch(*paths):
    return dict(data_samples=[SimpleNamespace(metainfo=dict(img_path=path)) for path in paths])


class TestFiniteLossHook:
    def test_finite(self, tmp_path):
        runner = make_runner(tmp_path, loss=1.0, loss_con=2.0)
        FiniteLossHook().after_train_iter(runner, 6, batch('a'), dict(loss=0, loss_con=0))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
    def test_names_iteration_term_and_images(self, tmp_path, value):
        runner = make_runner(tmp_path, loss=value, loss_cls=1.0, loss_con=value)
        paths = [f'{letter}.jpg' for letter in 'abcdef']
        outputs = dict(loss=0, loss_cls=0, loss_con=0, positive_similarity=math.nan)
        with pytest.raises(NonFiniteError) as caught:
            FiniteLossHook().after_train_iter(runner, 6, batch(*paths), outputs)
        message = str(caught.value)
        assert message.startswith(f'iteration 7 (epoch 2): loss_con is {value}; images: a.jpg,')
        assert 'd.jpg and 2 more' in message
        record = json.loads((tmp_path / 'non_finite_iter_7.json').read_text())
        assert record['images'] == paths
        assert record['terms']['loss_cls'] == 1.0

    def test_only_the_sum__is_named_then(self, tmp_path):
        runner = make_runner(tmp_path, loss=math.nan, loss_cls=1.0)
        with pytest.raises(NonFiniteError, match='loss is nan'):
            FiniteLossHook().after_train_iter(runner, 6, batch('a'), dict(loss=0, loss_cls=0))


class TestImageNames:
    def test_number_in_the_data_set__where_there_are_no_files(self):
        samples = [SimpleNamespace(metainfo=dict(sample_idx=4)), SimpleNamespace(metainfo={})]
        assert image_names(dict(data_samples=samples)) == ['sample 4', 'sample -1']

    @pytest.mark.parametrize('data_batch', [None, [1, 2], {}])
    def test_other_batches(self, data_batch):
        assert image_names(data_batch) == []


class TestCheckFiniteWeights:
    def test_first_bad_one(self):
        state = dict(
            ids=torch.tensor([1]),
            fine=torch.ones(2),
            empty=torch.zeros(0),
            bad=torch.tensor([0.0, math.inf]),
            worse=torch.tensor([math.nan], dtype=torch.bfloat16),
        )
        assert first_non_finite(state) == 'bad'
        assert first_non_finite(dict(worse=state['worse'])) == 'worse'
        assert first_non_finite(dict(fine=state['fine'], ids=state['ids'])) is None
        assert first_non_finite({}) is None

    def test_no_checkpoint_of_it(self, tmp_path):
        runner = make_runner(tmp_path)
        check_finite_weights(runner)
        runner.model.weight.data[0, 0] = math.nan
        with pytest.raises(NonFiniteError, match='iteration 7: weight is not finite'):
            check_finite_weights(runner)
