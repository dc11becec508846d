"""Whoever comes later waits, and is told how many are before: takes of several kernels share the cores of one machine.

Notebook: none; called by the Composer and the Harmoniser.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.cache import cache_folder


@contextlib.contextmanager
def turn(wait: Callable[[int], None], slots: int | None = None, folder: Path | None = None) -> Iterator[None]:
    """Goes in when fewer than `slots` others are before.

    A ticket is a locked file, named by a clock that nobody can set; the system unlocks those of a process that ends,
    so that nobody waits for it. Where no file can be written or locked, nobody waits at all.

    Args:
        wait: called ten times a second with how many must go before; what it raises ends the waiting.
        slots: how many may be in at once; the cores of the machine if None.
        folder: of the tickets; beside the caches if None.

    Notebook: none; called by the Composer and the Harmoniser.
    """
    import filelock  # here, because a notebook without a Composer takes no turns

    slots, folder = slots or os.cpu_count() or 1, folder or cache_folder() / "turns"
    ticket = folder / f"{time.monotonic_ns():020d}-{os.getpid()}-{threading.get_ident()}"
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(exist_ok=True)
            stack.enter_context(filelock.FileLock(ticket))
            stack.callback(ticket.unlink, missing_ok=True)  # before it is unlocked
        except (OSError, NotImplementedError):
            yield
            return
        while (before := _before(ticket) - slots + 1) > 0:
            wait(before)
            time.sleep(0.1)
        yield


def _before(ticket: Path) -> int:
    """How many earlier tickets are held; those that nobody holds any more are removed."""
    import filelock  # as above

    held = 0
    try:
        tickets = list(ticket.parent.iterdir())
    except FileNotFoundError:  # somebody has emptied the cache folder: the tickets are gone
        return 0
    for other in tickets:
        if other.name < ticket.name:
            try:
                with filelock.FileLock(other, timeout=0):
                    other.unlink(missing_ok=True)
            except filelock.Timeout:
                held += 1
            except OSError:  # it has gone
                pass
    return held
