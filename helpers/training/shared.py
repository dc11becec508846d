"""One training run on many processes: it ends with the weights that one would find, whatever happens to them.

DistributedDataParallel averages the gradients and torchrun starts lost processes again. What they leave to the caller
is here: the weights of unequal shares, who reads which songs, and what is kept on disk.

Notebook: 10-more-machines.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import filelock
import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from helpers.datasets import IGNORE, pad_songs
from helpers.files import write_atomically
from helpers.training.loop import Recipe, Run, step
from helpers.training.ranks import Ranks, Stopped


def fit(ranks: Ranks, model, data, loss, batches, *, epochs, folder, validate=None, save_every=200, nature=None, **how):
    """Trains a model on all processes together; it ends in evaluation mode, with its best weights.

    Every process calls it with the same arguments. A step takes one list of `batches`, of which each process computes
    its part, and moves the weights as one process would with the whole list. (Dropout differs, being random.)

    Args:
        ranks: the processes.
        model: torch.nn.Module, on `ranks.device`.
        data: items (x, y, ...) of ids, with `name_of(index)`.
        loss: loss(model, x, y, ...) -> mean over the targets y that are not IGNORE, a tensor ().
        batches: goes through lists of indices, in an order drawn from torch's random numbers, and has a length.
        epochs: how many there are in all, with those before an interruption.
        folder: of the run, which goes on where it stopped; on a disk that all machines share.
        validate: validate(model) -> float, the same in all processes, less is better; None keeps the last weights.
        save_every: steps between two checkpoints within an epoch.
        nature: what else must be the same for a run to go on, as {what: value}.
        how: attributes of `helpers.training.Recipe`, such as rate=8e-3.

    Returns:
        (mean training loss, what validate gave or None) of each epoch, as a list.

    Raises:
        Stopped: in all processes: the folder holds another run, or one is at work there; a loss or gradient is not a
            number (with step and song); or the end cannot be kept on the disk.

    Notebook: 10-more-machines.
    """
    run = SharedRun(ranks, folder, model, Recipe(**how), epochs, len(batches), nature)
    try:
        course = _Course(run, data, batches, loss, save_every)
        for number in range(len(run.curve), epochs):
            trained = course.epoch()
            run.end(trained, None if validate is None else float(validate(model)), last=number + 1 == epochs)
    finally:
        run.lock.release()
    if run.best is not None:
        model.load_state_dict(run.best)
    model.eval()
    return run.curve


class SharedRun(Run):
    """A run of many processes: a Run that the first process keeps in the middle of an epoch, too.

    Args:
        ranks: the processes.
        folder: of the run; locked while it is trained in.
        model: torch.nn.Module, on the device.
        recipe: a Recipe.
        epochs: how many there are in all.
        steps: of each epoch.
        nature: what else must be the same for the run to go on, as {what: value}.

    Attributes:
        done: steps taken of the epoch that has begun; `nats` and `notes` are the loss and targets in them.
        pace: how long they took, in words.

    Raises:
        Stopped: if the folder holds another run, or one is at work there, or it cannot be written.

    Notebook: none; `fit` keeps its run in one.
    """

    def __init__(self, ranks, folder, model, recipe, epochs, steps, nature):
        super().__init__(None, model, recipe, epochs, steps, nature)
        self.ranks, self.folder, self.path = ranks, Path(folder), Path(folder) / "last.pt"
        self.done, self.nats, self.notes, self.unsaved, self.pace = 0, 0.0, 0, False, ""
        self.lock = filelock.FileLock(self.folder / ".lock")
        kept = ranks.first(self._locked)
        if kept is not None:
            try:
                self.done, self.nats, self.notes = self.resume(kept)["so_far"]
            except KeyError:  # of a notebook's own loop
                raise Stopped(f"{self.path} is of another kind of run; name another folder with --into.") from None
            except ValueError as error:
                raise Stopped(str(error)) from error
            if ranks.rank == 0 and len(self.curve) < epochs:
                print(f"Going on after step {self.done} of epoch {len(self.curve) + 1}.", flush=True)

    def _locked(self) -> bytes | None:
        """Takes the folder for this run; returns what is kept in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        agent = "TORCHELASTIC_RUN_ID" in os.environ  # after a restart, the processes before may be dying yet
        try:
            self.lock.acquire(timeout=5 if agent else 0)
        except filelock.Timeout:
            raise ValueError(
                f"another run is at work in {self.folder}; wait for it, or name another folder with --into."
            ) from None
        return self.path.read_bytes() if self.path.is_file() else None

    def save(self, must: bool = False) -> None:
        """Keeps what there is; where the disk is full, training goes on and the last whole checkpoint stays.

        Args:
            must: whether it is an error if it cannot be kept.

        Raises:
            Stopped: if it must be kept and cannot be.
        """
        data = self.packed(so_far=[self.done, self.nats, self.notes]) if self.ranks.rank == 0 else b""
        try:
            self.ranks.first(partial(write_atomically, self.path, data))
            self.unsaved = False
        except Stopped as error:
            if must:
                raise Stopped(
                    f"the run cannot be kept in {self.folder} ({error}). Make room on the disk and give the same "
                    "command again: it goes on from the last whole checkpoint."
                ) from error
            if self.ranks.rank == 0 and not self.unsaved:
                print(f"The run cannot be kept in {self.folder} ({error}); training goes on.", file=sys.stderr)
            self.unsaved = True

    def end(self, trained: float, score: float | None, last: bool) -> None:
        """Ends an epoch: keeps it, and says so.

        Args:
            trained: its mean training loss.
            score: its validation score, if there is one.
            last: whether it was the last one, which must be kept.

        Raises:
            Stopped: if it must be kept and cannot be.
        """
        self.keep(trained, score)
        self.done, self.nats, self.notes = 0, 0.0, 0
        self.save(must=last)
        if self.ranks.rank == 0:
            held_out = "" if score is None else f", validation {score:.3f}"
            print(f"epoch {len(self.curve)}: {trained:.3f} nats a note{held_out}; {self.pace}", flush=True)


