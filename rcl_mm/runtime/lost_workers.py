"""A data loader's worker that dies may break a connection: name the worker, and nothing else."""

import re
import signal
import sys
import time
from contextlib import contextmanager
from types import TracebackType
from typing import Iterator, Optional, Type

from rcl_mm.runtime.downloads import error_chain

LOST_WORKER = r'DataLoader worker \(pid.*(killed by signal|exited unexpectedly)'
# What reading from or writing to a process that has gone raises.
BROKEN_CONNECTION = (ConnectionError, EOFError)
# A process that is killed closes its connections first and is reported to its parent then.
SECONDS_TO_REPORT = 1.0


def lost_worker(error: BaseException) -> Optional[str]:
    """One line for an error that the loss of a worker is the cause of, or None for another error.

    Args:
        error (BaseException): With its causes.
    """
    for one in error_chain(error):
        if re.search(LOST_WORKER, str(one)):
            return (
                f'{str(one).splitlines()[0].rstrip(". ")}: perhaps the memory was full; lower '
                'num_workers or the batch size, and go on with --resume'
            )
    return None


@contextmanager
def awaiting_lost_worker() -> Iterator[None]:
    """After a broken connection, wait a moment for torch to say which worker is lost.

    torch raises a RuntimeError that names the worker from its handler of SIGCHLD, wherever the main
    process is then. A batch that was being handed over breaks off just before: without the wait,
    "Connection reset by peer" would be the error, or torch's would come while it is reported.

    Raises:
        RuntimeError: Of torch, from the broken connection, if a worker is lost.
    """
    try:
        yield
    except Exception as error:
        broken = any(isinstance(one, BROKEN_CONNECTION) for one in error_chain(error))
        # torch has a handler once there were workers.
        if broken and callable(signal.getsignal(signal.SIGCHLD)) and lost_worker(error) is None:
            time.sleep(SECONDS_TO_REPORT)
        raise


def say_unless_left(
    kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]
) -> None:
    """``sys.excepthook`` of a worker: that the main process left is no error of the worker's.

    python calls it for the thread that hands batches over, when the main process leaves half-way,
    because another worker is lost or because it was killed.
    """
    if not issubclass(kind, BROKEN_CONNECTION):
        sys.__excepthook__(kind, error, trace)
