"""The figures of the benchmarks' page, small: few colours, no more than they need.

Run: by page.py.
"""

from __future__ import annotations

import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from PIL import Image

from helpers.figures import FIGURE_STYLE, GROUPS, PALETTE, SHADES

matplotlib.use("Agg")
PANELS = {  # title -> how the names of its series begin
    "loading": ("reading", "loading"),
    "counting": ("counting",),
    "training": ("training",),
    "composing": ("composing",),
    "sound and player": ("sound", "player"),
    "copied runs": ("RunIndex",),
    "site": ("site",),
}
MODELS = {
    "composing: chain": PALETTE["Markov"],
    "composing: LSTM": PALETTE["LSTM"],
    "composing: WaveNet with queues": PALETTE["WaveNet"],
    "composing: Transformer with cache": PALETTE["Transformer"],
}
OTHERS = (SHADES["ink"], SHADES["faint"], *GROUPS)
RACED = ("lstm", "mit", "wavenet", "autoencoder")


def growth_figure(growth: list[dict]) -> bytes:
    """A panel for each kind of work: what was measured, and the fitted lines."""
    panels = {title: [one for one in growth if one["name"].startswith(begins)] for title, begins in PANELS.items()}
    panels = {title: some for title, some in panels.items() if some}
    with plt.rc_context(FIGURE_STYLE):
        lines = -(-len(panels) // 2)
        fig, axes = plt.subplots(lines, 2, figsize=(8.5, 2.7 * lines), layout="constrained")
        for ax, (title, panel) in zip(axes.flat, panels.items(), strict=False):
            for k, one in enumerate(panel):
                draw(ax, one, MODELS.get(one["name"], OTHERS[k % len(OTHERS)]), "os^Dv"[k % 5])
            ax.set(title=title, xlabel=", ".join(dict.fromkeys(one["unit"] for one in panel)), ylabel="seconds")
            ax.legend(fontsize=6.5, frameon=False)
            ax.yaxis.set_minor_formatter(NullFormatter())
            ax.grid(color=SHADES["line"], lw=0.5)
        for ax in axes.flat[len(panels) :]:
            ax.axis("off")
        return png(fig)


def draw(ax, one: dict, color: str, mark: str) -> None:
    """The points of a series, and the line whose exponent the page gives."""
    sizes, costs = (np.array(one[key], dtype=float) for key in ("sizes", "seconds"))
    name = one["name"].partition(": ")[2] or one["name"]
    ax.loglog(sizes, costs, mark, color=color, label=f"{name}, $n^{{{one['exponent']:.2f}}}$", ms=4)
    b, a = np.polyfit(np.log(sizes), np.log(costs), 1)
    ax.plot(sizes, np.exp(a) * sizes**b, "--", color=color, lw=1)


def races_figure(races: dict, whole: dict) -> bytes:
    """Score against seconds, recipe and ours."""
    with plt.rc_context(FIGURE_STYLE):
        fig, axes = plt.subplots(2, 2, figsize=(8.5, 5.4), layout="constrained")
        for ax, key in zip(axes.flat, RACED, strict=True):
            one = whole.get(key, races[key])
            for side, color, mark in (("field", SHADES["faint"], "s"), ("ours", PALETTE["LSTM"], "o")):
                spent, _, scores = zip(*one[side], strict=True)
                ax.semilogx(spent, scores, marker=mark, color=color, label=side if side == "ours" else "recipe", ms=4)
            ax.axhline(one["score"], color=SHADES["line"], lw=0.8, zorder=0)
            unit = "wrong voice-steps" if key == "autoencoder" else "nats per note"
            ax.set(
                title=f"{key}, {one['steps']:,} of {one['steps of the whole']:,} steps",
                xlabel="seconds of the processor",
                ylabel=unit,
            )
            if key != "autoencoder":
                ax.set_ylim(2.0, 4.5)
            ax.legend(fontsize=8, frameon=False)
        return png(fig)


def png(fig) -> bytes:
    """A figure in few colours."""
    file, small = io.BytesIO(), io.BytesIO()
    fig.savefig(file, dpi=110)
    plt.close(fig)
    Image.open(file).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
