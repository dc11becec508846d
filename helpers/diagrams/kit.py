"""What all drawings are made of: a white sheet as wide as a phone, with boxes, arrows and letters on it.

Notebook: none: called by the drawings.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.path import Path
from PIL import Image

from helpers.figures import SHADES

WIDTH = 360  # points: on a phone, 340 pixels wide, a point is about a pixel
SHOWN = 560  # pixels: as wide as a drawing gets on a large screen
SMALL, SIZE, LETTER = 10.5, 11.5, 13.5  # points: remarks, words, letters of equations
INK, FAINT, LINE, PAPER = (SHADES[name] for name in ("ink", "faint", "line", "paper"))


class Drawing:
    """A finished drawing: SVG where a page may hold it, PNG where not, and its text for those who cannot see it.

    Args:
        svg: the drawing as SVG text.
        png: the same as PNG, 720 pixels wide.
        alt: the alternative text; its first sentence names the drawing.

    Notebook: 01-markov.
    """

    def __init__(self, svg: str, png: bytes, alt: str):
        self.svg, self.png, self.alt = svg, png, alt

    def __repr__(self):
        return f"a drawing: {self.alt.partition('.')[0]}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        svg, png = (base64.b64encode(data).decode() for data in (self.svg.encode(), self.png))
        alt = html.escape(self.alt, quote=True)
        picture = (
            f'<picture><source type="image/svg+xml" srcset="data:image/svg+xml;base64,{svg}">'
            f'<img alt="{alt}" width="{SHOWN}" style="max-width: 100%; height: auto" src="data:image/png;base64,{png}">'
            "</picture>"
        )
        return {"text/plain": repr(self), "text/html": picture, "image/png": png}, {"image/png": {"alt": self.alt}}


def tint(color: str, share: float = 0.18) -> str:
    """A colour mixed with white, to fill what letters stand on.

    Args:
        color: any that matplotlib knows.
        share: of the colour, 0 to 1.

    Notebook: none: called by the drawings.
    """
    return to_hex([1 - share * (1 - part) for part in to_rgb(color)])


class Sheet:
    """A drawing while it is drawn; a place is x from 0 to WIDTH to the right, and y upwards, both in points.

    Args:
        height: in points.
        bottom: where y begins.

    Notebook: none: used by the drawings.
    """

    def __init__(self, height: float, bottom: float = 0):
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor=PAPER, layout="none")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(bottom, bottom + height))
        self.axes.axis("off")

    def text(self, x: float, y: float, words: str, size: float = SIZE, at: str = "center", color: str = INK, **more):
        """Words at a place.

        Args:
            x, y: the place.
            words: plain, with TeX between dollars.
            size: in points.
            at: which part of the words lies at the place: "left", "center" or "right".
            color: of the words.
            more: of matplotlib's Text.
        """
        style = {"family": "DejaVu Sans", "math_fontfamily": "cm", "zorder": 5} | more
        self.axes.text(x, y, words, fontsize=size, ha=at, va="center", color=color, **style)

    def letter(self, x: float, y: float, tex: str, size: float = LETTER, **more):
        """A letter or a short formula on paper, so that a line behind it is cut.

        Args:
            x, y: the place of its middle.
            tex: without dollars.
            size: in points.
            more: as for `text`; `bbox=None` leaves the paper away.
        """
        patch = {"boxstyle": "square,pad=0.08", "facecolor": PAPER, "edgecolor": "none"}
        self.text(x, y, f"${tex}$", size, bbox=more.pop("bbox", patch), **more)

    def box(self, x: float, y: float, width: float, height: float, fill: str = PAPER, corner: float = 4, **more):
        """A box.

        Args:
            x, y: its middle.
            width, height: in points.
            fill: its colour.
            corner: the radius of its round corners.
            more: of matplotlib's Patch.
        """
        style = {"edgecolor": INK, "linewidth": 1.1, "zorder": 3, "clip_on": False} | more
        shape = f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0"
        corner_of = (x - width / 2, y - height / 2)
        self.axes.add_patch(FancyBboxPatch(corner_of, width, height, boxstyle=shape, facecolor=fill, **style))

    def funnel(self, x: float, y: float, width: float, left: float, right: float, fill: str):
        """A box that gets narrower or wider.

        Args:
            x, y: its middle.
            width: in points.
            left, right: how high it is at its ends.
            fill: its colour.
        """
        ends = ((-1, -left), (-1, left), (1, right), (1, -right))
        corners = [(x + side * width / 2, y + half / 2) for side, half in ends]
        style = {"edgecolor": INK, "linewidth": 1.1, "joinstyle": "round", "zorder": 3, "clip_on": False}
        self.axes.add_patch(Polygon(corners, facecolor=fill, **style))

    def dot(self, x: float, y: float, radius: float, fill: str = PAPER, **more):
        """A circle.

        Args:
            x, y: its middle.
            radius: in points.
            fill: its colour.
            more: of matplotlib's Patch.
        """
        style = {"edgecolor": INK, "linewidth": 1.1, "zorder": 4, "clip_on": False} | more
        self.axes.add_patch(Circle((x, y), radius, facecolor=fill, **style))

    def gate(self, x: float, y: float, sign: str, radius: float = 9):
        """A small circle in which two arrows meet.

        Args:
            x, y: its middle.
            sign: what it does, in TeX, such as "+".
            radius: in points.
        """
        self.dot(x, y, radius)
        self.text(x, y, f"${sign}$", LETTER)

    def row(
        self, places: Sequence[float], y: float, words: Sequence[str], letters: Sequence[str], fills: Sequence[str]
    ):
        """Boxes in a row, an arrow from each to the next, and a letter under each.

        Args:
            places: x of their middles.
            y: of their middles.
            words: in the boxes, never read as TeX.
            letters: in TeX; none where it is empty.
            fills: their colours.
        """
        for left, right in zip(places, places[1:], strict=False):
            self.way([(left + 22, y), (right - 23, y)])
        for x, word, letter, fill in zip(places, words, letters, fills, strict=True):
            self.box(x, y, 42, 26, fill, 8)
            self.text(x, y, word, SIZE, parse_math=False)
            if letter:
                self.letter(x, y - 30, letter, LETTER)

    def way(self, places: Sequence[tuple[float, float]], corner: float = 6, head: bool = True, **more):
        """An arrow along straight lines, round where it turns.

        Args:
            places: (x, y) of its beginning, its turns and its end.
            corner: how round the turns are, in points.
            head: False draws a line.
            more: as for `curve`.
        """
        points, codes = [places[0]], [Path.MOVETO]
        for before, here, after in zip(places, places[1:], places[2:], strict=False):
            points += [_towards(here, before, corner), here, _towards(here, after, corner)]
            codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
        self.curve([*points, places[-1]], [*codes, Path.LINETO], head, **more)

    def curve(self, points: Sequence[tuple[float, float]], codes: Sequence[int], head=True, dashed=False, **more):
        """An arrow along a curve.

        Args:
            points, codes: of matplotlib's Path.
            head: False draws a line.
            dashed: whether it is.
            more: of matplotlib's FancyArrowPatch.
        """
        style = {"linewidth": 1.2, "color": INK, "zorder": 2, "mutation_scale": 9, "clip_on": False} | more
        ends = {"capstyle": "butt", "joinstyle": "miter"} if head else {"capstyle": "round"}
        if dashed and head:  # a dashed head would be no head
            tip = [_towards(points[-1], points[-2], 5), points[-1]]
            self.curve(tip, [Path.MOVETO, Path.LINETO], **more)
        shape = "-|>" if head and not dashed else "-"
        dashes = {"linestyle": (0, (3, 2))} if dashed else {}
        path = Path(points, codes)
        self.axes.add_patch(FancyArrowPatch(path=path, arrowstyle=shape, **ends, **dashes, **style))

    def finish(self, alt: str) -> Drawing:
        """The drawing; the sheet is not needed any more."""
        plain, raster = io.StringIO(), io.BytesIO()
        layout = {"figure.constrained_layout.use": False, "figure.autolayout": False}  # a notebook's own may differ
        with rc_context({"svg.fonttype": "path", "svg.hashsalt": "notes"} | layout):
            self.figure.savefig(plain, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
            self.figure.savefig(raster, format="png", dpi=72 * SHOWN / WIDTH)
        small = io.BytesIO()
        few = Image.open(raster).convert("RGB").quantize(16, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
        return Drawing(_short(plain.getvalue()), small.getvalue(), alt)


def _towards(here, there, distance: float) -> tuple[float, float]:
    """The place so far from here on the way there, and at most half of the way."""
    across, up = there[0] - here[0], there[1] - here[1]
    share = min(distance / max((across**2 + up**2) ** 0.5, 1e-9), 0.5)
    return here[0] + share * across, here[1] + share * up


def _short(svg: str) -> str:
    """The same SVG without comments, names and decimals that nobody sees; half as long."""
    svg = re.sub(r"<!--.*?-->|<\?xml.*?\?>|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?:text|patch|figure|axes)_\d+"', "", svg)
    svg = re.sub(r'd="([^"]*)" transform="scale\(0.015625\)"', _short_outline, svg)
    svg = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.4g}", svg)
    svg = re.sub(r'(<use [^>]*?)transform="translate\((\S+) (\S+)\)"', r'\1x="\2" y="\3"', svg)
    svg = re.sub(r' [xy]="-?0(?:\.0\d*)?"', "", svg).replace("xlink:href", "href")
    looks = dict.fromkeys(re.findall(r' style="([^"]*)"', svg))
    for number, look in enumerate(looks):
        svg = svg.replace(f' style="{look}"', f' class="c{number}"')
    rules = "".join(f".c{k}{{{look.replace(': ', ':').replace('; ', ';')}}}" for k, look in enumerate(looks))
    svg = svg.replace("</style>", f"{rules}</style>", 1)
    for number, name in enumerate(dict.fromkeys(re.findall(r'<path id="([^"]+)"', svg))):
        svg = svg.replace(f'"{name}"', f'"g{number}"').replace(f'"#{name}"', f'"#g{number}"')
    svg = re.sub(r'<use href="#(?!g\d)[^>]*/>', "", svg)  # of a space, which has no outline
    svg = re.sub(r"\s+", " ", svg).replace("> <", "><").strip()
    return re.sub(r'd="([^"]*)"', lambda path: 'd="' + re.sub(r" ?([A-Za-z]) ?| (?=-)", r"\1", path[1]) + '"', svg)


def _short_outline(found: re.Match) -> str:
    """The outline of a letter in units ten times as large, a hundredth of its size or less, from place to place."""
    parts, here = [], [0, 0]
    for command, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", found[1]):
        places = [round(float(number) / 10) for number in numbers.split()]
        steps = places if command == "M" else [place - here[k % 2] for k, place in enumerate(places)]
        parts.append((command if command == "M" else command.lower()) + " ".join(map(str, steps)))
        here = places[-2:] or here
    return f'd="{"".join(parts)}" transform="scale(0.15625)"'
