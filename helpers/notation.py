"""Songs as staff notation: MusicXML, and SVG or PNG engraved from it.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import verovio

from helpers.figures import PALETTE, SHADES, png_of
from helpers.files import write_atomically
from helpers.songs import Song, voices_of


def to_music21(song: Song | Sequence[Song]):
    """A music21 Score with key, meter, upbeat, barlines, ties over them and spelling that fits the key.

    Each voice has a staff of its own.

    Args:
        song: one Song or several voices.

    Raises:
        ValueError: as `voices_of`.

    Notebook: none: called by `to_musicxml`.
    """
    from music21 import metadata, stream  # slow to import, and only needed where a staff is drawn

    voices = voices_of(song)
    score = stream.Score([_part(voice) for voice in voices])
    score.metadata = metadata.Metadata(title=voices[0].title)
    return score


def _part(song: Song):
    """One staff; measures, ties and accidentals are music21's, which knows no upbeat: a rest before it goes again."""
    from music21 import clef, key, meter, note, stream  # as in to_music21

    signature = key.Key(song.tonic.replace("b", "-"), song.mode)
    home = signature.tonic.getEnharmonic() if abs(signature.sharps) > 7 else signature.tonic
    signature = key.Key(home, song.mode)
    middle = signature.sharps + (2 if song.mode == "major" else 3.5)  # minor leans to its raised notes
    spelled = functools.cache(lambda pitch: _spell(pitch, middle))
    pitches = [pitch for event in song.events for pitch in event.pitches] or [60]
    low = sum(pitches) / len(pitches) < 57
    missing = song.measure_length - song.pickup if song.pickup else 0
    part = stream.Part([clef.BassClef() if low else clef.TrebleClef(), signature, meter.TimeSignature(song.meter)])
    part.append([note.Rest(quarterLength=missing)] * bool(missing))
    part.append([_written([spelled(pitch) for pitch in event.pitches], event.duration) for event in song.events])
    part.makeMeasures(inPlace=True)
    part.makeTies(inPlace=True)
    part.makeAccidentals(inPlace=True, overrideStatus=True)  # since makeTies marks them as made
    if missing:
        measures = list(part.getElementsByClass(stream.Measure))
        measures[0].remove(measures[0].notesAndRests.first(), shiftOffsets=True)
        measures[0].paddingLeft = float(missing)  # marks the upbeat as one
        for measure in measures[1:]:
            part.setElementOffset(measure, measure.offset - missing)
    return part


def _written(names: list[str], length: Fraction):
    from music21 import chord, note  # as in to_music21

    if not names:
        return note.Rest(quarterLength=length)
    return note.Note(names[0], quarterLength=length) if len(names) == 1 else chord.Chord(names, quarterLength=length)


def _spell(pitch: int, middle: float) -> str:
    """A note name for a MIDI number: the one nearest to the middle of the key's notes on the line of fifths.

    The line runs ... Bb = -2, F = -1, C = 0, G = 1 ...; the notes of C major lie from -1 to 5, their middle is 2.
    Source: Temperley (2001), The Cognition of Basic Musical Structures, ch. 5.
    """
    fifths = (pitch * 7 + 5) % 12 - 5
    fifths += 12 * round((middle - fifths) / 12)
    letter = "FCGDAEB"[(fifths + 1) % 7]
    sharps = (fifths + 1) // 7
    octave = (pitch - sharps) // 12 - 1
    return letter + ("#" * sharps if sharps > 0 else "-" * -sharps) + str(octave)


def to_musicxml(song: Song | Sequence[Song], path=None) -> str:
    """The song as MusicXML text.

    Args:
        song: one Song or several voices.
        path: file to write it to as well; none if None.

    Raises:
        ValueError: for a song without events, or with a duration that notation cannot write.

    Notebook: 01-markov, inside `play`.
    """
    from music21.musicxml.m21ToXml import GeneralObjectExporter  # as in to_music21
    from music21.musicxml.xmlObjects import MusicXMLExportException

    voices = voices_of(song)
    try:
        text = GeneralObjectExporter(to_music21(voices)).parse().decode("utf-8")
    except MusicXMLExportException as error:
        raise ValueError(f"song {voices[0].id!r} holds a duration that notation cannot write: {error}") from error
    if path is not None:
        write_atomically(Path(path), text.encode("utf-8"))
    return text


def notation_svg(song: Song | Sequence[Song], width: int = 720) -> str:
    """Staff notation as SVG text, as tall as it needs.

    Args:
        song: one Song or several voices.
        width: in pixels.

    Raises:
        ValueError: as `engrave`.

    Notebook: none: called by `notation_png`; `play` shows the same staff.
    """
    return engrave(song, width)[0]