class _Course:
    """A run on its way through an epoch: which songs are whose, their weight, and the name of what goes wrong."""

    def __init__(self, run: SharedRun, data, batches, loss, save_every: int):
        self.run, self.ranks, self.data, self.batches = run, run.ranks, data, batches
        self.loss, self.save_every = loss, save_every
        gpus = [self.ranks.device] if self.ranks.device.type == "cuda" else None
        # the graph never changes; a last layer may have weights that no output needs, as in 05's WaveNet
        self.together = DistributedDataParallel(run.model, gpus, static_graph=True)
        run.optimizer.register_step_pre_hook(self._all_finite)

    def epoch(self) -> float:
        """Goes through what is left of an epoch; returns its mean loss per note."""
        run, seed, number = self.run, self.run.recipe.seed, len(self.run.curve)
        since, begun = time.perf_counter(), run.done
        _seeded(seed, number)
        order = list(self.batches)  # the same in all processes
        run.model.train()
        for k in tqdm(range(run.done, len(order)), unit="step", disable=None if self.ranks.rank == 0 else True):
            _seeded(seed, number, k, self.ranks.rank)
            own = order[k][self.ranks.rank :: self.ranks.world]
            batch = pad_songs([self.data[index] for index in own or order[k][:1]])
            try:
                step(self.together, run.optimizer, partial(self._weighted, bool(own)), batch, run.recipe.clip)
            except FloatingPointError as error:
                raise Stopped(self._trouble(str(error), own)) from error
            run.schedule.step()
            run.done = k + 1
            if run.done % self.save_every == 0 and run.done < len(order):
                run.save()
        steps, seconds = run.done - begun, time.perf_counter() - since
        run.pace = f"{steps} steps of {self.ranks.world} processes in {seconds:.1f} s"
        return run.nats / run.notes

    def _weighted(self, counts: bool, model, x, y, *more):
        """The loss whose gradients DDP averages to that of the mean over all notes of all processes.

        A process with n of N notes weighs its own mean by (processes) n / N; without a song of its own, by 0.
        """
        value = self.loss(model, x, y, *more)
        own = int((y != IGNORE).sum()) if counts else 0
        lost = not math.isfinite(value.item())
        nats, everyone, lost = self.ranks.sum(0.0 if lost else value.item() * own, own, lost)
        if lost:
            raise FloatingPointError("the loss")  # in all processes, before any weight moves
        self.run.nats, self.run.notes = self.run.nats + nats, self.run.notes + int(everyone)
        return value * (self.ranks.world * own / everyone)

    def _all_finite(self, optimizer, *_) -> None:
        """Before the weights move: the gradient, which is the same in all processes."""
        for group in optimizer.param_groups:
            if not all(w.grad.isfinite().all() for w in group["params"] if w.grad is not None):
                raise FloatingPointError("the gradient")

    def _trouble(self, what: str, own: Sequence[int]) -> str:
        """What is not a number, in which step, and by which song."""
        run = self.run
        weights = list(run.model.parameters())
        if not all(weight.isfinite().all() for weight in weights):
            where = "because the step before made the weights too large"
        else:
            found = [
                name for names in self.ranks.gather(list(map(self.data.name_of, self._bad(own)))) for name in names
            ]
            where = f"by song {found[0]!r}" if found else "by all its songs together"
            where = f"by {len(found)} of its songs, the first {found[0]!r}" if len(found) > 1 else where
        kept = "the last whole checkpoint stays" if run.path.is_file() else "nothing was kept yet"
        return (
            f"{what} is not a number in step {run.done + 1} of epoch {len(run.curve) + 1}, {where}; {kept}. "
            "Try a smaller --rate, or leave that song out."
        )

    def _bad(self, songs: Sequence[int]) -> list[int]:
        """Songs whose own loss or gradient is not a number."""
        bad, weights = [], [weight for weight in self.run.model.parameters() if weight.requires_grad]
        for k in songs:
            item = [column.to(self.ranks.device) for column in pad_songs([self.data[k]])]
            value = self.loss(self.run.model, *item)
            gradients = torch.autograd.grad(value, weights, allow_unused=True)
            if not all(g.isfinite().all() for g in (value, *gradients) if g is not None):
                bad.append(k)
        return bad


def _seeded(*numbers: int) -> None:
    """Random numbers that belong to a place of the run, whatever came before."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
