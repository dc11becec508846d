"""Processes that train one network together, as torchrun starts them; torch.distributed carries the numbers.

Notebook: 10-more-machines.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch.distributed as dist


class Stopped(Exception):
    """What all processes know at the same moment, so that one of them can say it; the message is for the reader.

    Notebook: none; raised by this file.
    """


class Ranks:
    """The processes that torchrun has started, or this one alone.

    Attributes:
        rank: number of this process, from 0.
        world: how many there are, on all machines together.
        device: where this one trains: a GPU of its own (nccl), or the processor (gloo) where there are fewer GPUs.

    Notebook: 10-more-machines.
    """

    def __init__(self):
        gpu = torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        hour = datetime.timedelta(hours=1)  # while the first process parses songs, the others wait
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=hour, **_meeting_place())
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if gpu else "cpu")
        if gpu:
            torch.cuda.set_device(self.device)

    def sum(self, *numbers: float) -> list[float]:
        """The sums of these numbers over all processes.

        Args:
            numbers: as many in each process.
        """
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def first(self, make: Callable[[], Any]) -> Any:
        """What the first process makes, in all of them.

        Args:
            make: called in the first process only.

        Raises:
            Stopped: in all of them, with the message of the error in the first.
        """
        said = [None, None]
        if self.rank == 0:
            try:
                said[0] = make()
            except (ValueError, OSError) as error:
                said[1] = str(error)
        dist.broadcast_object_list(said, device=torch.device("cpu"))
        if said[1] is not None:
            raise Stopped(said[1])
        return said[0]

    def gather(self, thing: Any) -> list:
        """What each process has, in order of their numbers.

        Args:
            thing: that can be pickled.
        """
        things = [None] * self.world
        dist.all_gather_object(things, thing)
        return things

    def close(self) -> None:
        """Ends the group of processes."""
        dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """Ends this process, without Python taking itself down first.

    Threads of gloo outlive `destroy_process_group` where DistributedDataParallel was used (torch 2.13).
    One that still holds a tensor of Python's when Python goes down ends the process by signal 6 ("terminate called
    without an active exception", pytorch pull request 179291), after all the work is done and kept.

    Args:
        code: the exit status.

    Notebook: none; the last line of the command.
    """
    threading._shutdown()  # what Python does first: here joblib's processes are told to end,
    atexit._run_exitfuncs()  # and here they are waited for
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # a full disk, or nobody who reads
            stream.flush()
    os._exit(code)


def _meeting_place() -> dict:
    """Where the processes find each other: without torchrun, here; else where torchrun says.

    torchrun starts lost processes again with the store of those before, whose addresses would still be in it
    (pytorch issue 135712); so each start has a room of its own there. Agents on several machines count their starts
    apart: there, TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in front of torchrun gives each start a store of its own.
    """
    given = os.environ.get
    if "RANK" not in os.environ:
        return {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    if given("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    if given("GROUP_WORLD_SIZE") != "1" and given("TORCHELASTIC_MAX_RESTARTS") != "0" and given("RANK") == "0":
        print(
            "Put TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in front of torchrun on all machines: without it, processes that "
            "are lost may not find each other when they start again.",
            file=sys.stderr,
        )
    store = dist.TCPStore(given("MASTER_ADDR"), int(given("MASTER_PORT")), is_master=False)
    room = f"start {given('TORCHELASTIC_RESTART_COUNT')} on {given('GROUP_WORLD_SIZE')} machines"
    return {"store": dist.PrefixStore(room, store), "rank": int(given("RANK")), "world_size": int(given("WORLD_SIZE"))}
