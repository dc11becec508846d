"""Controls to steer a model by hand, on ipywidgets alone (7.7 and 8); nothing is loaded from the network.

`Composer` writes songs with a model, `MelodyInput` is a grid to click a melody into, `LatentExplorer` a map to walk on.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import ipywidgets as widgets

from helpers.composing import Stopped, Writer, Written
from helpers.encoders import HOLD_SYMBOL, REST_SYMBOL, GridEncoder
from helpers.player import Player
from helpers.songs import Song, note_values, pitch_name

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
LARGEST_FILE = 2_000_000  # bytes; a notebook server cuts the connection at 10 MB, so the browser looks first
_count = itertools.count(1)


# ---- what the controls share ----


class _Panel(widgets.VBox):
    """A column of controls with a line of status under it and the last few takes below."""

    def __init__(self, takes: int):
        self.takes = takes
        self.message, self.shown = widgets.HTML(), widgets.VBox()
        super().__init__()

    def _say(self, text: str) -> None:
        self.message.value = _status(text)

    def _show(self, player: Player) -> None:
        take = widgets.Output(outputs=(_display_data(player.html, repr(player)),))
        self.shown.children = (take, *self.shown.children)[: self.takes]


def _status(text: str) -> str:
    """One sentence, read out by screen readers; never markup."""
    return f'<p role="status" aria-live="polite" style="margin: 2px">{html.escape(text)}</p>' if text else ""


def _display_data(block: str, text: str) -> dict:
    """What an Output shows; unlike an HTML widget, it runs the scripts inside."""
    return {"output_type": "display_data", "data": {"text/html": block, "text/plain": text}, "metadata": {}}


def _labelled(kind, description: str, value, **settings):
    """A control with its label, as wide as a phone allows."""
    layout = widgets.Layout(width="min(calc(100% - 4px), 420px)")
    return kind(value=value, description=description, layout=layout, style={"description_width": "92px"}, **settings)


def _column(controls) -> widgets.VBox:
    """Controls one under the other, beside another column where there is room."""
    return widgets.VBox(list(controls), layout=widgets.Layout(width="min(100%, 380px)"))


def _button(description: str, tooltip: str, action: Callable, **settings):
    button = widgets.Button(description=description, tooltip=tooltip, layout=widgets.Layout(width="auto"), **settings)
    button.on_click(lambda _: action())
    return button


def _set(button, enabled: bool, tooltip: str) -> None:
    button.disabled, button.tooltip = not enabled, tooltip


class _Front(widgets.VBox):
    """An HTML block with a script, and a hidden text field by which the script sends what happens in it.

    ipywidgets has no control for a grid or a map, and the sort of front end that would add one must be installed.
    """

    def __init__(self, heard: Callable[[str], None]):
        self.name = f"nfs-front-{next(_count)}"
        self._channel = widgets.Textarea(layout=widgets.Layout(display="none"))
        self._channel.add_class(self.name)
        self._output, self._heard = widgets.Output(), heard
        self._channel.observe(lambda change: self._receive(change["new"]), "value")
        super().__init__([self._output, self._channel])

    def show(self, body: str, script: str, text: str) -> None:
        """Shows the block. In the script, `root` is the block's element and `send(text)` calls `heard` in Python."""
        place = f"{self.name}-{next(_count)}"
        send = (
            "let sent = 0; const send = text => {"
            f"const box = document.querySelector('.{self.name} textarea'); if (!box) return;"
            "box.value = Date.now() + '.' + sent++ + '\\n' + text;"
            "for (const kind of ['input', 'change']) box.dispatchEvent(new Event(kind, {bubbles: true})); };"
        )
        find = (  # the view that has no script yet: the same widget may be shown twice
            f"const root = [...document.querySelectorAll('#{place}')].find(e => !e.dataset.ready);"
            "if (!root) return; root.dataset.ready = 1;"
        )
        code = f"(function () {{ {find} {send} {script} }})();"
        block = f'<div id="{place}">{body}<script>{code}</script></div>'
        self._output.outputs = (_display_data(block, text),)

    def _receive(self, value: str) -> None:
        if "\n" in value:
            self._heard(value.split("\n", 1)[1])


# ---- a grid to click a melody into ----