def engrave(
    song: Song | Sequence[Song], width: int = 720, musicxml: str | None = None
) -> tuple[str, list[tuple[float, float, list[str]]]]:
    """Staff notation, and when each of its notes sounds.

    Args:
        song: one Song or several voices.
        width: in pixels.
        musicxml: the song as MusicXML, where it is at hand already; made here if None.

    Returns:
        SVG text, and for each sounding moment (onset, end, ids of the note elements in the SVG),
        onset and end in quarter lengths.

    Raises:
        ValueError: as `to_musicxml`, or if the song cannot be engraved.

    Notebook: 01-markov, inside `play`.
    """
    voices = voices_of(song)
    musicxml = musicxml or to_musicxml(voices)
    with _ENGRAVING:
        svg, moments = _engraved(musicxml, width, voices[0].id)
    onset, timed = {}, []
    for moment in moments:
        for name in moment.get("off", ()):
            timed.append((onset.pop(name), moment["qstamp"], name))
        for name in moment.get("on", ()):
            onset[name] = moment["qstamp"]
    together: dict[tuple[float, float], list[str]] = {}
    for start, end, name in sorted(timed):
        together.setdefault((start, end), []).append(name)
    return svg, [(start, end, names) for (start, end), names in together.items()]


def joined_svg(song: Song, pairs: Iterable[tuple[int, int]], width: int = 720) -> str:
    """Staff notation of a melody on white, with an arc from note to note.

    Args:
        song: one voice.
        pairs: numbers of two of its events each; a pair with a rest in it is left out.
        width: in pixels.

    Returns:
        SVG text.

    Raises:
        ValueError: as `engrave`.

    Notebook: 06-attention.
    """
    svg, timed = engrave(song, width)
    names = {round(start, 3): names[0] for start, _, names in timed}
    heads = {}
    for k, onset in enumerate(song.onsets[:-1]):
        if song.events[k].pitches and (name := names.get(round(float(onset), 3))):
            found = re.search(rf'id="{name}".*?<use [^>]*?(?:translate\(|\sx=")(\d+)\D+(\d+)', svg)
            heads[k] = int(found[1]) + 110, int(found[2])  # the middle of the notehead, in the drawing's own unit
    arcs = (_arc(*heads[one], *heads[other]) for one, other in pairs if one in heads and other in heads)
    style = f'fill="none" stroke="{PALETTE["LSTM"]}" stroke-width="32" stroke-opacity="0.75"'
    paper = f'<rect width="100%" height="100%" style="fill: {SHADES["paper"]}; stroke: none"/>'
    svg = svg.replace("<defs>", f"{paper}<defs>", 1)
    head, end, tail = svg.rpartition("</g>")  # inside the page, where the places of notes count
    return f"{head}<g {style}>{''.join(arcs)}</g>{end}{tail}"


def _arc(x: int, y: int, x2: int, y2: int) -> str:
    """A curve above two notes of one line, or from the top of the later one to the foot of the earlier one."""
    gap, bend = 170, 260 + abs(x2 - x) // 12
    if abs(y2 - y) < 1300:  # one staff
        return f'<path d="M{x} {y - gap} C{x} {y - gap - bend} {x2} {y2 - gap - bend} {x2} {y2 - gap}"/>'
    if y2 > y:
        x, y, x2, y2 = x2, y2, x, y
    return f'<path d="M{x} {y - gap} C{x} {y - 900} {x2} {y2 + 900} {x2} {y2 + gap}"/>'


_ENGRAVING = threading.Lock()  # there is one toolkit, and the Composer writes in a thread


def _engraved(musicxml: str, width: int, name: str) -> tuple[str, list[dict]]:
    """SVG text and verovio's time map."""
    toolkit = _verovio()
    scale = 38
    toolkit.setOptions(
        {
            "pageWidth": round(width * 100 / scale),
            "pageHeight": 60_000,
            "adjustPageHeight": True,
            "scale": scale,
            "header": "none",
            "footer": "none",
            "pageMarginLeft": 20,
            "pageMarginRight": 20,
            "pageMarginTop": 20,
            "pageMarginBottom": 20,
            "mnumInterval": 64,
            "svgViewBox": True,
            "svgFormatRaw": True,
            "minLastJustification": 0.6,
            "xmlIdSeed": 1,
        }
    )
    if not toolkit.loadData(musicxml):
        raise ValueError(f"song {name!r} cannot be engraved.")
    svg = toolkit.renderToSVG(1)
    moments = toolkit.renderToTimemap({"includeRests": False})
    return svg, json.loads(moments) if isinstance(moments, str) else moments


@functools.lru_cache(maxsize=1)
def _verovio():
    verovio.enableLog(verovio.LOG_ERROR)
    toolkit = verovio.toolkit(False)  # without its fonts: where they lie is known only to the thread that imported it
    toolkit.setResourcePath(str(files("verovio") / "data"))
    return toolkit


def notation_png(song: Song | Sequence[Song], width: int = 720, zoom: float = 1.0) -> bytes:
    """Staff notation as a PNG picture on white, for readers that strip SVG.

    Args:
        song: one Song or several voices.
        width: in pixels, before zooming.
        zoom: how many times as large.

    Raises:
        ValueError: as `engrave`.

    Notebook: none: for your own pages; `play` carries the same picture.
    """
    return png_of(notation_svg(song, width), zoom)
