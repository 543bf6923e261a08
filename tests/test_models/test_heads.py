"""RCLHead under MMPretrain's unmodified ImageClassifier."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss
from rcl_mm.models import RCLHead, heads

COUNTS = [50, 20, 8, 2]
LABELS = torch.tensor([0, 1, 0, 2, 3])


def samples(labels=LABELS):
    return [DataSample().set_gt_label(label) for label in labels]


def head(**options):
    torch.manual_seed(0)
    loss = dict(type='RCLLoss', class_counts=COUNTS, **options.pop('loss', {}))
    settings = dict(num_classes=4, in_channels=6, embedding_dim=5, hidden_dim=7, loss=loss)
    built = RCLHead(**{**settings, **options})
    built.init_weights()
    return built


def features(views, seed=1):
    return torch.randn(views * len(LABELS), 6, generator=torch.Generator().manual_seed(seed))


class TestViews:
    def test_three__first_for_the_classifier_others_for_the_contrast(self):
        module, x = head(loss=dict(cls_weight=2.0, con_weight=0.6)).eval(), features(3)
        losses = module.loss((x,), samples())
        counts = torch.tensor(COUNTS)
        expected = 2.0 * balanced_softmax_loss(module.fc(x[:5]), LABELS, counts)
        torch.testing.assert_close(losses['loss_cls'], expected)
        expected = 0.6 * rebalanced_contrastive_loss(
            module.projector(x[5:]), LABELS.repeat(2), module.prototypes(), counts
        )
        torch.testing.assert_close(losses['loss_con'], expected)

    def test_two__both_for_both(self):
        module, x = head().eval(), features(2)
        losses = module.loss((x,), samples())
        counts, labels = torch.tensor(COUNTS), LABELS.repeat(2)
        expected = balanced_softmax_loss(module.fc(x), labels, counts)
        torch.testing.assert_close(losses['loss_cls'], expected)
        expected = rebalanced_contrastive_loss(
            module.projector(x), labels, module.prototypes(), counts
        )
        torch.testing.assert_close(losses['loss_con'], expected)

    @pytest.mark.parametrize('rows', [5, 20, 13])
    def test_other_numbers_are_refused(self, rows):
        with pytest.raises(ValueError, match=f'{rows} feature rows for 5 labels.*two or three'):
            head().loss((torch.randn(rows, 6),), samples())

    def test_contrastive_branch_does_not_see_view_0(self):
        module, x = head(), features(3).requires_grad_()
        (gradient,) = torch.autograd.grad(module.loss((x,), samples())['loss_con'], x)
        assert (gradient[:5] == 0).all() and (gradient[5:] != 0).any()


class TestOptions:
    @pytest.mark.parametrize(
        ('options', 'parts'),
        [
            (dict(), {'fc', 'projector', 'prototype_projector'}),
            (dict(prototypes=None), {'fc', 'projector'}),
            (dict(classifier='cosine'), {'fc', 'projector', 'prototype_projector'}),
            (dict(prototypes='learnable'), {'fc', 'projector', 'prototype_vectors'}),
            (
                dict(classifier=None, prototypes='learnable', loss=dict(cls_weight=0.0)),
                {'projector', 'prototype_vectors'},
            ),
        ],
    )
    def test_every_part_gets_a_gradient(self, options, parts):
        module = head(**options)
        losses = module.loss((features(3),), samples())
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        names = {name.split('.')[0] for name, _ in module.named_parameters()}
        assert names == parts
        # A bias before a batch norm has none by nature.
        before_norm = {n for n, _ in module.named_parameters() if n.endswith('layers.0.bias')}
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert name in before_norm or (parameter.grad != 0).any(), name

    def test_cosine_classifier(self):
        module, x = head(classifier='cosine', classifier_scale=30.0), features(1)
        expected = 30 * F.cosine_similarity(x[:, None], module.fc.weight[None], dim=2)
        torch.testing.assert_close(module((x,)), expected)

    @pytest.mark.parametrize(('scale', 'sharpness'), [(None, 1.5**2 / 0.2), (0.7, 1.5 * 0.7 / 0.2)])
    def test_standalone_scores_are_the_similarities_of_the_loss(self, scale, sharpness):
        loss = dict(temperature=0.2, feature_scale=1.5, prototype_scale=scale, cls_weight=0.0)
        module = head(classifier=None, prototypes='learnable', loss=loss).eval()
        x = features(1)
        scores = torch.stack([p.pred_score for p in module.predict((x,), samples())])
        expected = (sharpness * module.projector(x) @ module.prototypes().T).softmax(1)
        torch.testing.assert_close(scores, expected)

    def test_standalone_predicts_the_nearest_prototype(self):
        module = head(classifier=None, prototypes='learnable', loss=dict(cls_weight=0.0)).eval()
        x = features(1)
        similarity = module.projector(x) @ module.prototypes().T
        predictions = module.predict((x,), samples())
        assert [int(p.pred_label) for p in predictions] == similarity.argmax(1).tolist()
        losses = module.loss((features(2),), samples())
        assert 'loss_cls' not in losses and 'loss_con' in losses

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            (dict(classifier='mlp'), "'mlp' is unknown"),
            (dict(prototypes='mean'), "'mean' is unknown"),
            (dict(classifier=None), 'learnable'),
            (dict(num_classes=0), 'num_classes=0'),
            (dict(loss=dict(class_counts=[1, 2])), '2 entries.*4 classes'),
            (dict(loss=dict(cls_weight=0, con_weight=0)), 'nothing to train'),
            (
                dict(classifier=None, prototypes='learnable', loss=dict(con_weight=0)),
                'nothing to train',
            ),
            (dict(loss=dict(reduction='sum')), 'reduction="sum"'),
            (dict(loss=dict(ignore_index=255)), 'ignore_index=255'),
        ],
    )
    def test_bad_options(self, options, message):
        loss = dict(type='RCLLoss', **options.pop('loss', {}))
        with pytest.raises(ValueError, match=message):
            RCLHead(**{**dict(num_classes=4, in_channels=6, loss=loss), **options})

    def test_a_loss_without_both_branches_is_refused(self):
        with pytest.raises(ValueError, match='BalancedSoftmaxLoss'):
            RCLHead(4, 6, loss=dict(type='BalancedSoftmaxLoss', class_counts=COUNTS))
        with pytest.raises(ValueError, match='needs loss=.*RCLLoss.*, got mmpretrain.Cross'):
            RCLHead(4, 6, loss=dict(type='mmpretrain.CrossEntropyLoss'))

    def test_a_classifier_without_a_loss_is_said(self, monkeypatch):
        said = []
        monkeypatch.setattr(heads, 'print_log', lambda message, *_: said.append(message))
        head()
        assert not said
        head(loss=dict(cls_weight=0.0))
        assert len(said) == 1 and 'cls_weight=0 leaves the classifier without a loss' in said[0]

    def test_accuracy_for_the_log(self):
        module, x = head(cal_acc=True), features(3)
        accuracy = module.loss((x,), samples())['accuracy_top-1']
        expected = (module.fc(x[:5]).argmax(1) == LABELS).float().mean() * 100
        torch.testing.assert_close(accuracy[0].squeeze(), expected)

    def test_features_are_given_on_request_only(self):
        module, x = head().eval(), features(1)
        assert 'embedding' not in module.predict((x,), samples())[0]
        module.output_features = True
        prediction = module.predict((x,), samples())[3]
        torch.testing.assert_close(prediction.feature, x[3])
        torch.testing.assert_close(prediction.embedding, module.projector(x)[3])


class TestBadInput:
    def test_soft_labels(self):
        soft = [DataSample().set_gt_score(torch.full((4,), 0.25)) for _ in LABELS]
        with pytest.raises(ValueError, match='mixup and cutmix'):
            head().loss((features(3),), soft)

    def test_several_labels_per_image(self):
        several = [DataSample().set_gt_label([0, 1]) for _ in LABELS]
        with pytest.raises(ValueError, match='10 labels for 5 images'):
            head().loss((features(3),), several)

    def test_label_out_of_range(self):
        with pytest.raises(ValueError, match='0..3'):
            head().loss((features(3),), samples(torch.tensor([0, 1, 0, 2, 4])))

    def test_features_of_another_width(self):
        with pytest.raises(ValueError, match=r'\(15, 8\).*\(rows, 6\).*in_channels'):
            head().loss((torch.randn(15, 8),), samples())

    def test_unknown_counts(self):
        module = RCLHead(num_classes=4, in_channels=6)
        with pytest.raises(ValueError, match='ClassCountsHook'):
            module.loss((features(3),), samples())


def test_under_the_unmodified_classifier__train_and_predict():
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            data_preprocessor=dict(
                type='MultiViewDataPreprocessor', mean=[127.5] * 3, std=[50] * 3
            ),
            backbone=dict(type='CIFARResNet', depth=8),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(
                type='RCLHead',
                num_classes=4,
                in_channels=64,
                loss=dict(type='RCLLoss', class_counts=COUNTS),
            ),
        )
    )
    model.init_weights()
    images = torch.randint(256, (3, 5, 3, 32, 32), dtype=torch.uint8)
    batch = model.data_preprocessor(dict(inputs=list(images), data_samples=samples()), True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    history = []
    for _ in range(15):
        losses = model(**batch, mode='loss')
        loss = losses['loss_cls'] + losses['loss_con']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.7 * history[0]
    batch = model.data_preprocessor(dict(inputs=images[0], data_samples=samples()), False)
    predictions = model(**batch, mode='predict')
    assert len(predictions) == 5 and predictions[0].pred_score.shape == (4,)
