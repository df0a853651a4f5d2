"""Many files through worker processes, so that a hostile file costs one row and not the run."""

import multiprocessing
import resource
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 * 2**30  # more than any 2-D mammogram needs, less than a decompression bomb asks
SECONDS_PER_ITEM = 60  # of processor time; a 3328 x 2560 JPEG 2000 image needs about one
CHUNKS_AHEAD = 4  # that a worker may be before the answer that is waited for


def contained_stream(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    workers: int,
    on_death: Callable[[Any], Any],
    chunk_size: int = 64,
) -> Iterator[Any]:
    """Apply a function to every item in worker processes, whatever the items do to them.

    The function itself should catch what it can. A worker that dies all the same (killed for
    memory or time, crashed in a decoder) takes its chunk with it: the items of that chunk are
    tried again one by one, and the item that kills its worker again gets the answer of
    `on_death`.

    Parameters
    ----------
    function : module-level function of one item; its answer must not depend on other items.
    items : length n.
    workers : number of processes, at least 1.
    on_death : the answer for an item whose worker died.
    chunk_size : items a worker takes at a time.

    Returns
    -------
    n answers, one by one in the order of the items; the same for any number of workers. Workers go
    on while an answer is used, and no further than `CHUNKS_AHEAD` chunks each, so that memory
    stays flat. Close the iterator where it is left early, and they end with it.
    """
    starts = range(0, len(items), chunk_size)
    waiting = deque(range(at, min(at + chunk_size, len(items))) for at in starts)
    answers: dict[int, Any] = {}
    crew: dict[Connection, tuple[multiprocessing.Process, range]] = {}
    ahead = CHUNKS_AHEAD * max(1, workers) * chunk_size
    told = 0

    def is_ready() -> bool:
        return bool(waiting) and waiting[0].start < told + ahead

    try:
        while waiting or crew:
            while is_ready() and len(crew) < max(1, workers):
                connection, process = _hire(function)
                crew[connection] = process, _hand_over(connection, items, waiting)
            for connection in wait(list(crew)):
                process, chunk = crew.pop(connection)
                try:
                    answers.update(zip(chunk, connection.recv(), strict=True))
                except (EOFError, OSError):
                    process.join()
                    if len(chunk) == 1:
                        answers[chunk[0]] = on_death(items[chunk[0]])
                    else:
                        waiting.extendleft(range(at, at + 1) for at in reversed(chunk))
                    continue
                if is_ready():
                    crew[connection] = process, _hand_over(connection, items, waiting)
                else:
                    # Not by closing the pipe: workers hired later hold a copy of our end.
                    connection.send(None)
                    process.join()
                    connection.close()
            while told in answers:
                yield answers.pop(told)
                told += 1
    finally:
        for process, _ in crew.values():
            process.kill()


def _hire(function: Callable) -> tuple[Connection, multiprocessing.Process]:
    # Linux forks, so that the caller's modules are not imported again; elsewhere that is unsafe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, ours, function), daemon=True)
    process.start()
    theirs.close()  # else the death of the worker would not close the pipe
    return ours, process


def _hand_over(connection: Connection, items: Sequence, waiting: deque) -> range:
    chunk = waiting.popleft()
    try:
        connection.send([items[at] for at in chunk])
    except OSError:
        pass  # already dead: the caller's recv finds out
    return chunk


def _work(connection: Connection, parents_end: Connection, function: Callable) -> None:
    """Answer chunks until told to stop with None, or the parent is gone."""
    parents_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    warnings.simplefilter("ignore")  # the function judges its items; thousands of lines help nobody
    _limit_memory()
    while True:
        try:
            chunk = connection.recv()
            if chunk is None:
                return
            _limit_time(len(chunk) * SECONDS_PER_ITEM)
            answers = [function(item) for item in chunk]
            connection.send(answers)
        except (EOFError, ConnectionError):  # the parent was killed
            return


def _limit_memory() -> None:
    pages = Path("/proc/self/statm")
    if pages.exists():
        held = int(pages.read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = held + MEMORY_BYTES
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _limit_time(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used.ru_utime + used.ru_stime + seconds) + 1
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
