"""Controls to steer a model by hand, on ipywidgets alone.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from helpers.player import Player
from helpers.songs import Song


class Composer(widgets.VBox):
    """Pick a model, a temperature, a start and a seed; press Compose; listen. Takes stay for comparison.

    Args:
        models: name -> function (start: Song or None, temperature, max_length, seed) -> Song.
        takes: how many of the last takes to keep on show.
    """

    def __init__(self, models: dict[str, Callable], takes: int = 3):
        wide = widgets.Layout(width="min(100%, 420px)")
        style = {"description_width": "90px"}
        self.models, self.takes = models, takes
        self.model = widgets.Dropdown(options=list(models), description="model", layout=wide, style=style)
        self.temperature = widgets.FloatSlider(
            value=1, min=0.1, max=3, step=0.1, description="temperature", layout=wide, style=style
        )
        self.length = widgets.IntSlider(value=48, min=8, max=200, description="longest", layout=wide, style=style)
        self.tempo = widgets.IntSlider(value=120, min=40, max=240, description="tempo", layout=wide, style=style)
        self.start = widgets.Text(
            value="4/4 g8 c'4 d' e'", description="begin with", layout=wide, style=style, placeholder="TinyNotation"
        )
        self.seed = widgets.BoundedIntText(value=1, min=0, max=10**6, description="seed", layout=wide, style=style)
        self.button = widgets.Button(description="Compose", button_style="primary", tooltip="Write a song")
        self.message, self.shown = widgets.HTML(), widgets.VBox()
        self.songs: list[Song] = []
        self.button.on_click(lambda _: self.compose())
        controls = (self.model, self.temperature, self.length, self.tempo, self.start, self.seed, self.button)
        super().__init__([*controls, self.message, self.shown])

    def compose(self) -> None:
        """Writes one take and shows it above the earlier ones; a mistake in the start is explained, and they stay."""
        self.button.disabled = True
        self._say("Composing …")
        try:
            start = Song.from_tiny(self.start.value) if self.start.value.strip() else None
            write = self.models[self.model.value]
            song = write(start, self.temperature.value, self.length.value, self.seed.value)
            title = f"{self.model.value}, temperature {self.temperature.value:g}, seed {self.seed.value}"
            player = Player(song, title=title, tempo=self.tempo.value)
        except ValueError as mistake:
            self._say(str(mistake))
            return
        finally:
            self.button.disabled = False
        self.songs.insert(0, song)
        take = widgets.Output(outputs=(_display_data(player),))  # an Output runs scripts, an HTML widget does not
        self.shown.children = (take, *self.shown.children)[: self.takes]
        self.seed.value += 1
        self._say("")

    def _say(self, text: str) -> None:
        self.message.value = _status(text)


class LatentExplorer(widgets.VBox):
    """A slider for each axis of a latent space; press Listen to hear the music at that point.

    Args:
        voices_at: function from a list of floats, one for each axis, to a Song or its voices.
        axes: how many sliders.
        reach: they go from -reach to reach.
        takes: how many of the last points to keep on show.
        tempo, program: as `play`.
    Raises: ValueError for fewer than one axis.
    """

    def __init__(self, voices_at: Callable, axes: int = 2, reach: float = 3, takes: int = 3, tempo=80, program=0):
        if axes < 1:
            raise ValueError(f"{axes} axes: there must be at least one to move along.")
        self.voices_at, self.takes, self.tempo, self.program = voices_at, takes, tempo, program
        wide = widgets.Layout(width="min(100%, 420px)")
        style = {"description_width": "90px"}
        self.sliders = [
            widgets.FloatSlider(
                value=0, min=-reach, max=reach, step=0.1, description=f"axis {k + 1}", layout=wide, style=style
            )
            for k in range(axes)
        ]
        self.button = widgets.Button(description="Listen", button_style="primary", tooltip="Hear this point")
        self.home = widgets.Button(description="Back to 0", tooltip="Move every slider back to the start")
        self.message, self.shown = widgets.HTML(), widgets.VBox()
        self.button.on_click(lambda _: self.listen())
        self.home.on_click(lambda _: self.go_home())
        buttons = widgets.HBox([self.button, self.home])
        super().__init__([*self.sliders, buttons, self.message, self.shown])

    @property
    def point(self) -> list[float]:
        """Where the sliders stand."""
        return [slider.value for slider in self.sliders]

    def go_home(self) -> None:
        for slider in self.sliders:
            slider.value = 0

    def listen(self) -> None:
        """Shows and plays the music at the point, above the earlier ones."""
        self.button.disabled = True
        self.message.value = _status("Decoding …")
        try:
            title = "point " + ", ".join(f"{value:g}" for value in self.point)
            player = Player(self.voices_at(self.point), title=title, tempo=self.tempo, program=self.program)
        except ValueError as mistake:
            self.message.value = _status(str(mistake))
            return
        finally:
            self.button.disabled = False
        take = widgets.Output(outputs=(_display_data(player),))
        self.shown.children = (take, *self.shown.children)[: self.takes]
        self.message.value = ""


def _status(text: str) -> str:
    return f'<p role="status">{html.escape(text)}</p>' if text else ""


def _display_data(player: Player) -> dict:
    data = {"text/html": player.html, "text/plain": repr(player)}
    return {"output_type": "display_data", "data": data, "metadata": {}}
