"""to_rcl: what it changes, what it keeps, what it refuses."""

import copy

import pytest
from mmengine.config import Config
from mmpretrain.models.heads import ClsHead
from mmpretrain.registry import MODELS
from new_style import new_style
from small_images import MMPRETRAIN_CONFIGS

import rcl_mm
from rcl_mm.conversion import CONVERTERS, REFUSED, ConversionError, config_diff, convert_config
from rcl_mm.runtime.config_types import type_name


def mmpretrain_config(name):
    return Config.fromfile(MMPRETRAIN_CONFIGS / name)


@pytest.fixture(scope='module')
def _cifar():
    return mmpretrain_config('resnet/resnet18_8xb16_cifar10.py')


@pytest.fixture
def cifar(_cifar):
    return copy.deepcopy(_cifar)


class TestToRcl:
    def test_changes(self, cifar):
        new = rcl_mm.to_rcl(cifar)
        assert new.model.head.type == 'RCLHead'
        assert (new.model.head.in_channels, new.model.head.num_classes) == (512, 10)
        assert new.model.head.loss.type == 'RCLLoss'
        assert new.data_preprocessor.type == 'MultiViewDataPreprocessor'
        assert new.data_preprocessor.mean == cifar.data_preprocessor.mean
        view = new.train_dataloader.dataset.pipeline[0]
        assert view.type == 'ReproducibleMultiView' and view.num_views == [1, 2]
        assert view.transforms[0] == cifar.train_dataloader.dataset.pipeline[:-1]
        assert new.train_pipeline == new.train_dataloader.dataset.pipeline
        assert new.train_dataloader.sampler.type == 'ReproducibleSampler'
        assert new.val_evaluator == new.test_evaluator == dict(type='LongTailMetric')
        assert new.custom_imports.imports == ['rcl_mm']
        assert [hook.type for hook in new.custom_hooks] == ['ClassCountsHook']

    def test_keeps_everything_else(self, cifar):
        new = rcl_mm.to_rcl(cifar)
        changed = {'model', 'data_preprocessor', 'train_dataloader', 'train_pipeline'}
        changed |= {'val_evaluator', 'test_evaluator', 'custom_imports', 'custom_hooks'}
        assert set(new.keys()) - set(cifar.keys()) == {'custom_imports', 'custom_hooks'}
        for key in set(cifar.keys()) - changed:
            assert new[key] == cifar[key], key
        assert new.model.backbone == cifar.model.backbone
        assert new.train_dataloader.batch_size == cifar.train_dataloader.batch_size

    def test_input_is_not_changed(self, cifar):
        before = cifar.pretty_text
        rcl_mm.to_rcl(cifar)
        assert cifar.pretty_text == before

    def test_two_views_are_the_own_augmentation_twice(self, cifar):
        own = cifar.train_dataloader.dataset.pipeline[:-1]
        view = rcl_mm.to_rcl(cifar, views=2).train_dataloader.dataset.pipeline[0]
        assert view.num_views == 2 and view.transforms == [own]

    def test_arguments_of_head_and_loss_win(self, cifar):
        head = rcl_mm.to_rcl(
            cifar, head=dict(embedding_dim=32, classifier='cosine'), loss=dict(con_weight=0.6)
        ).model.head
        assert (head.embedding_dim, head.classifier) == (32, 'cosine')
        assert (head.loss.con_weight, head.loss.temperature) == (0.6, 0.07)

    def test_wrapped_data_sets_and_existing_hooks(self, cifar):
        inner = cifar.train_dataloader.dataset
        cifar.train_dataloader.dataset = dict(
            type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner])
        )
        cifar.custom_hooks = [dict(type='EMAHook')]
        cifar.custom_imports = dict(imports='os.path', allow_failed_imports=False)
        new = rcl_mm.to_rcl(cifar)
        inside = new.train_dataloader.dataset.dataset.datasets[0]
        assert inside.pipeline[0].type == 'ReproducibleMultiView'
        assert [hook.type for hook in new.custom_hooks] == ['EMAHook', 'ClassCountsHook']
        assert new.custom_imports.imports == ['os.path', 'rcl_mm']

    def test_what_is_monitored_follows_the_metric(self, cifar):
        cifar.default_hooks.checkpoint.save_best = 'accuracy/top1'
        cifar.val_evaluator = [dict(type='Accuracy'), dict(type='SingleLabelMetric')]
        new = rcl_mm.to_rcl(cifar)
        assert new.default_hooks.checkpoint.save_best == 'long_tail/top1'
        assert [type_name(one) for one in new.val_evaluator] == [
            'LongTailMetric',
            'SingleLabelMetric',
        ]

    @pytest.mark.parametrize(
        ('evaluator', 'watched', 'expected'),
        [
            (dict(type='Accuracy'), 'accuracy/top1', 'long_tail/top1'),
            (dict(type='Accuracy'), ['accuracy/top1', 'auto'], ['long_tail/top1', 'auto']),
            (dict(type='Accuracy', prefix='val'), 'val/top1', 'long_tail/top1'),
            (
                dict(type='Accuracy', topk=(1, 5)),
                ['accuracy/top1', 'accuracy/top5'],
                ['accuracy/top1', 'accuracy/top5'],
            ),
            (dict(type='Accuracy', thrs=[0.0, 0.5]), 'accuracy/top1_thr-0.50', None),
            (dict(type='SingleLabelMetric'), 'single-label/f1-score', None),
            (
                dict(type='Evaluator', metrics=dict(type='Accuracy')),
                'accuracy/top1',
                'long_tail/top1',
            ),
        ],
    )
    def test_every_monitor_follows_the_metric(self, cifar, evaluator, watched, expected):
        cifar.val_evaluator = evaluator
        cifar.default_hooks.checkpoint.update(save_best=watched, rule='greater')
        first = watched[0] if isinstance(watched, list) else watched
        cifar.custom_hooks = [dict(type='EarlyStoppingHook', monitor=first, rule='greater')]
        cifar.param_scheduler = [dict(type='ReduceOnPlateauLR', monitor=first)]
        new = rcl_mm.to_rcl(cifar)
        expected = watched if expected is None else expected
        first = expected[0] if isinstance(expected, list) else expected
        assert new.default_hooks.checkpoint.save_best == expected
        assert new.custom_hooks[0].monitor == new.param_scheduler[0].monitor == first

    def test_a_monitor_of_nothing__refused(self, cifar):
        cifar.default_hooks.checkpoint.save_best = 'accuracy/top3'
        with pytest.raises(ValueError, match="checkpoint.save_best is 'accuracy/top3', but val_ev"):
            rcl_mm.to_rcl(cifar)

    def test_settings_of_metrics_are_kept(self, cifar):
        cifar.val_evaluator = [
            dict(type='LongTailMetric', many=50, few=5),
            dict(type='Accuracy', collect_device='gpu'),
        ]
        assert rcl_mm.to_rcl(cifar).val_evaluator == dict(
            type='LongTailMetric', many=50, few=5, collect_device='gpu'
        )

    def test_new_style_config(self, tmp_path):
        """Classes as types: converted as their text twins, and dumped as a config file."""
        (tmp_path / 'lazy.py').write_text(new_style(tmp_path))
        cfg = Config.fromfile(tmp_path / 'lazy.py')
        new = rcl_mm.to_rcl(cfg)
        assert new.model.head.type == 'RCLHead' and new.default_scope == 'mmpretrain'
        assert new.train_dataloader.sampler.type == 'ReproducibleSampler'
        assert new.val_evaluator == dict(type='LongTailMetric')
        assert new.optim_wrapper.optimizer.type == 'torch.optim.SGD'
        assert new.optim_wrapper.optimizer.momentum == 0.9
        new.dump(str(tmp_path / 'new.py'))
        assert Config.fromfile(tmp_path / 'new.py').model == new.model

    def test_class_counts(self, cifar, tmp_path):
        counts = [50, 40, 30, 20, 10, 9, 8, 7, 6, 5]
        assert rcl_mm.to_rcl(cifar, class_counts=counts).model.head.loss.class_counts == counts
        with pytest.raises(ValueError, match='class_counts has 3 entries, but there are 10'):
            rcl_mm.to_rcl(cifar, class_counts=[3, 2, 1])

    def test_embedding_grows_with_the_classes(self, cifar):
        cifar.model.head.num_classes = 1000
        assert rcl_mm.to_rcl(cifar).model.head.embedding_dim == 1024

    def test_diff_names_what_changed(self, cifar):
        diff = config_diff(cifar, rcl_mm.to_rcl(cifar), 'mine.py')
        assert "-        type='LinearClsHead')," in diff and "+        type='RCLHead')," in diff
        assert config_diff(cifar, cifar) == ''


