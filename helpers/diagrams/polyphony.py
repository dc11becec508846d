"""Drawings of chords that are spelled note by note.

Notebook: 08-polyphony.
"""

from __future__ import annotations

from collections.abc import Sequence

from helpers.diagrams.kit import FAINT, LETTER, SIZE, SMALL, WIDTH, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["network"]


def spelled_moment(names: Sequence[str] = ("G4", "E4", "C3")) -> Drawing:
    """One moment as a word: its notes from high to low and an end sign, in the letters of (8.1).

    Args:
        names: of the notes, from high to low, 2 or 3.

    Raises:
        ValueError: if they do not fit.

    Notebook: 08-polyphony.
    """
    if not 2 <= len(names) <= 3:
        raise ValueError(f"{len(names)} notes do not fit on a phone; give 2 or 3.")
    sheet, last = Sheet(114), len(names) + 1
    step = (WIDTH - 92) / last
    places = [46 + step * k for k in range(last + 1)]
    fills = [tint(COLOR, 0.35 * (0 < k < last)) for k in range(last + 1)]
    sheet.row(places, 56, ["past", *names, "end"], ["", *(f"x_{k + 1}" for k in range(last))], fills)
    for k, x in enumerate(places[1:], 1):
        sheet.letter(x, 96, f"p(x_{k}|x_{{<{k}}})", 12)
        sheet.way([(x, 86), (x, 71)])
    sheet.text((places[1] + places[-2]) / 2, 8, "from high to low", SMALL, color=FAINT)
    return sheet.finish(
        f"One moment, spelled. From left to right: the past, the notes "
        f"{', '.join(names)} from high to low, and the end sign; over each of them stands its probability, given the "
        "past and the notes before it in this moment. Their product is the probability of the chord."
    )


def reader_and_speller() -> Drawing:
    """The network of (8.4): a reader over moments, a small speller inside a moment, and a pointer.

    Notebook: 08-polyphony.
    """
    sheet = Sheet(238)
    xs = (52, 122, 192)
    for k, x in enumerate(xs):
        name = f"t-{3 - k}"
        sheet.box(x, 34, 50, 26)
        sheet.text(x, 34, f"$m_{{{name}}}$", LETTER)
        sheet.way([(x, 48), (x, 70)])
    sheet.box(122, 86, 200, 30, tint(COLOR))
    sheet.text(122, 86, "reader: Transformer", SIZE)
    sheet.way([(192, 102), (192, 131)])
    sheet.letter(180, 117, "\\mathbf{h}_t")
    sheet.box(228, 148, 120, 32, tint(COLOR, 0.35))
    sheet.text(228, 148, "speller", SIZE)
    sheet.way([(312, 86), (312, 148), (290, 148)])
    sheet.text(312, 74, "said so far:", SMALL, color=FAINT)
    sheet.letter(312, 58, "x_1\\dots x_{r-1}", 12)
    sheet.way([(264, 165), (264, 197)])
    sheet.text(264, 210, "head", SIZE)
    sheet.letter(264, 226, "\\alpha_*", 12)
    sheet.way([(192, 165), (192, 180), (52, 180), (52, 104)], dashed=True)
    sheet.way([(122, 180), (122, 104)], dashed=True)
    sheet.text(112, 194, "points at earlier moments", SMALL)
    sheet.letter(52, 210, "\\alpha_j", 12)
    sheet.text(122, 10, "one place for each moment", SMALL, color=FAINT)
    return sheet.finish(
        "The network. Below, the moments t-3, t-2 and t-1, one place each, go into the reader, a Transformer; it gives "
        "h t. The speller takes h t and the notes said so far in this moment. It has two ways out: a head, with the "
        "weight alpha star, and, dashed, a pointer at the earlier moments, with a weight alpha j for each of them."
    )
