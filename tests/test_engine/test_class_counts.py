"""ClassCountsHook: where the counts come from, who gets them, and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS
from torch import nn

from rcl_mm.engine.hooks import class_counts
from rcl_mm.engine.hooks.class_counts import ClassCountsHook
from rcl_mm.evaluation import LongTailMetric
from rcl_mm.models import BalancedSoftmaxLoss
from rcl_mm.runtime.checkpoint import load_checkpoint_file

REPOSITORY = Path(__file__).resolve().parents[2]


class Labels:
    """A data set of labels alone, as stock data sets are: no class counts in its metainfo."""

    def __init__(self, labels=(0, 0, 0, 1, 1, 2), classes=('a', 'b', 'c')):
        self.labels = np.asarray(labels)
        self.metainfo = {'classes': classes} if classes else {}

    def __len__(self):
        return len(self.labels)

    def get_gt_labels(self):
        return self.labels


def make_runner(dataset=None, loss=None, metric=None, hooks=(), cfg=None):
    """What the hook sees of a runner; a real one is used in test_launch.py."""
    loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[metric] if metric else []))
    return SimpleNamespace(
        model=nn.Sequential(nn.Linear(2, 2), loss) if loss is not None else nn.Linear(2, 2),
        hooks=list(hooks),
        train_dataloader=SimpleNamespace(dataset=dataset),
        _train_dataloader=SimpleNamespace(dataset=dataset) if dataset is not None else None,
        _val_loop=loop,
        _test_loop=loop,
        cfg=cfg or {},
    )


class TestBeforeRun:
    def test_losses_get_the_number_of_classes_of_their_head(self):
        head = nn.Sequential(loss := BalancedSoftmaxLoss())
        head.num_classes = 3
        ClassCountsHook().before_run(SimpleNamespace(model=nn.Sequential(head)))
        assert loss.class_counts.shape == (3,) and not loss.class_counts_known

    @pytest.mark.parametrize('update_buffers', [False, True])
    def test_average_of_a_stock_head(self, update_buffers, write_config, tool, tmp_path):
        """EMAHook copies the model before the counts are there: the copy's buffer must fit."""
        config = write_config(
            "model = dict(head=dict(loss=dict(_delete_=True, type='RCLLoss')))\n"
            'custom_hooks = [dict(type="EMAHook", momentum=1e-2, priority="ABOVE_NORMAL", '
            f'update_buffers={update_buffers}), dict(type="ClassCountsHook")]\n'
            'train_cfg = dict(max_epochs=1, val_interval=1)\n',
            base=REPOSITORY / 'configs/cross_entropy/resnet8_digits_lt.py',
        )
        assert tool('train', config, '--work-dir', tmp_path / 'run') == 0
        checkpoint = load_checkpoint_file(tmp_path / 'run/epoch_1.pth')
        counts = checkpoint['meta']['dataset_meta']['class_counts']
        for weights in ('state_dict', 'ema_state_dict'):
            key = next(k for k in checkpoint[weights] if k.endswith('class_counts'))
            assert checkpoint[weights][key].tolist() == counts


