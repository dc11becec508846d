"""`python -m helpers.training` in double precision, with the accidents that tests/test_ranks.py asks for.

ACCIDENT is WHAT@STEP: "killed" ends rank 1 by signal 9, "alone" waits until another machine joins, "full" fills the
disk that FULL names (or forbids longer files), "busy" waits for ever. None of these happens again after a restart.
"ends badly@0" aborts the process if Python takes itself down in it, as a thread of gloo's may.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from helpers.training import __main__ as command
from helpers.training import shared

real, taken = shared.step, []
what, _, at = os.environ.get("ACCIDENT", "").partition("@")
first_time = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def killed():
    """Signal 9, which torchrun sees two seconds late, as on a busy machine: then it names any process of the two."""
    print("Rank 1 is killed.", flush=True)
    agent = os.getppid()
    subprocess.Popen(["sh", "-c", f"sleep 2; kill -CONT {agent}"])
    os.kill(agent, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGKILL)


def waiting():
    Path(os.environ["FULL"]).write_text("waiting")
    while True:
        time.sleep(1)


def fill():
    if folder := os.environ.get("FULL"):
        with contextlib.suppress(OSError), open(Path(folder) / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))


class Last:
    """What Python takes down late, when most is gone."""

    def __del__(self, abort=os.abort):
        abort()


def step(*arguments):
    taken.append(1)
    if what and len(taken) == int(at) and first_time:
        if what == "killed" and rank == 1:
            killed()
        if what == "full" and rank == 0:
            fill()
        if what == "busy" or (what == "alone" and world == 1):
            waiting()
    return real(*arguments)


def mean_of_means(self, counts, model, *batch):
    """What plain DistributedDataParallel does."""
    value = self.loss(model, *batch)
    self.run.nats, self.run.notes = 1.0, 1
    return value


shared.step = step
if what == "unweighted":
    shared._Course._weighted, what = mean_of_means, ""
if what == "ends badly":
    sys.last = Last()
    print("Whoever takes Python down is aborted.", flush=True)
torch.set_default_dtype(torch.float64)
command.leave(command.main())
