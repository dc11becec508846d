"""What the controls share: labels, buttons, a line of status, and the last few takes.

Notebook: none: used by the other files of this folder.
"""

from __future__ import annotations

import contextlib
import html
import threading
from collections.abc import Callable, Iterable, Iterator

import anywidget
import ipywidgets as widgets
import traitlets

from helpers.figures import css_variables
from helpers.player import Player

ROW = widgets.Layout(flex_flow="row wrap", display="flex")  # side by side where there is room


class FrontEnd(anywidget.AnyWidget):
    """A control with JavaScript of its own; its text form is the same in every run.

    Attributes:
        colors: CSS variables, for the style attribute of its root.
        from_page: names of the attributes that the page may set; all others are for it to read.

    Notebook: none: the grid, the map and the file field are made of it.
    """

    from_page: tuple[str, ...] = ()
    colors = traitlets.Unicode(css_variables()).tag(sync=True)

    def set_state(self, sync_data: dict) -> None:
        """Takes over what a page sends, of the attributes that are its to set, and of the right kind.

        Args:
            sync_data: name -> value, from the page or from whoever pretends to be one.
        """
        with contextlib.suppress(traitlets.TraitError):  # the attribute stays as it was
            super().set_state({name: value for name, value in sync_data.items() if name in self.from_page})

    def __repr__(self):
        return f"{type(self).__name__}()"


class Panel(widgets.VBox):
    """A column of controls with a line of status under it and the last few takes below.

    Args:
        takes: how many of them to keep on show.

    Notebook: none: the base of the other files' panels.
    """

    def __init__(self, takes: int = 1):
        self.takes, self.quiet = takes, False
        self._bounds: list[tuple] = []
        self._thread: threading.Thread | None = None
        self.message, self.shown = widgets.HTML(), widgets.VBox()
        super().__init__()

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """While a control is set in here, `quiet` tells its observers that nobody has touched it."""
        self.quiet = True
        try:
            yield
        finally:
            self.quiet = False

    def bound(self, *sliders) -> None:
        """From now on these are watched, because a page could move their bounds, too."""
        self._bounds += [(slider, slider.min, slider.max) for slider in sliders]

    def look_at_bounds(self) -> None:
        """Looks at them.

        Raises:
            ValueError: if a slider stands outside the bounds that it had.
        """
        for slider, low, high in self._bounds:
            if not low <= slider.value <= high:
                raise ValueError(f"{slider.description} is {slider.value:g}; it goes from {low:g} to {high:g}.")

    def in_thread(self, work: Callable[[], None]) -> None:
        """Does something in a thread, after what was begun before."""
        self.wait(None)  # it has given the buttons back, and is on its way out
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = 60) -> None:
        """Until what was begun is on show, or so many seconds have passed."""
        if self._thread is not None:
            self._thread.join(seconds)

    def say(self, text: str) -> None:
        """Shows one sentence, or nothing."""
        self.message.value = status(text)

    def show(self, player: Player) -> None:
        """Puts a take above the earlier ones."""
        data = {"text/html": player.html, "text/plain": repr(player)}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        take = widgets.Output(outputs=(output,))  # unlike an HTML widget, it runs the scripts inside
        self.shown.children = (take, *self.shown.children)[: self.takes]


def status(text: str) -> str:
    """One sentence as HTML, read out by screen readers; never markup.

    Notebook: none: called by the widgets.
    """
    return f'<p role="status" aria-live="polite" style="margin: 2px">{html.escape(text)}</p>' if text else ""


def labelled(kind: type, description: str, value, **settings):
    """A control with its label, as wide as a phone allows.

    Args:
        kind: class of the control.
        description: the label.
        value: to begin with.
        settings: what else the class takes.

    Notebook: none: called by the widgets.
    """
    layout = widgets.Layout(width="min(calc(100% - 4px), 420px)")
    return kind(value=value, description=description, layout=layout, style={"description_width": "92px"}, **settings)


def column(controls: Iterable) -> widgets.VBox:
    """Controls one under the other, beside another column where there is room.

    Notebook: none: called by the widgets.
    """
    return widgets.VBox(list(controls), layout=widgets.Layout(width="min(100%, 380px)"))


def button(description: str, tooltip: str, action: Callable[[], None], **settings) -> widgets.Button:
    """A button as wide as its label.

    Args:
        description: the label.
        tooltip: what it does, in a few words.
        action: called without arguments at each click.
        settings: what else widgets.Button takes.

    Notebook: none: called by the widgets.
    """
    made = widgets.Button(description=description, tooltip=tooltip, layout=widgets.Layout(width="auto"), **settings)
    made.on_click(lambda _: action())
    return made


def enable(control: widgets.Button, enabled: bool, tooltip: str) -> None:
    """Switches a button on or off.

    Args:
        control: the button.
        enabled: whether it can be clicked.
        tooltip: the reason.

    Notebook: none: called by the Composer.
    """
    control.disabled, control.tooltip = not enabled, tooltip