_GRID_STYLE = """
<style>
.nfs-grid { display: inline-block; max-width: 100%; overflow-x: auto; line-height: 0; }
.nfs-grid [role=row] { display: flex; }
.nfs-grid [role=rowheader] { width: 30px; font: 9px/13px sans-serif; color: var(--jp-ui-font-color1, #333); }
.nfs-grid button { width: 20px; height: 13px; padding: 0; margin: 0; border: 1px solid var(--jp-border-color2, #bbb);
  border-width: 0 1px 1px 0; background: var(--jp-layout-color1, #fff); border-radius: 0; }
.nfs-grid .black button { background: var(--jp-layout-color2, #eee); }
.nfs-grid button.beat { border-left: 1px solid var(--jp-border-color0, #666); }
.nfs-grid button.on { background: #14507a; border-right-color: #fff; }
.nfs-grid button.held { background: #14507a; border-left: 0; }
.nfs-grid button.more { border-right-color: #14507a; }
.nfs-grid button:focus-visible { outline: 2px solid #e6a817; outline-offset: -1px; }
</style>
"""

_GRID_SCRIPT = """
const columns = STATE, names = NAMES, low = LOW;  // a pitch where a note begins, '_' where it goes on, 'r' elsewhere
const cells = [...root.querySelectorAll('button')];
const at = (pitch, step) => cells.find(c => +c.dataset.pitch === pitch && +c.dataset.step === step);
function pitchOf(step) { while (step >= 0 && columns[step] === '_') step--; return step < 0 ? 'r' : columns[step]; }
function draw() {
  for (const cell of cells) {
    const pitch = +cell.dataset.pitch, step = +cell.dataset.step, on = pitchOf(step) == pitch;
    const held = on && columns[step] === '_';
    const more = on && step + 1 < columns.length && columns[step + 1] === '_';
    cell.className = [cell.dataset.beat ? 'beat' : '', held ? 'held' : on ? 'on' : '', more ? 'more' : ''].join(' ');
    cell.setAttribute('aria-selected', on);
    const what = held ? ', held' : on ? ', note' : ', empty';
    cell.setAttribute('aria-label', names[pitch - low] + ', step ' + (step + 1) + what);
  }
}
function free(step) {  // end what sounds before this step; what it held becomes silence
  for (let k = step + 1; k < columns.length && columns[k] === '_'; k++) columns[k] = 'r';
}
function put(pitch, step) { free(step); columns[step] = String(pitch); }
function erase(step) {
  while (columns[step] === '_') step--;
  free(step); columns[step] = 'r';
}
function tell() { draw(); send(columns.join(' ')); }
let drawing = null;
function restore() { drawing.before.forEach((c, k) => { columns[k] = c; }); }
function finish() { if (drawing) { drawing = null; tell(); } }
for (const cell of cells) {
  cell.tabIndex = -1;
  cell.addEventListener('pointerdown', event => {
    if (event.button) return;
    event.preventDefault(); cell.focus(); cell.releasePointerCapture(event.pointerId);
    const pitch = +cell.dataset.pitch, step = +cell.dataset.step;
    drawing = {from: step, before: [...columns], erased: pitchOf(step) == pitch};
    if (drawing.erased) erase(step); else put(pitch, step);
    draw();
  });
  cell.addEventListener('pointerenter', event => {
    if (!drawing || drawing.erased) return;
    if (!event.buttons) { finish(); return; }  // let go outside
    const step = +cell.dataset.step, pitch = columns[drawing.from];
    restore(); put(pitch, drawing.from);
    for (let k = drawing.from + 1; k <= step; k++) { free(k); columns[k] = '_'; }
    draw();
  });
  cell.addEventListener('keydown', event => {
    const pitch = +cell.dataset.pitch, step = +cell.dataset.step;
    const move = {ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault(); event.stopPropagation();
      if (pitchOf(step) == pitch) erase(step); else put(pitch, step);
      tell();
    } else if (move) {
      event.preventDefault(); event.stopPropagation();
      const next = at(pitch + move[0], step + move[1]);
      if (!next) return;
      const hold = event.shiftKey && event.key === 'ArrowRight' && pitchOf(step) == pitch;
      if (hold && columns[step + 1] !== '_') { free(step + 1); columns[step + 1] = '_'; tell(); }
      cells.forEach(c => { c.tabIndex = -1; }); next.tabIndex = 0; next.focus();
    }
  });
}
document.addEventListener('pointerup', finish);
document.addEventListener('pointercancel', () => { if (drawing) { restore(); drawing = null; draw(); } });  // a scroll
if (cells.length) cells[0].tabIndex = 0;
draw();
"""


