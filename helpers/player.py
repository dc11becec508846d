"""A player that shows a song as notation, plays it, and lights up the sounding note.

Everything is inside one HTML block: nothing is loaded from the network, and it works in JupyterLab,
Colab, nbviewer and any browser. Where styles and scripts are stripped (GitHub), a picture of the staff remains.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ParamSpec

import jinja2
from IPython.display import display

from helpers.figures import MOST_SURPRISE, css_variables, png_of, roll_svg, surprise_color, surprise_rows
from helpers.midi import to_midi
from helpers.notation import engrave, to_musicxml
from helpers.songs import Song, Voices, voices_of
from helpers.sound import mp3_of, to_audio

P = ParamSpec("P")
_count = itertools.count(1)
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


class Player:
    """Staff notation and sound of one song, as an HTML block.

    Args:
        song: what to show and play; several Songs are voices, each with a staff of its own.
        title: above the staff; the song's own title if None.
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
        width: of the staff in pixels.
        surprise: of a model by each event, in nats: colours on staff and piano roll, with a legend; of several voices a
            row for each.
        given: how many events at the beginning were given to the model; a dashed line in the roll ends them.
        note: a line of text under the title.
        downloads: links that save the song as MIDI, MusicXML and MP3.

    Raises:
        ValueError: as `midi.to_midi` and `notation.engrave`, or if there is not one surprise for each event.

    Notebook: 01-markov, inside `play`.
    """

    def __init__(
        self,
        song: Song | Sequence[Song],
        title: str | None = None,
        tempo: float = 100,
        program: int | Sequence[int] = 0,
        width: int = 720,
        surprise: Sequence | None = None,
        given: int = 0,
        note: str = "",
        downloads: bool = False,
    ):
        self.voices, self.tempo = voices_of(song), tempo
        self.title = self.voices[0].title if title is None else title
        self.surprise = None if surprise is None else surprise_rows(self.voices, surprise)
        self.mp3 = mp3_of(to_audio(self.voices, tempo, program))
        musicxml = to_musicxml(self.voices)
        files = self._files(musicxml, program) if downloads else []
        self.html = self._page(musicxml, width, given, note=note, files=files)

    def _page(self, musicxml: str, width: int, given: int, **more) -> str:
        """The HTML block: the staff and the piano roll as drawings and as pictures, and the sound."""
        flat = self.surprise if self.surprise is None or len(self.voices) > 1 else self.surprise[0]
        roll, roll_timed = roll_svg(self.voices, width, flat, given)
        svg, timed = engrave(self.voices, width, musicxml)
        if self.surprise is not None:
            svg = _colored(svg, timed, self.voices, self.surprise)
        return _PAGES.get_template("player.html").render(
            id=f"nfs-{hashlib.sha256(self.mp3 + svg.encode()).hexdigest()[:8]}-{next(_count)}",
            variables=css_variables(),
            moments=self._moments([*timed, *((start, end, [name]) for start, end, name in roll_timed)]),
            title=self.title or "untitled",
            label=self._label(),
            svg=svg,
            png=_base64(png_of(svg)),
            width=width,
            roll=roll,
            roll_png=_base64(png_of(roll)),
            gradient=_gradient() if self.surprise is not None else "",
            most=f"{MOST_SURPRISE:g}",
            mp3=_base64(self.mp3),
            file_name=self._file_name(),
            **more,
        )

    def _files(self, musicxml: str, program: int | Sequence[int]) -> list[tuple[str, str, str]]:
        """(kind, file name, link) of what can be saved; the browser takes the MP3 from the player itself."""
        files = [
            ("MIDI", "mid", "audio/midi", to_midi(self.voices, tempo=self.tempo, program=program)),
            ("MusicXML", "musicxml", "application/vnd.recordare.musicxml+xml", musicxml.encode()),
        ]
        name = self._file_name()
        return [(kind, f"{name}.{end}", f"data:{mime};base64,{_base64(data)}") for kind, end, mime, data in files]

    def _moments(self, timed) -> list:
        seconds = 60 / self.tempo
        return [[round(start * seconds, 3), round(end * seconds, 3), names] for start, end, names in timed]

    def _file_name(self) -> str:
        return re.sub(r"[^\w-]+", "-", self.title).strip("-")[:60] or "song"

    def _label(self) -> str:
        notes = sum(bool(event.pitches) for voice in self.voices for event in voice.events)
        seconds = float(self.voices.duration) * 60 / self.tempo
        return f"{self.voices[0].meter}, {notes} note{'s' * (notes != 1)}, {seconds:.1f} s"

    def __repr__(self):
        return f"▶ {self.title or 'untitled'} ({self._label()})"

    def _repr_html_(self) -> str:
        return self.html


def _taking_what(made: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[P, None]]:
    """Gives a function the parameters of another in its signature, where type checkers and Shift+Tab look for them."""

    def with_parameters(function: Callable[..., None]) -> Callable[P, None]:
        function.__signature__ = inspect.signature(made).replace(return_annotation=None)
        return function

    return with_parameters


@_taking_what(Player)
def play(*args, **kwargs) -> None:
    """Shows a song's staff with a sound player under it; the sounding note lights up, a click on a note plays from it.

    Args:
        song, title, tempo, program, width, surprise, given, note, downloads: as `Player`.

    Raises:
        ValueError: as `Player`.

    Notebook: 01-markov.
    """
    display(Player(*args, **kwargs))


def content_policy(scripts: Iterable[str] = (), pictures: str = "") -> str:
    """The Content-Security-Policy of a page that shows players: what else gets into it does not run.

    Args:
        scripts: inline scripts besides the players', each as it stands between its tags.
        pictures: hosts of pictures from elsewhere.

    Notebook: none; called by yours.page and pages/make_site.py.
    """
    hashes = [_base64(hashlib.sha256(script.encode()).digest()) for script in (_script(), *scripts)]
    allowed = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(hashes))
    kinds = f"img-src 'self' data: {pictures}; media-src 'self' data:; font-src 'self' data:; connect-src 'self' data:"
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; {kinds}; "
        "worker-src 'self' blob:; form-action 'self'; base-uri 'none'"
    )


def _script() -> str:
    """What stands between the script tags of a player."""
    block = _PAGES.get_template("player.html").render(moments=[])
    return re.search(r"<(script)>(.*)</\1>", block, re.DOTALL)[2]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _gradient() -> str:
    stops = [surprise_color(MOST_SURPRISE * k / 4) for k in range(5)]
    return f"linear-gradient(to right, {', '.join(stops)})"


def _colored(svg: str, timed, voices: Voices, rows: Sequence[Sequence[float]]) -> str:
    """The staff with each note in the colour of its event's surprise, tied notes in that of their first."""
    starts = [[float(start) for start in voice.onsets] for voice in voices]
    staff_of, staff = {}, 0
    for name, kind in re.findall(r'<g id="([^"]+)" class="(measure|staff|note)\b', svg):
        staff = {"measure": 0, "staff": staff + 1}.get(kind, staff)
        staff_of[name] = staff - 1
    colors = {}
    for start, _, names in timed:
        for name in names:
            voice = staff_of.get(name, 0)
            nats = rows[voice][max(bisect.bisect_right(starts[voice], start + 1e-6) - 1, 0)]
            colors[name] = surprise_color(nats)

    def painted(match: re.Match) -> str:
        color = colors.get(match[1])
        return f'{match[0]} color="{color}" fill="{color}"' if color else match[0]

    return re.sub(r'<g id="([^"]+)"', painted, svg)
