"""Training on your songs: it stops early, it can be interrupted, and the same command goes on.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from helpers import training
from helpers.datasets import SongDataset, pad_songs
from helpers.exported import from_notebook
from helpers.songs import Song
from helpers.yours.network import NOTEBOOK

BATCH = 16  # songs


@dataclass(frozen=True)
class Plan:
    """How much is trained: a fixed number of epochs at most, whatever the machine.

    Attributes:
        epochs: at most.
        rate: the learning rate at the beginning; it falls to nothing in a straight line.
        patience: epochs without a better validation score before it stops.

    Notebook: 09-your-songs.
    """

    epochs: int
    rate: float
    patience: int


def plan_for(songs: int, scratch: bool, validated: bool) -> Plan:
    """What suits a number of songs: 30 epochs (60 from scratch), and at most 4,000 steps.

    The rates were chosen on 26 validation songs beside 152 tunes of O'Neill's book, one seed. From the 06-lstm of
    then, 15 epochs with 1, 2, 4 and 8 thousandths: 2.015, 1.975, 1.975 and 1.979 nats a note (from that of now, with
    2: 1.990). From scratch, 20 epochs with 4 and 8 thousandths: 2.128 and 2.124 (now, with 4: 2.140).

    Args:
        songs: to learn from.
        scratch: whether the network knows nothing yet.
        validated: whether there are validation songs; without them nothing says when to stop, and a third must do.

    Notebook: 09-your-songs.
    """
    steps = -(-songs // BATCH)
    epochs = max(4, min(60 if scratch else 30, 4000 // steps))
    return Plan(epochs if validated else max(4, epochs // 3), 4e-3 if scratch else 2e-3, 12 if scratch else 6)


@dataclass
class Outcome:
    """How training went.

    Attributes:
        epochs: that were trained.
        best: validation score, nats a note; None without validation songs.
        complete: whether it came to its end; False after Ctrl-C.
        kept: "best" for an epoch's weights, "first" where none of them was better than what training began with.

    Notebook: 09-your-songs.
    """

    epochs: int
    best: float | None
    complete: bool
    kept: str = "best"


class _Enough(Exception):
    """Raised where validation has not become better for long."""


def fit(model, songs: Sequence[Song], data: SongDataset, validation, plan: Plan, run: Path, seed: int = 0) -> Outcome:
    """Trains a network on songs; it ends with the weights that validation liked best.

    Args:
        model: Pointing; changed in place.
        songs: to learn from, for what is said of them.
        data: the same songs as ids.
        validation: SongDataset of those that choose the epoch; None if there are none.
        plan: how much is trained.
        run: folder where the last whole epoch is kept until training is complete; the same folder resumes.
        seed: of the order of songs and of dropout.

    Raises:
        FloatingPointError: the loss is not a number; names the step and the song.
        KeyboardInterrupt: before the first epoch was complete, so that nothing can be kept.

    Notebook: 09-your-songs.
    """
    curve = _curve_in(run)
    judge = validation and _Judge(validation, plan.patience, [score for _, score in curve])
    before = judge and judge.score(model)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches, stepping = _steps(model, data, plan)
    loss, complete = _Watched(songs, len(curve) * len(batches)), True
    options = {"epochs": plan.epochs, "validate": judge, "run": run, "seed": seed, **stepping}
    try:
        training.fit(model, batches, loss, progress=sys.stdout.isatty(), **options)
    except _Enough:
        pass
    except KeyboardInterrupt:
        if not _curve_in(run):
            raise
        complete = False
    return _outcome(model, first, before, run, complete)


def _steps(model, data: SongDataset, plan: Plan) -> tuple[DataLoader, dict]:
    """Batches of songs of like length, and what moves the weights."""
    sampler = from_notebook(NOTEBOOK).lstm.LikeLengths(data, BATCH)
    batches = DataLoader(_Numbered(data), batch_sampler=sampler, collate_fn=_padded)
    optimizer = torch.optim.AdamW(model.parameters(), plan.rate, weight_decay=0.1)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=plan.epochs * len(batches))
    return batches, {"optimizer": optimizer, "schedule": falling}


def _outcome(model, first: dict, before: float | None, run: Path, complete: bool) -> Outcome:
    """Puts the best weights into the model."""
    saved = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
    scores = [score for _, score in saved["curve"] if score is not None]
    if scores and min(scores) >= before:
        model.load_state_dict(first)
        outcome = Outcome(len(saved["curve"]), before, complete, "first")
    else:
        model.load_state_dict(saved["best"] or saved["model"])
        outcome = Outcome(len(saved["curve"]), min(scores, default=None), complete)
    model.eval()
    return outcome


def forget(run: Path) -> None:
    """Removes what was kept for going on.

    Args:
        run: the folder.

    Notebook: 09-your-songs.
    """
    shutil.rmtree(run, ignore_errors=True)


def _curve_in(run: Path) -> list:
    """The curve of an interrupted run, [] if there is none that can be read; `training.fit` says what is wrong."""
    try:
        return torch.load(run / "last.pt", map_location="cpu", weights_only=True)["curve"]
    except Exception:
        return []


class _Judge:
    """The validation score of each epoch; raises _Enough where there is no hope of a better one."""

    def __init__(self, songs: SongDataset, patience: int, scores: list[float]):
        self.songs, self.patience, self.scores = songs, patience, list(scores)

    def score(self, model) -> float:
        """Nats a note."""
        return from_notebook(NOTEBOOK).lstm.note_losses(model, self.songs).mean().item()

    def __call__(self, model) -> float:
        self.scores.append(self.score(model))
        if len(self.scores) - 1 - self.scores.index(min(self.scores)) >= self.patience:
            raise _Enough
        return self.scores[-1]


class _Watched:
    """The loss of notebook 03, which says at which step and song it is not a number."""

    def __init__(self, songs: Sequence[Song], step: int):
        self.songs, self.step = songs, step

    def __call__(self, model, x, y, z, numbers):
        self.step += 1
        loss = from_notebook(NOTEBOOK).lstm.note_loss
        value = loss(model, x, y, z)
        if not torch.isfinite(value):
            each = (loss(model, x[k : k + 1], y[k : k + 1], z[k : k + 1]) for k in range(len(x)))
            worst = next((k for k, one in enumerate(each) if not torch.isfinite(one)), 0)
            song = self.songs[numbers[worst]]
            raise FloatingPointError(
                f"the loss of step {self.step} is not a number, first in song {song.id!r} ({song.title}); nothing was "
                "saved of this step. Try a smaller RATE, or take that song out of the folder."
            )
        return value


class _Numbered(torch.utils.data.Dataset):
    """Each song's tensors with its number behind them."""

    def __init__(self, data: SongDataset):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int):
        return (*self.data[index], index)


def _padded(items):
    return (*pad_songs([item[:3] for item in items]), torch.tensor([item[3] for item in items]))
