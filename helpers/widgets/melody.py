"""A grid to click a melody into.

Notebook: 01-markov, inside the Composer.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import ipywidgets as widgets
import traitlets

from helpers.encoders import HOLD_SYMBOL, REST_SYMBOL, GridEncoder
from helpers.player import Player
from helpers.songs import Song, note_values, pitch_name
from helpers.widgets.parts import FrontEnd, Panel, button, labelled


class Grid(FrontEnd):
    """The grid on the page. What a click or a key does to the notes is decided in melody.js, and only there.

    Attributes:
        notes: [pitch, first column, number of columns] of each note, in order; no two sound together.
        names: of the pitches, from `low` upwards.
        steps: number of columns.
        bar: columns in a bar; a line stands before each.
        label: read out by screen readers.

    Notebook: 01-markov, inside the Composer.
    """

    from_page = ("notes",)
    _esm = Path(__file__).with_name("melody.js")
    _css = Path(__file__).with_name("melody.css")
    notes = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    low = traitlets.Int().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    bar = traitlets.Float().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)


class MelodyInput(Panel):
    """A grid to click a melody into: rows are pitches, columns time steps. Drag to hold a note, click it to erase it.

    With the keyboard: arrows move, space sets or erases a note, shift and right arrow hold it. The melody also stands
    in a text field as TinyNotation, which can be typed into.

    Args:
        bars: of 4/4.
        step: one column, in quarter lengths.
        low: lowest pitch, as a MIDI number.
        high: highest pitch.

    Raises:
        ValueError: for a range without pitches or a step that does not divide a bar.

    Notebook: 01-markov, inside the Composer.
    """

    def __init__(self, bars: int = 2, step=Fraction(1, 2), low: int = 55, high: int = 79):
        self.step, self.low, self.high = Fraction(step), low, high
        steps = bars * 4 / self.step
        if bars < 1 or self.step <= 0 or steps.denominator != 1:
            raise ValueError(f"{bars} bars in steps of {step} quarter notes make no whole number of columns.")
        if not note_values(self.step):
            raise ValueError(
                f"a step of {step} quarter notes is no note value; use 1/2 for eighths, 1/4 for sixteenths."
            )
        if not 0 <= low < high <= 127:
            raise ValueError(f"a grid from pitch {low} to {high} has no rows; give a low and a higher MIDI number.")
        super().__init__()
        self._encoder, self._like = GridEncoder(self.step), None  # a song whose meter and upbeat are kept
        self._kept: list[list[int]] = []  # the notes that stand in the grid
        self.readable = True
        names = [pitch_name(pitch) for pitch in range(low, high + 1)]
        label = f"melody: rows are pitches, columns are steps of {step} quarter notes; arrows move, space sets a note, "
        self.grid = Grid(names=names, low=low, steps=int(steps), bar=float(4 / self.step))
        self.grid.label = label + "shift and right holds it"
        self.text = labelled(widgets.Text, "as text", "", placeholder="click above, or type TinyNotation")
        self.text.continuous_update = False
        self.play = button("Play", "Hear the melody in the grid", self.listen)
        self.clear = button("Clear", "Empty the grid", lambda: setattr(self.text, "value", ""))
        self.grid.observe(lambda _: self._drawn(), "notes")
        self.text.observe(lambda change: self._typed(change["new"]), "value")
        self.children = (self.grid, self.text, widgets.HBox([self.play, self.clear]), self.message, self.shown)

    @property
    def song(self) -> Song | None:
        """The melody, from the first column to its last note; None while the grid is empty."""
        if not self.grid.notes:
            return None
        tokens = []
        for pitch, first, length in self.grid.notes:
            tokens += self._held(REST_SYMBOL, first - len(tokens)) + self._held(str(pitch), length)
        return self._encoder.decode(tokens, self._like)  # in the meter that was typed

    @song.setter
    def song(self, song: Song | None) -> None:
        """Puts a melody into the grid; None empties it.

        Raises:
            ValueError: naming the note that does not fit into the grid.
        """
        self._put(song)
        self._write_text()

    def listen(self) -> None:
        """Plays what is in the grid."""
        if self.song is None:
            self.say("The grid is empty; click into it to set a note.")
            return
        self.say("")
        self.show(Player(self.song, title="your melody", tempo=120))

    @staticmethod
    def _held(symbol: str, length: int) -> list[str]:
        return [symbol, *[HOLD_SYMBOL] * (length - 1)] if length else []

    def _notes_of(self, song: Song | None) -> list[list[int]]:
        if song is None:
            return []
        for number, event in enumerate(song.events, 1):
            for pitch in event.pitches:
                if not self.low <= pitch <= self.high:
                    where = f"the grid, which goes from {pitch_name(self.low)} to {pitch_name(self.high)}"
                    raise ValueError(f"note {number}, {pitch_name(pitch)}, lies outside {where}; move it by octaves.")
        self._encoder.encode(song)  # or an error that says why the grid cannot hold it
        room = self.grid.steps * self.step
        if song.duration > room:
            raise ValueError(f"the melody lasts {song.duration} quarter notes, and the grid has room for {room}.")
        notes, column = [], 0
        for event in song.events:
            length = int(event.duration / self.step)
            notes += [[pitch, column, length] for pitch in event.pitches]
            column += length
        return notes

    def _put(self, song: Song | None) -> None:
        """Raises: as `_notes_of`, and then nothing has changed."""
        notes = self._notes_of(song)
        self._like, self.readable = song, True
        with self.quietly():
            self.grid.bar = float((song.measure_length if song else 4) / self.step)
            self.grid.notes = self._kept = notes

    def _drawn(self) -> None:
        if not self.quiet:
            if not self._fits(self.grid.notes):
                with self.quietly():
                    self.grid.notes = self._kept
                self.say("The page sent notes that no grid holds; they are not taken. Load the page again.")
                return
            self.readable, self._kept = True, self.grid.notes
            self.say("")
            self._write_text()

    def _fits(self, notes: list) -> bool:
        """Whether these are notes of the grid, in order, no two of them together."""
        end = 0
        for note in notes:
            if not isinstance(note, list) or [type(number) for number in note] != [int] * 3:
                return False
            pitch, first, length = note
            if not (self.low <= pitch <= self.high and end <= first and 1 <= length <= self.grid.steps - first):
                return False
            end = first + length
        return True

    def _write_text(self) -> None:
        with self.quietly():
            self.text.value = self.song.to_tiny() if self.song else ""

    def _typed(self, text: str) -> None:
        if self.quiet:
            return
        try:
            self._put(Song.from_tiny(text) if text.strip() else None)
        except ValueError as mistake:
            self.readable = False
            self.say(str(mistake))
            return
        self.say("")