class MelodyInput(widgets.VBox):
    """A grid to click a melody into: rows are pitches, columns time steps. Drag to hold a note, click it to erase it.

    With the keyboard: arrows move, space sets or erases a note, shift and right arrow hold it. The melody also stands
    in a text field as TinyNotation, which can be typed into.

    Args:
        bars: of 4/4.
        step: one column, in quarter lengths.
        low, high: lowest and highest pitch.
    Raises: ValueError for a range without pitches or a step that does not divide a bar.
    """

    def __init__(self, bars: int = 2, step=Fraction(1, 2), low: int = 55, high: int = 79):
        self.step = Fraction(step)
        steps = bars * 4 / self.step
        if bars < 1 or self.step <= 0 or steps.denominator != 1:
            raise ValueError(f"{bars} bars in steps of {step} quarter notes make no whole number of columns.")
        if not note_values(self.step):
            raise ValueError(
                f"a step of {step} quarter notes is no note value; use 1/2 for eighths, 1/4 for sixteenths."
            )
        if not 0 <= low < high <= 127:
            raise ValueError(f"a grid from pitch {low} to {high} has no rows; give a low and a higher MIDI number.")
        self.low, self.high, self._steps = low, high, int(steps)
        self._encoder = GridEncoder(self.step)
        self._columns, self._like, self.readable = self._empty(), None, True
        self._front = _Front(self._clicked)
        self.text = _labelled(widgets.Text, "as text", "", placeholder="click above, or type TinyNotation")
        self.text.continuous_update = False
        self.text.observe(lambda change: self._typed(change["new"]), "value")
        self.play = _button("Play", "Hear the melody in the grid", self.listen)
        self.clear = _button("Clear", "Empty the grid", lambda: setattr(self.text, "value", ""))
        self.message, self.shown = widgets.HTML(), widgets.VBox()
        self._draw()
        super().__init__([self._front, self.text, widgets.HBox([self.play, self.clear]), self.message, self.shown])

    @property
    def song(self) -> Song | None:
        """The melody, from the first column to its last note; None while the grid is empty."""
        last = max((k for k in range(self._steps) if self._pitch(k) != REST_SYMBOL), default=-1)
        if last < 0:
            return None
        silent = [self._pitch(k) == REST_SYMBOL for k in range(last + 1)]
        goes_on = [k > 0 and silent[k] and silent[k - 1] for k in range(last + 1)]  # one rest, not many
        tokens = [HOLD_SYMBOL if more else c for c, more in zip(self._columns, goes_on, strict=False)]
        return self._encoder.decode(tokens, self._like)  # in the meter that was typed

    @song.setter
    def song(self, song: Song | None) -> None:
        """Raises: ValueError naming the note that does not fit into the grid."""
        self._columns, self._like, self.readable = self._columns_of(song), song, True
        self._write_text()
        self._draw()

    def listen(self) -> None:
        """Plays what is in the grid."""
        if self.song is None:
            self._say("The grid is empty; click into it to set a note.")
            return
        self._say("")
        player = Player(self.song, title="your melody", tempo=120)
        self.shown.children = (widgets.Output(outputs=(_display_data(player.html, repr(player)),)),)

    def _empty(self) -> list[str]:
        return [REST_SYMBOL] * self._steps

    def _pitch(self, step: int) -> str:
        while step > 0 and self._columns[step] == HOLD_SYMBOL:
            step -= 1
        return self._columns[step]

    def _columns_of(self, song: Song | None) -> list[str]:
        if song is None:
            return self._empty()
        for number, event in enumerate(song.events, 1):
            for pitch in event.pitches:
                if not self.low <= pitch <= self.high:
                    where = f"the grid, which goes from {pitch_name(self.low)} to {pitch_name(self.high)}"
                    raise ValueError(f"note {number}, {pitch_name(pitch)}, lies outside {where}; move it by octaves.")
        tokens = self._encoder.encode(song)[1:-1]
        rest = False
        for k, token in enumerate(tokens):  # the grid knows no rest that is held
            rest = token == REST_SYMBOL or (rest and token == HOLD_SYMBOL)
            tokens[k] = REST_SYMBOL if rest else token
        if len(tokens) > self._steps:
            room = self._steps * self.step
            raise ValueError(f"the melody lasts {song.duration} quarter notes, and the grid has room for {room}.")
        return tokens + [REST_SYMBOL] * (self._steps - len(tokens))

    def _clicked(self, text: str) -> None:
        columns = text.split()
        allowed = {REST_SYMBOL, HOLD_SYMBOL, *map(str, range(self.low, self.high + 1))}
        if len(columns) == self._steps and set(columns) <= allowed and columns[0] != HOLD_SYMBOL:
            self._columns, self.readable = columns, True
            self._say("")
            self._write_text()

    def _write_text(self) -> None:
        self._writing = True
        try:
            self.text.value = self.song.to_tiny() if self.song else ""
        finally:
            self._writing = False

    def _typed(self, text: str) -> None:
        if getattr(self, "_writing", False):
            return
        try:
            song = Song.from_tiny(text) if text.strip() else None
            self._columns, self._like, self.readable = self._columns_of(song), song, True
        except ValueError as mistake:
            self.readable = False
            self._say(str(mistake))
            return
        self._say("")
        self._draw()

    def _say(self, text: str) -> None:
        self.message.value = _status(text)

    def _draw(self) -> None:
        rows, bar = [], self._like.measure_length if self._like else 4
        for pitch in range(self.high, self.low - 1, -1):
            cells = "".join(
                f'<button type="button" role="gridcell" data-pitch="{pitch}" data-step="{k}"'
                f"{' data-beat=1' if k * self.step % bar == 0 else ''}></button>"
                for k in range(self._steps)
            )
            black = " class=black" if pitch % 12 in (1, 3, 6, 8, 10) else ""
            label = pitch_name(pitch) if pitch % 12 in (0, 4, 7) else ""
            rows.append(f'<div role="row"{black}><span role="rowheader">{label}</span>{cells}</div>')
        names = json.dumps([pitch_name(pitch) for pitch in range(self.low, self.high + 1)])
        label = (
            f"melody: rows are pitches, columns are steps of {self.step} quarter notes; "
            "arrows move, space sets a note, shift and right holds it"
        )
        calm = 'data-lm-suppress-shortcuts="true"'  # or JupyterLab takes the arrow keys
        body = f'{_GRID_STYLE}<div class="nfs-grid" role="grid" {calm} aria-label="{label}">{"".join(rows)}</div>'
        script = _GRID_SCRIPT.replace("STATE", json.dumps(self._columns)).replace("NAMES", names)
        self._front.show(body, script.replace("LOW", str(self.low)), f"a grid of {self._steps} steps")


