"""Drawings of networks with a memory.

Notebook: 03-lstm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helpers.diagrams.kit import FAINT, INK, LETTER, LINE, PAPER, SIZE, SMALL, WIDTH, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["LSTM"]
MUSS_I_DENN = (".", "60", "62", "64", "_", "64", "67", "65")  # how it begins, on the grid of sixteenths


def unrolled_rnn(steps: int = 4, backwards: bool = False) -> Drawing:
    """A recurrent network, folded and unrolled, in the letters of (3.1).

    Args:
        steps: how many are drawn, 2 to 4.
        backwards: adds the way of the gradient, with one more factor U at each step, as in (3.2).

    Raises:
        ValueError: if there is no room for so many steps.

    Notebook: 03-lstm.
    """
    if not 2 <= steps <= 4:
        raise ValueError(f"{steps} steps do not fit on a phone; draw 2 to 4.")
    low = 44 * backwards
    sheet, middle = Sheet(165 + low), 88 + low
    _rnn_cell(sheet, 40, middle, "t")
    sheet.way([(58, middle + 8), (82, middle + 8), (82, middle - 8), (59, middle - 8)], 7)
    sheet.letter(76, middle + 18, "U")
    sheet.text(102, middle, "=", 18)
    places = [168 + 56 * k for k in range(steps)]
    sheet.letter(126, middle, "\\mathbf{h}_0")
    for k, x in enumerate(places):
        _rnn_cell(sheet, x, middle, str(k + 1))
        start = x - 56 + 18 if k else 136
        sheet.way([(start, middle), (x - 19, middle)])
        sheet.letter((start + x - 19) / 2, middle + 12, "U")
    sheet.text(40, 12 + low, "folded", SMALL, color=FAINT)
    sheet.text(112, 12 + low, "unrolled: W and U are the same at each step", SMALL, "left", color=FAINT)
    more = _gradient_of_rnn(sheet, places) if backwards else ""
    return sheet.finish(
        "A recurrent network, folded and unrolled. On the left one step: the input x t, times W, and the state h t "
        "minus 1, times U, go into a tanh, which gives the state h t; an arrow brings it back. On the right the "
        f"same step {steps} times in a row, from h 0 to h {steps}, always with the same W and U.{more}"
    )


def _rnn_cell(sheet: Sheet, x: float, y: float, time: str) -> None:
    """One step: its input from below, its state above."""
    sheet.box(x, y, 36, 26, tint(COLOR))
    sheet.text(x, y, "tanh", SIZE)
    sheet.way([(x, y - 44), (x, y - 14)])
    sheet.letter(x + 11, y - 28, "W")
    sheet.letter(x, y - 54, f"\\mathbf{{x}}_{{{time}}}")
    sheet.way([(x, y + 14), (x, y + 44)])
    sheet.letter(x, y + 56, f"\\mathbf{{h}}_{{{time}}}")


def _gradient_of_rnn(sheet: Sheet, places: Sequence[float]) -> str:
    """The way back, under the network, and in words."""
    stops = [126, *places]
    for here, before in zip(stops[1:], stops, strict=False):
        sheet.way([(here - 2, 36), (before + 2, 36)], dashed=True, color=COLOR)
    sheet.text(sum(stops) / len(stops), 16, r"back: $\cdot\,U\,\mathrm{diag}(1-\mathbf{h}_s^2)$ at each step", SIZE)
    return " Below, a dashed arrow from right to left: the gradient, with a factor U at each step."


def lstm_cell() -> Drawing:
    """One step of an LSTM in the letters of (3.4) to (3.9): the cell runs straight through.

    Notebook: 03-lstm.
    """
    sheet = Sheet(250)
    top, bus, joined, shown = 214, 44, 152, 306
    xs = {"f": 73, "i": 136, "g": 199, "o": 262}
    written = (xs["i"] + xs["g"]) / 2
    sheet.box(185, 132, 290, 212, PAPER, 12, edgecolor=LINE, zorder=1)
    sheet.way([(35, top), (337, top)], linewidth=3.2, color=COLOR, mutation_scale=14)
    _lstm_gates(sheet, bus, xs)
    sheet.way([(xs["f"], 120), (xs["f"], top - 10)])
    sheet.way([(xs["i"], 120), (xs["i"], joined), (written - 10, joined)])
    sheet.way([(xs["g"], 120), (xs["g"], joined), (written + 10, joined)])
    sheet.way([(written, joined + 9), (written, top - 10)])
    sheet.way([(xs["o"], 120), (xs["o"], joined), (shown - 10, joined)])
    sheet.way([(shown, top), (shown, joined + 10)])
    sheet.box(shown, 187, 36, 20, tint(COLOR))
    sheet.text(shown, 187, "tanh", SMALL)
    sheet.way([(shown, joined - 9), (shown, bus), (337, bus)])
    for x, y, sign in (
        (xs["f"], top, "\\odot"),
        (written, top, "+"),
        (written, joined, "\\odot"),
        (shown, joined, "\\odot"),
    ):
        sheet.gate(x, y, sign)
    for name, x in xs.items():
        sheet.letter(x + (12 if name in "fo" else -12), 134, f"\\mathbf{{{name}}}_t")
    for y, letter in ((top, "c"), (bus, "h")):
        sheet.letter(18, y, f"\\mathbf{{{letter}}}_{{t-1}}")
        sheet.letter(349, y, f"\\mathbf{{{letter}}}_t")
    return sheet.finish(
        "One step of an LSTM. The cell c runs straight through as a thick line, from c t minus 1 to c t: it is "
        "multiplied by the forget gate f, and then i times g is added. The input x t and the state h t minus 1 go "
        "into all four boxes: forget gate f, input gate i and output gate o, each with a sigmoid, and candidate g "
        "with a tanh. The new state h t is the tanh of c t times o."
    )


def _lstm_gates(sheet: Sheet, bus: float, xs: Mapping[str, float]) -> None:
    """x and h come in, and all four boxes see both."""
    last = xs["o"]
    sheet.way([(34, bus), (last, bus), (last, 80)])
    sheet.way([(55, 22), (55, bus)], head=False)
    sheet.letter(55, 12, "\\mathbf{x}_t")
    for name, words in (("f", "forget"), ("i", "input"), ("g", "candidate"), ("o", "output")):
        if name != "o":
            sheet.way([(xs[name], bus), (xs[name], 80)])
        sheet.box(xs[name], 100, 59, 38, tint(COLOR))
        sign, size = ("tanh", SIZE) if name == "g" else ("$\\sigma$", LETTER + 1)
        sheet.text(xs[name], 107, sign, size)
        sheet.text(xs[name], 91, words, SMALL)


def windows_and_dense(tokens: Sequence[str] = MUSS_I_DENN, length: int = 4) -> Drawing:
    """Windows with one target each, and the same windows with a target at every position, (3.15).

    Args:
        tokens: of the grid, 6 to 8, the beginning of a song.
        length: of a window, 2 to 4, and at least three less than there are tokens.

    Raises:
        ValueError: if they do not fit.

    Notebook: 03-lstm.
    """
    if not 6 <= len(tokens) <= 8 or not 2 <= length <= 4 or len(tokens) < length + 3:
        raise ValueError(f"{len(tokens)} tokens and windows of {length} do not fit; draw 6 to 8, windows of 2 to 4.")
    rise = 27
    sheet = Sheet(68 + rise * (3 + length))
    top = 68 + rise * (3 + length) - 12
    sheet.text(8, top, rf"windows of {length}, one target (dark) each: $L_{{\mathrm{{last}}}}$", SIZE, "left")
    for k in range(3):
        y = top - 24 - rise * k
        _tokens(sheet, y, tokens, k, k + length)
        sheet.text(WIDTH - 4, y, f"pass {k + 1}", SMALL, "right", color=FAINT)
    under = top - 24 - rise * 3 - 8
    sheet.text(8, under, r"a target at every position: $L_{\mathrm{every}}$", SIZE, "left")
    for t in range(length):
        _tokens(sheet, under - 24 - rise * t, tokens, 0, t + 1)
    high, low = under - 14, under - 34 - rise * (length - 1)
    sheet.way([(298, high), (304, high), (304, low), (298, low)], 4, head=False)
    sheet.text(WIDTH - 4, (high + low) / 2, "1 pass", SMALL, "right", color=FAINT)
    return sheet.finish(
        f"Windows with one target against a target at every position. Above, three windows of {length} tokens, each "
        "one place further; after each the next token is its only target, so three passes through the network give "
        f"three targets. Below, one window of {length} tokens in one pass: after its first token the second is a "
        f"target, after the first two the third, and so on, {length} targets in all."
    )


def _tokens(sheet: Sheet, y: float, tokens: Sequence[str], first: int, target: int) -> None:
    """A row of tokens: what is seen in colour, the target dark, the others empty."""
    for k, token in enumerate(tokens):
        seen = first <= k < target
        fill = COLOR if k == target else tint(COLOR, 0.25) if seen else PAPER
        sheet.box(24 + 35 * k, y, 33, 21, fill, 0, edgecolor=INK if seen or k == target else LINE)
        if seen or k == target:
            sheet.text(24 + 35 * k, y, token, SIZE, color=PAPER if k == target else INK, parse_math=False)
