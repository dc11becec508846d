"""Songs as notation, piano roll, sound and files. Nothing outside pip is needed.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import functools
import io
import math
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from helpers.files import write_atomically
from helpers.songs import Song, pitch_class

SAMPLE_RATE = 24_000  # samples per second: up to 12 kHz, enough for these instruments, and small
# One colour a model, the same in every notebook; their lightness differs too, for greyscale.
PALETTE = {
    "real songs": "#8c8c8c",
    "Markov": "#e6a817",
    "network": "#2a9d8f",
    "LSTM": "#5b2a86",
    "VAE": "#d1495b",
    "WaveNet": "#14507a",
}
FIGURE_STYLE = {  # for plt.rcParams: figures that fit a phone
    "figure.figsize": (7, 3),
    "figure.dpi": 90,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
}


# ---- symbolic: music21, MusicXML, MIDI ----


def voices_of(song: Song | Sequence[Song]) -> list[Song]:
    """The voices of a piece, from high to low: every function here takes one Song or several that sound together.

    Raises: ValueError if there is none, or none of them holds an event.
    """
    voices = [song] if isinstance(song, Song) else list(song)
    if not voices:
        raise ValueError("there is no voice, so there is nothing to show or play.")
    if not any(voice.events for voice in voices):
        raise ValueError(f"song {voices[0].id!r} holds no event, so there is nothing to show or play.")
    return voices


def to_music21(song: Song | Sequence[Song]):
    """A music21 Score with key, meter, upbeat, barlines, ties over them and spelling that fits the key.

    Each voice has a staff of its own. Raises: as `voices_of`.
    """
    from music21 import metadata, stream

    voices = voices_of(song)
    score = stream.Score([_part(voice) for voice in voices])
    score.metadata = metadata.Metadata(title=voices[0].title)
    return score


def _part(song: Song):
    from music21 import bar, chord, clef, key, meter, note, stream, tie

    part = stream.Part()
    signature = key.Key(song.tonic.replace("b", "-"), song.mode)
    home = signature.tonic.getEnharmonic() if abs(signature.sharps) > 7 else signature.tonic
    signature = key.Key(home, song.mode)
    middle = signature.sharps + (2 if song.mode == "major" else 3.5)  # minor leans to its raised notes
    spelled = functools.cache(lambda pitch: _spell(pitch, middle))
    room = song.pickup or song.measure_length
    measure = stream.Measure(number=1)
    pitches = [pitch for event in song.events for pitch in event.pitches] or [60]
    low = sum(pitches) / len(pitches) < 57
    measure.append([clef.BassClef() if low else clef.TrebleClef(), signature, meter.TimeSignature(song.meter)])
    measure.paddingLeft = float(song.measure_length - room)  # marks the upbeat as one
    filled = Fraction(0)
    for event in song.events:
        left, first = event.duration, True
        while left:
            if filled == room:
                part.append(measure)
                measure, filled, room = stream.Measure(number=measure.number + 1), Fraction(0), song.measure_length
            length = min(left, room - filled)
            if event.is_rest:
                written = note.Rest(quarterLength=length)
            elif len(event.pitches) == 1:
                written = note.Note(spelled(event.pitches[0]), quarterLength=length)
            else:
                written = chord.Chord([spelled(pitch) for pitch in event.pitches], quarterLength=length)
            left, filled = left - length, filled + length
            if event.pitches and not (first and not left):
                written.tie = tie.Tie("start" if first else "continue" if left else "stop")
            measure.append(written)
            first = False
    measure.rightBarline = bar.Barline("final")
    part.append(measure)
    return part


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
    """The song as MusicXML text; also written to `path` if given. Raises ValueError for a song without events."""
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    from music21.musicxml.xmlObjects import MusicXMLExportException

    name = voices_of(song)[0].id
    try:
        text = GeneralObjectExporter(to_music21(song)).parse().decode("utf-8")
    except MusicXMLExportException as error:
        raise ValueError(f"song {name!r} holds a duration that notation cannot write: {error}") from error
    _write(path, text.encode("utf-8"))
    return text


def _write(path, data: bytes) -> None:
    if path is not None:
        write_atomically(Path(path), data)


def to_midi(song: Song | Sequence[Song], path=None, tempo: float = 100, program: int | Sequence[int] = 0) -> bytes:
    """The song as a MIDI file; also written to `path` if given.

    Args:
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
    Raises: ValueError for a tempo or program out of range, or a song without events.
    """
    data = _symusic_score(song, tempo, program).dumps_midi()
    _write(path, data)
    return data


def _symusic_score(song: Song | Sequence[Song], tempo: float, program: int | Sequence[int]):
    import symusic

    voices = voices_of(song)
    first = voices[0]
    programs = [program] * len(voices) if isinstance(program, int) else list(program)
    if len(programs) != len(voices):
        raise ValueError(f"{len(programs)} instruments for {len(voices)} voices; give one for each, or one for all.")
    if not 4 <= tempo <= 1000:
        raise ValueError(f"a tempo of {tempo} is out of range; give quarter notes per minute, 4 to 1000.")
    for number in programs:
        if not 0 <= number <= 127:
            raise ValueError(f"there is no instrument {number}; General MIDI programs go from 0 to 127.")
    ticks = math.lcm(480, *(event.duration.denominator for voice in voices for event in voice.events))
    if ticks > 32_767:
        raise ValueError(f"the durations of song {first.id!r} need {ticks} ticks a quarter note; MIDI allows 32767.")
    score = symusic.Score(ticks)
    score.tempos.append(symusic.Tempo(0, tempo))
    count, unit = map(int, first.meter.split("/"))
    start, upbeat = 0, first.pickup / 4  # of a whole note
    if upbeat and upbeat.denominator in (1, 2, 4, 8, 16, 32):
        score.time_signatures.append(symusic.TimeSignature(0, upbeat.numerator, upbeat.denominator))
        start = int(first.pickup * ticks)
    score.time_signatures.append(symusic.TimeSignature(start, count, unit))
    fifths = (pitch_class(first.tonic) * 7 + 5) % 12 - 5  # of the tonic; a minor key has three sharps fewer
    sharps = fifths if first.mode == "major" else (fifths - 3 + 5) % 12 - 5
    score.key_signatures.append(symusic.KeySignature(0, sharps, first.mode == "minor"))
    for voice, number in zip(voices, programs, strict=True):
        track = symusic.Track(name=voice.title or "melody", program=number)
        onset = Fraction(0)
        for event in voice.events:
            for pitch in event.pitches:
                track.notes.append(symusic.Note(int(onset * ticks), int(event.duration * ticks), pitch, 90))
            onset += event.duration
        score.tracks.append(track)
    return score


# ---- sound ----


def to_audio(
    song: Song | Sequence[Song],
    tempo: float = 100,
    program: int | Sequence[int] = 0,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """The sound of a song: mono float32 samples in [-1, 1], shape (samples,), played with a sound font.

    The length is the song's own; the last note may ring on for 4 % of it, at most half a second.
    The synthesizer is rustysynth (through midirenderer): it plays every instrument of this sound font in tune,
    which symusic's does not (its piano C4 sounds at 831 Hz).

    Args:
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
        sample_rate: samples per second.
    Raises: as `to_midi`.
    """
    import midirenderer
    import soundfile
    import soxr
    import symusic

    score = _symusic_score(song, tempo, program)
    duration = float(max(voice.duration for voice in voices_of(song)))
    seconds = duration * 60 / tempo
    tail = min(0.04 * seconds, 0.5)
    end = duration + 2 * tail * tempo / 60  # rendering stops at the last MIDI event, so put one later
    score.markers.append(symusic.TextMeta(math.ceil(end * score.ticks_per_quarter), "end"))
    wave = io.BytesIO(midirenderer.render_wave_from(_sound_font(), score.dumps_midi()))
    stereo, rate = soundfile.read(wave, dtype="float32")
    samples = soxr.resample(stereo.mean(1), rate, sample_rate)
    wanted = round((seconds + tail) * sample_rate)
    samples = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    fade = max(1, round(tail * sample_rate))
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    loudest = np.abs(samples).max()
    return samples * np.float32(0.9 / loudest) if loudest > 0 else samples


def to_mp3(song: Song | Sequence[Song], path=None, tempo: float = 100, program: int | Sequence[int] = 0) -> bytes:
    """The sound of a song as an MP3 file; also written to `path` if given. Raises: as `to_midi`."""
    data = mp3_of(to_audio(song, tempo, program))
    _write(path, data)
    return data


def mp3_of(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Samples in [-1, 1], shape (samples,), as an MP3 file in memory, about 5 kB a second."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="MP3", compression_level=0.75, bitrate_mode="CONSTANT")
    return file.getvalue()


@functools.lru_cache(maxsize=1)
def _sound_font() -> bytes:
    import importlib.util

    folder = Path(importlib.util.find_spec("pretty_midi").origin).parent  # found without importing it
    return (folder / "TimGM6mb.sf2").read_bytes()


# ---- pictures ----


def notation_svg(song: Song | Sequence[Song], width: int = 720) -> str:
    """Staff notation as SVG text, `width` pixels wide and as tall as it needs."""
    return engrave(song, width)[0]


def engrave(
    song: Song | Sequence[Song], width: int = 720, musicxml: str | None = None
) -> tuple[str, list[tuple[float, float, list[str]]]]:
    """Staff notation, and when each of its notes sounds.

    Args: musicxml: the song as MusicXML, where it is at hand already.
    Returns: SVG text, and for each sounding moment (onset, end, ids of the note elements in the SVG),
        onset and end in quarter lengths.
    Raises: ValueError for a song without events.
    """
    with _ENGRAVING:
        svg, moments = _engraved(musicxml or to_musicxml(song), width, voices_of(song)[0].id)
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


_ENGRAVING = threading.Lock()  # there is one toolkit, and the Composer writes in a thread


def _engraved(musicxml: str, width: int, name: str) -> tuple[str, list[dict]]:
    """SVG text and verovio's time map."""
    import json

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
    import verovio

    verovio.enableLog(verovio.LOG_ERROR)
    return verovio.toolkit()


