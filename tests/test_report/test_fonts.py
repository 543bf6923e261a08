"""Names of classes and methods in figures and on the page: literal, whatever is in them."""

import html
import logging
import warnings
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from rcl_mm.report import fonts
from rcl_mm.report.browse import ViewedImage, draw_views
from rcl_mm.report.data_summary import DataSummary, summary_text, write_summary
from rcl_mm.report.figure_style import draw_panel, legend, legend_label
from rcl_mm.report.fonts import fonts_for, printable, shorten, use_fonts_for_texts
from rcl_mm.report.report import file_names, write_report

from .fake_runs import fake_work_dir

NAMES = [
    '$^_$',
    'US$5 and $6',
    '猫',
    'two\nlines\tand a tab',
    '\u202eRTL מילה',
    '👍🏽',
    '<script>alert(1)</script>',
    'x' * 300,
    r'back\slash \frac',
    '100%',
    '{}',
    'bytes \udcff\udcfe',
]


@pytest.fixture
def nothing_said():
    """The characters that were spoken of before are forgotten."""
    with patch.object(fonts, '_said', set()):
        yield


@pytest.fixture
def two_fonts(monkeypatch):
    """DejaVu Sans and STIX, which come with matplotlib, are all that is installed."""
    names = ('DejaVu Sans', 'STIXGeneral')
    paths = {name: font_manager.findfont(name) for name in names}
    monkeypatch.setattr(fonts, '_installed', lambda: paths)
    fonts_for.cache_clear()
    yield
    fonts_for.cache_clear()


class TestPrintable:
    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('a\nb\tc\u2028d', 'a b c d'),
            ('\u202eabc\u200f', 'abc'),
            ('caf\udcc3\udca9', 'caf��'),
            ('\ud800', '�'),
            ('❤\ufe0f', '❤'),
            # A joiner changes how letters look.
            ('नमस्\u200dते', 'नमस्\u200dते'),
            ('$^_$ <b> {} %s \\', '$^_$ <b> {} %s \\'),
        ],
    )
    def test_printable(self, name, shown):
        assert printable(name) == shown


class TestShorten:
    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('abcdef', 'abcdef'),
            ('abcdefg', 'abcde…'),
            ('猫狗鸟', '猫狗鸟'),
            ('猫狗鸟鱼', '猫狗…'),
            ('', ''),
        ],
    )
    def test_shorten__six_columns(self, name, shown):
        assert shorten(name, 6) == shown


class TestFontsFor:
    def test_fonts_for__what_the_default_has(self):
        assert fonts_for(frozenset('aé±×→�')) == (['DejaVu Sans'], frozenset())

    def test_fonts_for__another_font_has_it(self, two_fonts):
        # A combining ring, which DejaVu lacks.
        assert fonts_for(frozenset('a\u20dd')) == (['DejaVu Sans', 'STIXGeneral'], frozenset())

    def test_fonts_for__no_font_has_it(self, two_fonts):
        families, missing = fonts_for(frozenset('a猫\u200d'))
        assert families == ['DejaVu Sans'] and missing == {'猫'}

    def test_fonts_for__installed_since_matplotlib_made_its_list(self, monkeypatch):
        path = font_manager.findfont('STIXGeneral')
        manager = font_manager.fontManager
        rest = [entry for entry in manager.ttflist if entry.fname != path]
        monkeypatch.setattr(manager, 'ttflist', rest)
        monkeypatch.setattr(font_manager, 'findSystemFonts', lambda: [path, __file__])
        assert fonts._installed()['STIXGeneral'] == path


class TestUseFontsForTexts:
    def test_missing_characters_are_said_once(self, two_fonts, nothing_said, monkeypatch):
        said = []
        monkeypatch.setattr(fonts, 'print_log', lambda text, **how: said.append((text, how)))
        for _ in range(2):
            figure = Figure()
            axes = figure.add_subplot()
            axes.set_xticks([0, 1], ['猫', 'cat\u20dd'])
            use_fonts_for_texts(figure)
            families = {tuple(text.get_fontfamily()) for text in axes.get_xticklabels()}
            assert families == {('DejaVu Sans', 'STIXGeneral')}
        ((text, how),) = said
        assert '1 of the characters in the figures (猫)' in text and 'fonts-noto-cjk' in text
        assert how['level'] == logging.WARNING


class TestLegend:
    def test_legend__names_that_matplotlib_would_leave_out(self):
        axes = Figure().add_subplot()
        axes.plot([0, 1], label=legend_label('_base'))
        axes.plot([0, 1], label=legend_label('x' * 99, ', ECE'))
        legend(axes)
        first, second = (text.get_text() for text in axes.get_legend().get_texts())
        assert first.endswith('_base') and second == 'x' * 29 + '…, ECE'


class TestDrawPanel:
    def test_draw_panel__dollars__are_drawn(self):
        def titled(text):
            return draw_panel('a', 'A', 'c', 'alt', lambda axes: axes.set_title(text)).png

        assert titled('$^_$') != titled('^_') and titled('$x$') != titled('x')


class TestFileNames:
    def test_file_names__of_any_method(self):
        panels = [
            draw_panel(name, '', '', '', lambda axes: None)._replace(name=name)
            for name in ('map_a/b', 'map_a b', 'map_' + '长' * 300, 'map_a\n')
        ]
        names = list(file_names(panels))
        assert names[:2] == ['map_a_b', 'map_a_b~1'] and len(set(names)) == 4
        assert all(len(name.encode()) < 250 for name in names)


@pytest.mark.usefixtures('nothing_said')
class TestEverywhere:
    def test_write_report(self, tmp_path):
        one = fake_work_dir(tmp_path / '_a$b$', classes=NAMES)
        other = fake_work_dir(tmp_path / 'ce', loss='CrossEntropyLoss', classes=NAMES, seed=1)
        long = '很长' * 80 + '$\\frac$ \udcff\n'
        with warnings.catch_warnings():
            warnings.simplefilter('error', UserWarning)
            page = write_report([str(one), f'{long}={other}'], tmp_path / 'out')
        text = html.unescape(page.read_text('utf-8'))
        for name in NAMES:
            assert printable(name) in text
        assert '<script>alert' not in page.read_text('utf-8')
        assert len(list(page.parent.glob('*.png'))) == page.read_text('utf-8').count('<figure')

    def test_draw_views(self, tmp_path):
        views = np.zeros((2, 8, 8, 3), np.uint8)
        images = [ViewedImage(printable(name), None, views) for name in NAMES[:4]]
        with warnings.catch_warnings():
            warnings.simplefilter('error', UserWarning)
            draw_views(images, tmp_path / 'views.png')
        assert cv2.imread(str(tmp_path / 'views.png')).std() > 0

    def test_data_summary(self, tmp_path):
        summary = DataSummary(NAMES, np.arange(1, 1 + len(NAMES)), many=10, few=3)
        summary_text(summary, shown=20).encode('utf-8')
        _, table = write_summary(summary, tmp_path)
        assert rb'bytes \udcff\udcfe' in table.read_bytes()
