"""One file of music -> its songs, or the reason why not.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unittest import mock

from helpers.songs import Event, Rejected, Song, events_of_stream, pitch_class

SUFFIXES = (".krn", ".abc", ".mid", ".midi", ".mxl", ".musicxml", ".xml")
VOICES = ("soprano", "alto", "tenor", "bass")  # of a chorale, from high to low


def read_essen(file: str, tune: str, bar_accidentals: bool):
    """One ABC tune of the Essen collection -> list of Song or Rejected."""
    header = dict(reversed(re.findall(r"^([A-Z]):[ \t]*(.*?)[ \t]*$", tune, re.MULTILINE)))
    number = header.get("N", f"{file}:{header.get('X', '?')}")
    try:
        score = _parse_abc(tune, (2, 1, 0) if bar_accidentals else (1, 3, 0))
        events = events_of_stream(score, merge_ties=False)
        if all(event.is_rest for event in events):
            return [Rejected(number, f"no note in tune X:{header.get('X', '?')} of {file}")]
        tonic = re.match(r"[A-G][#b]?", header["K"])[0]
        meter, pickup = _meter_and_pickup(score)
        family = re.sub(r"[A-Z]+$", "", number)
        title = header.get("T", "")
        return [Song(number, title, family, tonic, _mode_from_thirds(events, tonic), meter, events, pickup)]
    except Exception as error:
        return [Rejected(number, f"tune X:{header.get('X', '?')} of {file} cannot be read: {_first_line(error)}")]


def read_chorale(path: str):
    from music21 import converter

    name = Path(path).stem
    try:
        score = converter.parse(path, forceSource=True)  # or music21 leaves a pickle of each in a shared folder
        parts = list(score.parts)
        if len(parts) != 4:
            return [Rejected(name, f"it has {len(parts)} parts, a chorale has four")]
        song = _song_of_stream(score, parts, name, name, merge_ties=True, analyze_key=True)
        lines = [events_of_stream(part, merge_ties=True) for part in parts]
        if any(len(event.pitches) > 1 for events in lines for event in events):
            return [Rejected(name, "one of its voices divides into two")]
        middle = lambda events: _weighted_mean((pitch, event.duration) for event in events for pitch in event.pitches)
        lines = sorted(lines, key=middle, reverse=True)  # a few files print the tenor above the alto
        longest = max(sum(event.duration for event in events) for events in lines)
        voices = []
        for label, events in zip(VOICES, lines, strict=True):
            short = longest - sum(event.duration for event in events)
            events = (*events, Event((), short)) if short else events
            voices.append(replace(song, title=label, events=events))
        return [song, *voices]
    except Exception as error:
        return [Rejected(name, f"cannot be read: {_first_line(error)}")]


def _weighted_mean(values) -> float:
    values = list(values)
    return float(sum(value * weight for value, weight in values) / sum(weight for _, weight in values))


def read_file(path: str, name: str, instrument, merge_ties: bool):
    """One file of a folder -> list of Song or Rejected (an ABC file may hold many tunes)."""
    suffix = Path(path).suffix.lower()
    try:
        if os.path.getsize(path) == 0:
            return [Rejected(name, "the file is empty")]
        if suffix == ".abc":
            tunes = list(tunes_in(text_of(path)))
            if not tunes:
                return [Rejected(name, "this is not ABC notation: it has no tune with an X: and a K: line")]
            read = []
            for k, tune in enumerate(tunes, 1):
                label = name if len(tunes) == 1 else f"{name}#{k}"
                read.append(_song_or_reason(lambda tune=tune: _parse_abc(tune), label, instrument, merge_ties))
            return read
        return [_song_or_reason(lambda: _parse(path, suffix), name, instrument, merge_ties, path)]
    except _Unusable as reason:
        return [Rejected(name, str(reason))]
    except UnicodeDecodeError:
        return [Rejected(name, f"this is not a text file, as {suffix} files are: it holds binary data")]
    except Exception as error:
        return [Rejected(name, f"cannot be read: {_first_line(error)}")]


class _Unusable(Exception):
    """A reason a musician understands."""


def _song_or_reason(parse, name: str, instrument, merge_ties: bool, path: str = ""):
    try:
        score = parse()
        if not hasattr(score, "parts"):
            raise _Unusable("it holds several pieces; put each in a file of its own")
        if path.lower().endswith((".musicxml", ".xml", ".mxl")):
            score = score.toSoundingPitch(inPlace=False)  # a clarinet's written D sounds as C
        parts = _choose_instrument(score, instrument)
        family = re.sub(r"(?<=\d)[A-Z]+$", "", _kern_reference(path, "SCT")) or name
        return _song_of_stream(score, parts, name, family, merge_ties, _kern_reference(path, "OTL"))
    except _Unusable as reason:
        return Rejected(name, str(reason))
    except UnicodeDecodeError:
        raise
    except Exception as error:
        return Rejected(name, f"cannot be read: {_first_line(error)}")


def _parse(path: str, suffix: str):
    """A music21 score of one file, or _Unusable with what is wrong with it."""
    from music21 import converter

    if suffix in (".mid", ".midi"):
        return _parse_midi(path)
    if suffix in (".musicxml", ".xml"):
        from xml.etree import ElementTree

        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise _Unusable(f"this is not MusicXML: not valid XML ({error})") from error
        if not root.tag.startswith("score-"):
            raise _Unusable(f"this is not MusicXML: it is XML, but about <{root.tag}>")
    if suffix == ".mxl":
        import zipfile

        if not zipfile.is_zipfile(path):
            raise _Unusable("this is not compressed MusicXML: it is no zip file, or cut off")
    if suffix == ".krn":
        text = text_of(path)
        if "**kern" not in text:
            raise _Unusable("this is not kern: no column begins with **kern")
        return converter.parse(text, format="humdrum")
    return converter.parse(path, forceSource=True)


def _parse_midi(path: str):
    """A music21 score of a MIDI file, each channel a part; exact where the file was written rather than played."""
    import io

    import mido  # reads strictly, where music21 takes what it can from half a file
    from music21 import midi

    if Path(path).read_bytes()[:4] != b"MThd":
        raise _Unusable("this is not a standard MIDI file: it does not begin with MThd")
    try:
        file = mido.MidiFile(path)
    except (EOFError, OSError, ValueError, IndexError, KeyError, mido.KeySignatureError) as error:
        raise _Unusable("this is not a whole MIDI file: it is cut off or damaged") from error
    if file.type == 2 or file.ticks_per_beat <= 0 or file.ticks_per_beat >= 0x8000:
        raise _Unusable("this kind of MIDI file (type 2, or timed in film frames) cannot be read; save it as type 1")
    split = mido.MidiFile(type=1, ticks_per_beat=file.ticks_per_beat)
    written = True
    for track in file.tracks:
        channels = sorted({message.channel for message in track if message.type == "note_on"})
        for first, channel in enumerate(channels or [0]):
            part, now, last = mido.MidiTrack(), 0, 0
            for message in track:
                now += message.time
                shared = message.is_meta and (first == 0 or message.type == "track_name")
                if shared or (not message.is_meta and getattr(message, "channel", channel) == channel):
                    part.append(message.copy(time=now - last))
                    last = now
                if message.type in ("note_on", "note_off"):
                    denominator = Fraction(now, file.ticks_per_beat).denominator
                    written &= any(denominator in (odd, 2 * odd, 4 * odd, 8 * odd, 16 * odd) for odd in (1, 3, 5, 7, 9))
            split.tracks.append(part)
    data = io.BytesIO()
    split.save(file=data)
    parsed = midi.MidiFile()
    parsed.readstr(data.getvalue())
    return midi.translate.midiFileToStream(parsed, quantizePost=not written)


def _choose_instrument(score, wanted):
    """The parts of one instrument; _Unusable where there are several and none is chosen."""
    from music21 import note, stream

    parts = [part for part in score.getElementsByClass(stream.Part)] or [score]
    named: dict[str, list] = {}
    for k, part in enumerate(parts, 1):
        if any(isinstance(element, (note.Note,)) or element.isChord for element in part.flatten().notes):
            instrument = part.getInstrument(returnDefault=False)
            label = (instrument and (instrument.instrumentName or instrument.bestName())) or part.partName
            named.setdefault(label or f"part {k}", []).append(part)
    if not named:
        drums = any(True for part in parts for _ in part.flatten().notes)
        raise _Unusable("there are only drums in it, and drums have no pitch" if drums else "there is no note in it")
    if wanted == "all":
        return [part for group in named.values() for part in group]
    if wanted is not None:
        chosen = [name for name in named if name.casefold() == str(wanted).casefold()]
        if not chosen:
            raise _Unusable(f"no instrument is called {wanted!r}; there is {', '.join(named)}")
        return named[chosen[0]]
    if len(named) > 1:
        names = ", ".join(named)
        raise _Unusable(
            f"{len(named)} instruments play ({names}): choose one, such as instrument={next(iter(named))!r}, "
            'or take instrument="all"'
        )
    return next(iter(named.values()))


def _song_of_stream(score, parts, name, family, merge_ties: bool, title: str = "", analyze_key=False) -> Song:
    """A Song from parts of one music21 score that sound together."""
    from music21 import key, stream

    together = parts[0]
    if len(parts) > 1:
        together = stream.Score()
        for part in parts:
            together.insert(0, part)
    events = events_of_stream(together, merge_ties)
    while events and events[-1].is_rest and name.lower().endswith((".mid", ".midi")):
        events = events[:-1]  # music21 fills the last measure; MIDI itself has no rests
    if all(event.is_rest for event in events):
        raise _Unusable("there is no note in it")
    written = next((k for k in parts[0].recurse().getElementsByClass(key.Key)), None)
    if written is None or analyze_key:
        try:
            found = together.analyze("key")
        except Exception as error:
            raise _Unusable("its key cannot be found: too little music in it") from error
        signature = next((k for k in parts[0].recurse().getElementsByClass(key.KeySignature)), None)
        guesses = [found, *found.alternateInterpretations]
        if signature is not None and not analyze_key:
            guesses = [guess for guess in guesses if guess.sharps == signature.sharps] or guesses
        written = guesses[0]
    tonic = written.tonic.name.replace("-", "b")
    mode = written.mode if written.mode in ("major", "minor") else _mode_from_thirds(events, tonic)  # dorian and so on
    meter, pickup = _meter_and_pickup(parts[0])
    title = title or (score.metadata.title if score.metadata and score.metadata.title else "") or Path(name).stem
    return Song(name, title, family, tonic, mode, meter, events, pickup)


def _meter_and_pickup(stream) -> tuple[str, Fraction]:
    """The first time signature ("4/4" if there is none) and the length of an incomplete first measure."""
    from music21 import meter
    from music21 import stream as streams

    length = lambda quarters: Fraction(quarters).limit_denominator(5040)
    signatures = list(stream.recurse().getElementsByClass(meter.TimeSignature))
    if not signatures:
        return "4/4", Fraction(0)
    full = [length(signature.barDuration.quarterLength) for signature in signatures[:2]]
    if len(signatures) > 1 and full[0] < full[1] and signatures[1].getOffsetInHierarchy(stream) == full[0]:
        return signatures[1].ratioString, full[0]  # MIDI writes an upbeat as a short measure of its own
    measures = list(stream.recurse().getElementsByClass(streams.Measure))
    first = length(measures[0].highestTime) if len(measures) > 1 else Fraction(0)
    return signatures[0].ratioString, first if first < full[0] else Fraction(0)


def _mode_from_thirds(events, tonic: str) -> str:
    """ "minor" if minor thirds above the tonic sound longer than major ones, "major" otherwise."""
    home = pitch_class(tonic)
    lengths = {3: Fraction(0), 4: Fraction(0)}
    for event in events:
        for pitch in event.pitches:
            interval = (pitch - home) % 12
            if interval in lengths:
                lengths[interval] += event.duration
    return "minor" if lengths[3] > lengths[4] else "major"


def _parse_abc(tune: str, version=(2, 1, 0)):
    """A music21 score of one tune; from ABC 2 on, an accidental holds until the barline."""
    from music21 import abcFormat, stream

    if not re.search(r"(?m)^[LM]:", tune):
        tune = re.sub(r"(?m)^(?=K:)", "L:1/8\n", tune, count=1)  # the standard's default, which music21 does not know
    tune = re.sub(r"\[([KLMV]):([^\]\n]*)\]", r"\n\1:\2\n", tune)  # inline fields, which it does not know either
    if "&" in (body := tune[re.search(r"(?m)^K:.*$", tune).end() :]) or re.search(r"\+[a-z]+\+", body):
        raise _Unusable("it uses ABC signs that cannot be read here (& or +...+)")
    handler = abcFormat.ABCFile(abcVersion=version).readstr(tune)
    with mock.patch.object(stream.Stream, "makeBeams", lambda *_, **__: None):  # half the time, for nothing seen here
        return abcFormat.translate.abcToStreamScore(handler)


def tunes_in(text: str):
    """The tunes of an ABC file, each from its X: line to the next; a tune has a K: line and ends at a blank line.

    L: and M: lines before the first tune are the defaults for all.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, *tunes = re.split(r"(?m)^(?=X:)", text)
    defaults = re.findall(r"(?m)^[LM]:.*$", head)
    for tune in tunes:
        if key := re.search(r"(?m)^K:.*$", tune):
            header = tune[: key.start()]
            extra = "".join(line + "\n" for line in defaults if not re.search(rf"(?m)^{line[:2]}", header))
            body = re.split(r"\n[ \t]*\n", tune[key.end() :])[0]
            yield header + extra + key[0] + body.rstrip("\n") + "\n"


def _kern_reference(path: str, code: str) -> str:
    """A reference record of a kern file, such as !!!SCT (catalogue number) or !!!OTL (title)."""
    if not path.lower().endswith(".krn"):
        return ""
    match = re.search(rf"^!!!{code}[^:\n]*:[ \t]*(.*?)[ \t]*$", text_of(path), re.MULTILINE)
    return match[1] if match else ""


def text_of(path) -> str:
    """A text file, in UTF-8 or, as many older kern and ABC files are, in Windows' Latin."""
    raw = Path(path).read_bytes()
    if b"\0" in raw:
        raise UnicodeDecodeError("utf-8", raw[:1], 0, 1, "binary data")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
        if re.search(r"[\x00-\x08\x0e-\x1f\x7f]|\ufffd", text):
            raise
        return text


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