class TestBeforeTrain:
    def test_model_and_metrics_get_the_counts(self):
        loss, metric = BalancedSoftmaxLoss(num_classes=3), LongTailMetric()
        ClassCountsHook().before_train(make_runner(Labels(), loss, metric))
        assert loss.class_counts.tolist() == [3, 2, 1]
        assert loss.class_counts_known
        assert metric.class_counts.tolist() == [3, 2, 1]

    def test_averaged_model__gets_them_too(self):
        """EMAHook copies the model before the counts are known and saves the copy's buffers."""
        loss = BalancedSoftmaxLoss(num_classes=3)
        averaged = nn.Sequential(BalancedSoftmaxLoss(num_classes=3))
        hook = SimpleNamespace(ema_model=averaged)
        ClassCountsHook().before_train(make_runner(Labels(), loss, hooks=[hook]))
        assert averaged[0].class_counts.tolist() == [3, 2, 1]

    def test_counts_given_in_the_config__stay(self):
        loss = BalancedSoftmaxLoss(class_counts=[30, 20, 10])
        ClassCountsHook().before_train(make_runner(Labels(), loss))
        assert loss.class_counts.tolist() == [30, 20, 10]

    def test_absent_last_class__is_counted_as_zero(self):
        loss = BalancedSoftmaxLoss(num_classes=4)
        ClassCountsHook().before_train(make_runner(Labels(classes=None), loss))
        assert loss.class_counts.tolist() == [3, 2, 1, 0]

    def test_no_receivers__reads_nothing(self):
        hook = ClassCountsHook()
        hook.before_train(make_runner(object()))
        assert hook.counts is None

    @pytest.mark.parametrize(
        ('dataset', 'loss', 'message'),
        [
            (Labels([0, 3]), dict(num_classes=3), r'labels run from 0 to 3, allowed is 0\.\.2'),
            (Labels([0, 3], None), dict(num_classes=3), r'labels run from 0 to 3, allowed is'),
            (Labels([0, -1]), dict(num_classes=3), 'labels run from -1 to 0'),
            (
                Labels(),
                dict(class_counts=[3, 2, 0]),
                'class_counts is 0 for class 2, but the training set has 1 images of it',
            ),
            (Labels(), dict(class_counts=[3, 2]), 'class_counts has 2 entries, but .* label 2'),
            (object(), dict(num_classes=3), 'BalancedSoftmaxLoss: the class counts are unknown'),
            (Labels([]), dict(num_classes=3), 'all zero'),
        ],
    )
    def test_wrong_data__one_clear_error(self, dataset, loss, message):
        runner = make_runner(dataset, BalancedSoftmaxLoss(**loss))
        with pytest.raises(ValueError, match=message) as caught:
            ClassCountsHook().before_train(runner)
        assert len(str(caught.value).splitlines()) == 1


class Repeating:
    """A wrapper as RepeatDataset and ClassBalancedDataset: sample i is image repeat_indices[i]."""

    def __init__(self, dataset, repeat_indices):
        self.dataset = dataset
        self.repeat_indices = repeat_indices
        self.metainfo = dataset.metainfo

    def __len__(self):
        return len(self.repeat_indices)


class TestRepeatedImages:
    def dataset(self):
        return Repeating(Labels(), [0, 1, 2, 3, 3, 4, 4, 5, 5, 5])

    def test_losses_get_what_is_drawn__metrics_the_images(self):
        loss, metric = BalancedSoftmaxLoss(num_classes=3), LongTailMetric()
        ClassCountsHook().before_train(make_runner(self.dataset(), loss, metric))
        assert loss.class_counts.tolist() == [3, 4, 3]
        assert metric.class_counts.tolist() == [3, 2, 1]

    def test_checkpoint__carries_the_images_and_testing_does_not_touch_the_loss(self):
        dataset, hook = self.dataset(), ClassCountsHook()
        loss = BalancedSoftmaxLoss(num_classes=3)
        hook.before_train(make_runner(dataset, loss))
        checkpoint = {'meta': {}, 'state_dict': loss.state_dict()}
        hook.before_save_checkpoint(None, checkpoint)
        assert checkpoint['meta']['dataset_meta']['class_counts'] == [3, 2, 1]

        loaded, metric, hook = (
            BalancedSoftmaxLoss(num_classes=3),
            LongTailMetric(),
            ClassCountsHook(),
        )
        loaded.load_state_dict(checkpoint['state_dict'])
        hook.after_load_checkpoint(None, checkpoint)
        hook.before_test(make_runner(loss=loaded, metric=metric))
        assert metric.class_counts.tolist() == [3, 2, 1]
        assert loaded.class_counts.tolist() == [3, 4, 3]

    @pytest.mark.parametrize('can_be_built', [True, False])
    def test_checkpoint_without_counts__the_training_set_before_the_loss(
        self, can_be_built, monkeypatch
    ):
        """What a loss knows is what was drawn: the last resort."""
        inner = (
            dict(type='LabelsForHook') if can_be_built else dict(type='LabelsForHook', at='moon')
        )
        DATASETS.register_module(name='LabelsForHook', module=Labels, force=True)
        DATASETS.register_module(
            name='RepeatingForHook',
            module=lambda dataset, **kwargs: Repeating(DATASETS.build(dataset), **kwargs),
            force=True,
        )
        loss, metric = BalancedSoftmaxLoss(num_classes=3), LongTailMetric()
        loss.load_state_dict({'class_counts': torch.tensor([3, 4, 3])})
        repeating = dict(
            type='RepeatingForHook', dataset=inner, repeat_indices=[0, 1, 2, 3, 4, 5, 5]
        )
        cfg = {'train_dataloader': {'dataset': repeating}}
        said = []
        monkeypatch.setattr(class_counts, 'print_log', lambda message, *_: said.append(message))
        ClassCountsHook().before_test(make_runner(loss=loss, metric=metric, cfg=cfg))
        assert metric.class_counts.tolist() == ([3, 2, 1] if can_be_built else [3, 4, 3])
        assert len(said) == (not can_be_built)
        assert all('counts of drawn, not of distinct images' in one for one in said)


