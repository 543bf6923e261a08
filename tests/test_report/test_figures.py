"""What the figures draw: exact block means, smoothing, the same map again, readable pictures."""

import io

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from rcl_mm.report import figures_accuracy, figures_confusion, figures_features
from rcl_mm.report.figure_style import (
    COLOURS,
    GROUP_COLOURS,
    draw_panel,
    smooth_over_frequency,
)
from rcl_mm.report.figures_training import thin_out, training_panels
from rcl_mm.report.methods import Method
from rcl_mm.report.work_dir import Run, read_run

from .fake_runs import fake_results, fake_work_dir

# Severe deficiencies in linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 2009.
COLOUR_BLINDNESS = {
    'protanopia': [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    'deuteranopia': [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    'tritanopia': [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def method(name='rcl', **options):
    return Method(name, [Run(None, fake_results(**options))])


class TestClassCosines:
    def test_class_cosines__blocks__equal_the_mean_over_pairs(self):
        results = fake_results(num_classes=40, num_samples=400)
        space = results.spaces['feature']
        whole = figures_features.class_cosines(results, space, size=40)
        blocks = figures_features.class_cosines(results, space, size=7)
        parts = np.array_split(np.arange(40), 7)
        for i, rows in enumerate(parts):
            for j, columns in enumerate(parts):
                cells = [whole[r, c] for r in rows for c in columns if r != c]
                assert blocks[i, j] == pytest.approx(np.mean(cells), abs=1e-5)

    def test_class_cosines__sorted_by_frequency(self):
        results = fake_results()
        order = np.random.default_rng(0).permutation(12)
        shuffled = fake_results(train_counts=results.train_counts[order])
        own = figures_features.class_cosines(results, results.spaces['feature'])
        other = figures_features.class_cosines(shuffled, results.spaces['feature'])
        place = np.argsort(-shuffled.train_counts, kind='stable')
        np.testing.assert_allclose(other, own[np.ix_(place, place)])

    def test_class_cosines__class_without_test_images__nan(self):
        results = fake_results()
        results.target[results.target == 0] = 1
        cosines = figures_features.class_cosines(results, results.spaces['feature'])
        assert np.isnan(cosines[0]).all() and np.isfinite(cosines[1:, 1:]).all()


class TestMapCoordinates:
    def test_map_coordinates__again__the_same(self):
        features = fake_results(num_samples=240).spaces['feature'].map_features
        first = figures_features.map_coordinates(features)
        np.testing.assert_array_equal(first, figures_features.map_coordinates(features))
        assert first.shape == (len(features), 2)

    def test_map_coordinates__clusters__stay_together(self):
        rng = np.random.default_rng(0)
        labels = np.arange(90) % 3
        features = np.eye(3, 80)[labels] + 0.01 * rng.normal(size=(90, 80))
        places = figures_features.map_coordinates(features)
        centres = np.array([places[labels == label].mean(axis=0) for label in range(3)])
        nearest = ((places[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(nearest, labels)

    def test_map_coordinates__collapsed__no_error(self):
        assert np.isfinite(figures_features.map_coordinates(np.ones((20, 4)))).all()


class TestSmoothing:
    def test_smooth_over_frequency__constant__constant(self):
        counts = np.array([1, 5, 20, 300])
        grid, values = smooth_over_frequency(counts, np.full(4, 7.0))
        np.testing.assert_allclose(values, 7.0)
        assert grid[0] == 1 and grid[-1] == pytest.approx(300)

    def test_smooth_over_frequency__unknown_values__left_out(self):
        grid, values = smooth_over_frequency(np.array([1, 2, 3]), np.array([1.0, np.nan, 1.0]))
        np.testing.assert_allclose(values, 1.0)
        assert smooth_over_frequency(np.array([1, 2]), np.array([1.0, np.nan]))[0].size == 0

    def test_thin_out__long_curve__keeps_the_mean(self):
        steps = np.arange(3000.0)
        thin_steps, values = thin_out(steps, 2 * steps)
        assert len(values) == 300 and values.mean() == pytest.approx(2 * steps.mean())
        np.testing.assert_allclose(values, 2 * thin_steps)


class TestPanels:
    def test_draw_panel__is_a_picture_of_its_size(self):
        panel = draw_panel('a', 'A', 'caption', 'alt', lambda axes: axes.plot([0, 1]))
        image = cv2.imdecode(np.frombuffer(panel.png, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[1::-1] == panel.size and image.std() > 0
        assert panel.data_uri.startswith('data:image/png;base64,')

    def test_draw_panel__alternative_text_is_in_the_file(self):
        words = 'RCL − BCL: +1.0 ± 0.5; 数字'
        panel = draw_panel('a', 'A', 'caption', words, lambda axes: axes.plot([0, 1]))
        assert Image.open(io.BytesIO(panel.png)).text['Description'] == words

    @pytest.mark.parametrize('deficiency', list(COLOUR_BLINDNESS))
    def test_colours__seen_by_the_colour_blind__still_differ(self, deficiency):
        for palette in (COLOURS[:4], [GROUP_COLOURS[name] for name in ('many', 'medium', 'few')]):
            linear = np.array([to_rgb(colour) for colour in palette]) ** 2.2
            seen = np.clip(linear @ np.array(COLOUR_BLINDNESS[deficiency]).T, 0, 1) ** (1 / 2.2)
            lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
            distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)
            # 2.3 is a just noticeable difference.
            assert distance[~np.eye(len(lab), dtype=bool)].min() > 10

    def test_change_panel__rows_add_up(self):
        panel, rows = figures_accuracy.change_panel(method(tail_bonus=0.6), method('ce'))
        total = rows[-1]
        assert total['group'] == 'all'
        assert total['gained'] + total['same'] + total['lost'] == 12
        for key in ('gained', 'same', 'lost'):
            assert sum(row[key] for row in rows[:-1]) == total[key]
        assert f'all: {total["gained"]} gained' in panel.alt

    @pytest.mark.parametrize(('epochs', 'curves'), [(1, 0), (2, 5)])
    def test_training_panels__one_validation__is_no_curve(self, tmp_path, epochs, curves):
        run = read_run(fake_work_dir(tmp_path / 'run', epochs=epochs, results=False))
        names = [panel.name for panel in training_panels([Method('a', [run])])]
        assert sum(name.startswith('validation') for name in names) == curves
        assert 'training_loss_con' in names

    def test_margin_panel__alt_names_the_medians(self):
        one = method()
        panel = figures_accuracy.margin_panel([one])
        margins = one.results[0].margin
        assert f'all {np.median(margins):.2f}' in panel.alt

    def test_margin_panel__unknown_margins__none(self):
        assert figures_accuracy.margin_panel([method(margin=np.full(600, np.nan))]) is None

    def test_calibration_panel__unknown_confidence__none(self):
        assert figures_accuracy.calibration_panel([method(confidence=np.full(600, np.nan))]) is None

    def test_map_panel__few_samples__none(self):
        one = method()
        one.results[0].spaces['feature'].map_features = np.ones((4, 3), dtype=np.float16)
        assert figures_features.map_panel(one, 'feature') is None

    def test_example_cards__images_that_are_there(self):
        one = method()
        cards = figures_confusion.example_cards(one)
        assert len(cards) == 12
        assert all('taken for' in card.text for card in cards)
        assert any(kind == 'mistaken' for card in cards for _, _, kind in card.images)

    @pytest.mark.parametrize('num_classes', [2, 12, 30, 700])
    def test_panels__any_number_of_classes(self, num_classes):
        both = [method(num_classes=num_classes), method('ce', num_classes=num_classes, seed=1)]
        assert figures_accuracy.frequency_panel(both).png
        assert figures_confusion.confusion_panel(both[0]).png
        assert len(figures_features.matrix_panels(both, 'feature')) == 3
