"""How the command-line tools report errors: one line for what a user can mend, else a traceback."""

import logging
import os
import os.path as osp
import re
import sys
import traceback
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional, Union

import torch.distributed
from mmengine.logging import MMLogger

from rcl_mm.runtime.downloads import error_chain, failed_download, missing_images
from rcl_mm.runtime.lost_workers import awaiting_lost_worker, lost_worker

EXIT_FAILURE = 1
EXIT_USAGE = 2
PACKAGE_FOLDER = osp.dirname(osp.dirname(osp.abspath(__file__)))
# Errors whose message says what is wrong with an input, whoever raises them: files that are not
# there or not readable, and names that no registry knows.
INPUT_ERRORS = (OSError, ImportError, SyntaxError)
# Where MMEngine calls classes with the settings of a config: a name that a class does not know is
# most likely mistyped there.
BUILDERS = (
    osp.join('mmengine', 'registry', 'build_functions.py'),
    osp.join('mmengine', 'runner', 'runner.py'),
)
UNKNOWN_ARGUMENT = r'__init__\(\) got an unexpected keyword argument'


class UsageError(ValueError):
    """A tool was called in a way that can not work: reported in one line, exit code 2."""


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
    logger_before = MMLogger.get_current_instance()
    debug = debug or os.environ.get('RCL_MM_TRACEBACK', '') not in ('', '0')
    try:
        with awaiting_lost_worker():
            run()
        return 0
    except Exception as error:
        log_file = _write_traceback_to_log(error, logger_before)
        if debug or not is_users_to_mend(error):
            raise
        where = f' (traceback: {log_file}, or RCL_MM_TRACEBACK=1)' if log_file else ''
        print(f'error: {one_line(error)}{where}', file=sys.stderr, flush=True)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def is_users_to_mend(error: BaseException) -> bool:
    """Whether an error is about an input (file, config, argument, image) or a lost worker."""
    if lost_worker(error) is not None:
        return True
    for one in error_chain(error):
        if isinstance(one, (UsageError, *INPUT_ERRORS)):
            return True
        frames = traceback.extract_tb(one.__traceback__)
        last = frames[-1].filename if frames else ''
        in_package = osp.abspath(last).startswith(PACKAGE_FOLDER + os.sep)
        if in_package and isinstance(one, (ValueError, TypeError)):
            return True
        built = isinstance(one, TypeError) and last.endswith(BUILDERS)
        if built and re.search(UNKNOWN_ARGUMENT, str(one)):
            return True
        # The registry: `"X is not in the mmengine::model registry"`.
        if isinstance(one, KeyError) and 'registry' in str(one):
            return True
        # An error in a worker process arrives as text, with the worker's traceback in it.
        if 'Original Traceback' in str(one) and _worker_error_is_users(one):
            return True
    return False


def _worker_error_is_users(error: BaseException) -> bool:
    """The same for an error that a worker process raised in this package."""
    files = re.findall(r'File "([^"]+)", line', str(error))
    # Errors that can not be built from a text arrive as RuntimeError, with their name in it.
    kind = str(error).strip().splitlines()[-1].partition(':')[0]
    named = kind.endswith(('ValueError', 'TypeError', 'OSError'))
    in_package = bool(files) and osp.abspath(files[-1]).startswith(PACKAGE_FOLDER + os.sep)
    return kind.endswith('FileNotFoundError') or (
        in_package and (named or isinstance(error, (ValueError, TypeError)))
    )


def one_line(error: BaseException) -> str:
    """The message of an error in one line, without a worker's traceback."""
    known = lost_worker(error) or failed_download(error) or missing_images(error)
    if known is not None:
        return known
    text = str(error).strip()
    if 'Original Traceback' in text:
        text = re.sub(r'^[\w.]+(Error|Exception): ', '', text.splitlines()[-1])
    if isinstance(error, KeyError):
        text = text.strip('"\'')
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
