"""Trains a notebook's network on any songs, on any number of processes and machines.

torchrun --nproc-per-node 2 -m helpers.training 06-attention --songs my-songs --into my-run

Notebook: 10-more-machines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch
from torch.utils.data import Subset

from helpers import checkpoints
from helpers.cache import cache_folder
from helpers.store import Store, digest_of, melodies_of, prepare, readings_of
from helpers.training.ranks import Ranks, Stopped, leave
from helpers.training.shared import fit
from helpers.training.task import Task, task_of, without_dropout


def options(arguments=None) -> argparse.Namespace:
    """What was typed behind `-m helpers.training`.

    Args:
        arguments: a list of strings; those of the command if None.

    Notebook: none; called by `main`.
    """
    parser = argparse.ArgumentParser("helpers.training", description="Train a notebook's network on many processes.")
    parser.add_argument("notebook", help="03-lstm, 05-wavenet or 06-attention")
    parser.add_argument("--songs", required=True, help="a folder, or a book inside music21 such as essen:erk")
    parser.add_argument("--into", default="build/run", type=Path, help="its folder; the same command goes on there")
    parser.add_argument("--store", type=Path, help="where the prepared songs go; beside the song cache if not given")
    parser.add_argument("--like", help="the checkpoint in models/ whose size is taken, such as 06-transformer")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="hyperparameters that differ")
    parser.add_argument("--epochs", type=int, default=5, help="0 prepares the songs only")
    parser.add_argument("--batch", type=int, default=16, help="songs of a step, all processes together")
    parser.add_argument("--rate", type=float, default=8e-3, help="highest learning rate")
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=200, help="steps between two checkpoints in an epoch")
    parser.add_argument("--as-written", action="store_true", help="leave the songs in their keys")
    parser.add_argument("--no-dropout", action="store_true", help="the same steps on any number of processes")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Trains; returns 0, or 1 after one sentence about what went wrong.

    Args:
        arguments: as `options`.

    Notebook: none; this is the command.
    """
    typed, ranks = options(arguments), Ranks()
    try:
        train(typed, ranks)
    except Stopped as error:
        if ranks.rank == 0:
            print(f"helpers.training: {error}", file=sys.stderr, flush=True)
        ranks.sum(0)  # nobody goes before it is said
        return 1
    except RuntimeError as error:
        if "closed by peer" not in str(error) and "reset by peer" not in str(error):
            raise
        print(f"Process {ranks.rank}: another process was lost.", file=sys.stderr, flush=True)
        os._exit(1)  # the group cannot be ended in order; torchrun starts it again
    ranks.close()
    return 0


def train(typed: argparse.Namespace, ranks: Ranks) -> None:
    """Prepares the songs, trains on them and writes the checkpoint.

    Args:
        typed: as `options` gives it.
        ranks: the processes.

    Raises:
        Stopped: in all processes, if something typed cannot be; and as `helpers.training.shared.fit`.

    Notebook: none; called by `main`.
    """
    paths = ranks.first(lambda: _prepared(typed))
    if not typed.epochs:
        return
    seen = ranks.gather(all(path.is_file() for path in paths))
    if not all(seen):
        where = f"process {seen.index(False)} does not see the songs in {paths[0].parent}"
        raise Stopped(f"{where}; give --store a folder on a disk that all machines share.")
    store = Store(paths).spelled_by(typed.notebook)
    task = ranks.first(lambda: _checked(typed, ranks, store)) and _task(typed, store)
    songs = {part: store.of_part(part) for part in ("train", "validation")}
    batches = _Batches(task.book.LikeLengths, songs["train"], store.lengths, typed.batch)
    scored = lambda model: _validation(ranks, task, store, songs["validation"])
    nature = {
        "the notebook": typed.notebook,
        "the songs": paths[0].parent.name,
        "the dropout": str(not typed.no_dropout),
    }
    how = {"rate": typed.rate, "decay": typed.decay, "seed": typed.seed, "save_every": typed.save_every}
    how |= {"validate": scored if songs["validation"] else None, "epochs": typed.epochs, "folder": typed.into}
    curve = fit(ranks, task.model.to(ranks.device), store, task.book.note_loss, batches, nature=nature, **how)
    ranks.first(lambda: _write(typed, task, store, curve))


def _prepared(typed: argparse.Namespace) -> list[Path]:
    """The shards of the songs, made where they are not there yet."""
    melodies_of(typed.notebook)
    readings = readings_of(typed.songs)
    name = f"store-{digest_of(readings, typed.notebook, typed.as_written)}"
    store = prepare(readings, (typed.store or cache_folder()) / name, typed.notebook, not typed.as_written)
    rejected = len(store.rejected)
    why = f"; {rejected} rejected, the first: {store.rejected[0].name}: {store.rejected[0].reason}" if rejected else ""
    print(f"{len(store):,} songs{why}", flush=True)
    return store.paths


def _checked(typed: argparse.Namespace, ranks: Ranks, store: Store) -> bool:
    """ValueError if the processes, the batch and the songs do not fit together, or no such network can be made."""
    count = len(store.of_part("train"))
    if count < ranks.world:
        raise ValueError(f"{ranks.world} processes for {count} songs to train on: start {max(count, 1)} at most.")
    if typed.batch < ranks.world:
        raise ValueError(f"--batch {typed.batch} leaves some of {ranks.world} processes without a song; give more.")
    _task(typed, store)
    return True


def _task(typed: argparse.Namespace, store: Store) -> Task:
    changes = {}
    for text in typed.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text!r} is no NAME=VALUE, such as hidden=512.")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    torch.manual_seed(typed.seed)
    task = task_of(typed.notebook, store, typed.like, changes)
    if typed.no_dropout:
        without_dropout(task.model)
    return task


class _Batches:
    """Lists of indices of a store's songs, by the notebook's own sampler, which looks at lengths only."""

    def __init__(self, sampler, songs: list[int], lengths, size: int):
        self.songs, self.sampler = songs, sampler([(range(lengths[k]),) for k in songs], size)

    def __len__(self):
        return len(self.sampler)

    def __iter__(self):
        return ([self.songs[k] for k in batch] for batch in self.sampler)


def _validation(ranks: Ranks, task: Task, store: Store, songs: list[int]) -> float:
    """Nats per note of the validation songs, each process its share."""
    own = songs[ranks.rank :: ranks.world]
    losses = task.book.note_losses(task.model, Subset(store, own)) if own else torch.zeros(0)
    nats, notes = ranks.sum(losses.sum().item(), len(losses))
    return nats / notes


def _write(typed: argparse.Namespace, task: Task, store: Store, curve: list) -> None:
    """The checkpoint and its card, into the run's folder."""
    scores = {"validation_nats_per_note": min((s for _, s in curve if s is not None), default=None), "curve": curve}
    data = {"songs": typed.songs, "number": len(store), "rejected": len(store.rejected), "in_c": not typed.as_written}
    card = task.card | {"data": data, "seed": typed.seed, "scores": scores}
    path = checkpoints.save(task.model, typed.notebook, card, typed.into)
    print(f"The network is in {path}; its card says what it is.", flush=True)


if __name__ == "__main__":
    leave(main())
