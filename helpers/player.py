"""A player that shows a song as notation, plays it, and lights up the sounding note.

Everything is inside one HTML block: nothing is loaded from the network, and it works in JupyterLab,
Colab, nbviewer and any browser. Where styles and scripts are stripped (GitHub), a picture of the staff remains.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import html
import itertools
import json
import re
from collections.abc import Sequence
from fractions import Fraction

from helpers.figures import MOST_SURPRISE, png_of, roll_svg, surprise_color
from helpers.midi import to_midi
from helpers.notation import engrave, to_musicxml
from helpers.songs import Song, voices_of
from helpers.sound import mp3_of, to_audio

LIT = "#d1495b"
LIT_ON_COLORS = "#0a9a55"  # a green, which the colours of surprise have none of
_count = itertools.count(1)

_TEMPLATE = """\
<div id="{id}" class="nfs-player">
<style>
#{id} {{ background: #fff; color: #222; border: 1px solid #ddd; border-radius: 8px;
  padding: 8px 12px; max-width: 760px; }}
#{id} .nfs-title {{ font: 600 14px/1.4 sans-serif; }}
#{id} .nfs-label {{ font-weight: 400; color: #666; }}
#{id} .nfs-staff {{ overflow-x: auto; }}
#{id} .nfs-staff svg {{ width: 100%; min-width: 520px; height: auto; display: block; }}
#{id} .nfs-staff g.note {{ cursor: pointer; }}
#{id} .nfs-staff g.lit, #{id} .nfs-staff g.lit * {{ fill: {lit}; stroke: {lit}; stroke-width: 18px; }}
#{id} audio {{ width: 100%; height: 36px; margin-top: 4px; }}
#{id} .nfs-still {{ display: none; }}
#{id} .nfs-roll svg {{ width: 100%; height: auto; display: block; }}
#{id} .nfs-roll .note {{ cursor: pointer; }}
#{id} .nfs-roll .lit {{ fill: {lit}; stroke: {lit}; stroke-width: 2px; }}
#{id} .nfs-more {{ font: 12px/1.6 sans-serif; color: #444; margin-top: 2px; }}
#{id} .nfs-scale {{ display: inline-block; width: 90px; height: 10px; margin: 0 6px; background: {gradient}; }}
#{id} .nfs-more a {{ color: #14507a; margin-right: 12px; }}
</style>
<div class="nfs-title">{title} <span class="nfs-label">{label}</span></div>
<div class="nfs-staff" role="img" aria-label="staff notation of {title}">{svg}</div>
<img class="nfs-still" alt="staff notation of {title}" width="{width}" src="data:image/png;base64,{png}">
<div class="nfs-roll" role="img" aria-label="piano roll of {title}">{roll}</div>
<img class="nfs-still" alt="piano roll of {title}" width="{width}" src="data:image/png;base64,{roll_png}">
{legend}<audio controls preload="auto" aria-label="sound of {title}" src="data:audio/mpeg;base64,{mp3}"></audio>
{files}<script>
(function () {{
  const root = document.getElementById("{id}");
  if (!root) return;
  const audio = root.querySelector("audio");
  const moments = {moments};
  const notes = moments.map(m => m[2].map(name => root.querySelector('[id="' + name + '"]')).filter(Boolean));
  const sound = root.querySelector("a.nfs-mp3");
  if (sound) sound.href = audio.src;
  let lit = [];
  function light() {{
    const now = audio.currentTime;
    const on = audio.paused && !audio.seeking && now === 0 ? [] :
      notes.filter((_, k) => moments[k][0] <= now && now < moments[k][1]).flat();
    for (const note of lit) if (!on.includes(note)) note.classList.remove("lit");
    for (const note of on) note.classList.add("lit");
    lit = on;
  }}
  function follow() {{ light(); if (!audio.paused && !audio.ended) requestAnimationFrame(follow); }}
  audio.addEventListener("play", () => {{
    for (const other of document.querySelectorAll(".nfs-player audio")) if (other !== audio) other.pause();
    follow();
  }});
  for (const name of ["timeupdate", "seeked", "ended", "pause"]) audio.addEventListener(name, light);
  notes.forEach((group, k) => group.forEach(note => note.addEventListener("click", () => {{
    audio.currentTime = moments[k][0] + 0.001; audio.play();
  }})));
}})();
</script>
</div>"""


class Player:
    """Staff notation and sound of one song, as an HTML block.

    Args:
        song: what to show and play; several Songs are voices, each with a staff of its own.
        title: above the staff; the song's own title if None.
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
        width: of the staff in pixels.
        surprise: of a model by each event, in nats: colours on staff and piano roll, with a legend.
        given: how many events at the beginning were given to the model; a dashed line in the roll ends them.
        note: a line of text under the title.
        downloads: links that save the song as MIDI, MusicXML and MP3.
    Raises: ValueError as `midi.to_midi`, or if there is not one surprise for each event.
    """

    def __init__(
        self,
        song: Song | Sequence[Song],
        title: str | None = None,
        tempo: float = 100,
        program: int | Sequence[int] = 0,
        width: int = 720,
        surprise: Sequence[float] | None = None,
        given: int = 0,
        note: str = "",
        downloads: bool = False,
    ):
        self.song, self.voices, self.tempo = song, voices_of(song), tempo
        self.title = self.voices[0].title if title is None else title
        self.samples = to_audio(song, tempo, program)
        self.surprise = None if surprise is None else tuple(surprise)
        roll, roll_timed = roll_svg(song, width, surprise, given)
        musicxml = to_musicxml(song)
        svg, timed = engrave(song, width, musicxml)
        if surprise is not None:
            svg = _colored(svg, timed, self.voices[0], self.surprise)
        timed = timed + [(start, end, [name]) for start, end, name in roll_timed]
        seconds = 60 / tempo
        moments = [[round(start * seconds, 3), round(end * seconds, 3), names] for start, end, names in timed]
        self.mp3 = mp3_of(self.samples)
        digest = hashlib.sha256(self.mp3 + svg.encode()).hexdigest()[:8]
        files = _links(self.title, to_midi(song, tempo=tempo, program=program), musicxml) if downloads else ""
        legend = _LEGEND if surprise is not None else ""
        if note:
            legend += f'<div class="nfs-more">{html.escape(note)}</div>\n'
        self.html = _TEMPLATE.format(
            id=f"nfs-{digest}-{next(_count)}",
            lit=LIT if surprise is None else LIT_ON_COLORS,
            gradient=_gradient() if surprise is not None else "none",
            roll=roll,
            roll_png=base64.b64encode(png_of(roll)).decode(),
            legend=legend,
            files=files,
            title=html.escape(self.title or "untitled"),
            label=html.escape(self._label()),
            svg=svg,
            png=base64.b64encode(png_of(svg)).decode(),
            width=width,
            mp3=base64.b64encode(self.mp3).decode(),
            moments=json.dumps(moments, separators=(",", ":")),
        )

    def _label(self) -> str:
        notes = sum(bool(event.pitches) for voice in self.voices for event in voice.events)
        seconds = float(max(voice.duration for voice in self.voices)) * 60 / self.tempo
        return f"{self.voices[0].meter}, {notes} note{'s' * (notes != 1)}, {seconds:.1f} s"

    def __repr__(self):
        return f"▶ {self.title or 'untitled'} ({self._label()})"

    def _repr_html_(self) -> str:
        return self.html


_LEGEND = """\
<div class="nfs-more nfs-legend">surprise of the model: 0 nats, sure<span class="nfs-scale" role="img"
 aria-label="colours from dark blue over purple to orange"></span>6 nats, one chance in 400, and more</div>
