"""Pictures: piano rolls, the colours of the models, graphs of networks.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import io
import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import resvg_py
from matplotlib import colormaps, get_data_path
from matplotlib.colors import to_hex
from PIL import Image

from helpers.songs import Song, Voices, pitch_name, voices_of

# One colour a model, the same in every notebook; their lightness differs too, for greyscale.
PALETTE = {
    "real songs": "#8c8c8c",
    "Markov": "#e6a817",
    "network": "#2a9d8f",
    "LSTM": "#5b2a86",
    "VAE": "#d1495b",
    "WaveNet": "#14507a",
    "Transformer": "#a34a28",
}
GROUPS = ("#56b4e9", "#d55e00", "#cc79a7", "#8a8d00")  # kinds of songs, or voices: never a model's colour
SHADES = {  # of everything that is no model
    "ink": "#222222",
    "faint": "#555555",
    "line": "#dddddd",
    "paper": "#ffffff",
    "lit": "#009e3c",  # the sounding note: a green, which neither the models nor the colours of surprise have
    "link": "#2f6fbf",
    "drawn": "#56b4e9",  # notes and marks made by hand, on light and on dark pages
}
_GREYS = ("#555555", "#7a7a7a", "#999999", "#444444")  # of voices
FIGURE_STYLE = {  # for plt.rcParams: figures that fit a phone
    "figure.figsize": (7, 3),
    "figure.dpi": 90,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
}
MOST_SURPRISE = 6.0  # nats: one chance in 400; more looks the same
_PLASMA = colormaps["plasma"]  # a copy, made once: making it takes longer than asking it


def _sharpen() -> None:
    """In a notebook, figures get twice the pixels. music21 sees to that too, but only where it is imported."""
    if "IPython" in sys.modules:
        from IPython import get_ipython  # here, because a script has no use for it

        if shell := get_ipython():
            from matplotlib_inline.config import InlineBackend  # as above; it takes half a second

            InlineBackend.instance(parent=shell).figure_formats = {"retina"}


_sharpen()


def surprise_color(nats: float) -> str:
    """The colour of a surprise, dark blue for none, over purple to orange for MOST_SURPRISE and more.

    Its lightness rises with the surprise, so it can be read in grey, and it never is too light to see on white.

    Args:
        nats: -log p, from 0.

    Returns:
        "#rrggbb".

    Notebook: 01-markov, inside the Composer.
    """
    return to_hex(_PLASMA(0.68 * min(max(nats / MOST_SURPRISE, 0), 1)))


def css_variables() -> str:
    """The colours above as CSS declarations, "--nfs-lit: #009e3c; ...", for a style attribute.

    Notebook: none: called by the player and the widgets.
    """
    names = {name.lower().replace(" ", "-"): color for name, color in (PALETTE | SHADES).items()}
    return "; ".join(f"--nfs-{name}: {color}" for name, color in names.items())


def surprise_rows(voices: Voices, surprise: Sequence) -> list[tuple[float, ...]]:
    """The surprise at each event, voice by voice.

    Args:
        voices: as `voices_of` gives them.
        surprise: nats for each event of a single voice; of several voices, such a row for each.

    Raises:
        ValueError: if there is not one surprise for each event.

    Notebook: 11-harmony, inside `play`.
    """
    rows = [tuple(surprise)] if len(voices) == 1 else [tuple(row) for row in surprise]
    if len(rows) != len(voices):
        raise ValueError(f"{len(rows)} rows of surprise for {len(voices)} voices; give one row for each.")
    for row, voice in zip(rows, voices, strict=True):
        if len(row) != len(voice.events):
            raise ValueError(f"{len(row)} surprises for {len(voice.events)} events; give one for each.")
    return rows


def roll_svg(
    song: Song | Sequence[Song], width: int = 720, surprise: Sequence | None = None, given: int = 0
) -> tuple[str, list[tuple[float, float, str]]]:
    """A piano roll as SVG text: time to the right, pitch upwards, barlines in grey, drawn small.

    Args:
        song: one Song or several voices, each in a grey of its own.
        width: in pixels.
        surprise: nats for each event, shown as colour; of several voices a row for each.
        given: mark the end of the first so many events with a dashed line.

    Returns:
        SVG text, and for each note (onset, end, id of its element), onset and end in quarter lengths.

    Raises:
        ValueError: as `voices_of` and `surprise_rows`.

    Notebook: 01-markov, inside `play`.
    """
    voices = voices_of(song)
    rows = [None] * len(voices) if surprise is None else surprise_rows(voices, surprise)
    roll = _Roll(voices, width)
    roll.draw_lines(voices[0])
    for number, voice in enumerate(voices):
        roll.draw_notes(number, voice, rows[number])
    if given:
        roll.draw_barline(voices[0].onsets[: given + 1][-1], f'"{SHADES["ink"]}" stroke-dasharray="3 3"')
    return "".join([*roll.parts, "</svg>"]), roll.timed


class _Roll:
    """A piano roll while it is drawn: its scales, and the SVG elements so far."""

    LEFT = 34  # pixels for the names of pitches

    def __init__(self, voices: Voices, width: int):
        self.pitches = [pitch for voice in voices for event in voice.events for pitch in event.pitches] or [60]
        self.low, self.high = min(self.pitches) - 1, max(self.pitches) + 1
        rows = self.high - self.low + 1
        self.row, self.width = max(3.0, min(6.0, 110 / rows)), width
        self.height = f"{rows * self.row:.0f}"
        self.duration = float(voices.duration)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {self.height}" width="{width}">'
        self.parts, self.timed = [head], []

    def across(self, time) -> float:
        return round(self.LEFT + float(time) / self.duration * (self.width - self.LEFT - 2), 1)

    def up(self, pitch: int) -> float:
        return round((self.high - pitch) * self.row, 1)

    def draw_barline(self, time, stroke: str) -> None:
        self.parts.append(f'<path d="M{self.across(time)} 0 V{self.height}" stroke={stroke}/>')

    def draw_lines(self, song: Song) -> None:
        """A line at every C, a line at every bar, and the names of the lowest and the highest pitch."""
        line = f'"{SHADES["line"]}"'
        for pitch in range(self.low, self.high + 1):
            if pitch % 12 == 0:
                path = f"M{self.LEFT} {self.up(pitch) + self.row / 2} H{self.width - 2}"
                self.parts.append(f'<path d="{path}" stroke={line}/>')
        barline = song.pickup
        while barline < self.duration:
            self.draw_barline(barline, line)
            barline += song.measure_length
        for pitch in sorted({min(self.pitches), max(self.pitches)}):
            place = f'x="0" y="{self.up(pitch) + self.row / 2 + 3.5}" font-size="10" fill="{SHADES["faint"]}"'
            self.parts.append(f"<text {place}>{pitch_name(pitch)}</text>")

    def draw_notes(self, number: int, voice: Song, surprise: Sequence[float] | None) -> None:
        """A bar for each note of a voice, `timed` with its id."""
        onsets = voice.onsets
        for k, event in enumerate(voice.events):
            onset, end = onsets[k], onsets[k + 1]
            nats = "" if surprise is None else f", surprise {surprise[k]:.2f} nats"
            color = _GREYS[number % 4] if surprise is None else surprise_color(surprise[k])
            wide = max(self.across(end) - self.across(onset) - 1, 1)
            for pitch in event.pitches:
                name = f"roll-{number}-{k}-{pitch}"
                self.timed.append((float(onset), float(end), name))
                place = f'x="{self.across(onset)}" y="{self.up(pitch)}" height="{self.row - 0.5:.1f}"'
                self.parts.append(
                    f'<rect id="{name}" class="note" {place} width="{wide:.1f}" fill="{color}">'
                    f"<title>{pitch_name(pitch)}, {event.duration} quarters{nats}</title></rect>"
                )


def piano_roll(song: Song, ax=None, color: str = PALETTE["real songs"]):
    """Draws a song as bars: time in quarter notes to the right, pitch upwards, barlines in grey.

    Args:
        song: a Song, with chords or without.
        ax: matplotlib Axes; the current ones if None.
        color: of the notes, as matplotlib takes it.

    Returns:
        the Axes.

    Raises:
        ValueError: for a song without events.

    Notebook: 01-markov.
    """
    from matplotlib import pyplot as plt  # slow to import, and only needed here

    voices_of(song)
    ax = ax or plt.gca()
    for event, onset in zip(song.events, song.onsets, strict=False):
        if event.pitches:
            gap = min(0.06, float(event.duration) * 0.2)
            ax.barh(event.pitches, float(event.duration) - gap, left=float(onset), height=0.8, color=color)
    pitches = [pitch for event in song.events for pitch in event.pitches] or [60, 72]
    low, high = min(pitches) - 1, max(pitches) + 1
    barline = song.pickup
    while barline < song.duration:
        ax.axvline(float(barline), color="0.85", linewidth=0.8, zorder=0)
        barline += song.measure_length
    ticks = [pitch for pitch in range(low, high + 1) if pitch % 12 in (0, 4, 7)]
    ax.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    ax.set(ylim=(low - 0.5, high + 0.5), xlim=(0, float(song.duration)))
    ax.set_xlabel("time (quarter notes)")
    ax.set_ylabel("pitch")
    return ax


def voice_roll(voices: Sequence[Song], wrong: Sequence[Sequence[bool]] | None = None, step: float = 0.5, ax=None):
    """Draws voices that sound together, each in a colour of its own, with a cross where a step is wrong.

    Args:
        voices: from high to low, four at most.
        wrong: (steps, voices), true where a step is to be marked; None marks nothing.
        step: length of a step in quarter notes.
        ax: matplotlib Axes; the current ones if None.

    Returns:
        the Axes.

    Raises:
        ValueError: as `voices_of`, for more voices than colours, or for rows of marks that do not fit the voices.

    Notebook: 04-autoencoder-vae.
    """
    from matplotlib import pyplot as plt  # slow to import, and only needed here

    voices = voices_of(voices)
    if len(voices) > len(GROUPS) or any(len(row) != len(voices) for row in wrong or ()):
        raise ValueError(f"{len(voices)} voices: {len(GROUPS)} at most, with a mark for each in every row.")
    ax = ax or plt.gca()
    for number, voice in enumerate(voices):
        for event, onset in zip(voice.events, voice.onsets, strict=False):
            ax.barh(event.pitches, float(event.duration) - 0.06, left=float(onset), color=GROUPS[number])
        marked = [k for k, row in enumerate(wrong or ()) if row[number]]
        places = [(k * step + step / 2, _sounding(voice, k * step)) for k in marked]
        crosses = [place for place in places if place[1] is not None]
        if crosses:
            ax.scatter(*zip(*crosses, strict=True), marker="x", s=16, linewidth=1, color=SHADES["ink"])
    bar = float(voices[0].measure_length)
    for k in range(1, int(float(voices.duration) / bar) + 1):
        ax.axvline(float(voices[0].pickup) + k * bar, color="0.85", linewidth=0.8, zorder=0)
    ax.set(xlim=(0, float(voices.duration)), xlabel="time (quarter notes)", ylabel="pitch")
    ax.set_xticks(range(0, int(float(voices.duration)) + 1, 4))
    ticks = range(36, 85, 12)
    ax.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    return ax


def _sounding(voice: Song, time: float) -> int | None:
    """The highest pitch of a voice at a moment; None in a rest."""
    event = voice.events[bisect_right(voice.onsets[1:-1], time)]
    return event.pitches[-1] if event.pitches else None


def model_graph(model, x) -> str:
    """A picture of a PyTorch model on an input, as SVG text, drawn without a system Graphviz.

    Args:
        model: torch.nn.Module.
        x: its input tensor, or a tuple of its inputs.

    Notebook: 03-lstm.
    """
    import pygraphviz  # slow to import, and only needed here
    import torchview

    graph = torchview.draw_graph(model, input_data=x, expand_nested=True, save_graph=False).visual_graph
    drawing = pygraphviz.AGraph(string=graph.source)
    return drawing.draw(format="svg", prog="dot").decode("utf-8")


def png_of(svg: str, zoom: float = 1.0) -> bytes:
    """An SVG drawing as a small PNG on white, in 16 greys.

    Args:
        svg: text.
        zoom: how many times as large.

    Notebook: 01-markov, inside `play`.
    """
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    raw = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        background="white",
        skip_system_fonts=True,
        font_dirs=[str(fonts)],
        font_family="DejaVu Serif",
        serif_family="DejaVu Serif",
    )
    file = io.BytesIO()
    Image.open(io.BytesIO(bytes(raw))).convert("L").point(lambda grey: grey // 17 * 17).save(file, "PNG", optimize=True)
    return file.getvalue()
