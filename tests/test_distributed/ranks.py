"""Several gloo ranks that stay up for all tests of a session: importing torch costs seconds."""

import multiprocessing
import os
import traceback
from pathlib import Path
from typing import Any, Callable, List

import torch
import torch.distributed as dist


class RankError(AssertionError):
    """A task raised on at least one rank; the message holds their tracebacks."""


class Ranks:
    """A process group of ``world_size`` processes that runs tasks.

    Args:
        world_size (int): Number of processes.
        folder (Path): An empty folder for the processes' meeting point.
    """

    def __init__(self, world_size: int, folder: Path) -> None:
        # A fork server forks a process that has imported everything and computed nothing.
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['rcl_mm'])
        self.world_size = world_size
        self.connections, self.processes = [], []
        for rank in range(world_size):
            here, there = context.Pipe()
            arguments = (rank, world_size, str(folder / 'store'), there)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            self.connections.append(here)
            self.processes.append(process)

    def run(self, task: Callable, *args: Any, seconds: float = 120) -> List[Any]:
        """``task(rank, world_size, *args)`` on every rank; their results in rank order."""
        for connection in self.connections:
            connection.send((task, args))
        answers = []
        for rank, connection in enumerate(self.connections):
            if not connection.poll(seconds):
                self.close()
                raise TimeoutError(f'rank {rank} has not answered within {seconds} s: it hangs')
            answers.append(connection.recv())
        errors = [answer for failed, answer in answers if failed]
        if errors:
            raise RankError('\n'.join(errors))
        return [answer for _, answer in answers]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _serve(rank: int, world_size: int, store: str, connection) -> None:
    # What a launcher tells its processes.
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=world_size)
    while True:
        try:
            task, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((False, task(rank, world_size, *args)))
        except BaseException:
            connection.send((True, f'rank {rank}: {traceback.format_exc()}'))
