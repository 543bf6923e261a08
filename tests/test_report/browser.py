"""Headless Chromium for the report tests: the installed one, driven by playwright."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')


def find_browser() -> str:
    """Path of a Chromium; RCL_MM_BROWSER wins."""
    for name in (os.environ.get('RCL_MM_BROWSER'), *NAMES):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise RuntimeError(
        'the report tests need Chromium and found none: run "make browser" (Debian: apt-get '
        'install chromium), or set RCL_MM_BROWSER to the path of one'
    )


class Browser:
    """A headless Chromium; use it in a ``with`` block.

    Attributes:
        page (Page): What was opened last.
        requests (list[str]): What it asked for.
        problems (list[str]): Errors and messages of its scripts.
    """

    def __enter__(self) -> 'Browser':
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=find_browser(), args=['--no-sandbox', '--disable-dev-shm-usage']
        )
        return self

    def __exit__(self, *_) -> None:
        self._browser.close()
        self._playwright.stop()

    def open(self, path: Path, width: int, height: int = 900) -> Page:
        """Show a page at a window of this size, as a phone does below 600 pixels."""
        self.requests, self.problems = [], []
        size = {'width': width, 'height': height}
        self.page = self._browser.new_page(viewport=size, is_mobile=width < 600)
        self.page.on('request', lambda request: self.requests.append(request.url[:200]))
        self.page.on('pageerror', lambda error: self.problems.append(str(error)))
        self.page.on('console', lambda message: self.problems.append(message.text))
        self.page.goto(path.resolve().as_uri())
        return self.page
