"""Why a file cannot be used, in words a musician understands.

Notebook: none; called by midi and readers.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Unusable(Exception):
    """A file holds no song that can be used; the message is one sentence that says why, and the fix if there is one.

    Notebook: none; raised by midi and readers, and listed in the `rejected` of a Corpus.
    """


def reason_of(error: Exception) -> str:
    """Why a file cannot be used, in one line.

    Args:
        error: what was raised while it was read.

    Returns:
        The sentence of an Unusable; of any other exception, the first line of what it says, at most 200 characters.
        Signs that a terminal would obey are escaped.

    Notebook: none; called by readers.
    """
    if isinstance(error, Unusable):
        return shown(str(error), 1000)
    if isinstance(error, FileNotFoundError):
        return "the file is gone, or is a link that leads nowhere"
    if isinstance(error, PermissionError):
        return "the file may not be opened; check its permissions"
    if isinstance(error, MemoryError):
        return "reading it takes too much memory; it is damaged, or very large: split it"
    if isinstance(error, OSError) and error.strerror:
        return shown(f"the file cannot be opened: {error.strerror}")
    return f"cannot be read: {shown((str(error).strip() or type(error).__name__).splitlines()[0], 200)}"


def shown(text: str, most: int = 200) -> str:
    """Text from a file, or its name, as it can be printed: on one line, and nothing in it steers a terminal.

    Args:
        text: of any length.
        most: how many characters of it are kept.

    Returns:
        The text; control characters, the marks that turn the direction of writing, and bytes that are no text stand
        as Python writes them, such as \\x1b.

    Notebook: none; called by corpus and readers.
    """
    text = _UNSEEN.sub(lambda match: repr(match[0])[1:-1], text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def chosen_parts(
    named: dict[str, list], wanted: str | None, drums: bool, tracks: dict[str, list] | None = None
) -> list:
    """The parts of one instrument.

    Args:
        named: the parts of each instrument, by its name.
        wanted: the instrument to keep, in capital or small letters; "all" for all; None if there is only one.
        drums: whether there are drums besides.
        tracks: parts that have a name of their own besides that of their instrument; each may be wanted too.

    Returns:
        A list of parts, never empty.

    Raises:
        Unusable: there is no instrument, not this one, or several and none was chosen.

    Notebook: none; called by midi and readers.
    """
    if not named:
        raise Unusable("there are only drums in it, and drums have no pitch" if drums else "there is no note in it")
    if wanted == "all":
        return [part for group in named.values() for part in group]
    if wanted is not None:
        for name, group in [*named.items(), *(tracks or {}).items()]:
            if name.casefold() == str(wanted).casefold():
                return group
        raise Unusable(f"no instrument is called {wanted!r}; there is {', '.join(named)}")
    if len(named) > 1:
        raise Unusable(
            f"{len(named)} instruments play ({', '.join(named)}): choose one, such as "
            f'instrument={next(iter(named))!r}, or take instrument="all"'
        )
    return next(iter(named.values()))
