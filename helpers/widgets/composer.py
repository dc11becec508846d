"""A panel to write songs with a model.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ipywidgets as widgets

from helpers.composing import Stopped, Writer, Written, in_register
from helpers.player import Player
from helpers.songs import Song
from helpers.widgets.melody import MelodyInput
from helpers.widgets.parts import ROW, Panel, button, column, enable, labelled
from helpers.widgets.turns import turn
from helpers.widgets.upload import FileInput

KEYS = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
INSTRUMENTS = {  # General MIDI programs, counted from 0
    "piano": 0,
    "harpsichord": 6,
    "music box": 10,
    "organ": 19,
    "guitar": 24,
    "violin": 40,
    "trumpet": 56,
    "oboe": 68,
    "clarinet": 71,
    "flute": 73,
    "ocarina": 79,
}


@dataclass(frozen=True)
class Settings:
    """What a take is made with; what is turned while it is being written is for the next one.

    Attributes:
        model: its name.
        temperature, longest, seed, top_k: as `Writer.write`, longest in notes.
        semitones: from C major or A minor to the key it is played in.
        tempo: quarter notes per minute.
        program: General MIDI instrument.
        start: the beginning, or None.
        begun: the beginning in words.

    Notebook: 01-markov, inside the Composer.
    """

    model: str
    temperature: float
    longest: int
    seed: int
    top_k: int
    semitones: int
    tempo: int
    program: int
    start: Song | None
    begun: str

    def in_words(self, song: Song) -> str:
        """All of it in one line, with the key of the song that came of it."""
        played_on = next(label for label, program in INSTRUMENTS.items() if program == self.program)
        return (
            f"{self.model}: temperature {self.temperature:g}, top-k {self.top_k or 'all'}, longest {self.longest}, "
            f"seed {self.seed}, begun with {self.begun}; in {song.tonic} {song.mode}, {self.tempo} quarters a minute, "
            f"{played_on}"
        )


class Beginning(widgets.VBox):
    """What a song goes on from: typed, drawn, picked out of some songs, out of a file, or nothing.

    Args:
        songs: to pick from.

    Notebook: 01-markov, inside the Composer.
    """

    WAYS = ("typed", "drawn", "picked", "a file", "nothing")

    def __init__(self, songs: Sequence[Song]):
        self.songs = list(songs)
        ways = [way for way in self.WAYS if way != "picked" or self.songs]
        self.way = labelled(widgets.Dropdown, "begin with", "typed", options=ways)
        self.start = labelled(
            widgets.Text, "melody", "4/4 c'4 d'8 e' f'4 d'", placeholder="TinyNotation, such as 4/4 c4 d e8 f g2"
        )
        self.drawn, self.file = MelodyInput(), FileInput()
        named = [(f"{song.id} {song.title}".strip()[:60], k) for k, song in enumerate(self.songs)]
        self.picked = labelled(widgets.Dropdown, "song", 0 if named else None, options=named)
        self.first = labelled(widgets.IntSlider, "its first notes", 8, min=1, max=64)
        self.chosen = widgets.VBox()
        super().__init__([self.way, self.chosen])
        self.way.observe(lambda _: self._show_way(), "value")
        self._show_way()

    def _show_way(self) -> None:
        shown = {
            "typed": (self.start,),
            "drawn": (self.drawn,),
            "picked": (self.picked, self.first),
            "a file": (self.file, self.first),
            "nothing": (),
        }
        self.chosen.children = shown[self.way.value]

    def song(self) -> Song | None:
        """The beginning in C major or A minor; None for nothing.

        Raises:
            ValueError: if it cannot be read, or there is none yet.
        """
        way = self.way.value
        if way == "typed":
            return Song.from_tiny(self.start.value) if self.start.value.strip() else None
        if way == "drawn":
            if not self.drawn.readable:
                raise ValueError("the text under the grid cannot be read; mend it, or clear it.")
            if self.drawn.song is None:
                raise ValueError("the grid is empty; click a melody into it, or begin with nothing.")
            return self.drawn.song
        if way == "nothing":
            return None
        song = self._whole()
        if song is None:
            raise ValueError("no file is chosen yet; choose one, or begin with nothing.")
        song = song.in_c()
        return replace(song, events=song.events[: self.first.value])

    def in_words(self) -> str:
        """Where the beginning comes from; only after `song` has found one."""
        way = self.way.value
        if way == "typed":
            return f"“{self.start.value.strip()}”" if self.start.value.strip() else "nothing"
        if way == "drawn":
            return f"“{self.drawn.song.to_tiny()}”"
        if way == "nothing":
            return way
        song = self._whole()
        return f"{min(self.first.value, len(song.events))} notes of {song.title or song.id}"

    def _whole(self) -> Song | None:
        return self.songs[self.picked.value] if self.way.value == "picked" else self.file.song


class Composer(Panel):
    """Pick a model and a beginning, press Compose, listen. The last takes stay for comparison.

    Every take shows its notation, its sound with the sounding note lit, how surprised the model was by each note, the
    settings that made it, and links that save it. It is written in a thread, so it can be stopped. A beginning is moved
    by octaves to where the models learned to sing, and the take says so.

    Args:
        models: name -> Writer.
        songs: to pick a beginning from.
        takes: how many of the last takes to keep on show.

    Raises:
        ValueError: if there is no model.

    Notebook: 01-markov.
    """

    def __init__(self, models: Mapping[str, Writer], songs: Sequence[Song] = (), takes: int = 3):
        if not models:
            raise ValueError("there is no model to compose with; give at least one, as {name: Writer}.")
        super().__init__(takes)
        self.models, self.written = dict(models), []
        self._stopping, self._told = threading.Event(), 0.0
        self.model = labelled(widgets.Dropdown, "model", next(iter(models)), options=list(models))
        self.temperature = labelled(widgets.FloatSlider, "temperature", 1.0, min=0.1, max=3, step=0.1)
        self.top_k = labelled(widgets.IntSlider, "top-k (0: all)", 0, min=0, max=50)
        self.length = labelled(widgets.IntSlider, "longest", 48, min=8, max=200)
        self.key = labelled(widgets.Dropdown, "key to play in", 0, options=[(name, k) for k, name in enumerate(KEYS)])
        self.tempo = labelled(widgets.IntSlider, "tempo", 120, min=40, max=240)
        self.instrument = labelled(widgets.Dropdown, "instrument", 0, options=list(INSTRUMENTS.items()))
        self.seed = labelled(widgets.BoundedIntText, "seed", 1, min=0, max=10**6)
        self.beginning = begin = Beginning(songs)
        self.way, self.start, self.drawn, self.file = begin.way, begin.start, begin.drawn, begin.file
        self.picked, self.first, self.beginning_of_song = begin.picked, begin.first, begin.song
        self.bound(self.temperature, self.top_k, self.length, self.tempo, self.seed, self.first)
        self.button = button("Compose", "Write a song with these settings", self.start_writing, button_style="primary")
        self.again = button("Again", "Write another one: the next seed", lambda: self.start_writing(again=True))
        self.stop = button("Stop", "", self.stop_writing)
        self.progress = widgets.IntProgress(min=0, max=1, description="", layout=widgets.Layout(width="120px"))
        self._busy(False)
        self.add_class("nfs-composer")
        settings = column((self.model, self.temperature, self.top_k, self.length))
        sound = column((self.key, self.tempo, self.instrument, self.seed))
        buttons = widgets.Box([self.button, self.again, self.stop, self.progress], layout=ROW)
        self.children = (
            widgets.Box([settings, sound], layout=ROW),
            *(self.beginning, buttons, self.message, self.shown),
        )

    def _start(self) -> tuple[Song | None, str]:
        """The beginning where the models sing, and in words."""
        start = self.beginning.song()
        words = self.beginning.in_words()
        if start is None:
            return start, words
        start, octaves = in_register(start, self.models[self.model.value].centres)
        many = f"{abs(octaves)} octave{'s' * (abs(octaves) > 1)}"
        return start, words + (f", {many} {'lower' if octaves < 0 else 'higher'}" if octaves else "")

    def settings(self) -> Settings:
        """All settings as they stand.

        Raises:
            ValueError: as `Beginning.song`, or for a slider that stands outside its bounds.
        """
        self.look_at_bounds()
        start, begun = self._start()
        return Settings(
            model=self.model.value,
            temperature=self.temperature.value,
            longest=self.length.value,
            seed=self.seed.value,
            top_k=self.top_k.value,
            semitones=self.key.value - 12 * (self.key.value > 6),
            tempo=self.tempo.value,
            program=self.instrument.value,
            start=start,
            begun=begun,
        )

    def compose(self, settings: Settings | None = None) -> None:
        """Writes one take, and shows it above the earlier ones.

        A mistake is explained under the buttons, and everything stays as it was.

        Args:
            settings: as they stand if None.
        """
        self.say("Composing …")
        name = settings.model if settings else self.model.value
        try:
            written, player = self._take(settings or self.settings())
        except Stopped:
            self.say("Stopped. Nothing was kept of it.")
        except ValueError as mistake:
            self.say(str(mistake))
        except Exception as error:  # a bug in a model must not leave a traceback in a thread that nobody sees
            self.say(f"{name} failed ({type(error).__name__}: {error}); the earlier takes are kept.")
        else:
            self.written = [written, *self.written][: self.takes]
            self.show(player)
            self.say("")
        finally:
            self.progress.value = 0

    def _take(self, settings: Settings) -> tuple[Written, Player]:
        writer, longest = self.models[settings.model], settings.longest
        self.progress.max, self.progress.value = longest * writer.per_note, 0
        how = (settings.temperature, longest, settings.seed, settings.top_k)
        written = writer.write(settings.start, *how, on_step=self._step)
        self.say("Engraving …")
        song = written.song.transpose(settings.semitones)
        player = Player(
            song,
            title=f"{settings.model}, seed {settings.seed}",
            tempo=settings.tempo,
            program=settings.program,
            surprise=written.surprise,
            given=written.given,
            note=settings.in_words(song),
            downloads=True,
        )
        return written._replace(song=song), player

    def start_writing(self, again: bool = False) -> None:
        """Composes in a thread; the buttons come back when it is done.

        Args:
            again: with the next seed.
        """
        if self.button.disabled:  # a take is being written
            return
        if again:
            self.seed.value += 1
        try:
            settings = self.settings()
        except ValueError as mistake:
            self.say(str(mistake))
            return
        self._stopping.clear()
        self._busy(True)
        self.in_thread(lambda: self._write(settings))

    def stop_writing(self) -> None:
        """Asks the thread to stop at its next note."""
        self._stopping.set()

    def _write(self, settings: Settings) -> None:
        try:
            with turn(self._wait):
                self.compose(settings)
        except Stopped:
            self.say("Stopped before it began.")
        except OSError as error:  # of the queue
            self.say(f"Nothing was written: {error}.")
        finally:
            self._busy(False)

    def _wait(self, before: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        self.say(f"{before} before you; your take begins when that many are done.")

    def _busy(self, busy: bool) -> None:
        writing = "A song is being written; press Stop first"
        enable(self.button, not busy, writing if busy else "Write a song with these settings")
        enable(self.again, not busy, writing if busy else "Write another one: the next seed")
        enable(self.stop, busy, "Stop writing" if busy else "Nothing is being written")
        self.progress.layout.visibility = "visible" if busy else "hidden"

    def _step(self, tokens: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        now = time.monotonic()
        if now - self._told > 0.1:  # ten signs of life a second are enough
            self._told, self.progress.value = now, tokens
