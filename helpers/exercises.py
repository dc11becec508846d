"""Answers to the exercises, checked without being told.

The answers stand in the metadata of the solution notebooks, whose own cells check them.

Notebook: the exercises of all of them; first met in 01-markov.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Number

import numpy as np
import torch

from helpers import exported

NOT_YET = "not yet: put your answer in the place of the dots"


def check(number: str, yours) -> None:
    """Says whether an answer to an exercise is right, and if not, in which direction to look.

    For an array it looks at the shape first. A function is called on a few inputs, and so is that of the solution.
    The answer stands in the metadata of notebooks/solutions, under "exercises", in one of these forms:

        {"1.2": {"value": 2.69, "tolerance": 0.001, "about": "nats per note"},
         "1.3": {"value": [[1, 2], [3, 4]]},
         "1.4": {"function": "step", "tries": [[{"random": [3, 5]}, 0.5]], "tolerance": 1e-9}}

    A function is named as a cell tagged `export` defines it; in a try, lists of numbers become tensors, and
    {"random": shape} a tensor of seeded normal draws. Without a tolerance, whole numbers and text must be equal, and
    other numbers to six digits.

    Args:
        number: of the exercise, such as "1.2", the second of notebook 01.
        yours: your answer: a number, text, an array or a tensor, a list of these, or a function; dots (...) or None if
            there is none yet.

    Raises:
        ValueError: if there is no such exercise, or the answer is of another kind than is asked for, or not a number.

    Notebook: 01-markov.
    """
    name, answer = _answer(number)
    if _missing(yours):
        verdict = NOT_YET
    elif "function" in answer:
        verdict = _verdict_on_function(number, name, answer, yours)
    else:
        try:
            verdict = _verdict(answer["value"], yours, answer.get("tolerance")) or "right"
        except ValueError as error:
            raise ValueError(f"exercise {number}: {error}") from None
        if verdict in ("too small", "too large") and "about" in answer:
            verdict += f" ({answer['about']})"
    print(f"{number}: {verdict}")


def _answer(number: str) -> tuple[str, Mapping]:
    """The solution notebook's name, and what it stores for an exercise."""
    stored = {}
    for path in sorted((exported.NOTEBOOKS / "solutions").glob("*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        stored |= {key: (f"solutions/{path.stem}", answer) for key, answer in metadata.get("exercises", {}).items()}
    if number not in stored:
        chapter = str(number).partition(".")[0]
        near = [key for key in stored if key.partition(".")[0] == chapter] or list(stored)
        raise ValueError(f"there is no exercise {number!r} to check; there is {', '.join(near) or 'none'}.")
    return stored[number]


def _missing(value) -> bool:
    return value is None or value is Ellipsis


def _kind(value) -> str:
    name = "function" if callable(value) else type(value).__name__
    return f"is {'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _verdict(expected, yours, tolerance: float | None) -> str:
    """What is wrong, or nothing. Raises ValueError if the two cannot be compared."""
    if isinstance(expected, str | bool | np.bool_):
        kind = str if isinstance(expected, str) else bool | np.bool_
        if not isinstance(yours, kind):
            raise ValueError(f"the answer is {'text' if kind is str else 'True or False'}, and yours {_kind(yours)}.")
        return "" if yours == expected else "wrong"
    if isinstance(expected, tuple) or (isinstance(expected, list) and not _is_array(expected)):
        return _verdict_on_parts(expected, yours, tolerance)
    return _verdict_on_numbers(expected, yours, tolerance)


def _is_array(value: list) -> bool:
    """Whether a list holds numbers only, in rows of equal length."""
    try:
        return np.asarray(value).dtype.kind in "iuf"
    except ValueError:
        return False


def _verdict_on_parts(expected: Sequence, yours, tolerance: float | None) -> str:
    if not isinstance(yours, list | tuple):
        raise ValueError(f"the answer is a list of {len(expected)} parts, and yours {_kind(yours)}.")
    if len(yours) != len(expected):
        return f"wrong, it should have {len(expected)} parts, yours has {len(yours)}"
    for k, (one, other) in enumerate(zip(expected, yours, strict=True), 1):
        if verdict := "it is missing" if _missing(other) else _verdict(one, other, tolerance):
            return f"wrong in part {k}: {verdict}"
    return ""


def _verdict_on_numbers(expected, yours, tolerance: float | None) -> str:
    true, given = _numbers(expected), _numbers(yours)
    if true.shape != given.shape and (true.size, given.size) != (1, 1):
        if not true.shape:
            raise ValueError(f"the answer is a single number, and yours has the shape {given.shape}.")
        return f"wrong, the shape should be {true.shape}, yours is {given.shape}"
    if np.isnan(given).any():
        raise ValueError("your answer is NaN, not a number; look for 0/0, the logarithm of 0, or the mean of nothing.")
    if tolerance is None:
        tolerance = 0 if _is_whole(expected) else 1e-6 * np.abs(true[np.isfinite(true)]).max(initial=1)
    with np.errstate(invalid="ignore"):  # infinity minus infinity is as it should be
        off = given.reshape(true.shape) - true
    small, large = int((off < -tolerance).sum()), int((off > tolerance).sum())
    if small and large:
        return f"wrong in {small + large} of {true.size} places"
    return "too small" if small else "too large" if large else ""


def _is_whole(value) -> bool:
    return not value.is_floating_point() if isinstance(value, torch.Tensor) else np.asarray(value).dtype.kind in "iu"


def _numbers(value) -> np.ndarray:
    """As an array of doubles, of shape () for a single number."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().double().numpy()
    if isinstance(value, list | tuple):
        rows = [_numbers(part) for part in value]
        if len({row.shape for row in rows}) > 1:
            raise ValueError("the answer is an array, and yours has rows of different shapes.")
        return np.stack(rows) if rows else np.zeros(0)
    if isinstance(value, np.ndarray | Number) and not isinstance(value, bool | complex):
        return np.asarray(value, dtype=float)
    raise ValueError(f"the answer is a number or an array, and yours {_kind(value)}.")


def _verdict_on_function(number: str, name: str, answer: Mapping, yours) -> str:
    if not callable(yours):
        raise ValueError(f"exercise {number} asks for a function, and yours {_kind(yours)}; give its name alone.")
    theirs, tries = getattr(exported.from_notebook(name), answer["function"]), answer["tries"]
    for k, given in enumerate(tries):
        expected = theirs(*_arguments(given, k))
        try:
            result = yours(*_arguments(given, k))
        except NotImplementedError:
            return NOT_YET
        except Exception as error:  # whatever a reader's function may do
            return f"your function fails on try {k + 1} of {len(tries)}: {type(error).__name__}: {error}"
        if _missing(result) and not _missing(expected):
            return NOT_YET
        try:
            verdict = _verdict(expected, result, answer.get("tolerance"))
        except ValueError as error:
            verdict = f"wrong: {error}"
        if verdict:
            return f"on try {k + 1} of {len(tries)} {verdict}"
    return "right"


def _arguments(given: Sequence, seed: int) -> list:
    """New ones each time, since a function may change what it is given."""
    return [_argument(argument, 100 * seed + k) for k, argument in enumerate(given)]


def _argument(given, seed: int):
    if isinstance(given, Mapping):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(given["random"], generator=generator, dtype=torch.double)
    if isinstance(given, list) and _is_array(given):
        return torch.tensor(given, dtype=torch.long if np.asarray(given).dtype.kind in "iu" else torch.double)
    return given
