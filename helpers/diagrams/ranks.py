"""Drawings of training on many processes.

Notebook: 10-more-machines.
"""

from __future__ import annotations

from collections.abc import Sequence

from helpers.diagrams.kit import FAINT, LETTER, SIZE, SMALL, WIDTH, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["LSTM"]
LONGEST = 92  # of a song, in points


def two_ranks(songs: Sequence[Sequence[int]] = ((62, 48), (21,))) -> Drawing:
    """Two processes that take one step together, in the letters of (9.2), with songs of unequal length.

    Args:
        songs: for each of the two processes the notes of its one or two songs.

    Raises:
        ValueError: if there are not two processes with one or two songs each.

    Notebook: 10-more-machines.
    """
    if len(songs) != 2 or not all(1 <= len(own) <= 2 for own in songs):
        raise ValueError("draw two processes with one or two songs each.")
    sheet, scale = Sheet(214), LONGEST / max(max(own) for own in songs)
    for r, (x, own) in enumerate(zip((92, WIDTH - 92), songs, strict=True)):
        sheet.text(x, 204, f"process {r}", SIZE)
        for k, notes in enumerate(own):
            y = 184 - 16 * k
            sheet.box(x, y, max(scale * notes, 24), 13, tint(COLOR, 0.35), 3)
            sheet.text(x, y, str(notes), SMALL)
        sheet.text(x, 146, f"$n_{r} = {sum(own)}$ notes", SIZE)
        sheet.way([(x, 137), (x, 125)])
        sheet.box(x, 112, 96, 24, tint(COLOR))
        sheet.text(x, 112, r"the same weights", SMALL)
        sheet.way([(x, 99), (x, 82)])
        sheet.letter(x, 72, rf"\nabla L_{r}", LETTER)
        side = 1 if r == 0 else -1
        sheet.way([(x + side * 22, 72), (WIDTH / 2 - side * 12, 72)])
        sheet.way([(WIDTH / 2, 62), (WIDTH / 2, 22), (x + side * 52, 22)])
        sheet.box(x, 22, 100, 24, tint(COLOR))
        sheet.text(x, 22, "the same step", SMALL)
    sheet.gate(WIDTH / 2, 72, "+")
    sheet.text(WIDTH / 2, 94, "all-reduce", SMALL, color=FAINT)
    sheet.letter(WIDTH / 2, 44, "g", LETTER)
    said = [f"{len(own)} song{'s' * (len(own) > 1)} with {sum(own)} notes" for own in songs]
    return sheet.finish(
        f"Two processes take one step. Process 0 has {said[0]}, process 1 has {said[1]}. Each sends its songs through "
        "the same weights and finds the gradient of its own mean loss, nabla L 0 and nabla L 1. An all-reduce adds the "
        "two to one gradient g, which goes back to both, and both take the same step."
    )