# ---- a file of the reader's own ----

_FILE_SCRIPT = """
const input = root.querySelector('input');
input.addEventListener('change', () => {
  const file = input.files[0];
  if (!file) return;
  if (file.size > LIMIT) { send(JSON.stringify({name: file.name, size: file.size})); return; }
  const reader = new FileReader();
  const tell = (size, data) => send(JSON.stringify({name: file.name, size: size, data: data}));
  reader.onload = () => tell(file.size, reader.result.split(',')[1] || '');
  reader.onerror = () => tell(-1, '');
  reader.readAsDataURL(file);
});
"""


class _FileInput(widgets.VBox):
    """Chooses a music file; `song` is its first melody, or None. What is wrong with a file is said in one sentence.

    ipywidgets' own FileUpload hands any file to the server, whose connection breaks at 10 MB without a word.
    """

    def __init__(self):
        self.song: Song | None = None
        self._front, self.message = _Front(self._chosen), widgets.HTML()
        body = (
            '<label style="font: 13px sans-serif; color: var(--jp-ui-font-color1, #333)">MIDI, MusicXML, kern or ABC: '
            '<input type="file" accept=".mid,.midi,.xml,.musicxml,.mxl,.krn,.abc"></label>'
        )
        self._front.show(body, _FILE_SCRIPT.replace("LIMIT", str(LARGEST_FILE)), "a file to begin with")
        super().__init__([self._front, self.message])

    def _chosen(self, text: str) -> None:
        chosen = json.loads(text)
        try:
            song = song_in(chosen["name"], chosen["size"], chosen.get("data"))
        except ValueError as mistake:
            kept = f" ({self.song.title} is kept.)" if self.song else ""
            self.message.value = _status(str(mistake) + kept)
            return
        self.song = song
        notes = sum(bool(event.pitches) for event in song.events)
        text = f"{song.title}: {notes} notes, {song.tonic} {song.mode}, {song.meter}"
        self.message.value = _status(text)


