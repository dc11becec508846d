"""Trained models on disk: weights as .safetensors, and a .json card that says what they are.

The card is a file of its own, though safetensors could hold it as text: on GitHub it can be read and compared.

Notebook: 02-fnn-gradcheck and later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from helpers.exported import from_notebook
from helpers.files import write_atomically

MODELS = Path(__file__).resolve().parent.parent / "models"
REQUIRED = ("notebook", "class", "hyperparameters", "vocabulary", "data", "seed", "scores")


class Checkpoint(NamedTuple):
    """A trained model.

    Attributes:
        model: torch.nn.Module, in evaluation mode.
        card: what it is, as given to `save`, and the weights' SHA-256 hash.

    Notebook: 02-fnn-gradcheck.
    """

    model: Any
    card: dict


def save(model, name: str, card: dict, folder=MODELS) -> Path:
    """Writes `name`.safetensors and `name`.json; both appear, whole and together, or none: an older pair stays.

    Args:
        model: torch.nn.Module.
        name: of the checkpoint, such as "02-fnn".
        card: a JSON object with at least "notebook" and "class" (where the model is defined),
            "hyperparameters" (its keyword arguments), "vocabulary", "data", "seed" and "scores".
        folder: where the two files go; made if it is not there.

    Returns:
        the path of the weights.

    Raises:
        ValueError: naming what the card lacks.

    Notebook: 02-fnn-gradcheck.
    """
    missing = [key for key in REQUIRED if key not in card]
    if missing:
        raise ValueError(f"the card of {name!r} lacks {', '.join(missing)}.")
    weights = to_bytes({key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()})
    text = json.dumps(card | {"sha256": hashlib.sha256(weights).hexdigest()}, indent=1, ensure_ascii=False) + "\n"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    write_atomically(_next(path), weights)
    write_atomically(path.with_suffix(".json"), text.encode("utf-8"))  # from now on the new one counts
    os.replace(_next(path), path)
    return path


def load(name: str, build=None, folder=MODELS, device="cpu") -> Checkpoint:
    """Reads a checkpoint and builds its model.

    Args:
        name: of the checkpoint, such as "02-fnn".
        build: the model's class; the one that the card's notebook exports if None.
        folder: where the two files are.
        device: where the weights go.

    Raises:
        FileNotFoundError: naming the checkpoints there are, if this is none of them.
        ValueError: if the card is damaged, weights and card do not belong together, or the model has other tensors
            than the file.

    Notebook: 02-fnn-gradcheck.
    """
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file() or not path.with_suffix(".json").is_file():
        there = ", ".join(sorted(file.stem for file in Path(folder).glob("*.safetensors"))) or "none"
        raise FileNotFoundError(f"there is no checkpoint {name!r} in {folder}; there is {there}.")
    card = _card(path.with_suffix(".json"))
    weights = _weights(path, card)
    model = _built(name, card, weights, build)
    return Checkpoint(model.to(device).eval(), card)


def _built(name: str, card: dict, weights: bytes, build):
    """The model that a card describes, with its weights. Raises: as `load`."""
    try:
        stored = from_bytes(weights)
        kind = build or _class_of(card)
        with contextlib.nullcontext() if build else torch.device("meta"):  # no numbers: a card may ask for any size
            model = kind(**card["hyperparameters"])
    except (FileNotFoundError, ImportError):  # of its notebook
        raise
    except Exception as error:  # of a class that is built from what a stranger wrote
        raise ValueError(f"{name}.json describes no model that can be built: {error}") from error
    wanted = model.state_dict()
    for key in sorted(stored.keys() | wanted.keys()):
        here, there = stored.get(key), wanted.get(key)
        if here is None or there is None or here.shape != there.shape:
            shapes = [tuple(tensor.shape) if tensor is not None else "nothing" for tensor in (here, there)]
            raise ValueError(
                f"checkpoint {name!r} does not fit {kind.__name__}: {key!r} is {shapes[0]} in the file and "
                f"{shapes[1]} in the model."
            )
    if build is None:
        model = kind(**card["hyperparameters"])
    model.load_state_dict(stored)
    return model


def _class_of(card: dict):
    """The class that a card names. Raises: TypeError if it is no network, or none is called so."""
    found = getattr(from_notebook(card["notebook"]), card["class"], None)
    if not isinstance(found, type) or not issubclass(found, torch.nn.Module):
        raise TypeError(f"{card['notebook']} exports no network {card['class']!r}")
    return found


def _weights(path: Path, card: dict) -> bytes:
    """The weights that a card describes; they still wait for it where `save` was interrupted after the card."""
    for place in (path, _next(path)):
        if place.is_file() and hashlib.sha256(weights := place.read_bytes()).hexdigest() == card["sha256"]:
            return weights
    raise ValueError(f"{path.name} is not the file that {path.stem}.json describes; take both from the same place.")


def _next(path: Path) -> Path:
    """Where weights wait for their card."""
    return path.with_name(f".{path.name}.next")


def _card(path: Path) -> dict:
    """A card that can be used. Raises: ValueError naming the file if it is damaged."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        card = None
    missing = [key for key in (*REQUIRED, "sha256") if key not in card] if isinstance(card, dict) else REQUIRED
    if missing:
        what = f"has no {', '.join(missing)}" if card else "is no card that can be read"
        raise ValueError(f"{path.name} {what}; take it again from where {path.stem}.safetensors came from.")
    return card
