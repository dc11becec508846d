"""Files are read apart, in processes that may hang, crash or fill their memory: one file is lost, the rest is read.

Notebook: none; called by corpus and cache.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, TimeoutError
from itertools import islice

from helpers import limits
from helpers.songs import Rejected

_ONE_AT_A_TIME = threading.Lock()


def read_apart(jobs: Iterable[tuple], cores: int | None = None) -> Iterator[list]:
    """What each job returns, in order; a list with one Rejected where its process had to be ended, or ended itself.

    The first second is one process's, which is kept for the next time; what is left then goes to all cores.
    `limits.SECONDS` are of the processor; what waits without work is ended after `limits.WAIT`. Windows cannot count
    the former: there three times as many on the clock are the limit. `limits.MEMORY` holds on Linux only; elsewhere
    the limits of size, which come first, are all.

    Args:
        jobs: (function, arguments, name of the file or song) each.
        cores: how many processes read; if one, it is the one that is kept. All cores if None.

    Notebook: none; called by cache, corpus and store.
    """
    left, end = iter(jobs), time.monotonic() + 1
    for job in left:
        yield _outcome(job, _schedule(_kept(), job))
        if cores != 1 and time.monotonic() > end:
            break
    if first := list(islice(left, 1)):
        with _pool(cores or os.cpu_count() or 1) as pool:
            try:
                yield from _through(pool, [*first, *left])
            finally:
                pool.stop()  # what nobody waits for any more, where the reader was interrupted


def _through(pool, jobs: list[tuple]) -> Iterator[list]:
    """The outcomes of all jobs; some hundreds are under way at a time."""
    waiting: deque = deque()
    for job in jobs:
        waiting.append((job, _schedule(pool, job)))
        if len(waiting) > 200:
            yield _outcome(*waiting.popleft())
    while waiting:
        yield _outcome(*waiting.popleft())


def _pool(workers: int):
    from joblib.externals.loky.backend import get_context  # here, because a cached load reads nothing
    from pebble import ProcessPool  # as above

    # loky's processes start alike on Linux, macOS and Windows, and do not run the script that started them again
    return ProcessPool(workers, initializer=_begin, initargs=(limits.MEMORY,), context=get_context("loky"))


def _kept():
    """The one process that is kept; a new one where it is gone, or where this process was forked from another."""
    with _ONE_AT_A_TIME:
        pool = _first_pool(os.getpid(), limits.MEMORY)
        if not pool.active:
            _first_pool.cache_clear()
            pool = _first_pool(os.getpid(), limits.MEMORY)
    return pool


@functools.lru_cache(maxsize=1)
def _first_pool(process: int, memory: int):
    return _pool(1)


def _schedule(pool, job: tuple):
    function, arguments, _ = job
    wait = limits.WAIT if os.name == "posix" else 3 * limits.SECONDS
    return pool.schedule(_read, (function, arguments, limits.SECONDS), timeout=wait)


def _outcome(job: tuple, future) -> list:
    from pebble import ProcessExpired  # as in _pool

    try:
        return future.result()
    except TimeoutError:
        reason = _TOO_LONG
    except ProcessExpired as error:
        reason = _TOO_LONG if error.exitcode == -getattr(signal, "SIGXCPU", 0) else _CRASHED
    except (MemoryError, BrokenExecutor):
        reason = _CRASHED
    return [Rejected(job[2], reason.format(limits.SECONDS, limits.MEMORY / 1e9))]


_TOO_LONG = "reading it takes longer than {0:g} seconds; it is damaged, or very large: split it"
_CRASHED = "reading it crashed, or took more than {1:g} GB of memory; it is damaged, or very large: split it"


def _begin(memory: int) -> None:
    """In a new process: no more memory than this, and no file of it where it crashes."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _read(function, arguments: tuple, seconds: float):
    """In that process: one job; the system ends the process when its seconds of the processor are spent."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        spent = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    return function(*arguments)