class TestHeads:
    @pytest.mark.parametrize(
        'head, necks, in_channels',
        [
            (dict(type='LinearClsHead'), [], 64),
            (dict(type='mmpretrain.LinearClsHead'), [], 64),
            (dict(type='CosineClsHead', scale=16.0), [], 64),
            (dict(type='StackedLinearClsHead', mid_channels=[48, 32]), [48, 32], 32),
            (dict(type='VisionTransformerClsHead'), [], 64),
            (dict(type='VisionTransformerClsHead', hidden_dim=96), [96], 96),
            (dict(type='VigClsHead', hidden_dim=80), [80], 80),
            (dict(type='EfficientFormerClsHead', distillation=False), [], 64),
            (dict(type='LeViTClsHead', distillation=False), [], 64),
        ],
    )
    def test_convertible(self, cifar, head, necks, in_channels):
        cifar.model.head = dict(num_classes=10, in_channels=64, **head)
        new = rcl_mm.to_rcl(cifar)
        assert new.model.head.in_channels == in_channels
        neck = new.model.neck if necks else [new.model.neck]
        assert [one.get('out_channels') for one in neck[1:]] == necks
        assert new.model.head.classifier == ('cosine' if 'scale' in head else 'linear')

    @pytest.mark.parametrize('name', ['EfficientFormerClsHead', 'LeViTClsHead'])
    def test_distillation_is_refused(self, cifar, name):
        cifar.model.head = dict(type=name, num_classes=10, in_channels=64)
        with pytest.raises(ConversionError, match=f'{name} .* set distillation=False'):
            rcl_mm.to_rcl(cifar)

    def test_every_head_of_mmpretrain_has_an_answer(self, cifar):
        """By code: a new single-label head in MMPretrain makes this fail, not be forgotten."""
        heads = {
            name
            for name, cls in MODELS.module_dict.items()
            if isinstance(cls, type)
            and issubclass(cls, ClsHead)
            and cls.__module__.startswith('mmpretrain.')
        }
        assert len(heads) >= 10
        assert heads <= set(CONVERTERS) | set(REFUSED)

    @pytest.mark.parametrize('name', sorted(REFUSED))
    def test_refused_with_the_reason(self, cifar, name):
        cifar.model.head = dict(type=name, num_classes=10, in_channels=64)
        with pytest.raises(ConversionError, match=f'{name} cannot be converted: ') as info:
            rcl_mm.to_rcl(cifar)
        assert REFUSED[name] in str(info.value)

    def test_unknown(self, cifar):
        cifar.model.head = dict(type='HeadOfMine', num_classes=10, in_channels=64)
        with pytest.raises(ConversionError, match='HeadOfMine is unknown, known are LinearClsHead'):
            rcl_mm.to_rcl(cifar)

    def test_converted_twice(self, cifar):
        with pytest.raises(ConversionError, match='RCLHead already'):
            rcl_mm.to_rcl(rcl_mm.to_rcl(cifar))

    def test_hidden_layers_keep_their_function(self):
        """A neck made of a hidden layer computes what the layer computed."""
        import torch
        from mmpretrain.models.heads import StackedLinearClsHead

        from rcl_mm.conversion.heads import convert_head

        settings = dict(num_classes=5, in_channels=8, mid_channels=[6], act_cfg=dict(type='HSwish'))
        head = StackedLinearClsHead(**settings)
        converted = convert_head(dict(type='StackedLinearClsHead', **settings))
        neck = MODELS.build(converted.necks[0])
        neck.fc.load_state_dict(head.layers[0].fc.state_dict())
        features = torch.randn(4, 8)
        torch.testing.assert_close(neck((features,))[0], head.pre_logits((features,)))


