"""Why a file cannot be used, in words a musician understands.

Notebook: none; called by midi and readers.
"""

from __future__ import annotations


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

    Notebook: none; called by readers.
    """
    if isinstance(error, Unusable):
        return str(error)
    return f"cannot be read: {(str(error).strip() or type(error).__name__).splitlines()[0][:200]}"


def chosen_parts(named: dict[str, list], wanted: str | None, drums: bool) -> list:
    """The parts of one instrument.

    Args:
        named: the parts of each instrument, by its name.
        wanted: the instrument to keep, in capital or small letters; "all" for all; None if there is only one.
        drums: whether there are drums besides.

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
        for name, group in named.items():
            if name.casefold() == str(wanted).casefold():
                return group
        raise Unusable(f"no instrument is called {wanted!r}; there is {', '.join(named)}")
    if len(named) > 1:
        raise Unusable(
            f"{len(named)} instruments play ({', '.join(named)}): choose one, such as "
            f'instrument={next(iter(named))!r}, or take instrument="all"'
        )
    return next(iter(named.values()))
