"""The report in a browser: on a desk, on a phone, on paper, sorted, and without a network."""

import json

import numpy as np
import pytest

from rcl_mm.report.report import write_report

from .browser import Browser
from .fake_runs import fake_work_dir

# Elements that stick out of the window, unless a parent scrolls them.
STICKING_OUT = """[...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return (box.right > document.documentElement.clientWidth + 1 || box.left < -1) && box.width > 0
    && !element.closest('.scroll, nav');
}).map(element => element.outerHTML.slice(0, 120))"""
UNREADABLE_IMAGES = """Promise.all([...document.images].map(image => image.decode())).then(() =>
  [...document.images].filter(image => !image.naturalWidth).length)"""
FIRST_CLASSES = """[...document.querySelectorAll('#per-class tbody tr')]
  .slice(0, 3).map(row => row.cells[0].textContent)"""
LONG_NAME = 'a class with a rather long name, as ImageNet has them, and-one-word-without-a-break'


@pytest.fixture(scope='module')
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('report')
    names = [f'{LONG_NAME} {index}' for index in range(230)]
    options = dict(num_classes=230, num_samples=2300, classes=names)
    runs = [
        fake_work_dir(folder / 'rebalanced_contrastive_learning', tail_bonus=0.5, **options),
        fake_work_dir(folder / 'ce', loss='CrossEntropyLoss', head='LinearClsHead', **options),
    ]
    with pytest.MonkeyPatch.context() as patch:  # t-SNE is tested on its own
        patch.setattr(
            'rcl_mm.report.figures_features.map_coordinates',
            lambda features: np.random.default_rng(0).normal(size=(len(features), 2)),
        )
        return write_report([str(run) for run in runs], folder / 'report')


class TestInBrowser:
    @pytest.mark.parametrize('width', [1280, 768, 390])
    def test_page__any_window__nothing_sticks_out(self, browser, page, width):
        browser.open(page, width)
        assert browser.page.evaluate('document.documentElement.scrollWidth') <= width
        assert browser.page.evaluate(STICKING_OUT) == []

    def test_page__loads__no_error_no_request_outside_all_images(self, browser, page):
        browser.open(page, 1280)
        assert browser.page.evaluate(UNREADABLE_IMAGES) == 0
        assert browser.page.evaluate('document.images.length') > 25
        outside = [url for url in browser.requests if not url.startswith(('file:', 'data:'))]
        assert outside == [] and browser.problems == []

    def test_page__phone__text_is_large_enough_and_figures_fill_the_width(self, browser, page):
        browser.open(page, 390)
        sizes = browser.page.evaluate(
            "[...document.querySelectorAll('p, td, th, figcaption, li')].map(element =>"
            'parseFloat(getComputedStyle(element).fontSize))'
        )
        assert min(sizes) >= 12
        widths = browser.page.evaluate(
            "[...document.querySelectorAll('figure img')].map(image => image.clientWidth)"
        )
        assert min(widths) > 330

    def test_table__click_on_a_heading__sorts_both_ways(self, browser, page):
        browser.open(page, 1280)
        click = "document.querySelectorAll('#per-class th button')[1].click()"
        browser.page.evaluate(click)
        rarest = browser.page.evaluate(FIRST_CLASSES)
        state = "document.querySelectorAll('#per-class thead th')[1].ariaSort"
        assert rarest[0].endswith(' 229') or rarest[0].split()[-1] > '200'
        assert browser.page.evaluate(state) == 'ascending'
        browser.page.evaluate(click)
        assert browser.page.evaluate(FIRST_CLASSES)[0].endswith(' 0')
        assert browser.page.evaluate(state) == 'descending'

    def test_table__long__the_rest_on_demand(self, browser, page):
        browser.open(page, 1280)
        shown = "[...document.querySelectorAll('#per-class tbody tr')].filter(row => "
        shown += 'row.offsetHeight).length'
        assert browser.page.evaluate(shown) == 200
        browser.page.evaluate("document.querySelector('button[data-shows]').click()")
        assert browser.page.evaluate(shown) == 230

    def test_page__printed__several_pages(self, browser, page):
        browser.open(page, 1280)
        document = browser.page.pdf()
        assert document.startswith(b'%PDF') and len(document) > 50_000

    def test_page__printed__controls_are_gone_and_tables_whole(self, browser, page):
        browser.open(page, 1280)
        browser.page.emulate_media(media='print')
        hidden = browser.page.evaluate("getComputedStyle(document.querySelector('nav')).display")
        scroll = browser.page.evaluate(
            "getComputedStyle(document.querySelector('.scroll.tall')).overflowY"
        )
        assert (hidden, scroll) == ('none', 'visible')

    def test_page__headings_and_language__for_screen_readers(self, browser, page):
        browser.open(page, 1280)
        levels = json.loads(
            browser.page.evaluate(
                "JSON.stringify([...document.querySelectorAll('h1,h2,h3,h4')]"
                '.map(heading => Number(heading.tagName[1])))'
            )
        )
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(later - earlier <= 1 for earlier, later in zip(levels, levels[1:]))
        assert browser.page.evaluate('document.documentElement.lang') == 'en'
