"""RCLHead on timm's backbones, and fine-tuning: pre-trained weights, learning rates, freezing."""

import warnings

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import save_checkpoint
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

SWIN = dict(img_size=32, window_size=2)
TIMM = {
    'resnet50': (dict(type='GlobalAveragePooling'), 2048, {}),
    'convnext_tiny': (dict(type='GlobalAveragePooling'), 768, {}),
    'vit_small_patch16_224': (dict(type='TokenPooling'), 384, dict(img_size=32)),
    'swin_tiny_patch4_window7_224': (dict(type='TokenPooling', pool='mean'), 768, SWIN),
}


def classifier(backbone, neck, in_channels, **head):
    return MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(
                type='MultiViewDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
            ),
            backbone=backbone,
            neck=neck,
            head=dict(
                type='RCLHead',
                num_classes=3,
                in_channels=in_channels,
                embedding_dim=16,
                hidden_dim=32,
                loss=dict(type='RCLLoss', class_counts=[9, 4, 1]),
                **head,
            ),
        )
    )


def resnet(**backbone):
    return classifier(
        dict(type='CIFARResNet', depth=8, **backbone), dict(type='GlobalAveragePooling'), 64
    )


def losses(model, size, views=2, images=3):
    model.train()
    inputs = [torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8)] * views
    samples = [DataSample().set_gt_label(label) for label in range(images)]
    data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), training=True)
    return model(**data, mode='loss')


class TestTimm:
    @pytest.mark.parametrize('name', sorted(TIMM))
    def test_forward_and_backward(self, name):
        torch.manual_seed(0)
        neck, in_channels, options = TIMM[name]
        model = classifier(dict(type='TIMMBackbone', model_name=name, **options), neck, in_channels)
        result = losses(model, 32)
        (result['loss_cls'] + result['loss_con']).backward()
        gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
        assert sum(gradient.abs().sum() for gradient in gradients) > 0

    def test_tokens_without_a_neck_are_refused(self):
        backbone = dict(type='TIMMBackbone', model_name='vit_tiny_patch16_224', img_size=32)
        model = classifier(backbone, None, 192)
        with pytest.raises(ValueError, match='add a neck that pools'):
            losses(model, 32)


class TestTokenPooling:
    def test_class_token(self):
        tokens = torch.randn(2, 5, 7)
        (pooled,) = MODELS.build(dict(type='TokenPooling'))((tokens,))
        assert torch.equal(pooled, tokens[:, 0])

    def test_mean_leaves_prefix_tokens_out(self):
        tokens = torch.randn(2, 5, 7)
        neck = MODELS.build(dict(type='TokenPooling', pool='mean', num_prefix_tokens=2))
        torch.testing.assert_close(neck(tokens)[0], tokens[:, 2:].sum(1) / 3)

    def test_channels_last_map(self):
        features = torch.randn(2, 3, 4, 7)
        (pooled,) = MODELS.build(dict(type='TokenPooling', pool='mean'))(features)
        torch.testing.assert_close(pooled, features.flatten(1, 2).sum(1) / 12)

    @pytest.mark.parametrize('settings', [dict(pool='max'), dict(pool='cls', num_prefix_tokens=0)])
    def test_bad_settings(self, settings):
        with pytest.raises(ValueError, match='allowed'):
            MODELS.build(dict(type='TokenPooling', **settings))

    def test_class_token_of_a_map(self):
        with pytest.raises(ValueError, match='needed are tokens'):
            MODELS.build(dict(type='TokenPooling'))(torch.randn(2, 3, 4, 7))


class TestFineTuning:
    def test_pretrained_backbone(self, tmp_path):
        torch.manual_seed(0)
        trained = resnet()
        path = tmp_path / 'pretrained.pth'
        save_checkpoint({'state_dict': trained.state_dict()}, str(path))
        torch.manual_seed(1)
        init_cfg = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
        model = resnet(init_cfg=init_cfg)
        model.init_weights()
        for name, parameter in model.backbone.named_parameters():
            assert torch.equal(parameter, trained.backbone.state_dict()[name]), name
        assert not torch.equal(model.head.fc.weight, trained.head.fc.weight)

    def test_checkpoint_of_a_stock_head(self, tmp_path):
        """``load_from`` a model with another head: the backbone's weights come, the head stays."""
        from mmengine.runner import load_checkpoint

        stock = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='CIFARResNet', depth=8),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
            )
        )
        path = str(tmp_path / 'stock.pth')
        save_checkpoint({'state_dict': stock.state_dict()}, path)
        model = resnet()
        head = {name: value.clone() for name, value in model.head.state_dict().items()}
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            load_checkpoint(model, path)
        for name, value in model.backbone.state_dict().items():
            assert torch.equal(value, stock.backbone.state_dict()[name]), name
        for name, value in model.head.state_dict().items():
            assert torch.equal(value, head[name]), name

    def test_learning_rates_of_head_and_backbone(self):
        """The folder configs' schedule: head 10x, no decay on norms and biases of the backbone."""
        from mmengine.config import Config
        from small_images import REPOSITORY

        from rcl_mm.runtime.compat import adapt_to_cpu

        schedule = Config.fromfile(REPOSITORY / 'configs/_base_/schedules/finetune_30e.py')
        adapt_to_cpu(schedule)
        model = resnet()
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        wrapper = build_optim_wrapper(model, schedule.optim_wrapper)
        seen = set()
        for group in wrapper.param_groups:
            for parameter in group['params']:
                name = names.get(id(parameter))
                if name is None:
                    # MMEngine's own stand-in, which carries the base learning rate to the log.
                    continue
                seen.add(name)
                in_head = name.startswith('head.')
                assert group['lr'] == pytest.approx(1e-3 if in_head else 1e-4), name
                if not in_head:
                    assert (group['weight_decay'] > 0) == (parameter.ndim > 1), name
        assert seen == {name for name, p in model.named_parameters() if p.requires_grad}

    def test_frozen_timm_backbone(self):
        torch.manual_seed(0)
        model = classifier(
            dict(type='FrozenTIMMBackbone', model_name='test_resnet'),
            dict(type='GlobalAveragePooling'),
            in_channels=96,
        )
        before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        head = model.head.fc.weight.clone()
        result = losses(model, 32)
        (result['loss_cls'] + result['loss_con']).backward()
        optimizer.step()
        for name, value in model.backbone.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert not torch.equal(model.head.fc.weight, head)
        assert not model.backbone.training and model.head.training

    def test_frozen_backbone_loads_what_the_free_one_saved(self):
        settings = dict(model_name='test_resnet')
        free = MODELS.build(dict(type='TIMMBackbone', **settings))
        frozen = MODELS.build(dict(type='FrozenTIMMBackbone', **settings))
        frozen.load_state_dict(free.state_dict())
