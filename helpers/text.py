"""Text files in UTF-8, or as old programs wrote them.

Notebook: none; called by readers and corpus.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from helpers.reasons import Unusable

OLD = (
    "cp1252",
    "cp437",
    "cp850",
    "mac_roman",
)  # Windows (with Latin-1), DOS in America and in Europe, the old Macintosh
_COMMON, _RARE = set("äöüßéèàáíóúñãå"), set("âêîôûçøæëïìòõùœ")
_MARKS = set("‘’“”„–—…«»©§¿¡°")


def text_of(path) -> str:
    """A text file, in UTF-8 or, as many older kern and ABC files are, in an encoding of Windows, DOS or the Macintosh.

    Of the four in `OLD` it is the one in which the letters beyond ASCII stand most often where European languages have
    them. charset-normalizer 3.5, which decides by the statistics of whole texts, took 17 of 47 names and titles in
    files of 50 bytes for others; this takes two.

    Args:
        path: of the file.

    Raises:
        Unusable: the file holds anything but text.

    Notebook: none; called by readers and corpus.
    """
    raw = Path(path).read_bytes().rstrip(b"\x1a")  # DOS ended a file so
    if re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", raw) or _beyond_ascii(raw) > len(raw) / 3:
        raw = _of_utf(raw) or b"\0"
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = max((raw.decode(name, errors="replace") for name in OLD), key=_likeness)
    if "\0" in text:
        raise Unusable(f"this is not a text file, as {Path(path).suffix.lower()} files are: it holds binary data")
    return text


def _beyond_ascii(raw: bytes) -> int:
    return len(raw) - len(raw.translate(None, bytes(range(128, 256))))


def _of_utf(raw: bytes) -> bytes:
    """What has control characters or little ASCII is text only if it is UTF-8 throughout, without such characters."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return b""
    return raw if not re.search(r"[\x00-\x08\x7f]", text) else b""


def _likeness(text: str) -> int:
    """How well the characters beyond ASCII stand where European languages have them."""
    score = 0
    for match in islice(re.finditer(r"[^\x00-\x7f]", text), 10_000):  # as sure as all of a large file
        start, end = match.span()
        sign, before, after = match[0], text[start - 1 : start], text[end : end + 1]
        weight = 3 if sign.lower() in _COMMON else 2 * (sign.lower() in _RARE)
        if not weight:
            weight = 1 + 3 * (sign == "°" and before.isdigit())
            fits = sign in _MARKS and (sign == "’" or not (before.isalpha() and after.isalpha()))
        elif sign.isupper():
            fits = not before.isalpha() or (before.isupper() and not after.islower())
        else:
            fits = not (before.isupper() and after.isupper()) and not before.isdigit()
        score += weight if fits else -3
    return score
