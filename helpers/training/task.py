"""What is trained: a notebook's network on a store's songs, as large as a shipped checkpoint's card says.

Notebook: 10-more-machines.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import NamedTuple

import torch

from helpers.checkpoints import MODELS
from helpers.exported import from_notebook
from helpers.store import Store, melodies_of


class Task(NamedTuple):
    """A network to train and what belongs to it.

    Attributes:
        model: torch.nn.Module.
        book: the module that scores it: note_loss(model, x, y, z), note_losses(model, data), LikeLengths(data, size).
        card: what its checkpoint's card begins with.

    Notebook: none; made by `task_of`.
    """

    model: torch.nn.Module
    book: ModuleType
    card: dict


def task_of(notebook: str, store: Store, like: str | None = None, changes: dict | None = None) -> Task:
    """The network of a notebook with new weights, for the alphabet of a store.

    Args:
        notebook: such as "06-attention".
        store: spelled by this notebook.
        like: a shipped checkpoint of this notebook, whose hyperparameters are taken; its first one if None.
        changes: hyperparameters that differ from those.

    Raises:
        FileNotFoundError: there is no such notebook or checkpoint.
        ValueError: the checkpoint is another notebook's, or the network has no such hyperparameter.

    Notebook: 10-more-machines.
    """
    book, card = melodies_of(notebook), _card_of(notebook, like)
    kind = getattr(from_notebook(notebook), card["class"])
    durations = store.durations
    alphabet = {"pitches": (len(store.alphabet) - 1) // durations, "durations": durations}
    how = card["hyperparameters"] | alphabet | (changes or {})
    try:
        model = kind(**how)
    except TypeError as error:
        raise ValueError(f"{card['class']} of notebook {notebook!r} cannot be made of {how}: {error}.") from error
    known = {"notebook": notebook, "class": card["class"], "hyperparameters": how}
    return Task(model, book, known | {"vocabulary": list(store.alphabet.vocabulary)})


def _card_of(notebook: str, like: str | None) -> dict:
    """The card of a shipped checkpoint of this notebook."""
    cards = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(MODELS.glob("*.json"))}
    own = [name for name, card in cards.items() if card.get("notebook") == notebook and "class" in card]
    if like is None:
        like = own[0] if own else None
    if like not in cards:
        raise FileNotFoundError(f"there is no checkpoint {like!r}; of notebook {notebook!r} there is {', '.join(own)}.")
    if like not in own:
        other = cards[like].get("notebook", "none")
        raise ValueError(f"checkpoint {like!r} is of notebook {other!r}, not {notebook!r}; take {' or '.join(own)}.")
    return cards[like]


def without_dropout(model: torch.nn.Module) -> torch.nn.Module:
    """The same network, which drops nothing: the steps no longer depend on how many processes share them.

    Args:
        model: changed in place.

    Notebook: 10-more-machines.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):  # torch's LSTM, and notebook 06's Attention
            module.dropout = 0.0
    return model
