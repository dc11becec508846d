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
from itertools import chain, islice

from helpers import limits
from helpers.songs import Rejected

_ONE_AT_A_TIME = threading.Lock()


def read_apart(jobs: Iterable[tuple], cores: int | None = None) -> Iterator[list]:
    """What each job returns, in order; a list with one Rejected where its process had to be ended, or ended itself.

    The first second is one process's, which is kept for the next time; what is left then goes to all cores.
    `limits.SECONDS` are of the processor; what waits without work is ended after `limits.WAIT`. Windows cannot count
    the former: there three times as many on the clock are the limit. `limits.MEMORY` holds on Linux only; elsewhere
    the limits of size, which come first, are all.

    Small files take less time than handing them over, so some go in a packet, with half the seconds of one. What of a
    packet is not done soon, and all of one that had to be ended, is handed over again, one at a time.

    Args:
        jobs: (function, arguments, name of the file or song) each.
        cores: how many processes read; if one, it is the one that is kept. All cores if None.

    Notebook: none; called by cache, corpus and store.
    """
    left = iter(jobs)
    if cores == 1:
        yield from _through(_kept, left)
    else:
        yield from _a_second(left)
        if first := list(islice(left, 1)):
            with _pool(cores or os.cpu_count() or 1) as pool:
                try:
                    yield from _through(lambda: pool, chain(first, left))
                finally:
                    pool.stop()  # what nobody waits for any more, where the reader was interrupted


def _a_second(left: Iterator[tuple]) -> Iterator[list]:
    """The outcomes of as many jobs as the process that is kept does in a second: first of one, then of two, of four."""
    many, end = 1, time.monotonic() + 1
    while time.monotonic() < end and (packet := list(islice(left, many))):
        yield from _through(_kept, packet)
        many = min(2 * many, PACKET)


PACKET = 20  # jobs that are handed over at a time
SOON = 0.05  # seconds after which the rest of them is given back: then they are no small files


def _through(pool, jobs: Iterable[tuple]) -> Iterator[list]:
    """The outcomes of all jobs, in order; some packets are under way at a time. `pool` is a function that gives it."""
    left, waiting, ahead = iter(jobs), deque(), 4 * max(4, os.cpu_count() or 1)
    while (packet := list(islice(left, PACKET))) or waiting:
        if packet:
            waiting.append((packet, _schedule(pool(), packet)))
        while len(waiting) > (ahead if packet else 0):
            jobs_there, future = waiting.popleft()
            done = _outcomes(jobs_there, future)
            yield from done
            again = [([job], _schedule(pool(), [job])) for job in jobs_there[len(done) :]]
            waiting.extendleft(reversed(again))


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
    from multiprocessing.util import Finalize  # as in _pool

    pool = _pool(1)
    Finalize(None, _end, (pool,), exitpriority=0)  # a process of joblib waits for its own before pebble would end them
    return pool


def _end(pool) -> None:
    pool.stop()
    pool.join()


def _schedule(pool, packet: list[tuple]):
    seconds = limits.SECONDS if len(packet) == 1 else limits.SECONDS / 2
    wait = limits.WAIT if os.name == "posix" else 3 * limits.SECONDS
    calls = [(function, arguments) for function, arguments, _ in packet]
    return pool.schedule(_read, (calls, seconds, SOON), timeout=wait if len(packet) == 1 else wait / 4)


def _outcomes(packet: list[tuple], future) -> list[list]:
    """What the first jobs of a packet returned, at least one of them; of several, none where they had to be ended."""
    from pebble import ProcessExpired  # as in _pool

    try:
        return future.result()
    except TimeoutError:
        reason = _TOO_LONG
    except ProcessExpired as error:
        reason = _TOO_LONG if error.exitcode == -getattr(signal, "SIGXCPU", 0) else _CRASHED
    except (MemoryError, BrokenExecutor):
        reason = _CRASHED
    rejected = Rejected(packet[0][2], reason.format(limits.SECONDS, limits.MEMORY / 1e9))
    return [[rejected]] if len(packet) == 1 else []


_TOO_LONG = "reading it takes longer than {0:g} seconds; it is damaged, or very large: split it"
_CRASHED = "reading it crashed, or took more than {1:g} GB of memory; it is damaged, or very large: split it"


def _begin(memory: int) -> None:
    """In a new process: no more memory than this, and no file of it where it crashes."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _read(calls: list[tuple], seconds: float, soon: float) -> list[list]:
    """In that process: the first jobs, one at least; the system ends it when one has spent its seconds."""
    done, end = [], time.monotonic() + soon
    for function, arguments in calls:
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource  # not on Windows

            spent = math.ceil(time.process_time() + seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        done.append(function(*arguments))
        if time.monotonic() > end:
            break
    return done
