"""RCLLoss and BalancedSoftmaxLoss against formulas in float64, and their conventions."""

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, DefaultScope

from rcl_mm.functional import rebalanced_contrastive_loss
from rcl_mm.models import BalancedSoftmaxLoss, RCLLoss, counts_buffer

COUNTS = [90, 30, 9, 3]


def scores_and_labels(rows=12, classes=4):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return scores, torch.randint(classes, (rows,), generator=generator)


def by_hand(scores, labels, counts=COUNTS):
    """Balanced softmax, one sample after the other: -log( n_y e^{l_y} / sum_c n_c e^{l_c} )."""
    losses = []
    for row, label in zip(scores.tolist(), labels.tolist()):
        terms = [
            n * torch.tensor(value, dtype=torch.float64).exp() for n, value in zip(counts, row)
        ]
        losses.append(-torch.log(terms[label] / sum(terms)))
    return torch.stack(losses)


class TestBuilding:
    @pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmengine'])
    @pytest.mark.parametrize('name', ['RCLLoss', 'BalancedSoftmaxLoss'])
    def test_plain_name_builds_under_any_default_scope(self, scope, name):
        with DefaultScope.overwrite_default_scope(scope):
            assert type(MODELS.build(dict(type=name))).__name__ == name

    @pytest.mark.parametrize(
        'options',
        [
            dict(temperature=0),
            dict(feature_scale=-1),
            dict(prototype_scale=0),
            dict(prior_power=-1),
            dict(con_weight=-1),
        ],
    )
    def test_impossible_settings_are_refused(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            RCLLoss(**options)

    def test_compile_is_gone(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'compile'"):
            RCLLoss(COUNTS, compile=True)

    def test_unknown_reduction_is_refused(self):
        with pytest.raises(ValueError, match='average'):
            BalancedSoftmaxLoss(reduction='average')
        with pytest.raises(ValueError, match='average'):
            RCLLoss(COUNTS)(*scores_and_labels(), reduction_override='average')


@pytest.mark.parametrize('loss_type', [RCLLoss, BalancedSoftmaxLoss])
class TestClassScores:
    def test_equals_the_formula(self, loss_type):
        scores, labels = scores_and_labels()
        expected = by_hand(scores, labels).mean()
        torch.testing.assert_close(loss_type(COUNTS)(scores, labels), expected)
        torch.testing.assert_close(
            loss_type(COUNTS, loss_weight=0.5)(scores, labels), 0.5 * expected
        )

    def test_weight_avg_factor_and_reductions(self, loss_type):
        scores, labels = scores_and_labels()
        each, loss = by_hand(scores, labels), loss_type(COUNTS)
        weight = torch.linspace(0, 1, len(labels), dtype=torch.float64)
        none = loss(scores, labels, reduction_override='none')
        torch.testing.assert_close(none, each)
        torch.testing.assert_close(loss(scores, labels, reduction_override='sum'), each.sum())
        torch.testing.assert_close(
            loss(scores, labels, weight, avg_factor=5.0), (weight * each).sum() / 5
        )

    def test_soft_labels(self, loss_type):
        scores, _ = scores_and_labels()
        target = F.softmax(scores.flip(0), dim=1)
        log_prior = torch.tensor(COUNTS, dtype=torch.float64).log()
        expected = -(target * F.log_softmax(scores + log_prior, 1)).sum(1).mean()
        torch.testing.assert_close(loss_type(COUNTS)(scores, target), expected)

    def test_ignore_index__value_and_gradient(self, loss_type):
        scores, labels = scores_and_labels()
        expected = by_hand(scores[:9], labels[:9]).mean()
        labels[9:] = 255
        scores.requires_grad_()
        loss = loss_type(COUNTS)(scores, labels, ignore_index=255)
        torch.testing.assert_close(loss, expected)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert (gradient[9:] == 0).all() and (gradient[:9] != 0).all()

    def test_all_ignored_is_zero(self, loss_type):
        scores, labels = scores_and_labels()
        loss = loss_type(COUNTS, ignore_index=-1)(scores.requires_grad_(), labels.fill_(-1))
        assert loss == 0 and (torch.autograd.grad(loss, scores)[0] == 0).all()

    def test_pixels_are_samples(self, loss_type):
        """MMSegmentation: scores (N, C, H, W), labels (N, H, W)."""
        scores, labels = scores_and_labels(2 * 3 * 5)
        maps = scores.view(2, 3, 5, 4).permute(0, 3, 1, 2)
        loss = loss_type(COUNTS)
        torch.testing.assert_close(loss(maps, labels.view(2, 3, 5)), by_hand(scores, labels).mean())
        none = loss(maps, labels.view(2, 3, 5), reduction_override='none')
        torch.testing.assert_close(none, by_hand(scores, labels).view(2, 3, 5))

    def test_wrong_number_of_counts(self, loss_type):
        with pytest.raises(ValueError, match='3 entries.*4'):
            loss_type([5, 4, 3])(*scores_and_labels())
        with pytest.raises(ValueError, match='3 entries.*4 classes'):
            loss_type([5, 4, 3], num_classes=4)

    def test_unknown_counts__one_error_that_names_three_ways(self, loss_type):
        with pytest.raises(ValueError, match=r'(?s)\[\.\.\.\].*path.*ClassCountsHook'):
            loss_type()(*scores_and_labels())


class TestClassCounts:
    def test_a_checkpoint_carries_them(self):
        trained = RCLLoss()
        trained.set_class_counts(COUNTS)
        tested = RCLLoss()
        assert not tested.class_counts_known
        tested.load_state_dict(copy.deepcopy(trained.state_dict()))
        assert tested.class_counts_known and tested.class_counts.tolist() == COUNTS

    def test_an_untrained_checkpoint_leaves_them_unknown(self):
        tested = RCLLoss(num_classes=4)
        tested.load_state_dict(RCLLoss(num_classes=4).state_dict())
        assert not tested.class_counts_known

    def test_counts_of_the_config_stay(self):
        loss = RCLLoss(COUNTS)
        loss.set_class_counts([1, 1, 1, 1])
        assert loss.class_counts.tolist() == COUNTS

    def test_a_checkpoint_of_other_data_does_not_change_what_is_known(self):
        other = RCLLoss([1, 2, 3, 4]).state_dict()
        of_config = RCLLoss(COUNTS)
        of_config.load_state_dict(other)
        assert of_config.class_counts.tolist() == COUNTS
        of_config.load_state_dict(RCLLoss(num_classes=4).state_dict())
        assert of_config.class_counts.tolist() == COUNTS

    def test_a_checkpoint_without_counts_does_not_empty_them(self):
        loss = RCLLoss(num_classes=4)
        loss.set_class_counts(COUNTS)
        loss.load_state_dict(RCLLoss(num_classes=4).state_dict())
        assert loss.known_class_counts().tolist() == COUNTS

    def test_a_training_run_takes_the_place_of_a_checkpoint(self, monkeypatch):
        """Fine-tuning in a training script without ClassCountsHook."""
        loss = RCLLoss()
        loss.load_state_dict(RCLLoss([1, 2, 3, 4]).state_dict())
        asked = []
        monkeypatch.setattr(
            counts_buffer, 'class_counts_of_run', lambda classes: asked.append(1) or COUNTS
        )
        assert loss.known_class_counts().tolist() == COUNTS
        loss.known_class_counts()
        assert len(asked) == 1

    def test_a_checkpoint_is_all_there_is_without_a_run(self):
        loss = RCLLoss()
        loss.load_state_dict(RCLLoss(COUNTS).state_dict())
        assert loss.known_class_counts().tolist() == COUNTS

    def test_number_of_classes_of_the_head(self):
        loss = RCLLoss()
        loss.expect_classes(4)
        assert loss.class_counts.tolist() == [0, 0, 0, 0] and not loss.class_counts_known
        loss.set_class_counts(COUNTS)
        assert loss.class_counts.tolist() == COUNTS
        with pytest.raises(ValueError, match='4 entries, but there are 7 classes'):
            RCLLoss(COUNTS).expect_classes(7)

    def test_from_a_json_and_a_list_file(self, tmp_path):
        (tmp_path / 'counts.json').write_text(json.dumps(dict(class_counts=COUNTS)))
        lines = [f'a/{c}_{i}.JPEG {c}\n' for c, n in enumerate(COUNTS) for i in range(n)]
        (tmp_path / 'train.txt').write_text(''.join(lines))
        for name in ('counts.json', 'train.txt'):
            assert RCLLoss(str(tmp_path / name)).class_counts.tolist() == COUNTS

    def test_zero_count_of_a_class_that_appears(self):
        scores, labels = scores_and_labels()
        with pytest.raises(ValueError, match=r'class_counts\[3\] is 0'):
            BalancedSoftmaxLoss([5, 4, 3, 0])(scores, torch.full_like(labels, 3))

    def test_class_that_never_appears_gets_no_mass_and_no_gradient(self):
        scores, labels = scores_and_labels()
        scores.requires_grad_()
        loss = BalancedSoftmaxLoss([5, 4, 3, 0])(scores, labels.clamp(max=2))
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite() and (gradient[:, 3] == 0).all() and gradient.isfinite().all()


class TestBothParts:
    @pytest.mark.parametrize(
        'options, message',
        [
            (dict(reduction='sum'), 'reduction="sum" is not defined'),
            (dict(reduction='none'), 'reduction="none" is not defined'),
            (dict(ignore_index=3), 'ignore_index=3 is for class scores alone'),
        ],
    )
    def test_what_the_contrastive_part_has_not_is_refused(self, options, message):
        scores, labels = scores_and_labels()
        embeddings = F.normalize(torch.randn(2 * len(labels), 5), dim=1)
        with pytest.raises(ValueError, match=message):
            RCLLoss(COUNTS, **options)(scores, labels, embeddings=embeddings)

    @pytest.mark.parametrize('prototype_scale', [None, 0.7])
    def test_weighted_sum(self, prototype_scale):
        scores, labels = scores_and_labels()
        embeddings = F.normalize(torch.randn(24, 6, dtype=torch.float64), dim=1)
        prototypes = F.normalize(torch.randn(4, 6, dtype=torch.float64), dim=1)
        scales = dict(temperature=0.2, feature_scale=1.5, prototype_scale=prototype_scale)
        loss = RCLLoss(COUNTS, cls_weight=2.0, con_weight=0.6, **scales)
        contrastive = rebalanced_contrastive_loss(
            embeddings,
            labels.repeat(2),
            prototypes,
            torch.tensor(COUNTS),
            **scales,
        )
        expected = 2.0 * by_hand(scores, labels).mean() + 0.6 * contrastive
        value = loss(scores, labels, embeddings=embeddings, prototypes=prototypes)
        torch.testing.assert_close(value, expected)

    def test_standalone__no_scores(self):
        _, labels = scores_and_labels()
        embeddings = F.normalize(torch.randn(12, 6), dim=1)
        loss = RCLLoss(COUNTS, cls_weight=0.0)
        value = loss(None, labels, embeddings=embeddings)
        torch.testing.assert_close(value, loss.contrastive(embeddings, labels))

    def test_embeddings_that_are_no_views_of_the_targets(self):
        scores, labels = scores_and_labels()
        with pytest.raises(ValueError, match='25 embeddings for 12 targets'):
            RCLLoss(COUNTS)(scores, labels, embeddings=torch.randn(25, 6))

    def test_class_scores_alone__said_once(self, monkeypatch):
        said = []
        monkeypatch.setattr('rcl_mm.models.losses.print_log', lambda text, **_: said.append(text))
        loss = RCLLoss(COUNTS)
        for _ in range(3):
            loss(*scores_and_labels())
        assert len(said) == 1 and 'RCLHead' in said[0] and 'balanced softmax' in said[0]