class TestRefusals:
    def test_mixup_and_cutmix(self):
        cfg = mmpretrain_config('deit/deit-tiny_4xb256_in1k.py')
        with pytest.raises(ConversionError, match='Mixup, CutMix .* one class per image'):
            rcl_mm.to_rcl(cfg)
        converted, notes = convert_config(cfg, drop_batch_augments=True)
        assert converted.model.train_cfg is None
        assert any('Mixup, CutMix taken out' in note for note in notes)

    @pytest.mark.parametrize(
        'name, reason',
        [
            ('mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py', 'MAE cannot be converted'),
            ('resnet/resnet50_8xb16-mixup_cifar10.py', 'MultiLabelLinearClsHead .* several labels'),
            ('conformer/conformer-tiny-p16_8xb128_in1k.py', 'two classifiers with a loss each'),
            ('dinov2/vit-base-p14_dinov2-pre_headless.py', 'it has no head'),
            ('mobileone/mobileone-s1_8xb32_in1k.py', 'SwitchRecipeHook replaces'),
        ],
    )
    def test_configs_of_mmpretrain(self, name, reason):
        with pytest.raises(ConversionError, match=reason):
            rcl_mm.to_rcl(mmpretrain_config(name), drop_batch_augments=True)

    def test_wrappers_of_other_libraries(self, cifar):
        cifar.model.type = 'TimmClassifier'
        with pytest.raises(ConversionError, match='use ImageClassifier with backbone'):
            rcl_mm.to_rcl(cifar)

    def test_number_of_views(self, cifar):
        with pytest.raises(ConversionError, match='views is 4, allowed are 2 and 3'):
            rcl_mm.to_rcl(cifar, views=4)

    def test_other_preprocessor(self, cifar):
        cifar.data_preprocessor.type = 'SelfSupDataPreprocessor'
        with pytest.raises(ConversionError, match='SelfSupDataPreprocessor cannot be converted'):
            rcl_mm.to_rcl(cifar)

    def test_no_training(self, cifar):
        cifar.train_dataloader = None
        with pytest.raises(ConversionError, match='no train_dataloader'):
            rcl_mm.to_rcl(cifar)