class TestGivenCounts:
    @pytest.mark.parametrize(
        ('given', 'said'),
        [
            ([3, 2, 1], False),
            ([30, 20, 10], False),
            ([3, 4, 3], False),
            ([1, 2, 3], True),
            ([3, 2, 2], True),
        ],
    )
    @pytest.mark.parametrize('where', ['loss', 'metric', 'both'])
    def test_warns_once__unless_a_multiple_of_images_or_draws(
        self, monkeypatch, where, given, said
    ):
        heard = []
        monkeypatch.setattr(class_counts, 'print_log', lambda message, *_: heard.append(message))
        given_to = dict(class_counts=given)
        loss = BalancedSoftmaxLoss(**(given_to if where != 'metric' else dict(num_classes=3)))
        metric = LongTailMetric(**(given_to if where != 'loss' else {}))
        dataset = Repeating(Labels(), [0, 1, 2, 3, 3, 4, 4, 5, 5, 5])
        ClassCountsHook().before_train(make_runner(dataset, loss, metric))
        assert len(heard) == said
        if said:
            index = 0 if given[0] != 3 else 2
            assert f'class {index} has {given[index]}, the training set' in heard[0]


class TestEvaluation:
    def test_counts_of_the_checkpoint(self):
        metric, hook = LongTailMetric(), ClassCountsHook()
        runner = make_runner(metric=metric)
        hook.after_load_checkpoint(runner, {'meta': {'dataset_meta': {'class_counts': [9, 1]}}})
        hook.before_test(runner)
        assert metric.class_counts.tolist() == [9, 1]

    def test_counts_of_the_model__when_the_checkpoint_says_nothing(self):
        loss, metric = BalancedSoftmaxLoss(num_classes=2), LongTailMetric()
        loss.load_state_dict({'class_counts': torch.tensor([8, 2])})
        hook = ClassCountsHook()
        hook.after_load_checkpoint(None, {'state_dict': {}})
        hook.before_val(make_runner(loss=loss, metric=metric))
        assert metric.class_counts.tolist() == [8, 2]

    def test_training_set_of_the_config__comes_last(self):
        DATASETS.register_module(name='LabelsForHook', module=Labels, force=True)
        metric = LongTailMetric()
        cfg = {'train_dataloader': {'dataset': {'type': 'LabelsForHook'}}}
        ClassCountsHook().before_test(make_runner(metric=metric, cfg=cfg))
        assert metric.class_counts.tolist() == [3, 2, 1]

    def test_nothing_known__the_metric_goes_without(self):
        metric = LongTailMetric()
        ClassCountsHook().before_test(make_runner(metric=metric))
        assert not metric.class_counts_known


class TestBeforeSaveCheckpoint:
    def test_stock_data_set__checkpoint_carries_the_counts(self):
        dataset, hook = Labels(), ClassCountsHook()
        hook.before_train(make_runner(dataset, BalancedSoftmaxLoss(num_classes=3)))
        checkpoint = {'meta': {'dataset_meta': dataset.metainfo}}
        hook.before_save_checkpoint(None, checkpoint)
        assert checkpoint['meta']['dataset_meta']['class_counts'] == [3, 2, 1]
        assert 'class_counts' not in dataset.metainfo
