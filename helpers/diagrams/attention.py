"""Drawings of networks that look up.

Notebook: 06-attention.
"""

from __future__ import annotations

from helpers.diagrams.kit import FAINT, LETTER, SIZE, SMALL, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["Transformer"]


def transformer_block() -> Drawing:
    """One block of a Transformer with the norm before, in the letters of (6.16), with shapes.

    Notebook: 06-attention.
    """
    sheet, top, bus = Sheet(272, -8), 222, 54
    sheet.way([(34, top), (336, top)], linewidth=3.2, color=COLOR, mutation_scale=14)
    for x, tex in ((19, "X"), (176, "X'"), (349, "Y")):
        sheet.letter(x, top + (18 if x == 176 else 0), tex)
    sheet.letter(22, top + 22, "(T, d)", SIZE)
    _attention_branch(sheet, top, bus)
    _mlp_branch(sheet, top, bus)
    sheet.text(100, 10, "moments look at each other", SMALL, color=FAINT)
    sheet.text(276, 10, "each moment by itself", SMALL, color=FAINT)
    return sheet.finish(
        "One block of a Transformer. The input X, T moments of d numbers, runs straight through as a thick line. Two "
        "branches leave it and are added to it again. The first goes through a layer norm N, the matrices W Q, W K and "
        "W V, the attention of H heads, softmax of Q times K transposed, times V, each head T times d over H, and "
        "W O; its sum with X is X prime. The second goes through another layer norm, W 1 to T times 4 d numbers, "
        "GELU, and W 2 back to T times d; its sum with X prime is the output Y."
    )


def _box(sheet: Sheet, x: float, y: float, width: float, words: str, tex: bool = True) -> None:
    sheet.box(x, y, width, 24, tint(COLOR))
    sheet.text(x, y, f"${words}$" if tex else words, LETTER if tex else SIZE)


def _down(sheet: Sheet, x: float, top: float, bus: float, ends: tuple[float, ...], up: float) -> None:
    """From the line down through a norm, along a bus, and up into boxes."""
    sheet.way([(x, top), (x, 175)])
    _box(sheet, x, 162, 28, "N")
    sheet.way([(x, 150), (x, bus), (ends[-1], bus), (ends[-1], up)])
    for end in ends[:-1]:
        sheet.way([(end, bus), (end, up)])


def _attention_branch(sheet: Sheet, top: float, bus: float) -> None:
    places = (72, 106, 140)
    _down(sheet, 42, top, bus, places, 73)
    for x, letter in zip(places, "QKV", strict=True):
        _box(sheet, x, 86, 28, f"W_{letter}")
        sheet.way([(x, 98), (x, 117)])
    sheet.box(112, 131, 102, 26, tint(COLOR, 0.35))
    sheet.text(112, 131, r"$\mathrm{softmax}(QK^\top)V$", SIZE)
    sheet.letter(100, 36, r"Q, K, V:\; H\times(T, d/H)", SIZE)
    sheet.way([(106, 145), (106, 161)])
    _box(sheet, 106, 174, 28, "W_O")
    sheet.way([(106, 187), (106, top - 10)])
    sheet.gate(106, top, "+")


def _mlp_branch(sheet: Sheet, top: float, bus: float) -> None:
    _down(sheet, 206, top, bus, (274,), 73)
    _box(sheet, 274, 86, 50, "W_1")
    sheet.way([(274, 98), (274, 117)])
    _box(sheet, 274, 130, 50, "GELU", tex=False)
    sheet.letter(324, 130, "(T, 4d)", SIZE)
    sheet.way([(274, 143), (274, 161)])
    _box(sheet, 274, 174, 28, "W_2")
    sheet.way([(274, 187), (274, top - 10)])
    sheet.gate(274, top, "+")
