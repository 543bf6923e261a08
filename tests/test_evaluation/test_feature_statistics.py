"""Feature-space diagnostics against their definitions, sample by sample in float64."""

import math

import numpy as np
import pytest
import torch

from rcl_mm.evaluation.feature_space_metric import FeatureSpaceMetric
from rcl_mm.evaluation.feature_statistics import FeatureStatistics, class_geometry

COUNTS = [300, 200, 60, 30, 8, 3]
GROUPS = {'many': [0, 1], 'medium': [2, 3], 'few': [4, 5]}


def naive_summary(features, labels, num_classes, groups=None):
    """METHOD.md's diagnostics from the definitions, with loops over explicit pairs."""
    features = np.asarray(features, dtype=np.float64)
    labels = np.asarray(labels)
    unit = [x / math.sqrt(x @ x) for x in features]
    members = {c: [u for u, y in zip(unit, labels) if y == c] for c in range(num_classes)}
    members = {c: m for c, m in members.items() if m}
    mean = {c: sum(m) / len(m) for c, m in members.items()}
    centre = sum(mean.values()) / len(mean)
    angle = {}
    for a in mean:
        for b in mean:
            if a != b:
                x, y = mean[a] - centre, mean[b] - centre
                angle[a, b] = math.acos(max(-1, min(1, x @ y / math.sqrt((x @ x) * (y @ y)))))

    def over(classes):
        classes = [c for c in classes if c in mean]
        result = {}
        cosines, within, between, alignment, smallest = [], [], [], [], []
        for c in classes:
            direction = mean[c] / math.sqrt(mean[c] @ mean[c])
            cosines.append(np.mean([u @ direction for u in members[c]]))
            within.append(np.mean([(u - mean[c]) @ (u - mean[c]) for u in members[c]]))
            between.append((mean[c] - centre) @ (mean[c] - centre))
            pairs = [
                (u - v) @ (u - v)
                for i, u in enumerate(members[c])
                for j, v in enumerate(members[c])
                if i != j
            ]
            if pairs:
                alignment.append(np.mean(pairs))
            smallest.append(min(angle[c, other] for other in mean if other != c))
        chosen = [value for (a, _), value in angle.items() if a in classes]
        result['compactness'] = np.mean(cosines)
        if alignment:
            result['alignment'] = np.mean(alignment)
        result['nc1'] = np.mean(within) / np.mean(between)
        result['angle_mean'] = math.degrees(np.mean(chosen))
        result['angle_std'] = math.degrees(np.std(chosen))
        result['angle_min'] = math.degrees(np.mean(smallest))
        result['simplex_distance'] = np.mean(
            [abs(math.cos(value) + 1 / (len(mean) - 1)) for value in chosen]
        )
        own = [u for u, y in zip(unit, labels) if y in classes]
        potentials = [
            math.exp(-2 * ((u - v) @ (u - v)))
            for i, u in enumerate(own)
            for j, v in enumerate(own)
            if i != j
        ]
        result['uniformity'] = math.log(np.mean(potentials))
        return result

    summary = over(range(num_classes))
    for group, classes in (groups or {}).items():
        summary.update({f'{k}_{group}': v for k, v in over(classes).items()})
    return summary


def clustered(num_samples=120, num_classes=6, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, (num_samples,), generator=generator)
    centres = torch.randn(num_classes, dim, generator=generator)
    noise = torch.randn(num_samples, dim, generator=generator)
    return 3 * (centres[labels] + 0.4 * noise), labels


def simplex(num_classes, dim):
    """Vertices of the regular simplex in the first C - 1 of D dimensions, shape (C, D)."""
    centred = torch.eye(num_classes).double() - 1 / num_classes
    basis = torch.linalg.svd(centred).Vh[: num_classes - 1]
    points = torch.zeros(num_classes, dim, dtype=torch.float64)
    points[:, : num_classes - 1] = centred @ basis.T
    return points


