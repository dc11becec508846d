"""A panel that adds three voices to a melody.

Notebook: 11-harmony.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from helpers.player import Player
from helpers.songs import Song
from helpers.widgets.melody import MelodyInput
from helpers.widgets.parts import ROW, Panel, button, column, enable, labelled
from helpers.widgets.turns import turn
from helpers.widgets.upload import FileInput

LOWER = ("alto", "tenor", "bass")
SOUNDS = {"choir": 52, "organ": 19, "strings": 48, "piano": 0}  # General MIDI programs, counted from 0
MOST_BARS, MOST_QUARTERS = 16, 128  # of a take


class Melody(widgets.VBox):
    """Where the melody comes from: drawn, picked out of some songs, or out of a file.

    Args:
        songs: to pick from.

    Notebook: 11-harmony, inside the Harmoniser.
    """

    def __init__(self, songs: Sequence[Song]):
        self.songs = list(songs)
        ways = ["drawn", *(["picked"] if self.songs else []), "a file"]
        self.way = labelled(widgets.Dropdown, "melody", ways[1] if self.songs else ways[0], options=ways)
        self.drawn, self.file = MelodyInput(bars=4, low=60, high=81), FileInput()
        named = [(f"{song.title or song.id}"[:60], k) for k, song in enumerate(self.songs)]
        self.picked = labelled(widgets.Dropdown, "song", 0 if named else None, options=named)
        self.bars = labelled(widgets.IntSlider, "its first bars", 4, min=1, max=MOST_BARS)
        self.chosen = widgets.VBox()
        super().__init__([self.way, self.chosen])
        self.way.observe(lambda _: self._show_way(), "value")
        self._show_way()

    def _show_way(self) -> None:
        shown = {"drawn": (self.drawn,), "picked": (self.picked, self.bars), "a file": (self.file, self.bars)}
        self.chosen.children = shown[self.way.value]

    def song(self) -> Song:
        """The melody; of a song or a file its upbeat and first full bars.

        Raises:
            ValueError: if it cannot be read, or there is none yet.
        """
        if self.way.value == "drawn":
            if not self.drawn.readable:
                raise ValueError("the text under the grid cannot be read; mend it, or clear it.")
            if self.drawn.song is None:
                raise ValueError("the grid is empty; click a melody into it.")
            return self.drawn.song
        song = self.songs[self.picked.value] if self.way.value == "picked" else self.file.song
        if song is None:
            raise ValueError("no file is chosen yet; choose one, or draw a melody.")
        song = song.excerpt(min(song.duration, song.pickup + self.bars.value * song.measure_length))
        if song.duration > MOST_QUARTERS:
            raise ValueError(
                f"{self.bars.value} bars of {song.meter} are {float(song.duration):g} quarter notes, and "
                f"{MOST_QUARTERS} is the most at a time; take fewer bars."
            )
        return song


class Harmoniser(Panel):
    """A melody, a button, four voices: coloured by surprise, and to take home as MIDI and MusicXML.

    What is ticked after a take, a voice or some bars, stays in the next one, and the rest is written anew. Another
    melody has nothing to keep. A mistake is one sentence, and costs nothing that is on the page.

    Args:
        harmonise: function (melody, seed, before, voices, bars) -> four Songs, and a row of surprises in nats for
            each; before is None or the four Songs of the last take, of which these voices (1 alto to 3 bass) and bars
            (1 is the first full one, 0 the upbeat) stay.
        songs: to pick a melody from.
        takes: how many of the last takes to keep on show.
        tempo: quarter notes per minute, to begin with.

    Notebook: 11-harmony.
    """

    def __init__(self, harmonise: Callable, songs: Sequence[Song] = (), takes: int = 3, tempo: int = 80):
        super().__init__(takes)
        self.harmonise, self.voices = harmonise, None
        self._melody: Song | None = None
        self.melody = Melody(songs)
        self.seed = labelled(widgets.BoundedIntText, "seed", 1, min=0, max=10**6)
        self.tempo = labelled(widgets.IntSlider, "tempo", tempo, min=40, max=160)
        self.sound = labelled(widgets.Dropdown, "sounds as", 52, options=list(SOUNDS.items()))
        self.kept = [widgets.Checkbox(False, description=f"keep the {name}", indent=False) for name in LOWER]
        self.bars = labelled(widgets.SelectMultiple, "keep bars", (), options=[], rows=4)
        self.button = button("Harmonise", "Write three voices under the melody", self.start_writing)
        self.button.button_style = "primary"
        self.again = button("Again", "", lambda: self.start_writing(again=True))
        enable(self.again, False, "There is no take yet; press Harmonise first")
        self.bound(self.seed, self.tempo, self.melody.bars)
        self.keeping = column((*self.kept, self.bars))
        self.keeping.layout.visibility = "hidden"
        self.add_class("nfs-harmoniser")
        settings = column((self.seed, self.tempo, self.sound))
        buttons = widgets.Box([self.button, self.again], layout=ROW)
        self.children = (
            *(self.melody, widgets.Box([settings, self.keeping], layout=ROW)),
            *(buttons, self.message, self.shown),
        )

    def start_writing(self, again: bool = False) -> None:
        """Writes in a thread, when it is this page's turn; the buttons come back when it is done.

        Args:
            again: as `write_again`.
        """
        if self.button.disabled:  # a take is being written
            return
        self.button.disabled = self.again.disabled = True
        self.in_thread(lambda: self._in_turn(self.write_again if again else self.write))

    def _in_turn(self, write: Callable[[], None]) -> None:
        try:
            with turn(lambda before: self.say(f"{before} before you; your take begins when that many are done.")):
                write()
        except OSError as error:  # of the queue
            self.say(f"Nothing was written: {error}.")
            self._ready()

    def write(self) -> None:
        """Writes three voices under the melody as it stands, and shows them above the earlier takes."""
        self._write(None)

    def write_again(self) -> None:
        """The same with the next seed; what is ticked stays."""
        self.seed.value += 1
        self._write(self.voices)

    def _write(self, before: Sequence[Song] | None) -> None:
        self.say("Writing …")
        for control in (self.button, self.again):
            control.disabled = True
        try:
            self._take(before)
        except ValueError as mistake:
            self.say(str(mistake))
        except Exception as error:
            self.say(f"the network failed ({type(error).__name__}: {error}); the earlier takes are kept.")
        else:
            self.say("")
        finally:
            self._ready()

    def _ready(self) -> None:
        self.button.disabled = False
        enable(self.again, self.voices is not None, "Write it anew: the next seed; what is ticked stays")

    def _take(self, before: Sequence[Song] | None) -> None:
        self.look_at_bounds()
        melody = self.melody.song()
        if not _alike(melody, self._melody):
            before = None  # another melody: nothing of the last take belongs to it
        voices = [k for k, box in enumerate(self.kept, 1) if before and box.value]
        bars = list(self.bars.value) if before else []
        if before and (len(voices) == len(LOWER) or len(bars) == len(self.bars.options)):
            raise ValueError("everything is to be kept; untick a voice or a bar that may change.")
        made, rows = self.harmonise(melody, self.seed.value, before, voices, bars)
        name = melody.title or "your melody"
        player = Player(
            made,
            title=f"{name}, seed {self.seed.value}",
            tempo=self.tempo.value,
            program=self.sound.value,
            surprise=rows,
            note=self._in_words(made[0], voices, bars),
            downloads=True,
        )
        self.voices, self._melody = made, melody
        if before is None:
            self._offer(melody)
        self.show(player)

    def _in_words(self, melody: Song, voices: Sequence[int], bars: Sequence[int]) -> str:
        kept = [f"the {LOWER[k - 1]}" for k in voices] + [f"bar {bar}" for bar in bars]
        sound = next(name for name, program in SOUNDS.items() if program == self.sound.value)
        text = f"in {melody.tonic} {melody.mode}, {self.tempo.value} quarters a minute, {sound}"
        return f"{text}; kept: {', '.join(kept)}" if kept else text

    def _offer(self, melody: Song) -> None:
        """Lets the voices and bars of a new melody be kept."""
        first = 0 if melody.pickup else 1
        bars = range(first, 1 - int((melody.pickup - melody.duration) // melody.measure_length))
        for box in self.kept:
            box.value = False
        self.bars.options = [("the upbeat" if bar == 0 else f"bar {bar}", bar) for bar in bars]
        self.bars.value = ()
        self.keeping.layout.visibility = "visible"


def _alike(one: Song, other: Song | None) -> bool:
    """Whether two melodies sound the same in the same bars and key; equality of Songs looks at the events alone."""
    frame = lambda song: (song.events, song.tonic, song.mode, song.meter, song.pickup)
    return other is not None and frame(one) == frame(other)