"""


def _gradient() -> str:
    stops = [surprise_color(MOST_SURPRISE * k / 4) for k in range(5)]
    return f"linear-gradient(to right, {', '.join(stops)})"


def _colored(svg: str, timed, song: Song, surprise: Sequence[float]) -> str:
    """The staff with each note in the colour of its event's surprise, tied notes in that of their first."""
    spans, onset = [], Fraction(0)
    for event, nats in zip(song.events, surprise, strict=True):
        spans.append((float(onset), nats))
        onset += event.duration
    starts = [start for start, _ in spans]
    colors = {}
    for start, _, names in timed:
        nats = spans[max(bisect.bisect_right(starts, start + 1e-6) - 1, 0)][1]
        colors |= dict.fromkeys(names, surprise_color(nats))
    paint = lambda match: (
        f'{match[0]} color="{colors[match[1]]}" fill="{colors[match[1]]}"' if match[1] in colors else match[0]
    )
    return re.sub(r'<g id="([^"]+)"', paint, svg)


def _links(title: str, midi: bytes, musicxml: str) -> str:
    """Links that save the song; the browser takes the MP3 from the player itself."""
    name = html.escape(re.sub(r"[^\w-]+", "-", title).strip("-")[:60] or "song")
    to_link = lambda kind, data: f"data:{kind};base64,{base64.b64encode(data).decode()}"
    kinds = {
        "MIDI": (f"{name}.mid", to_link("audio/midi", midi)),
        "MusicXML": (f"{name}.musicxml", to_link("application/vnd.recordare.musicxml+xml", musicxml.encode())),
    }
    links = [f'<a download="{file}" href="{link}">{kind}</a>' for kind, (file, link) in kinds.items()]
    links.append(f'<a class="nfs-mp3" download="{name}.mp3">MP3</a>')
    return f'<div class="nfs-more nfs-files">save as: {"".join(links)}</div>\n'


def play(
    song: Song | Sequence[Song],
    title: str | None = None,
    tempo: float = 100,
    program: int | Sequence[int] = 0,
    width: int = 720,
    **more,
) -> None:
    """Shows a song's staff with a sound player under it; the sounding note lights up, a click on a note plays from it.

    Args (more: surprise, given, note) and errors: as `Player`.
    """
    from IPython.display import display

    display(Player(song, title, tempo, program, width, **more))