def song_in(name: str, size: int, data: str | None) -> Song:
    """The first song of an uploaded file, of chords and several voices the highest notes.

    Args: data: the file in base64; None if the browser did not send it.
    Raises: ValueError in one sentence for a file that is too large, empty, of another kind, or broken.
    """
    from helpers.corpus import load_file
    from helpers.readers import SUFFIXES

    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    if size > LARGEST_FILE:
        raise ValueError(
            f"{name!r} has {size / 1e6:.1f} MB, and {LARGEST_FILE / 1e6:.0f} MB is the most that fits; "
            "choose a shorter piece, or read it with load_folder."
        )
    if size < 0:
        raise ValueError(f"the browser could not read {name!r}; choose it again.")
    if not size or not data:
        raise ValueError(f"{name!r} is empty; choose a file with music in it.")
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{name!r} is no music file that can be read; use one of {', '.join(SUFFIXES)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (re.sub(r"[^\w -]+", "_", Path(name).stem)[:80] + suffix)
        path.write_bytes(base64.b64decode(data))
        corpus = load_file(path, "all")
    if not corpus.songs:
        reason = corpus.rejected[0].reason if corpus.rejected else "there is no music in it"
        raise ValueError(f"{name!r} cannot be used: {reason}".rstrip(".") + ".")
    return replace(corpus.songs[0].skyline(), title=corpus.songs[0].title or name, id=name)


# ---- the composer ----


class Composer(_Panel):
    """Pick a model and a beginning, press Compose, listen. The last takes stay for comparison.

    Every take shows its notation, its sound with the sounding note lit, how surprised the model was by each note, the
    settings that made it, and links that save it. It is written in a thread, so it can be stopped.

    Args:
        models: name -> Writer.
        songs: to pick a beginning from.
        takes: how many of the last takes to keep on show.
    Raises: ValueError if there is no model.
    """

    WAYS = ("typed", "drawn", "picked", "a file", "nothing")

    def __init__(self, models: Mapping[str, Writer], songs: Sequence[Song] = (), takes: int = 3):
        if not models:
            raise ValueError("there is no model to compose with; give at least one, as {name: Writer}.")
        super().__init__(takes)
        self.models, self.songs, self.written = dict(models), list(songs), []
        self.model = _labelled(widgets.Dropdown, "model", next(iter(models)), options=list(models))
        self.temperature = _labelled(widgets.FloatSlider, "temperature", 1.0, min=0.1, max=3, step=0.1)
        self.top_k = _labelled(widgets.IntSlider, "top-k (0: all)", 0, min=0, max=50)
        self.length = _labelled(widgets.IntSlider, "longest", 48, min=8, max=200)
        self.key = _labelled(widgets.Dropdown, "key to play in", 0, options=[(name, k) for k, name in enumerate(KEYS)])
        self.tempo = _labelled(widgets.IntSlider, "tempo", 120, min=40, max=240)
        self.instrument = _labelled(widgets.Dropdown, "instrument", 0, options=list(INSTRUMENTS.items()))
        self.seed = _labelled(widgets.BoundedIntText, "seed", 1, min=0, max=10**6)
        ways = [way for way in self.WAYS if way != "picked" or self.songs]
        self.way = _labelled(widgets.Dropdown, "begin with", "typed", options=ways)
        self.start = _labelled(
            widgets.Text, "melody", "4/4 c'4 d'8 e' f'4 d'", placeholder="TinyNotation, such as 4/4 c4 d e8 f g2"
        )
        self.drawn, self.file = MelodyInput(), _FileInput()
        named = [(f"{song.id} {song.title}".strip()[:60], k) for k, song in enumerate(self.songs)]
        self.picked = _labelled(widgets.Dropdown, "song", 0 if named else None, options=named)
        self.first = _labelled(widgets.IntSlider, "its first notes", 8, min=1, max=64)
        self.button = _button("Compose", "Write a song with these settings", self.start_writing, button_style="primary")
        self.again = _button("Again", "Write another one: the next seed", lambda: self.start_writing(again=True))
        self.stop = _button("Stop", "", self.stop_writing)
        self.progress = widgets.IntProgress(min=0, max=1, description="", layout=widgets.Layout(width="120px"))
        self.beginning = widgets.VBox()
        self._stopping, self._thread = threading.Event(), None
        self.way.observe(lambda _: self._show_way(), "value")
        self._show_way()
        self._busy(False)
        self.add_class("nfs-composer")
        wrap = widgets.Layout(flex_flow="row wrap", display="flex")
        buttons = widgets.Box([self.button, self.again, self.stop, self.progress], layout=wrap)
        settings = (self.model, self.temperature, self.top_k, self.length)
        sound = (self.key, self.tempo, self.instrument, self.seed)
        columns = widgets.Box([_column(settings), _column(sound)], layout=wrap)
        self.children = (columns, self.way, self.beginning, buttons, self.message, self.shown)

    @property
    def takes_shown(self) -> list[Written]:
        """What the takes on show hold, the latest first."""
        return self.written[: self.takes]

    def beginning_of_song(self) -> Song | None:
        """What the model goes on from, in C major or A minor; None for nothing.

        Raises: ValueError if it cannot be read, or there is none yet.
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
        song = self.songs[self.picked.value] if way == "picked" else self.file.song
        if song is None:
            raise ValueError("no file is chosen yet; choose one, or begin with nothing.")
        song = song.in_c()
        return replace(song, events=song.events[: self.first.value])

    def compose(self, chosen: dict | None = None) -> None:
        """Writes one take with the settings as they stand, and shows it above the earlier ones.

        A mistake is explained under the buttons, and everything stays as it was.
        """
        self._say("Composing …")
        name = self.model.value
        try:
            chosen = chosen or self._chosen()
            name, settings = chosen["name"], chosen["settings"]
            self.progress.max, self.progress.value = settings[1] * self.models[name].per_note, 0
            written = self.models[name].write(chosen["start"], *settings, on_step=self._step)
            self._say("Engraving …")
            song = written.song.transpose(chosen["key"] - 12 * (chosen["key"] > 6))
            player = Player(
                song,
                title=f"{name}, seed {settings[2]}",
                tempo=chosen["tempo"],
                program=chosen["instrument"],
                surprise=written.surprise,
                given=written.given,
                note=self._settings_text(chosen, song),
                downloads=True,
            )
        except Stopped:
            self._say("Stopped. Nothing was kept of it.")
            return
        except ValueError as mistake:
            self._say(str(mistake))
            return
        except Exception as error:  # a bug in a model must not leave a traceback in a thread that nobody sees
            self._say(f"{name} failed ({type(error).__name__}: {error}); the earlier takes are kept.")
            return
        finally:
            self.progress.value = 0
        self.written.insert(0, written._replace(song=song))
        del self.written[self.takes :]
        self._show(player)
        self._say("")

    def _chosen(self) -> dict:
        """All settings as they stand; what is turned while a song is being written is for the next one."""
        return {
            "name": self.model.value,
            "settings": (self.temperature.value, self.length.value, self.seed.value, self.top_k.value),
            "key": self.key.value,
            "tempo": self.tempo.value,
            "instrument": self.instrument.value,
            "start": self.beginning_of_song(),
            "begun": self._begun_with(),
        }

    def start_writing(self, again: bool = False) -> None:
        """Composes in a thread; the buttons come back when it is done. again: with the next seed."""
        if self._thread is not None and self._thread.is_alive():
            return
        if again:
            self.seed.value += 1
        try:
            chosen = self._chosen()
        except ValueError as mistake:
            self._say(str(mistake))
            return
        self._stopping.clear()
        self._busy(True)
        self._thread = threading.Thread(target=self._write, args=(chosen,), daemon=True)
        self._thread.start()

    def stop_writing(self) -> None:
        """Asks the thread to stop at its next note."""
        self._stopping.set()

    def wait(self, seconds: float = 60) -> None:
        """Until the take that is being written is on show."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _write(self, chosen: dict) -> None:
        try:
            self.compose(chosen)
        finally:
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        writing = "A song is being written; press Stop first"
        _set(self.button, not busy, writing if busy else "Write a song with these settings")
        _set(self.again, not busy, writing if busy else "Write another one: the next seed")
        _set(self.stop, busy, "Stop writing" if busy else "Nothing is being written")
        self.progress.layout.visibility = "visible" if busy else "hidden"

    def _step(self, tokens: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        now = time.monotonic()
        if now - getattr(self, "_told", 0) > 0.1:  # ten signs of life a second are enough
            self._told, self.progress.value = now, tokens

    def _settings_text(self, chosen: dict, song: Song) -> str:
        temperature, longest, seed, top_k = chosen["settings"]
        played_on = next(label for label, program in INSTRUMENTS.items() if program == chosen["instrument"])
        return (
            f"{chosen['name']}: temperature {temperature:g}, top-k {top_k or 'all'}, longest {longest}, seed {seed}, "
            f"begun with {chosen['begun']}; in {song.tonic} {song.mode}, {chosen['tempo']} quarters a minute, "
            f"{played_on}"
        )

    def _begun_with(self) -> str:
        way = self.way.value
        if way == "typed":
            return f"“{self.start.value.strip()}”" if self.start.value.strip() else "nothing"
        if way == "drawn":
            return f"“{self.drawn.song.to_tiny()}”"
        if way == "nothing":
            return way
        song = self.songs[self.picked.value] if way == "picked" else self.file.song
        return f"{min(self.first.value, len(song.events))} notes of {song.title or song.id}"

    def _show_way(self) -> None:
        shown = {
            "typed": (self.start,),
            "drawn": (self.drawn,),
            "picked": (self.picked, self.first),
            "a file": (self.file, self.first),
            "nothing": (),
        }
        self.beginning.children = shown[self.way.value]


# ---- a map of what a model has learned ----

_MAP_SCRIPT = """
const drawing = root.querySelector('svg');
drawing.addEventListener('click', event => {
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  send(place.x.toFixed(1) + ' ' + place.y.toFixed(1));
});
"""


class LatentExplorer(_Panel):
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
        tempo, program: as `play`.
    Raises: ValueError for fewer than two axes or songs, or lists whose lengths differ.
    """

    SIZE, MARGIN, REACH = (420, 300), 12, 3.2
    COLORS = ("#14507a", "#d1495b", "#2a9d8f", "#e6a817")

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
        import torch

        codes = torch.as_tensor(codes).detach().cpu().double()
        if axes < 2 or len(codes) < 2:
            raise ValueError(f"{axes} axes and {len(codes)} songs; a map needs at least two of both.")
        if axes > min(codes.shape):
            raise ValueError(
                f"{len(codes)} codes of {codes.shape[1]} numbers cannot have {axes} principal axes; ask for fewer."
            )
        if len(titles) != len(codes) or (groups is not None and len(groups) != len(codes)):
            raise ValueError(f"{len(titles)} titles for {len(codes)} codes; give one for each, and so for groups.")
        super().__init__(takes)
        self.decode, self.codes, self.titles = decode, codes, list(titles)
        self.groups = list(groups) if groups is not None else [""] * len(codes)
        between = between or (lambda a, b, t: (1 - t) * a + t * b)
        self.between = lambda a, b, t: a if (a == b).all() else between(a, b, t)  # no angle between equal ones
        self.tempo, self.program = tempo, program
        self._centre = codes.mean(0)
        _, sizes, principal = torch.linalg.svd(codes - self._centre, full_matrices=False)
        self._spread = (sizes[:axes] / max(len(codes) - 1, 1) ** 0.5).clamp(min=1e-9)
        self._axes = principal[:axes]  # (axes, d), of length 1
        self.points = self._place(codes)  # (n, axes), where the songs lie on the map
        reach = round(max(self.REACH, self.points.abs().max().item()) + 0.1, 1)
        self.sliders = [
            _labelled(
                widgets.FloatSlider, f"axis {k + 1}", 0.0, min=-reach, max=reach, step=0.1, continuous_update=False
            )
            for k in range(axes)
        ]
        options = [(f"{k + 1}. {title}"[:60], k) for k, title in enumerate(self.titles)]
        self.song = _labelled(widgets.Dropdown, "song", 0, options=options)
        self.goal = _labelled(widgets.Dropdown, "walk to", 1, options=options)
        self.way = _labelled(widgets.FloatSlider, "how far", 0.0, min=0, max=1, step=0.05, continuous_update=False)
        self.button = _button("Listen", "Hear the point where the sliders stand", self.listen, button_style="primary")
        self.home = _button("Back to the song", "Move the sliders back to the song", self.go_home)
        self.walk = _button("Walk", "Hear the way from the song to the other one, in five steps", self.listen_walk)
        self._front, self._moving = _Front(self._clicked), False
        for control in (self.song, self.goal, self.way):
            control.observe(lambda _: self._go(), "value")
        for slider in self.sliders:
            slider.observe(lambda _: self._moving or self._draw(), "value")
        self._go()
        wrap = widgets.Layout(flex_flow="row wrap", display="flex")
        controls = _column([*self.sliders, self.song, self.goal, self.way])
        buttons = widgets.Box([self.button, self.home, self.walk], layout=wrap)
        top = widgets.Box([self._front, controls], layout=wrap)
        self.children = (top, buttons, self.message, self.shown)

    @property
    def point(self) -> list[float]:
        """Where the sliders stand, in units of the spread along each axis."""
        return [slider.value for slider in self.sliders]

    @property
    def code(self) -> list[float]:
        """The code (d,) of the point: that of the song, or of the place on the way, moved along the axes."""
        import torch

        moved = torch.tensor(self.point).double() - torch.tensor(self._at_home).double()
        return (self._base + (moved * self._spread) @ self._axes).tolist()

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
        places = lambda: [self.decode(self.between(a, b, t).tolist()) for t in (0, 0.25, 0.5, 0.75, 1)]
        self._present("Walking …", lambda: _joined(places()), names, "five steps, both ends included")

    def _present(self, status: str, make: Callable, title: str, note: str) -> None:
        buttons = (self.button, self.home, self.walk)
        for button in buttons:
            button.disabled = True
        self._say(status)
        try:
            player = Player(make(), title=title, tempo=self.tempo, program=self.program, note=note, downloads=True)
        except ValueError as mistake:
            self._say(str(mistake))
            return
        except Exception as error:
            self._say(f"the decoder failed ({type(error).__name__}: {error}); the earlier takes are kept.")
            return
        finally:
            for button in buttons:
                button.disabled = False
        self._show(player)
        self._say("")

    def _where(self) -> str:
        title, goal = self.titles[self.song.value], self.titles[self.goal.value]
        return f"{self.way.value:.0%} of the way from {title} to {goal}" if self.way.value else f"starting from {title}"

    def _place(self, codes):
        return (codes - self._centre) @ self._axes.T / self._spread

    def _go(self) -> None:
        """Puts the base, the sliders and the cross where song, goal and way say."""
        a, b = self.codes[self.song.value], self.codes[self.goal.value]
        self._base = self.between(a, b, self.way.value) if self.way.value else a
        self._moving = True
        try:
            self._at_home = [round(value, 3) for value in self._place(self._base).tolist()]
            for slider, value in zip(self.sliders, self._at_home, strict=True):
                slider.value = value
        finally:
            self._moving = False
        self._draw()

    def _clicked(self, text: str) -> None:
        x, y = map(float, text.split())
        self._moving = True
        try:
            self.sliders[0].value, self.sliders[1].value = self._back(x, y)
        finally:
            self._moving = False
        self._draw()

    def _across(self, value: float) -> float:
        return round(self.SIZE[0] / 2 + value / self.sliders[0].max * (self.SIZE[0] / 2 - self.MARGIN), 1)

    def _up(self, value: float) -> float:
        return round(self.SIZE[1] / 2 - value / self.sliders[1].max * (self.SIZE[1] / 2 - self.MARGIN), 1)

    def _back(self, x: float, y: float) -> tuple[float, float]:
        """The point (axis 1, axis 2) under a place of the drawing, inside the sliders' range."""
        (wide, high), reach = self.SIZE, self.sliders[0].max
        inside = lambda value: round(min(max(value, -reach), reach), 2)
        return (
            inside((x - wide / 2) / (wide / 2 - self.MARGIN) * reach),
            inside((high / 2 - y) / (high / 2 - self.MARGIN) * reach),
        )

    def _draw(self) -> None:
        wide, high = self.SIZE
        kinds = list(dict.fromkeys(self.groups))
        color = {kind: self.COLORS[k % 4] for k, kind in enumerate(kinds)}
        parts = [
            f'<svg viewBox="0 0 {wide} {high}" width="{wide}" style="max-width: 100%; cursor: crosshair" role="img" '
            'aria-label="map of the songs; choose a point with the sliders or by a click">'
            f'<rect width="{wide}" height="{high}" fill="#fff" stroke="#bbb"/>'
        ]
        for (x, y, *_), title, kind in zip(self.points.tolist(), self.titles, self.groups, strict=True):
            name = html.escape(f"{title}, {kind}" if kind else title)
            parts.append(
                f'<circle cx="{self._across(x)}" cy="{self._up(y)}" r="3" fill="{color[kind]}" fill-opacity="0.6">'
                f"<title>{name}</title></circle>"
            )
        a, b = (self.points[control.value].tolist() for control in (self.song, self.goal))
        line = f"M{self._across(a[0])} {self._up(a[1])} L{self._across(b[0])} {self._up(b[1])}"
        parts.append(f'<path d="{line}" stroke="#222" stroke-dasharray="3 3" fill="none"/>')
        x, y = self._across(self.point[0]), self._up(self.point[1])
        parts.append(
            f'<path d="M{x - 8} {y} H{x + 8} M{x} {y - 8} V{y + 8}" stroke="#fff" stroke-width="4"/>'
            f'<path class="nfs-cross" d="M{x - 8} {y} H{x + 8} M{x} {y - 8} V{y + 8}" stroke="#222" stroke-width="2"/>'
        )
        for k, kind in enumerate(kind for kind in kinds if kind):
            parts.append(
                f'<text x="10" y="{18 + 14 * k}" font-size="11" font-family="sans-serif" fill="{color[kind]}">'
                f"● {html.escape(str(kind))}</text>"
            )
        self._front.show("".join([*parts, "</svg>"]), _MAP_SCRIPT, f"a map of {len(self.titles)} songs")


def _joined(pieces: Sequence[Song | Sequence[Song]]) -> list[Song]:
    """Several pieces with equal voices, one after the other."""
    voices = [[piece] if isinstance(piece, Song) else list(piece) for piece in pieces]
    return [
        replace(parts[0], events=[event for part in parts for event in part.events])
        for parts in zip(*voices, strict=True)
    ]
