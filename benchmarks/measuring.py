"""How the benchmarks measure: the processor's seconds, contestants by turns, fitted exponents, and what machine it was.

Seconds are those of the processor (`time.process_time`, one thread), because other programs on the machine hardly
change them; where the clock on the wall is meant, the page says so.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent


def seconds_of(function: Callable, repeat: int = 3) -> float:
    """The processor's seconds of one call: the least of a few, after none to warm up."""
    return min(_once(function) for _ in range(repeat))


def _once(function: Callable) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def by_turns(functions: dict[str, Callable], rounds: int = 3) -> dict[str, float]:
    """The least seconds of one call of each, called A B C A B C, so that a busy minute hits all alike."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], _once(function))
    return best


@dataclass
class Racer:
    """A recipe that trains in slices, and what it cost and scored after each.

    Attributes:
        name: of the recipe.
        work: yields the tokens fed so far after each slice of training.
        score: the validation score as the model is now; its seconds are not counted.
        slices: how many there are.
        curve: (seconds of training, tokens fed, score) after each slice.
    """

    name: str
    work: Iterator[int]
    score: Callable[[], float]
    slices: int
    seconds: float = 0.0
    curve: list[tuple[float, int, float]] = field(default_factory=list)
    random: torch.Tensor | None = None

    def go_on(self) -> None:
        """One more slice; the random numbers are this racer's own, so that it runs as it would alone."""
        torch.set_rng_state(torch.Generator().manual_seed(0).get_state() if self.random is None else self.random)
        begin = time.process_time()
        tokens = next(self.work)
        self.seconds += time.process_time() - begin
        self.random = torch.get_rng_state()
        self.curve.append((self.seconds, tokens, self.score()))


def race(racers: Sequence[Racer], say: Callable[[str], None] = lambda text: None) -> None:
    """Trains all to their ends by turns: always the one that has done the least of its work."""
    while waiting := [racer for racer in racers if len(racer.curve) < racer.slices]:
        racer = min(waiting, key=lambda racer: len(racer.curve) / racer.slices)
        racer.go_on()
        seconds, tokens, score = racer.curve[-1]
        say(f"{racer.name}: {tokens:,} tokens, {seconds:.1f} s, {score:.4f}")


def best_so_far(curve: Sequence[tuple[float, int, float]]) -> np.ndarray:
    """The lowest score up to each point of a curve."""
    return np.minimum.accumulate([score for _, _, score in curve])


def cost_of(curve: Sequence[tuple[float, int, float]], score: float, column: int = 0) -> float | None:
    """Seconds (column 0) or tokens (1) until a curve is as low as `score`; between two looks, by a line on log axes.

    Returns:
        the cost, that of the first look if it is low enough already, or None if the curve never gets there.
    """
    best, cost = best_so_far(curve), np.array(curve)[:, column]
    there = np.flatnonzero(best <= score)
    if not len(there):
        return None
    k = there[0]
    if k == 0:
        return float(cost[0])
    share = (best[k - 1] - score) / (best[k - 1] - best[k])
    return float(np.exp((1 - share) * np.log(cost[k - 1]) + share * np.log(cost[k])))


def score_at(curve: Sequence[tuple[float, int, float]], cost: float, column: int = 0) -> float | None:
    """The best score of a curve at a cost in seconds (column 0) or tokens (1); None before its first look."""
    costs = np.array(curve)[:, column]
    if cost < costs[0]:
        return None
    return float(np.interp(np.log(cost), np.log(costs), best_so_far(curve)))


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """b of the least-squares line log cost = a + b log size."""
    if len(sizes) < 2 or min(*sizes, *costs) <= 0:
        raise ValueError(f"sizes {list(sizes)} and costs {list(costs)}: give two or more, and none of them 0 or below.")
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def peak_megabytes() -> float:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux also counts in ru_maxrss what the process was that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def children_seconds() -> float:
    """The processor's seconds of all child processes so far, of those that have ended and those that wait for work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = used.ru_utime + used.ru_stime
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            times = child.cpu_times()
            total += times.user + times.system
    return total


def machine() -> dict[str, str]:
    """What the numbers were measured on, and when."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "music21")}
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "load": load,
    }
