"""Drawings of convolutions that look back.

Notebook: 05-wavenet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from helpers.diagrams.kit import FAINT, INK, LETTER, LINE, PAPER, SIZE, SMALL, WIDTH, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR = PALETTE["WaveNet"]


def dilations(sizes: Sequence[int] = (1, 2, 4, 8), kernel: int = 2, causal: bool = True) -> Drawing:
    """The tree of places that one output sees through layers of dilated convolutions, (5.4) and (5.5).

    Args:
        sizes: the dilation of each layer, from the input upwards.
        kernel: weights of each convolution.
        causal: False pads on both sides, "same", and marks what the output sees of the future.

    Raises:
        ValueError: if the receptive field is wider than 20 places, which a phone cannot show.

    Notebook: 05-wavenet.
    """
    field = 1 + (kernel - 1) * sum(sizes)
    if kernel < 2 or not sizes or field > 20:
        raise ValueError(f"kernel {kernel} and dilations {tuple(sizes)} see {field} places; 2 to 20 can be drawn.")
    before = [(kernel - 1) * d // (1 if causal else 2) for d in sizes]  # zeros on the left
    offsets = [[j * d - left for j in range(kernel)] for d, left in zip(sizes, before, strict=True)]
    ahead = sum(max(row) for row in offsets)
    spare = max(1, 10 - field) if causal else 2  # places on each side that are not seen
    count = field + spare + (0 if causal else spare)
    tree = _Tree(count, count - 1 - (0 if causal else ahead + spare), sizes, offsets)
    if causal:  # the other outputs' ways would hide what this one sees of the future
        tree.draw_ways(False, linewidth=0.6, color=LINE, zorder=1)
    tree.draw_ways(True, linewidth=1.6, color=COLOR, zorder=2)
    tree.draw_places()
    tree.explain(field, ahead)
    said = f"kernels of {kernel}, dilations {', '.join(map(str, sizes))} from the input upwards"
    future = f", {ahead} of them in the future" if ahead else ", none of them in the future"
    name = "causal" if causal else "same"
    return tree.sheet.finish(
        f"The places that one output of {name} convolutions sees. {len(sizes)} layers with {said}; the lines from "
        f"the last output branch downwards layer by layer and end at {len(tree.seen[0])} places of the input{future}."
    )


class _Tree:
    """Rows of places, the input below, and what the output at `now` sees of them."""

    def __init__(self, count: int, now: int, sizes: Sequence[int], offsets: Sequence[Sequence[int]]):
        self.now, self.sizes, self.offsets, self.rise = now, sizes, offsets, 44
        self.step = min((WIDTH - 62) / count, 24)
        self.xs = [WIDTH - 12 - self.step * (count - 1 - k) for k in range(count)]
        self.base = 52
        self.ups = [self.base + self.rise * layer for layer in range(len(sizes) + 1)]
        self.sheet = Sheet(self.ups[-1] + 34)
        self.seen = [{now}]  # places, from the output down to the input
        for row in reversed(offsets):
            self.seen.append({place + step for place in self.seen[-1] for step in row})
        self.seen.reverse()

    def draw_ways(self, lit: bool, **style) -> None:
        """Lines from place to place: those that the output uses, or all others."""
        line = []
        for layer, row in enumerate(self.offsets):
            for there in range(len(self.xs)):
                used = there in self.seen[layer + 1]
                for here in (there + step for step in row):
                    if used == lit and 0 <= here < len(self.xs):
                        ends = ((self.xs[here], self.ups[layer]), (self.xs[there], self.ups[layer + 1]))
                        line += [*ends, (math.nan, math.nan)]
        self.sheet.axes.plot(*zip(*line, strict=True), clip_on=False, **style)

    def draw_places(self) -> None:
        kinds = {"unseen": ("o", PAPER, FAINT, 0.7), "seen": ("o", COLOR, COLOR, 1), "future": ("s", PAPER, INK, 2.2)}
        found = {kind: [] for kind in kinds}
        for y, seen in zip(self.ups, self.seen, strict=True):
            for place, x in enumerate(self.xs):
                kind = "unseen" if place not in seen else "future" if place > self.now else "seen"
                found[kind].append((x, y))
        for kind, (marker, fill, edge, line) in kinds.items():
            look = {"marker": marker, "mfc": fill, "mec": edge, "mew": line, "ms": min(0.6 * self.step, 13)}
            if found[kind]:
                places = zip(*found[kind], strict=True)
                self.sheet.axes.plot(*places, linestyle="none", clip_on=False, zorder=4, **look)

    def explain(self, field: int, ahead: int) -> None:
        sheet, top = self.sheet, self.ups[-1]
        sheet.text(2, self.base, "input", SMALL, "left")
        for layer, d in enumerate(self.sizes, 1):
            sheet.letter(2, self.base + self.rise * (layer - 0.5), f"d_{layer}={d}", SIZE + 1, at="left")
        x = self.xs[self.now]
        sheet.letter(x, top + 20, "y_t")
        sheet.letter(x, self.base - 20, "x_t")
        first, last = self.xs[min(self.seen[0])], self.xs[max(self.seen[0])]
        sheet.way([(first, self.base - 31), (last, self.base - 31)], head=False, linewidth=1.6, color=COLOR)
        sheet.text((first + last) / 2, self.base - 42, f"receptive field $R={field}$", SIZE)
        if ahead:
            middle = x + self.step / 2
            sheet.way([(middle, self.base - 24), (middle, top + 30)], head=False, dashed=True)
            sheet.text(middle + 5, top + 22, "the future", SMALL, "left")


def gated_layer() -> Drawing:
    """One layer of WaveNet: gate, residual and skip, in the letters of (5.7), (5.8) and (5.10).

    Notebook: 05-wavenet.
    """
    sheet = Sheet(320)
    left, right, joined, plus = 118, 218, 168, 268
    sheet.box(152, 156, 268, 246, PAPER, 12, edgecolor=LINE, zorder=1)
    sheet.letter(168, 12, "\\mathbf{x}")
    sheet.way([(168, 22), (168, 48)], head=False)
    sheet.way([(168, 48), (left, 48), (left, 70)])
    sheet.way([(168, 48), (right, 48), (right, 70)])
    sheet.way([(168, 36), (40, 36), (40, plus), (158, plus)], 10, linewidth=3.2, color=COLOR, mutation_scale=14)
    for x, weights, bend, side in ((left, "W_f", "tanh", 8), (right, "W_g", "$\\sigma$", -8)):
        sheet.box(x, 84, 76, 28, tint(COLOR))
        sheet.text(x, 84, f"${weights} *\\,\\mathbf{{x}}$", LETTER)
        sheet.way([(x, 98), (x, 113)])
        sheet.box(x, 125, 44, 22)
        sheet.text(x, 125, bend, SIZE if bend == "tanh" else LETTER)
        sheet.way([(x, 136), (x, joined), (168 - side, joined)])
    return _ways_out(sheet, joined, plus)


def _ways_out(sheet: Sheet, joined: float, plus: float) -> Drawing:
    sheet.gate(168, joined, "\\odot")
    sheet.way([(168, joined + 9), (168, 212)])
    sheet.letter(158, 190, "\\mathbf{z}")
    sheet.way([(168, 192), (236, 192)])
    for x, y, weights in ((168, 224, "W_r"), (254, 192, "W_s")):
        sheet.box(x, y, 34, 22, tint(COLOR))
        sheet.text(x, y, f"${weights}$", LETTER)
    sheet.way([(272, 192), (312, 192)])
    sheet.text(318, 192, r"to $\mathbf{s}$", LETTER, "left")
    sheet.way([(168, 235), (168, plus - 10)])
    sheet.gate(168, plus, "+")
    sheet.way([(168, plus + 9), (168, 298)])
    sheet.letter(168, 309, "\\mathbf{x}'")
    return sheet.finish(
        "One layer of WaveNet. Its input x goes into two dilated causal convolutions with the weights W f and W g; "
        "the tanh of the first times the sigmoid of the second is z. One way on, z times W r is added to x, which "
        "has come unchanged along a thick line, the residual connection: this is x', the input of the next layer. "
        "The other way, the skip connection, z times W s leaves the layer to be added to s."
    )


def skips(layers: int = 3) -> Drawing:
    """Layers of WaveNet one above the other, and the skips from all of them summed, (5.10).

    Args:
        layers: how many are drawn, 2 to 4; their dilations double.

    Raises:
        ValueError: if they do not fit.

    Notebook: 05-wavenet.
    """
    if not 2 <= layers <= 4:
        raise ValueError(f"{layers} layers do not fit on a phone; draw 2 to 4.")
    rise, base, x, total = 56, 58, 92, 272
    sheet = Sheet(base + rise * layers + 6)
    sheet.letter(x, 12, "\\mathbf{x}_0")
    for k in range(layers):
        y = base + rise * k
        sheet.way([(x, y - (40 if k else 36)), (x, y - 17)], linewidth=3.2, color=COLOR, mutation_scale=13)
        sheet.box(x, y, 136, 30, tint(COLOR))
        sheet.text(x, y, f"gated layer, $d_{k + 1}={2**k}$", SIZE)
        if k:
            sheet.letter(x + 14, y - 28, f"\\mathbf{{x}}_{k}")
        sheet.way([(x + 68, y), (200, y)])
        sheet.letter(178, y + 12, f"\\mathbf{{z}}_{k + 1}")
        sheet.box(222, y, 42, 24)
        sheet.text(222, y, f"$W_{{s,{k + 1}}}$", LETTER)
        sheet.way([(243, y), (total - (10 if k else 0), y), *([] if k else [(total, y + rise - 10)])])
        if k:
            sheet.gate(total, y, "+")
            sheet.way([(total, y + 9), (total, y + (rise - 10 if k < layers - 1 else 40))])
    return _said(sheet, total, base + rise * (layers - 1), layers)


def _said(sheet: Sheet, total: float, y: float, layers: int) -> Drawing:
    """The sum, and what the network says with it."""
    sheet.letter(total - 12, y + 26, "\\mathbf{s}")
    sheet.text(total, y + 48, "ReLU, then logits", SIZE)
    return sheet.finish(
        f"{layers} layers of WaveNet and their skips. The input x 0 goes up through gated layers whose dilations "
        "double; from each layer z goes to the right, is multiplied by a matrix W s of its own, and all are added "
        "up to s, from which the logits come."
    )
