"""A map of what a model has learned, to walk on.

Notebook: 04-autoencoder-vae.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import torch
import traitlets

from helpers.figures import GROUPS
from helpers.player import Player
from helpers.songs import Song
from helpers.widgets.parts import ROW, FrontEnd, Panel, button, column, labelled

STEP = 0.05  # of the sliders: a value between two steps would be moved to one of them on Colab
REACH = 3.2  # spreads from the middle of the map to its edge, at least


class Map(FrontEnd):
    """The map on the page; all places are (axis 1, axis 2), in units of the spread along each axis.

    Attributes:
        songs: [x, y, title, colour] of each.
        legend: [name, colour] of each group.
        reach: from the middle to the edge.
        point: where the cross stands; a click moves it.
        way: two places, joined by a line.
        label: read out by screen readers.

    Notebook: 04-autoencoder-vae, inside the LatentExplorer.
    """

    from_page = ("point",)
    _esm = Path(__file__).with_name("explorer.js")
    songs = traitlets.List().tag(sync=True)
    legend = traitlets.List().tag(sync=True)
    reach = traitlets.Float().tag(sync=True)
    point = traitlets.List([0.0, 0.0]).tag(sync=True)
    way = traitlets.List([[0.0, 0.0], [0.0, 0.0]]).tag(sync=True)
    label = traitlets.Unicode("map of the songs; choose a point with the sliders or by a click").tag(sync=True)


class Axes:
    """The longest principal axes of some codes.

    Args:
        codes: (n, d), n at least 2.
        count: how many axes, at least 2.

    Raises:
        ValueError: for fewer than two axes or codes, or more axes than the codes have.

    Notebook: 04-autoencoder-vae, inside the LatentExplorer.
    """

    def __init__(self, codes: torch.Tensor, count: int):
        if count < 2 or len(codes) < 2:
            raise ValueError(f"{count} axes and {len(codes)} songs; a map needs at least two of both.")
        if count > min(codes.shape):
            raise ValueError(
                f"{len(codes)} codes of {codes.shape[1]} numbers cannot have {count} principal axes; ask for fewer."
            )
        self.centre = codes.mean(0)
        _, sizes, principal = torch.linalg.svd(codes - self.centre, full_matrices=False)
        self.spread = (sizes[:count] / (len(codes) - 1) ** 0.5).clamp(min=1e-9)
        self.directions = principal[:count]  # (axes, d), of length 1

    def place(self, codes: torch.Tensor) -> torch.Tensor:
        """Where codes (..., d) lie, in units of the spread along each axis (..., axes)."""
        return (codes - self.centre) @ self.directions.T / self.spread

    def moved(self, code: torch.Tensor, by: Sequence[float]) -> torch.Tensor:
        """A code moved along the axes; the rest of it stays.

        Args:
            code: (d,).
            by: how far along each axis, in units of its spread.
        """
        return code + (torch.tensor(by).double() * self.spread) @ self.directions


class LatentExplorer(Panel):
    """A map of songs in a latent space: go somewhere by sliders or by a click, and hear what is there.

    The map shows the two longest principal axes of the codes, in units of their spread. Choosing a song goes to it;
    the sliders move away from it along the axes, the rest of its code stays. With a second song, the way between the
    two can be stopped at or heard from end to end.

    Args:
        decode: function from a code, a list of d floats, to a Song or its voices.
        codes: one code (d,) for each song, as rows of a tensor or array (n, d), n at least 2.
        titles: names of the songs.
        groups: a word for each song, such as its mode; up to four of them get a colour each.
        axes: how many sliders, at least 2.
        between: function (a, b, t) of two codes and 0 <= t <= 1 -> a code; the straight line if None.
        takes: how many of the last points to keep on show.
        tempo: quarter notes per minute.
        program: General MIDI instrument, one for all voices or one for each.

    Raises:
        ValueError: as `Axes`, or for lists whose lengths differ.

    Notebook: 04-autoencoder-vae.
    """

    def __init__(
        self,
        decode: Callable,
        codes,
        titles: Sequence[str],
        groups: Sequence[str] | None = None,
        axes: int = 2,
        between: Callable | None = None,
        takes: int = 3,
        tempo: float = 80,
        program=0,
    ):
        super().__init__(takes)
        codes = torch.as_tensor(codes).detach().cpu().double()
        self.axes = Axes(codes, axes)
        if len(titles) != len(codes) or (groups is not None and len(groups) != len(codes)):
            raise ValueError(f"{len(titles)} titles for {len(codes)} codes; give one for each, and so for groups.")
        self.decode, self.codes, self.titles = decode, codes, list(titles)
        self.groups = list(groups) if groups is not None else [""] * len(codes)
        self._between = between or (lambda a, b, t: (1 - t) * a + t * b)
        self.tempo, self.program = tempo, program
        self.points = self.axes.place(codes)  # (n, axes), where the songs lie on the map
        self._base, self._at_home = codes[0], [0.0] * axes
        reach = round(max(REACH, self.points.abs().max().item()) + 0.1, 1)
        settings = {"min": -reach, "max": reach, "step": STEP}
        self.sliders = [labelled(widgets.FloatSlider, f"axis {k + 1}", 0.0, **settings) for k in range(axes)]
        options = [(f"{k + 1}. {title}"[:60], k) for k, title in enumerate(self.titles)]
        self.song = labelled(widgets.Dropdown, "song", 0, options=options)
        self.goal = labelled(widgets.Dropdown, "walk to", 1, options=options)
        self.way = labelled(widgets.FloatSlider, "how far", 0.0, min=0, max=1, step=0.05)
        self.button = button("Listen", "Hear the point where the sliders stand", self.listen, button_style="primary")
        self.home = button("Back to the song", "Move the sliders back to the song", self.go_home)
        self.walk = button("Walk", "Hear the way from the song to the other one, in five steps", self.listen_walk)
        self.map = self._map(reach)
        self._listen_to_controls()
        self.bound(*self.sliders, self.way)
        top = widgets.Box([self.map, column([*self.sliders, self.song, self.goal, self.way])], layout=ROW)
        buttons = widgets.Box([self.button, self.home, self.walk], layout=ROW)
        self.children = (top, buttons, self.message, self.shown)
        self._go()

    def _map(self, reach: float) -> Map:
        kinds = list(dict.fromkeys(self.groups))
        color = {kind: GROUPS[k % len(GROUPS)] for k, kind in enumerate(kinds)}
        songs = [
            [x, y, f"{title}, {kind}" if kind else str(title), color[kind]]
            for (x, y, *_), title, kind in zip(self.points.tolist(), self.titles, self.groups, strict=True)
        ]
        return Map(reach=reach, legend=[[str(kind), color[kind]] for kind in kinds if kind], songs=songs)

    def _listen_to_controls(self) -> None:
        self.map.observe(lambda change: self._clicked(change["new"]), "point")
        for control in (self.song, self.goal, self.way):
            control.observe(lambda _: self._go(), "value")
        for slider in self.sliders:
            slider.observe(lambda _: self._mark(), "value")

    def between(self, a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
        """A code on the way from one code to another; equal ones have no angle between them.

        Args:
            a, b: codes (d,).
            t: how far, 0 <= t <= 1.
        """
        return a if (a == b).all() else self._between(a, b, t)

    @property
    def point(self) -> list[float]:
        """Where the sliders stand, in units of the spread along each axis."""
        return [slider.value for slider in self.sliders]

    @property
    def code(self) -> list[float]:
        """The code (d,) of the point: that of the song, or of the place on the way, moved along the axes."""
        away = [here - home for here, home in zip(self.point, self._at_home, strict=True)]
        return self.axes.moved(self._base, away).tolist()

    def go_home(self) -> None:
        """Back to the song."""
        self.way.value = 0
        self._go()

    def listen(self) -> None:
        """Shows and plays what the point decodes to, above the earlier ones."""
        where = ", ".join(f"{value:g}" for value in self.point)
        self._present("Decoding …", lambda: self.decode(self.code), f"point {where}", self._where())

    def listen_walk(self) -> None:
        """Shows and plays five places on the way from the song to the other one, end to end."""
        a, b = self.codes[self.song.value], self.codes[self.goal.value]
        names = f"{self.titles[self.song.value]} → {self.titles[self.goal.value]}"

        def way() -> list[Song]:
            return _joined([self.decode(self.between(a, b, t).tolist()) for t in (0, 0.25, 0.5, 0.75, 1)])

        self._present("Walking …", way, names, "five steps, both ends included")

    def _present(self, status: str, make: Callable, title: str, note: str) -> None:
        buttons = (self.button, self.home, self.walk)
        for control in buttons:
            control.disabled = True
        self.say(status)
        try:
            self.look_at_bounds()
            player = Player(make(), title=title, tempo=self.tempo, program=self.program, note=note, downloads=True)
        except ValueError as mistake:
            self.say(str(mistake))
        except Exception as error:
            self.say(f"the decoder failed ({type(error).__name__}: {error}); the earlier takes are kept.")
        else:
            self.show(player)
            self.say("")
        finally:
            for control in buttons:
                control.disabled = False

    def _where(self) -> str:
        title, goal = self.titles[self.song.value], self.titles[self.goal.value]
        return f"{self.way.value:.0%} of the way from {title} to {goal}" if self.way.value else f"starting from {title}"

    def _go(self) -> None:
        """Puts the base, the sliders and the cross where song, goal and way say."""
        a, b = self.codes[self.song.value], self.codes[self.goal.value]
        self._base = self.between(a, b, self.way.value) if self.way.value else a
        self._at_home = [round(round(value / STEP) * STEP, 2) for value in self.axes.place(self._base).tolist()]
        self.map.way = [self.points[control.value, :2].tolist() for control in (self.song, self.goal)]
        self._move(self._at_home)

    def _clicked(self, point: list) -> None:
        """Goes where the page says; a point that is none leaves everything as it was."""
        if len(point) == 2 and all(type(value) in (int, float) and abs(value) <= self.map.reach for value in point):
            self._move(point)
            return
        self._mark()
        self.say("The page sent a point that is none; it is not taken. Load the page again.")

    def _move(self, point: Sequence[float]) -> None:
        """Puts the sliders, or the first two of them, at a point."""
        with self.quietly():
            for slider, value in zip(self.sliders, point, strict=False):
                slider.value = value
        self._mark()

    def _mark(self) -> None:
        if not self.quiet:
            self.map.point = self.point[:2]


def _joined(pieces: Sequence[Song | Sequence[Song]]) -> list[Song]:
    """Several pieces with equal voices, one after the other."""
    voices = [[piece] if isinstance(piece, Song) else list(piece) for piece in pieces]
    return [
        replace(parts[0], events=[event for part in parts for event in part.events])
        for parts in zip(*voices, strict=True)
    ]