def notation_png(song: Song | Sequence[Song], width: int = 720, zoom: float = 1.0) -> bytes:
    """Staff notation as a PNG picture on white, for readers that strip SVG."""
    return png_of(notation_svg(song, width), zoom)


def png_of(svg: str, zoom: float = 1.0) -> bytes:
    """An SVG drawing as a small greyscale-friendly PNG on white."""
    import resvg_py
    from matplotlib import get_data_path
    from PIL import Image

    fonts = Path(get_data_path()) / "fonts" / "ttf"
    raw = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        background="white",
        skip_system_fonts=True,
        font_dirs=[str(fonts)],
        font_family="DejaVu Serif",
        serif_family="DejaVu Serif",
    )
    file = io.BytesIO()
    Image.open(io.BytesIO(bytes(raw))).convert("L").point(lambda grey: grey // 17 * 17).save(file, "PNG", optimize=True)
    return file.getvalue()


MOST_SURPRISE = 6.0  # nats: one chance in 400; more looks the same


def surprise_color(nats: float) -> str:
    """The colour of a surprise, dark blue for none, over purple to orange for MOST_SURPRISE and more.

    Its lightness rises with the surprise, so it can be read in grey, and it never is too light to see on white.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps["plasma"](0.68 * min(max(nats / MOST_SURPRISE, 0), 1)))


def roll_svg(song: Song | Sequence[Song], width: int = 720, surprise: Sequence[float] | None = None, given: int = 0):
    """A piano roll as SVG text: time to the right, pitch upwards, barlines in grey, drawn small.

    Args:
        song: one Song or several voices, each in a grey of its own.
        surprise: nats for each event of a single voice, shown as colour.
        given: mark the end of the first so many events with a dashed line.
    Returns: SVG text, and for each note (onset, end, id of its element), onset and end in quarter lengths.
    Raises: ValueError as `voices_of`, or if there is not one surprise for each event.
    """
    voices = voices_of(song)
    if surprise is not None and len(surprise) != len(voices[0].events):
        raise ValueError(f"{len(surprise)} surprises for {len(voices[0].events)} events; give one for each.")
    pitches = [pitch for voice in voices for event in voice.events for pitch in event.pitches] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    row, left = max(3.0, min(6.0, 110 / (high - low + 1))), 34
    height = (high - low + 1) * row
    duration = float(max(voice.duration for voice in voices))
    across = lambda time: round(left + float(time) / duration * (width - left - 2), 1)
    up = lambda pitch: round((high - pitch) * row, 1)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}">']
    for pitch in range(low, high + 1):
        if pitch % 12 == 0:
            parts.append(f'<path d="M{left} {up(pitch) + row / 2} H{width - 2}" stroke="#e4e4e4"/>')
    barline = voices[0].pickup
    while barline < duration:
        parts.append(f'<path d="M{across(barline)} 0 V{height:.0f}" stroke="#d0d0d0"/>')
        barline += voices[0].measure_length
    for pitch in sorted({min(pitches), max(pitches)}):
        parts.append(
            f'<text x="0" y="{up(pitch) + row / 2 + 3.5}" font-size="10" fill="#555">{pitch_name(pitch)}</text>'
        )
    greys, timed = ("#555", "#7a7a7a", "#999", "#444"), []
    for number, voice in enumerate(voices):
        onset = Fraction(0)
        for k, event in enumerate(voice.events):
            end = onset + event.duration
            nats = "" if surprise is None else f", surprise {surprise[k]:.2f} nats"
            color = greys[number % 4] if surprise is None else surprise_color(surprise[k])
            for pitch in event.pitches:
                name = f"roll-{number}-{k}-{pitch}"
                timed.append((float(onset), float(end), name))
                parts.append(
                    f'<rect id="{name}" class="note" x="{across(onset)}" y="{up(pitch)}" height="{row - 0.5:.1f}" '
                    f'width="{max(across(end) - across(onset) - 1, 1):.1f}" fill="{color}">'
                    f"<title>{pitch_name(pitch)}, {event.duration} quarters{nats}</title></rect>"
                )
            onset = end
    if given:
        place = across(sum((event.duration for event in voices[0].events[:given]), Fraction(0)))
        parts.append(f'<path d="M{place} 0 V{height:.0f}" stroke="#222" stroke-dasharray="3 3"/>')
    return "".join([*parts, "</svg>"]), timed


def piano_roll(song: Song, ax=None, color: str = PALETTE["real songs"]):
    """Draws a song as bars: time in quarter notes to the right, pitch upwards, barlines in grey.

    Args:
        ax: matplotlib Axes; the current ones if None.
        color: of the notes.
    Returns: the Axes.
    """
    from matplotlib import pyplot as plt

    voices_of(song)
    ax = ax or plt.gca()
    onset = Fraction(0)
    for event in song.events:
        if event.pitches:
            gap = min(0.06, float(event.duration) * 0.2)
            ax.barh(event.pitches, float(event.duration) - gap, left=float(onset), height=0.8, color=color)
        onset += event.duration
    pitches = [pitch for event in song.events for pitch in event.pitches] or [60, 72]
    low, high = min(pitches) - 1, max(pitches) + 1
    barline = song.pickup
    while barline < song.duration:
        ax.axvline(float(barline), color="0.85", linewidth=0.8, zorder=0)
        barline += song.measure_length
    ticks = [pitch for pitch in range(low, high + 1) if pitch % 12 in (0, 4, 7)]
    ax.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    ax.set(ylim=(low - 0.5, high + 0.5), xlim=(0, float(song.duration)))
    ax.set_xlabel("time (quarter notes)")
    ax.set_ylabel("pitch")
    return ax


def pitch_name(pitch: int) -> str:
    """Name and octave of a MIDI number: 60 -> "C4", 70 -> "B♭4"."""
    names = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
    return f"{names[pitch % 12]}{pitch // 12 - 1}"


def model_graph(model, x) -> str:
    """A picture of a PyTorch model on an input, as SVG text, drawn without a system Graphviz.

    Args:
        model: torch.nn.Module.
        x: its input tensor, or a tuple of its inputs.
    """
    import pygraphviz
    import torchview

    graph = torchview.draw_graph(model, input_data=x, expand_nested=True, save_graph=False).visual_graph
    drawing = pygraphviz.AGraph(string=graph.source)
    return drawing.draw(format="svg", prog="dot").decode("utf-8")
