"""A player that shows a song as notation, plays it, and lights up the sounding note.

Everything is inside one HTML block: nothing is loaded from the network, and it works in JupyterLab,
Colab, nbviewer and any browser. Where styles and scripts are stripped (GitHub), a picture of the staff remains.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
from collections.abc import Sequence

from helpers.render import engrave, mp3_of, png_of, to_audio, voices_of
from helpers.songs import Song

LIT = "#d1495b"
_count = itertools.count(1)

_TEMPLATE = """\
<div id="{id}" class="nfs-player">
<style>
#{id} {{ background: #fff; color: #222; border: 1px solid #ddd; border-radius: 8px;
  padding: 8px 12px; max-width: 760px; }}
#{id} .nfs-title {{ font: 600 14px/1.4 sans-serif; }}
#{id} .nfs-label {{ font-weight: 400; color: #666; }}
#{id} .nfs-staff svg {{ width: 100%; height: auto; display: block; }}
#{id} .nfs-staff g.note {{ cursor: pointer; }}
#{id} .nfs-staff g.lit, #{id} .nfs-staff g.lit * {{ fill: {lit}; stroke: {lit}; stroke-width: 18px; }}
#{id} audio {{ width: 100%; height: 36px; margin-top: 4px; }}
#{id} .nfs-still {{ display: none; }}
</style>
<div class="nfs-title">{title} <span class="nfs-label">{label}</span></div>
<div class="nfs-staff" role="img" aria-label="staff notation of {title}">{svg}</div>
<img class="nfs-still" alt="staff notation of {title}" width="{width}" src="data:image/png;base64,{png}">
<audio controls preload="auto" aria-label="sound of {title}" src="data:audio/mpeg;base64,{mp3}"></audio>
<script>
(function () {{
  const root = document.getElementById("{id}");
  if (!root) return;
  const audio = root.querySelector("audio");
  const moments = {moments};
  const notes = moments.map(m => m[2].map(name => root.querySelector('[id="' + name + '"]')).filter(Boolean));
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
    Raises: ValueError as `render.to_midi`.
    """

    def __init__(
        self,
        song: Song | Sequence[Song],
        title: str | None = None,
        tempo: float = 100,
        program: int | Sequence[int] = 0,
        width: int = 720,
    ):
        self.song, self.voices, self.tempo = song, voices_of(song), tempo
        self.title = self.voices[0].title if title is None else title
        self.samples = to_audio(song, tempo, program)
        svg, timed = engrave(song, width)
        seconds = 60 / tempo
        moments = [[round(start * seconds, 3), round(end * seconds, 3), names] for start, end, names in timed]
        self.mp3 = mp3_of(self.samples)
        digest = hashlib.sha256(self.mp3 + svg.encode()).hexdigest()[:8]
        self.html = _TEMPLATE.format(
            id=f"nfs-{digest}-{next(_count)}",
            lit=LIT,
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


def play(
    song: Song | Sequence[Song],
    title: str | None = None,
    tempo: float = 100,
    program: int | Sequence[int] = 0,
    width: int = 720,
) -> None:
    """Shows a song's staff with a sound player under it; the sounding note lights up, a click on a note plays from it.

    Args and errors: as `Player`.
    """
    from IPython.display import display

    display(Player(song, title, tempo, program, width))
