"""One file of music -> its songs, or the reason why not.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

from helpers.events import Event, events_of_stream
from helpers.limits import SLURRED, TUNES, few_notes_in_text, look_at, look_into, unpacked
from helpers.midi import read_midi
from helpers.reasons import Unusable, chosen_parts, reason_of, shown
from helpers.songs import Rejected, Song, pitch_class
from helpers.text import text_of

SUFFIXES = (".krn", ".abc", ".mid", ".midi", ".mxl", ".musicxml", ".xml")
VOICES = ("soprano", "alto", "tenor", "bass")  # of a chorale, from high to low


def read_essen(file: str, tune: str, bar_accidentals: bool):
    """One ABC tune of the Essen collection.

    Args:
        file: name of the file that holds it, for what is said of a tune that cannot be read.
        tune: its text.
        bar_accidentals: let an accidental hold until the barline.

    Returns:
        A list with its Song, or with a Rejected.

    Notebook: none; called by corpus.
    """
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
        return [Rejected(number, f"tune X:{header.get('X', '?')} of {file} {reason_of(error)}")]


def read_chorale(path: str):
    """One of the files with Bach's chorales inside music21.

    Args:
        path: of the file.

    Returns:
        A list with the Song of its chords and the four of its voices from high to low, or with a Rejected.

    Notebook: none; called by corpus.
    """
    from music21 import converter  # slow to import, and a cached load does without

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
        return [song, *_voices(song, lines)]
    except Exception as error:
        return [Rejected(name, reason_of(error))]


def _voices(song: Song, lines: list[tuple]) -> list[Song]:
    """A song's four voices from high to low, each filled up with a rest where it ends early."""
    lines = sorted(lines, key=_mean_pitch, reverse=True)  # a few files print the tenor above the alto
    longest = max(sum(event.duration for event in events) for events in lines)
    voices = []
    for label, events in zip(VOICES, lines, strict=True):
        short = longest - sum(event.duration for event in events)
        events = (*events, Event((), short)) if short else events
        voices.append(replace(song, title=label, events=events))
    return voices


def _mean_pitch(events) -> float:
    """The mean pitch of what sounds, weighted by duration."""
    notes = [event for event in events if event.pitches]
    return float(sum(sum(e.pitches) * e.duration for e in notes) / sum(len(e.pitches) * e.duration for e in notes))


