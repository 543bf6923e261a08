"""How the command-line tools report errors: one line for what a user can mend, else a traceback."""

import io
import logging
import os
import re
import sys
import traceback
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional, Union

import torch.distributed
from mmengine.logging import MMLogger

from rcl_mm.errors import InputError, UsageError
from rcl_mm.runtime.building import refusing_settings_clearly
from rcl_mm.runtime.downloads import failed_download, missing_images
from rcl_mm.runtime.lost_workers import awaiting_lost_worker, lost_worker
from rcl_mm.text_files import ANY_NAME

EXIT_FAILURE = 1
EXIT_USAGE = 2


@contextmanager
def writing(path: Union[str, os.PathLike], verb: str = 'written') -> Iterator[None]:
    """Let errors of writing name what the user gave, not a temporary file or folder beside it.

    Args:
        path (str | PathLike): File or folder as the user gave it.
        verb (str): What can not be done with it, 'written' or 'made'. Defaults to 'written'.

    Raises:
        OSError: In place of the one inside, with its reason.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f'can not be {verb} ({reason})', str(path)) from error


def print_any_name() -> None:
    """Let the screen show names that are not UTF-8 as escapes, where Python would stop at them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ANY_NAME)


def report_errors(run: Callable[[], Any], debug: bool = False) -> int:
    """Run a tool and turn errors that a user can mend into one line on standard error.

    The traceback of every error goes to the log file of the run, if it has one already. An error
    that is no user's mistake as far as can be told keeps its traceback on the screen, too.

    Args:
        run: The work.
        debug (bool): Whether to show all tracebacks. ``RCL_MM_TRACEBACK=1`` does the same.

    Returns:
        int: 0; 1 after an error in an input; 2 after a wrong call.
    """
    print_any_name()
    logger_before = MMLogger.get_current_instance()
    debug = debug or os.environ.get('RCL_MM_TRACEBACK', '') not in ('', '0')
    try:
        with awaiting_lost_worker(), refusing_settings_clearly():
            run()
        return 0
    except Exception as error:
        log_file = _write_traceback_to_log(error, logger_before)
        mistake = users_mistake(error)
        if debug or mistake is None:
            raise
        where = f' (traceback: {log_file}, or RCL_MM_TRACEBACK=1)' if log_file else ''
        print(f'error: {one_line(mistake)}{where}', file=sys.stderr, flush=True)
        return EXIT_USAGE if isinstance(mistake, UsageError) else EXIT_FAILURE
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def users_mistake(error: BaseException) -> Optional[BaseException]:
    """The error to report in one line, None for an error that keeps its traceback.

    An :class:`InputError` is a user's mistake, whatever was raised from it on purpose. Files and
    the network (``OSError``) and lost workers are no mistakes of this package either.

    Args:
        error (BaseException): With what it was raised from.
    """
    chain = list(_raised_from(error))
    for one in chain:
        if isinstance(one, InputError):
            return one
    known = lost_worker(error) or failed_download(error)
    return error if known or any(isinstance(one, OSError) for one in chain) else None


def _raised_from(error: Optional[BaseException]) -> Iterator[BaseException]:
    """An error and those it took the place of on purpose: ``raise ... from``, also ``from None``.

    ``Runner.call_hook`` raises a new TypeError ``from None`` for that of a hook. An error that
    comes up while another one is handled is an error of its own.
    """
    while error is not None:
        yield error
        replaced = error.__context__ if error.__suppress_context__ else None
        error = error.__cause__ or replaced


def one_line(error: BaseException) -> str:
    """The message of an error in one line, without a worker's traceback."""
    known = lost_worker(error) or failed_download(error) or missing_images(error)
    if known is not None:
        return known
    text = str(error).strip()
    if 'Original Traceback' in text:
        text = re.sub(r'^[\w.]+(Error|Exception): ', '', text.splitlines()[-1])
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f'{error.filename}: {error.strerror}'
    return ' '.join(text.split()) or type(error).__name__


def _write_traceback_to_log(error: BaseException, before: MMLogger) -> Optional[str]:
    """Append the traceback to the log file of the run; returns the file's path.

    Args:
        error (BaseException): The error.
        before (MMLogger): The logger there was before the run; if it is still the latest one, this
            run has no log yet.
    """
    logger = MMLogger.get_current_instance()
    if logger is before:
        return None
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.stream.write(''.join(traceback.format_exception(error)))
            handler.flush()
            return handler.baseFilename
    return None
