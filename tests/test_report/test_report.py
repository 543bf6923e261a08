"""The report as text: self-contained, escaped, complete; and what it says of bad input."""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from rcl_mm.report.figures_confusion import encode_png
from rcl_mm.report.report import write_report

from .fake_runs import fake_work_dir

TOOL = Path(__file__).resolve().parents[2] / 'tools/report.py'


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """t-SNE is tested on its own, and pictures are drawn once, in the first test below."""
    monkeypatch.setattr('rcl_mm.report.figures_features.map_coordinates', any_places)
    monkeypatch.setattr(
        'rcl_mm.report.figure_style.FigureCanvasAgg.print_png',
        lambda canvas, buffer, metadata: buffer.write(encode_png(np.zeros((3, 400, 3), np.uint8))),
    )


def any_places(features):
    return np.arange(2 * len(features), dtype=float).reshape(-1, 2)


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """The report of two runs, with its pictures."""
    folder = tmp_path_factory.mktemp('two')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('rcl_mm.report.figures_features.map_coordinates', any_places)
        return write_report(two_runs(folder), folder / 'report')


@pytest.fixture(scope='module')
def report_tool():
    spec = importlib.util.spec_from_file_location('report_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


class Page(HTMLParser):
    """Tags with their attributes, checked for balance, and the text of the page."""

    VOID = ('meta', 'link', 'img', 'br')

    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.text = [], [], ''
        self.feed(path.read_text('utf-8'))
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ('script', 'style'):
            self.text += ' ' + data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def two_runs(folder, **options):
    ours = fake_work_dir(folder / 'rcl', tail_bonus=0.5, **options)
    other = fake_work_dir(
        folder / 'cross_entropy', loss='CrossEntropyLoss', head='LinearClsHead', **options
    )
    return [str(ours), str(other)]


class TestWriteReport:
    def test_write_report__two_runs__everything_is_there(self, report):
        page = Page(report)
        names = {path.stem for path in report.parent.glob('*.png')}
        assert names >= {
            'training_loss_cls',
            'training_loss_con',
            'training_similarities',
            'training_anchors_with_positives',
            'validation_long_tail_many',
            'validation_long_tail_few',
            'accuracy_by_frequency',
            'accuracy_by_group',
            'map_feature_rcl',
            'map_feature_cross_entropy',
            'cosines_feature_rcl',
            'cosines_feature_regular_simplex',
            'compactness_feature',
            'angle_min_feature',
            'confusion_rcl',
            'margins',
            'calibration',
            'change_rcl_cross_entropy',
        }
        sections = {attributes['id'] for attributes in page.all('section')}
        links = {a['href'][1:] for a in page.all('a') if a['href'].startswith('#')}
        assert (
            links
            == sections
            == {
                'summary',
                'training',
                'features',
                'errors',
                'comparison',
                'classes',
                'origin',
            }
        )
        for words in ('model.head.type', '"RCLHead"', 'python tools/train.py', 'torch 2.14.1'):
            assert words in page.text

    def test_write_report__self_contained__nothing_from_outside(self, report):
        page = Page(report)
        for tag, attributes in page.tags:
            for name in ('src', 'href'):
                assert attributes.get(name, '#').startswith(('#', 'data:')), (tag, attributes)
        text = report.read_text()
        assert '@import' not in text and 'url(' not in text and 'fetch(' not in text

    def test_write_report__images__have_alt_texts_with_figures(self, report):
        page = Page(report)
        images = page.all('img')
        assert len(images) > 20 and all(len(image['alt']) > 5 for image in images)
        figures = [image for image in images if int(image['width']) > 100]
        assert all(re.search(r'\d', image['alt']) for image in figures)

    def test_write_report__names_from_outside__are_escaped(self, tmp_path):
        evil = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', 'a&b']
        run = fake_work_dir(
            tmp_path / 'run<b>', num_classes=3, classes=evil, num_samples=60, results=True
        )
        out = write_report([str(run)], tmp_path / 'report')
        text = out.read_text()
        assert '<script>alert' not in text and '<img src=x' not in text
        assert '&lt;script&gt;alert(1)' in text and 'a&amp;b' in text
        assert len(Page(out).all('script')) == 1

    def test_write_report__seeds__intervals(self, tmp_path):
        runs = [str(fake_work_dir(tmp_path / f'rcl_seed{seed}', seed=seed)) for seed in range(3)]
        page = Page(write_report(runs, tmp_path / 'report'))
        assert '95 % t interval' in page.text and '± ' in page.text
        assert 'Gains and losses' not in page.text

    def test_write_report__one_run__no_comparison(self, tmp_path):
        run = fake_work_dir(tmp_path / 'run')
        page = Page(write_report([str(run)], tmp_path / 'report'))
        assert 'Gains and losses' not in page.text and 'no interval' in page.text

    def test_write_report__counts_unknown__said_and_no_groups(self, tmp_path):
        run = fake_work_dir(tmp_path / 'run', train_counts=None)
        page = Page(write_report([str(run)], tmp_path / 'report'))
        assert 'class counts of the training set' in page.text
        assert not (tmp_path / 'report' / 'accuracy_by_frequency.png').exists()

    def test_write_report__unfinished_and_untested__said_on_the_page(self, tmp_path):
        runs = two_runs(tmp_path, epochs=4, reached=2)
        untested = fake_work_dir(tmp_path / 'new', loss='L', results=False)
        page = Page(write_report([*runs, str(untested)], tmp_path / 'report'))
        assert page.text.count('is unfinished') == 2
        assert f'{untested} was not tested' in page.text

    def test_write_report__only_training__curves(self, tmp_path):
        run = fake_work_dir(tmp_path / 'run', results=False)
        page = Page(write_report([str(run)], tmp_path / 'report'))
        assert {a['id'] for a in page.all('section')} == {'training', 'origin'}

    def test_write_report__space_that_was_not_recorded__said(self, tmp_path):
        run = fake_work_dir(tmp_path / 'run')
        page = Page(write_report([str(run)], tmp_path / 'report', space='embedding'))
        assert 'hold no embeddings' in page.text

    def test_write_report__per_class_table__a_row_per_class(self, tmp_path):
        page = write_report(two_runs(tmp_path, num_classes=40), tmp_path / 'report').read_text()
        table = page[page.index('<table id="per-class"') :]
        assert table[: table.index('</table>')].count('<tr><th scope="row">') == 40


class TestTool:
    def test_main__good__prints_the_page(self, tmp_path, report_tool, capsys):
        run = fake_work_dir(tmp_path / 'run')
        assert report_tool([str(run), '-o', str(tmp_path / 'out')]) == 0
        assert capsys.readouterr().out.strip().endswith('out/index.html')

    @pytest.mark.parametrize('case', ['missing', 'empty', 'different', 'damaged', 'file'])
    def test_main__bad_input__one_line_and_no_report(self, tmp_path, report_tool, capsys, case):
        out = tmp_path / 'out'
        specs = [str(fake_work_dir(tmp_path / 'run'))]
        if case == 'missing':
            specs, message = [str(tmp_path / 'nowhere')], 'does not exist'
        elif case == 'empty':
            (tmp_path / 'empty').mkdir()
            specs, message = [str(tmp_path / 'empty')], 'neither results nor a training log'
        elif case == 'different':
            other = fake_work_dir(tmp_path / 'other', num_classes=5, loss='L')
            specs, message = [*specs, str(other)], 'tested on different data'
        elif case == 'damaged':
            (tmp_path / 'run' / 'results.npz').write_bytes(b'nothing')
            message = 'can not be read'
        else:
            out.write_text('mine')
            message = 'is a file'
        assert report_tool([*specs, '-o', str(out)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ''
        (line,) = captured.err.strip().splitlines()
        assert line.startswith('error: ') and message in line
        assert not out.is_dir()