def read_file(path: str, name: str, instrument: str | None, merge_ties: bool, melody: bool = False):
    """One file of a folder, by its ending.

    Args:
        path: of the file.
        name: id of its song; where an ABC file holds many, each gets a number behind it.
        instrument: name of the one to keep where there are several, or "all".
        merge_ties: join tied notes into one event.
        melody: keep only the highest of the notes that sound together, as `events.skyline`.

    Returns:
        A list of Song or Rejected, never empty; nothing is raised.

    Notebook: none; called by corpus.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix != ".abc":
            look_at(path)
            if suffix in (".mid", ".midi"):
                return [read_midi(path, name, instrument, melody)]
            with _without_accents():
                return [_song_of_score(*_parse(path, suffix), name, instrument, merge_ties, melody)]
        tunes = tunes_of(path, name)
    except Exception as error:
        return [Rejected(name, reason_of(error))]
    return [song for tune, label in tunes for song in read_tune(tune, label, instrument, merge_ties, melody)]


def tunes_of(path: str, name: str) -> list[tuple[str, str]]:
    """The tunes of an ABC file, each with its id.

    Args:
        path: of the file.
        name: id of its song; where it holds many, each gets a number behind it.

    Raises:
        Unusable: it is not ABC notation, or has too many tunes.
        OSError: it cannot be opened.

    Notebook: none; called by corpus.
    """
    look_at(path)
    tunes = list(tunes_in(text_of(path)))
    if not tunes:
        raise Unusable("this is not ABC notation: it has no tune with an X: and a K: line")
    if len(tunes) > TUNES:
        raise Unusable(f"it has {len(tunes):,} tunes, and {TUNES:,} is the most that is read of a file; split it")
    names = [name] if len(tunes) == 1 else [f"{name}#{k}" for k in range(1, len(tunes) + 1)]
    return list(zip(tunes, names, strict=True))


def read_tune(tune: str, name: str, instrument: str | None, merge_ties: bool, melody: bool = False):
    """One tune of an ABC file; if it cannot be read, the others can.

    Args:
        tune: its text.
        name: its id.
        instrument, merge_ties, melody: as `read_file`.

    Returns:
        A list with its Song, or with a Rejected.

    Notebook: none; called by corpus.
    """
    try:
        few_notes_in_text(tune, ".abc")
        return [_song_of_score(_parse_abc(tune), "", name, instrument, merge_ties, melody)]
    except Exception as error:
        return [Rejected(name, reason_of(error))]


def _parse(path: str, suffix: str):
    """A music21 score of one file, with its text if it is kern; or Unusable with what is wrong with it."""
    from music21 import converter  # as in read_chorale
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    if suffix == ".krn":
        text = text_of(path)
        if "**kern" not in text:
            raise Unusable("this is not kern: no column begins with **kern")
        few_notes_in_text(text, suffix)
        return converter.parse(text, format="humdrum"), text
    data = unpacked(path) if suffix == ".mxl" else Path(path).read_bytes()
    look_into(data)
    importer = MusicXMLImporter()
    root = ElementTree.fromstring(data)
    if root.tag != "score-partwise":
        raise Unusable(f"its measures hold the parts (<{root.tag}>); save it as score-partwise MusicXML")
    importer.xmlRootToScore(root, importer.stream)
    return importer.stream.toSoundingPitch(inPlace=False), ""  # a clarinet's written D sounds as C


def _parts_of_instrument(score, wanted: str | None) -> list:
    """The parts of one instrument of a music21 score."""
    from music21 import note, stream  # as in read_chorale

    parts = list(score.getElementsByClass(stream.Part)) or [score]
    named: dict[str, list] = {}
    for k, part in enumerate(parts, 1):
        if any(isinstance(element, note.Note) or element.isChord for element in part.flatten().notes):
            instrument = part.getInstrument(returnDefault=False)
            label = (instrument and (instrument.instrumentName or instrument.bestName())) or part.partName
            named.setdefault(label or f"part {k}", []).append(part)
    return chosen_parts(named, wanted, drums=any(True for part in parts for _ in part.flatten().notes))


def _song_of_score(score, kern: str, name: str, instrument: str | None, merge_ties: bool, melody: bool) -> Song:
    """A Song from one music21 score; of a kern file, whose text it gets, with what its reference records say."""
    if not hasattr(score, "parts"):
        raise Unusable("it holds several pieces; put each in a file of its own")
    parts = _parts_of_instrument(score, instrument)
    family = re.sub(r"(?<=\d)[A-Z]+$", "", _kern_reference(kern, "SCT")) or name
    title = _kern_reference(kern, "OTL")
    return _song_of_stream(score, parts, name, family, merge_ties, title, melody=melody)


def _song_of_stream(
    score, parts, name, family, merge_ties: bool, title: str = "", analyze_key=False, melody=False
) -> Song:
    """A Song from parts of one music21 score that sound together."""
    from music21 import key, stream  # as in read_chorale

    together = parts[0]
    if len(parts) > 1:
        together = stream.Score()
        for part in parts:
            together.insert(0, part)
    events = events_of_stream(together, merge_ties, melody)
    if all(event.is_rest for event in events):
        raise Unusable("there is no note in it")
    written = parts[0].recurse().getElementsByClass(key.Key).first()
    if written is None or analyze_key:
        try:
            found = together.analyze("key")
        except Exception as error:
            raise Unusable("its key cannot be found: too little music in it") from error
        signature = parts[0].recurse().getElementsByClass(key.KeySignature).first()
        guesses = [found, *found.alternateInterpretations]
        if signature is not None and not analyze_key:
            guesses = [guess for guess in guesses if guess.sharps == signature.sharps] or guesses
        written = guesses[0]
    tonic = written.tonic.name.replace("-", "b")
    mode = written.mode if written.mode in ("major", "minor") else _mode_from_thirds(events, tonic)  # dorian and so on
    meter, pickup = _meter_and_pickup(parts[0])
    title = title or (score.metadata.title if score.metadata and score.metadata.title else "") or Path(name).stem
    return Song(name, shown(title), shown(family), tonic, mode, meter, events, pickup)


def _meter_and_pickup(stream) -> tuple[str, Fraction]:
    """The first time signature ("4/4" if there is none) and the length of an incomplete first measure."""
    from music21 import meter  # as in read_chorale
    from music21 import stream as streams

    signatures = list(stream.recurse().getElementsByClass(meter.TimeSignature))
    if not signatures:
        return "4/4", Fraction(0)
    full = [Fraction(signature.barDuration.quarterLength) for signature in signatures[:2]]
    if len(signatures) > 1 and full[0] < full[1] and signatures[1].getOffsetInHierarchy(stream) == full[0]:
        return signatures[1].ratioString, full[0]  # MIDI writes an upbeat as a short measure of its own
    measures = list(stream.recurse().getElementsByClass(streams.Measure))
    first = Fraction(measures[0].highestTime).limit_denominator(5040) if len(measures) > 1 else Fraction(0)
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
    from music21 import abcFormat, stream  # as in read_chorale

    if not re.search(r"(?m)^[LM]:", tune):
        tune = re.sub(r"(?m)^(?=K:)", "L:1/8\n", tune, count=1)  # the standard's default, which music21 does not know
    tune = re.sub(r"\[([KLMV]):([^\]\n]*)\]", r"\n\1:\2\n", tune)  # inline fields, which it does not know either
    if "&" in (body := tune[re.search(r"(?m)^K:.*$", tune).end() :]) or re.search(r"\+[a-z]+\+", body):
        raise Unusable("it uses ABC signs that cannot be read here (& or +...+)")
    with _without_accents():
        handler = abcFormat.ABCFile(abcVersion=version).readstr(tune)
    under = Counter(id(slur) for token in handler.tokens for slur in getattr(token, "applicableSpanners", ()))
    if sum(notes**2 for notes in under.values()) > SLURRED:
        raise Unusable("it is damaged: many of its slurs have no end")
    with (
        _without_accents(),
        mock.patch.object(stream.Stream, "makeBeams", lambda *_, **__: None),
    ):  # half the time, for nothing seen here
        return abcFormat.translate.abcToStreamScore(handler)


@contextlib.contextmanager
def _without_accents():
    """No accent weights, which nothing here asks for, and which cost music21 minutes where a measure is very long."""
    from music21 import meter  # as in read_chorale

    with mock.patch.object(meter.TimeSignature, "_setDefaultAccentWeights", lambda *_, **__: None):
        yield


def tunes_in(text: str):
    """The tunes of an ABC file, each from its X: line to the next; a tune has a K: line and ends at a blank line.

    L: and M: lines before the first tune are the defaults for all.

    Args:
        text: of the file.

    Notebook: none; called by read_file and corpus.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, *tunes = re.split(r"(?m)^(?=X:)", text)
    defaults = {line[0]: line for line in re.findall(r"(?m)^[LM]:.*$", head)}.values()  # the last one of each counts
    for tune in tunes:
        if key := re.search(r"(?m)^K:.*$", tune):
            header = tune[: key.start()]
            extra = "".join(line + "\n" for line in defaults if not re.search(rf"(?m)^{line[:2]}", header))
            body = re.split(r"\n[ \t]*\n", tune[key.end() :])[0]
            yield header + extra + key[0] + body.rstrip("\n") + "\n"


def _kern_reference(text: str, code: str) -> str:
    """A reference record of a kern file, such as !!!SCT (catalogue number) or !!!OTL (title)."""
    match = re.search(rf"^!!!{code}[^:\n]*:[ \t]*(.*?)[ \t]*$", text, re.MULTILINE)
    return match[1] if match else ""
