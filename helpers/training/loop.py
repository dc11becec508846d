"""What surrounds a training loop on one process: best weights, resuming, TensorBoard, a progress bar.

Notebook: 02-fnn-gradcheck and later; 03-lstm writes the loop out and checks that `fit` takes the same steps.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from helpers.files import write_atomically


def step(model, optimizer, loss, batch, clip=None) -> torch.Tensor:
    """One step of training: forward, loss, backward, clip, step.

    Args:
        model: torch.nn.Module; the batch goes to where its weights are.
        optimizer: torch.optim.Optimizer of the model's weights.
        loss: loss(model, *batch) -> tensor (), to minimise.
        batch: a tuple of tensors.
        clip: largest norm of the whole gradient; None for any.

    Returns:
        the loss before the step, a tensor () without gradient; its `.item()` waits for a GPU to finish.

    Notebook: 03-lstm.
    """
    device = next(model.parameters()).device
    optimizer.zero_grad()
    value = loss(model, *(column.to(device) for column in batch))
    value.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return value.detach()


@dataclass(frozen=True)
class Recipe:
    """How the weights move: by default with AdamW, whose learning rate makes one cycle.

    Attributes:
        rate: highest learning rate, reached after three tenths of the run; then it falls to nothing.
        decay: weight decay.
        clip: largest norm of the whole gradient; None for any.
        seed: epoch k begins with torch.manual_seed(seed + k), so that a resumed run takes the steps it would have
            taken; None leaves the random numbers alone.
        optimizer: torch.optim.Optimizer of the model's weights, in place of AdamW with `rate` and `decay`.
        schedule: torch.optim.lr_scheduler of this optimizer, in place of the cycle; it steps after every batch.

    Notebook: 02-fnn-gradcheck; 03-lstm explains it.
    """

    rate: float = 4e-3
    decay: float = 0.01
    clip: float | None = 1.0
    seed: int | None = 0
    optimizer: torch.optim.Optimizer | None = None
    schedule: torch.optim.lr_scheduler.LRScheduler | None = field(default=None, repr=False)


def fit(model, batches, loss, *, epochs, validate=None, run=None, progress=True, **recipe):
    """Trains a model; it ends in evaluation mode, with its best weights.

    Args:
        model: torch.nn.Module, on the device where it is to be trained.
        batches: tuples of tensors, gone through once an epoch, with a length: a DataLoader or a list.
        loss: loss(model, *batch) -> tensor (), to minimise.
        epochs: how many there are in all, with those before an interruption.
        validate: validate(model) -> float, less is better: the best epoch's weights are kept; None keeps the last.
        run: folder for TensorBoard and resuming, or None. With an interrupted run's folder, training goes on after
            its last whole epoch.
        progress: whether a bar is shown on standard output.
        recipe: attributes of `Recipe`, such as rate=8e-3.

    Returns:
        (mean training loss, what validate gave or None) of each epoch, as a list.

    Raises:
        ValueError: if batches cannot be counted, a schedule lacks its optimizer or a run its seed, or if the folder
            holds a run of another model or recipe.
        FloatingPointError: if a loss is not a number.

    Notebook: 02-fnn-gradcheck; 03-lstm writes out its steps.
    """
    recipe, steps = Recipe(**recipe), len(batches) if hasattr(batches, "__len__") else 0
    if not steps:
        raise ValueError("there are no batches, or they cannot be counted; give a DataLoader or a list.")
    if (recipe.schedule and not recipe.optimizer) or (run is not None and recipe.seed is None):
        raise ValueError("a schedule needs its optimizer, and a run in a folder a seed.")
    so_far = Run(run, model, recipe, epochs, steps)
    options = {"total": steps * epochs, "initial": steps * len(so_far.curve), "unit": "step", "mininterval": 0.5}
    with so_far.log, tqdm(**options, file=sys.stdout, disable=not progress) as bar:
        for _ in range(len(so_far.curve), epochs):
            bar.set_postfix_str(so_far.epoch(batches, loss, validate, bar.update))
    if so_far.best is not None:
        model.load_state_dict(so_far.best)
    model.eval()
    return so_far.curve


class Run:
    """A run so far: its curve, its best weights, and the folder where they are kept, if there is one.

    `last.pt` in that folder is all it takes to go on. It is replaced after each epoch, by renaming: an interruption at
    any moment leaves the old file or the new one.

    Args:
        folder: where it is kept, or None.
        model: torch.nn.Module.
        recipe: a Recipe.
        epochs: how many there are in all.
        steps: of each epoch.
        nature: what else must be the same for the run to go on, as {what: value}.

    Raises:
        ValueError: if the folder holds another run, or a file that cannot be read.

    Notebook: none; `fit` and helpers.training.ranks keep their runs in one.
    """

    def __init__(self, folder, model, recipe, epochs, steps, nature=None):
        self.folder, self.model, self.recipe = folder, model, recipe
        self.curve, self.best, self.log = [], None, contextlib.nullcontext()
        self.nature = dict(nature or {})
        self.nature |= {f"the shape of {name}": str(tuple(w.shape)) for name, w in model.state_dict().items()}
        self.nature["the recipe"] = " ".join(f"{epochs} epochs of {steps} steps, {recipe}".split())
        self.optimizer, self.schedule = recipe.optimizer, recipe.schedule
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay)
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, recipe.rate, epochs * steps)
        self.schedule = self.schedule or torch.optim.lr_scheduler.ConstantLR(self.optimizer, 1.0)
        self.parts = {"model": model, "optimizer": self.optimizer, "schedule": self.schedule}
        if folder is not None:
            if (Path(folder) / "last.pt").is_file():
                self.resume((Path(folder) / "last.pt").read_bytes())
            from torch.utils.tensorboard import SummaryWriter  # takes seconds where TensorFlow is installed

            # nothing counts that an interrupted epoch has logged
            self.log = SummaryWriter(folder, purge_step=len(self.curve) or None)

    def epoch(self, batches, loss, validate, took_step) -> str:
        """Goes through the batches once; returns a word about it.

        Args:
            batches, loss, validate: as `fit`.
            took_step: called after each step.

        Raises:
            FloatingPointError: if a loss is not a number.
        """
        number = len(self.curve)
        if self.recipe.seed is not None:
            torch.manual_seed(self.recipe.seed + number)
        self.model.train()
        losses = []
        for batch in batches:
            losses.append(step(self.model, self.optimizer, loss, batch, self.recipe.clip))
            self.schedule.step()
            took_step()
        trained = sum(torch.stack(losses).tolist()) / len(losses)
        score = None if validate is None else float(validate(self.model))
        if math.isnan(trained + (score or 0)):
            raise FloatingPointError(f"the loss of epoch {number + 1} is not a number; try a smaller rate.")
        self.keep(trained, score)
        if self.folder is not None:
            self.write_log()
            write_atomically(Path(self.folder) / "last.pt", self.packed())
        return f"epoch {number + 1}" + ("" if score is None else f", validation {score:.3f}")

    def keep(self, trained: float, score: float | None) -> None:
        """Ends an epoch.

        Args:
            trained: its mean training loss.
            score: its validation score, if there is one; the best one's weights are kept.
        """
        self.curve.append((trained, score))
        if score is not None and score == min(earlier for _, earlier in self.curve):
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def resume(self, data: bytes) -> dict:
        """Goes on from what `packed` gave; returns all that is in it.

        Raises:
            ValueError: if it cannot be read, or is another run's.
        """
        broken = f"{Path(self.folder) / 'last.pt'} cannot be read; delete it to begin anew."
        try:
            saved = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            there, here = dict(saved["nature"]), self.nature
        except Exception as error:
            raise ValueError(broken) from error
        for key in {**here, **there}:
            if there.get(key) != here.get(key):
                raise ValueError(
                    f"the folder {self.folder} holds another run: {key} was {there.get(key)} there and is "
                    f"{here.get(key)} here. Name another folder, or delete that one to begin anew."
                )
        try:
            for name, part in self.parts.items():
                part.load_state_dict(saved[name])
            self.curve, self.best = list(saved["curve"]), saved["best"]
        except Exception as error:
            raise ValueError(broken) from error
        return saved

    def write_log(self) -> None:
        """Writes the last epoch for TensorBoard."""
        values = *self.curve[-1], self.optimizer.param_groups[0]["lr"]
        for name, value in zip(("training loss", "validation", "learning rate"), values, strict=True):
            if value is not None:
                self.log.add_scalar(name, value, len(self.curve) - 1)
        self.log.flush()

    def packed(self, **more) -> bytes:
        """All it takes to go on, as the bytes of a file.

        Args:
            more: what else is to be kept.
        """
        state = {name: part.state_dict() for name, part in self.parts.items()}
        file = io.BytesIO()
        torch.save(state | {"nature": self.nature, "curve": self.curve, "best": self.best} | more, file)
        return file.getvalue()