class TestCalculate:
    @pytest.mark.parametrize(('dim', 'num_classes'), [(5, 6), (16, 6), (2, 6)])
    def test_calculate__clusters__equals_naive(self, dim, num_classes):
        features, labels = clustered(dim=dim, num_classes=num_classes)
        summary = FeatureSpaceMetric.calculate(features, labels, class_counts=COUNTS)
        expected = naive_summary(features, labels, num_classes, GROUPS)
        assert set(summary) == set(expected) and len(summary) == 32
        assert summary == pytest.approx(expected, rel=1e-6)

    def test_calculate__class_without_samples__takes_no_part(self):
        features, labels = clustered()
        keep = labels != 3
        summary = FeatureSpaceMetric.calculate(features[keep], labels[keep], class_counts=COUNTS)
        expected = naive_summary(features[keep], labels[keep], 6, GROUPS)
        assert summary == pytest.approx(expected, rel=1e-6)

    def test_calculate__half_precision_features(self):
        features, labels = clustered()
        summary = FeatureSpaceMetric.calculate(features.bfloat16(), labels, num_classes=6)
        expected = naive_summary(features.bfloat16().double(), labels, 6)
        assert summary == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize('num_classes', [2, 3, 10])
    def test_calculate__perfect_simplex(self, num_classes):
        features = simplex(num_classes, dim=12).repeat(4, 1)
        labels = torch.arange(num_classes).repeat(4)
        summary = FeatureSpaceMetric.calculate(features, labels)
        angle = math.degrees(math.acos(-1 / (num_classes - 1)))
        assert summary['angle_mean'] == pytest.approx(angle, abs=1e-5)
        assert summary['angle_min'] == pytest.approx(angle, abs=1e-5)
        assert summary['angle_std'] == pytest.approx(0, abs=1e-3)
        assert summary['simplex_distance'] == pytest.approx(0, abs=1e-12)
        assert summary['compactness'] == pytest.approx(1)
        assert summary['nc1'] == pytest.approx(0, abs=1e-12)
        assert summary['alignment'] == pytest.approx(0, abs=1e-12)

    def test_calculate__fewer_dimensions_than_classes__no_simplex(self):
        turn = torch.arange(8) * 2 * math.pi / 8
        features = torch.stack([turn.cos(), turn.sin()], dim=1).repeat(3, 1)
        summary = FeatureSpaceMetric.calculate(features, torch.arange(8).repeat(3))
        assert summary['angle_min'] == pytest.approx(45, abs=1e-4)
        assert summary['angle_mean'] == pytest.approx((2 * (45 + 90 + 135) + 180) / 7, abs=1e-4)
        assert summary['simplex_distance'] > 0.5

    def test_calculate__all_classes_in_one_point__no_angles(self):
        features = torch.ones(12, 4)
        summary = FeatureSpaceMetric.calculate(features, torch.arange(12) % 3)
        assert summary == pytest.approx({'compactness': 1, 'alignment': 0, 'uniformity': 0})

    def test_calculate__two_classes_in_one_point__angle_zero(self):
        features = torch.eye(4)[[0, 0, 1, 1, 0, 0]]
        summary = FeatureSpaceMetric.calculate(features, torch.tensor([0, 0, 1, 1, 2, 2]))
        assert summary['angle_min'] == pytest.approx(60)  # 0, 0 and 180 degrees
        assert summary['nc1'] == pytest.approx(0, abs=1e-12)

    def test_calculate__one_class__no_angles(self):
        features, _ = clustered()
        summary = FeatureSpaceMetric.calculate(features, torch.zeros(120, dtype=torch.long))
        assert set(summary) == {'compactness', 'alignment', 'uniformity'}

    def test_calculate__one_sample_a_class__no_alignment(self):
        summary = FeatureSpaceMetric.calculate(torch.eye(3), torch.arange(3))
        assert 'alignment' not in summary and summary['compactness'] == pytest.approx(1)

    def test_calculate__zero_features__are_left_out(self):
        features, labels = clustered()
        padded = torch.cat([features, torch.zeros(7, 5)])
        summary = FeatureSpaceMetric.calculate(padded, torch.cat([labels, labels[:7]]))
        assert summary == pytest.approx(FeatureSpaceMetric.calculate(features, labels))

    def test_calculate__many_samples__uniformity_of_a_fixed_choice(self):
        features, labels = clustered(num_samples=3000)
        exact = FeatureSpaceMetric.calculate(features, labels, num_samples=3000)
        chosen = FeatureSpaceMetric.calculate(features, labels, num_samples=600)
        assert chosen['uniformity'] == pytest.approx(exact['uniformity'], abs=0.1)
        assert chosen['uniformity'] != exact['uniformity']
        assert chosen['compactness'] == exact['compactness']


class TestClassGeometry:
    def test_class_geometry__in_blocks__same_values(self):
        features, labels = clustered(num_samples=400, num_classes=23, dim=7)
        statistics = FeatureStatistics(23, 7)
        statistics.update(features, labels)
        whole = class_geometry(statistics.counts, statistics.sums)
        blocks = class_geometry(statistics.counts, statistics.sums, block=4)
        for one, other in zip(whole, blocks):
            np.testing.assert_allclose(one, other, rtol=1e-12)

    def test_class_geometry__thousands_of_classes__bounded_time(self):
        generator = torch.Generator().manual_seed(0)
        sums = torch.randn(3000, 64, generator=generator, dtype=torch.float64)
        geometry = class_geometry(torch.full((3000,), 4.0, dtype=torch.float64), sums)
        assert not np.isnan(geometry.min_angle).any()
