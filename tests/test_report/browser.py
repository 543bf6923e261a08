"""Headless Chromium for the report tests, spoken to over a pipe in its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--remote-debugging-pipe',
)


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
    """One page in a headless Chromium; use it in a ``with`` block."""

    def __enter__(self) -> 'Browser':
        self._profile = tempfile.mkdtemp(prefix='rcl_mm_browser_')
        commands, self._commands = os.pipe()
        self._replies, replies = os.pipe()
        # Chromium reads commands from file descriptor 3 and writes replies to 4.
        script = f'exec "$0" "$@" 3<&{commands} 4>&{replies}'
        self._process = subprocess.Popen(
            ['bash', '-c', script, find_browser(), *FLAGS, f'--user-data-dir={self._profile}'],
            pass_fds=(commands, replies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(replies)
        self._buffer = b''
        self._number = 0
        self._session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)[
            'sessionId'
        ]
        self.requests = []
        self.problems = []
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self.call(f'{domain}.enable')
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._replies)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params) -> dict:
        """Send a command and wait for its result."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._commands, json.dumps(message).encode() + b'\0')
        while True:
            reply = self._read()
            if reply.get('id') == self._number:
                if 'error' in reply:
                    raise RuntimeError(f'{method}: {reply["error"]["message"]}')
                return reply['result']

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Show a page at a window of this size and wait until it is loaded."""
        self.resize(width, height)
        self._loaded = False
        self.call('Page.navigate', url=page.resolve().as_uri())
        while not self._loaded:
            self._read()

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a window of this size, as a phone does below 600 pixels."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def evaluate(self, expression: str):
        """The value of a JavaScript expression on the page."""
        result = self.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails'].get('text', 'JavaScript error'))
        return result['result'].get('value')

    def screenshot(self, path: Path) -> None:
        """Save the whole page as PNG."""
        result = self.call('Page.captureScreenshot', captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(result['data']))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call('Page.printToPDF')['data'])

    def _read(self) -> dict:
        while b'\0' not in self._buffer:
            part = os.read(self._replies, 1 << 20)
            if not part:
                raise RuntimeError('Chromium ended before it answered')
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b'\0')
        reply = json.loads(message)
        if reply.get('method') == 'Page.loadEventFired':
            self._loaded = True
        elif reply.get('method') == 'Network.requestWillBeSent':
            self.requests.append(reply['params']['request']['url'][:200])
        elif reply.get('method') in ('Runtime.exceptionThrown', 'Log.entryAdded'):
            self.problems.append(json.dumps(reply['params'])[:500])
        return reply
