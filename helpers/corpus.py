"""Collections of songs: the ones that come with music21, and your own folders.

The first load of a collection reads every file, on all cores; the result is cached, and the next load
takes milliseconds. Files that cannot be used are listed with a reason, never dropped in silence.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from unittest import mock

from helpers.files import write_atomically
from helpers.songs import Event, Song, events_of_stream, pitch_class

SUFFIXES = (".krn", ".abc", ".mid", ".midi", ".mxl", ".musicxml", ".xml")
CACHE_VARIABLE = "NOTES_CACHE"  # set it to a folder to keep the caches there


@dataclass(frozen=True)
class Rejected:
    """A file or song that was not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """Songs that could be read, and what could not, with the reason."""

    songs: list[Song]
    rejected: list[Rejected] = field(default_factory=list)


def essen_parts() -> list[str]:
    """Names of the parts of the Essen collection inside music21, such as "erk" or "kinder"."""
    return sorted(_essen_files())


VOICES = ("soprano", "alto", "tenor", "bass")  # of a chorale, from high to low


def load_essen(part: str = "erk", bar_accidentals: bool = False) -> Corpus:
    """One part of the Essen folk song collection, from the ABC files inside music21: nothing is downloaded.

    "erk" is Erk and Böhme's *Deutscher Liederhort* (1893-94), 1,754 songs. The files give the tonic but
    not the mode: it is minor where minor thirds above the tonic sound longer than major ones.
    Ties are left as two notes. `song.family` is the song's number without the letter of its variant.

    Args:
        part: one of `essen_parts()`.
        bar_accidentals: let an accidental hold until the barline, as in print. music21 reads these files as
            ABC 1.3, where it holds for its own note only, and the series' published figures rest on that
            reading; in "erk" the two differ in 0.4 % of the notes.
    Raises: ValueError naming the parts there are, if `part` is none of them.
    Source: Schaffrath (1995), The Essen Folksong Collection; ABC by Seymour Shlien.
    """
    files = _essen_files()
    if part not in files:
        raise ValueError(f"there is no Essen part {part!r}; choose one of {', '.join(sorted(files))}.")
    jobs = lambda: [
        (_read_essen, (file.name, tune, bar_accidentals)) for file in files[part] for tune in _tunes(_text(file))
    ]
    return _cached(f"essen-{part}{'-bar' if bar_accidentals else ''}", jobs, part, unique_ids=True)


def load_chorales() -> Corpus:
    """Bach's four-part chorales inside music21, each as a sequence of chords cut wherever a voice moves.

    Bach set many melodies more than once, so `song.family` stands for the opening of the melody, whatever
    its key and rhythm. Files that do not hold exactly four single voices are listed in `rejected`. Tonic and mode
    are found by music21's key analysis (Krumhansl-Schmuckler with Aarden-Essen weights).
    """
    corpus = _chorales()
    return Corpus([song for song, *_ in _settings(corpus)], corpus.rejected)


def load_chorale_voices() -> list[tuple[Song, Song, Song, Song]]:
    """Soprano, alto, tenor and bass of each song of `load_chorales().songs`, in the same order.

    The four share id, family, tonic, mode and meter, so `in_c()` moves them alike; `title` is the voice's name.
    They are equally long: a voice that ends early is filled up with a rest.
    """
    return [tuple(voices) for _, *voices in _settings(_chorales())]


def _chorales() -> Corpus:
    """Each chorale as chords, followed by its four voices."""
    folder = _music21_folder() / "corpus" / "bach"
    files = sorted(file for file in folder.iterdir() if re.match(r"bwv[\d.a-z-]+\.(mxl|xml)$", file.name))
    return _cached("chorales", lambda: [(_read_chorale, (str(file),)) for file in files], "Bach chorales")


def _settings(corpus: Corpus) -> list[list[Song]]:
    """The chords and the four voices of each chorale, with the family that its melody gives them."""
    step = 1 + len(VOICES)
    groups = (corpus.songs[k : k + step] for k in range(0, len(corpus.songs), step))
    return [[replace(song, family=_opening(group[0])) for song in group] for group in groups]


def load_songs_in_kern(folder, merge_ties: bool = False) -> Corpus:
    """All **kern files in a folder and the folders below it, such as `deutschl/erk` of the kern Essen songs.

    Args:
        folder: where the .krn files are.
        merge_ties: join tied notes into one event; as printed (two notes) otherwise.
    Raises: FileNotFoundError or NotADirectoryError naming the folder.
    """
    return load_folder(folder, merge_ties=merge_ties, suffixes=(".krn",))


def load_folder(folder, instrument=None, merge_ties: bool = True, suffixes=SUFFIXES) -> Corpus:
    """Your own music: every .krn, .abc, .mid, .mxl, .musicxml file in a folder and the folders below it.

    Several voices on one instrument become chords. Where a file has several instruments, name the one
    you want. Durations stay exact fractions (a triplet eighth is 1/3); only a MIDI file that was played
    rather than written has its notes moved to the nearest 1/16 or triplet eighth, as music21 does.
    Other files are passed over. A broken one is listed in `rejected` with its reason.

    Args:
        folder: where the files are.
        instrument: the instrument to keep where a file has several (its name, as `rejected` prints it),
            or "all" to sound them together.
        merge_ties: join tied notes into one event.
        suffixes: which kinds of file to read.
    Raises: FileNotFoundError or NotADirectoryError naming the folder.
    """
    folder = Path(folder).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}; check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file; give the folder that holds it.")
    locked: list[Rejected] = []
    refuse = lambda error: locked.append(
        Rejected(str(error.filename), "this folder may not be opened; check its permissions")
    )
    walk = os.walk(folder, onerror=refuse)
    found = (Path(root) / name for root, _, names in walk if "__MACOSX" not in root for name in names)
    wanted = (file for file in found if file.suffix.lower() in suffixes and not file.name.startswith("."))
    files = sorted(file for file in wanted if os.path.isfile(file))
    stamp = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    digest = lambda thing: hashlib.sha256(repr(thing).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    place = digest((str(folder.resolve()), instrument, merge_ties, suffixes))
    jobs = lambda: [(_read_file, (str(f), str(f.relative_to(folder)), instrument, merge_ties)) for f in files]
    corpus = _cached(f"folder-{place}", jobs, folder.name, unique_ids=True, stamp="-" + digest(stamp))
    return Corpus(corpus.songs, corpus.rejected + locked)


def load_file(path, instrument=None, merge_ties: bool = True) -> Corpus:
    """The songs in one file, by its ending: kern, ABC, MIDI or MusicXML. Nothing is cached.

    Args: instrument, merge_ties: as `load_folder`.
    Raises: FileNotFoundError naming the file; ValueError for an ending that is none of these.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}; check the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name!r} is no music file that can be read; use one of {', '.join(SUFFIXES)}.")
    found = _read_file(str(path), path.name, instrument, merge_ties)
    songs = _with_unique_ids([thing for thing in found if isinstance(thing, Song)])
    return Corpus(songs, [thing for thing in found if isinstance(thing, Rejected)])


def _opening(song: Song) -> str:
    """The first 14 steps and leaps of the top voice, as a name."""
    top = [event.pitches[-1] for event in song.events if event.pitches]
    steps = [after - before for before, after in zip(top, top[1:], strict=False) if after != before][:14]
    return hashlib.sha256(str(steps).encode()).hexdigest()[:12]


# ---- reading one file (these run in worker processes and never raise) ----


def _read_essen(file: str, tune: str, bar_accidentals: bool):
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


def _read_chorale(path: str):
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


def _read_file(path: str, name: str, instrument, merge_ties: bool):
    """One file of a folder -> list of Song or Rejected (an ABC file may hold many tunes)."""
    suffix = Path(path).suffix.lower()
    try:
        if os.path.getsize(path) == 0:
            return [Rejected(name, "the file is empty")]
        if suffix == ".abc":
            tunes = list(_tunes(_text(path)))
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
        text = _text(path)
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


def _tunes(text: str):
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
    match = re.search(rf"^!!!{code}[^:\n]*:[ \t]*(.*?)[ \t]*$", _text(path), re.MULTILINE)
    return match[1] if match else ""


def _text(path) -> str:
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


# ---- where the collections are, and the cache ----


def _music21_folder() -> Path:
    """music21's folder, found without importing it."""
    spec = importlib.util.find_spec("music21")
    if spec is None:
        raise ModuleNotFoundError("music21 is not installed; it carries the songs. Run: pip install music21")
    return Path(spec.origin).parent


def _essen_files() -> dict[str, list[Path]]:
    """Part name -> its ABC files. "erk5" holds other songs (numbered L0031A ...) and stays a part of its own."""
    parts: dict[str, list[Path]] = {}
    for file in sorted((_music21_folder() / "corpus" / "essenFolksong").glob("*.abc")):
        name = file.stem if file.stem == "erk5" else re.sub(r"\d+$", "", file.stem)
        if not name.startswith("test"):
            parts.setdefault(name, []).append(file)
    return parts


def cache_folder() -> Path:
    """$NOTES_CACHE, else data/cache beside this project, else (where that is read-only) the user's cache folder."""
    if os.environ.get(CACHE_VARIABLE):
        folder = Path(os.environ[CACHE_VARIABLE]).expanduser()
        with contextlib.suppress(OSError):  # said later, when the cache cannot be written
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    data = Path(__file__).resolve().parent.parent / "data"
    if data.is_dir():
        folder = data / "cache"
        try:
            folder.mkdir(exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
        except OSError:
            pass  # read-only: fall through
    import platformdirs

    folder = platformdirs.user_cache_path("notes-from-scratch")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _loader_version() -> str:
    """Changes whenever the code that reads songs does, so that no cache outlives its reader."""
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in ("corpus.py", "songs.py"))
    return hashlib.sha256(code).hexdigest()[:8]


def _cached(name: str, jobs, label: str, unique_ids: bool = False, stamp: str = "") -> Corpus:
    """The corpus from its cache, or read by `jobs` on all cores and then cached in place of any older one."""
    version = importlib.metadata.version("music21")
    path = cache_folder() / f"{name}-music21_{version}-{_loader_version()}{stamp}.json"
    corpus = _from_cache(path)
    if corpus is None:
        with _alone(path.with_name(f".{name}.lock")):
            corpus = _from_cache(path, quiet=True)  # of another process, that has just read the same songs
            if corpus is None:
                corpus = _read(path, name, jobs, label, unique_ids)
    return corpus


def _from_cache(path: Path, quiet: bool = False) -> Corpus | None:
    """The corpus in `path`; None, with a reason unless `quiet`, if there is none that can be used."""
    problem = ""
    try:
        return _unpack(path.read_text(encoding="utf-8"))
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            problem = f"cannot be read ({error.strerror})"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        problem = "was damaged"
    if problem and not quiet:
        print(f"The cache {path} {problem}; reading the songs again.", file=sys.stderr)
    return None


@contextlib.contextmanager
def _alone(path: Path):
    """One process reads a collection; others that want it wait, and then find its cache."""
    import filelock

    lock = filelock.FileLock(path)
    with contextlib.ExitStack() as stack:
        try:
            lock.acquire(blocking=False)
            stack.callback(lock.release)
        except filelock.Timeout:
            print("Waiting for another process that is reading the same songs.", file=sys.stderr)
            stack.enter_context(lock)
        except (OSError, NotImplementedError):  # a folder that cannot be written, or a disk without locks
            pass
        yield


def _read(path: Path, name: str, jobs, label: str, unique_ids: bool) -> Corpus:
    results = _in_parallel(jobs(), label)
    songs = [song for song in results if isinstance(song, Song)]
    if unique_ids:
        songs = _with_unique_ids(songs)
    corpus = Corpus(songs, [rejected for rejected in results if isinstance(rejected, Rejected)])
    try:
        write_atomically(path, _pack(corpus).encode("utf-8"))
        for old in path.parent.glob(f"{name}-music21_*.json"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        print(
            f"The songs were read but not cached: {error.strerror or error} in {path.parent}. Set {CACHE_VARIABLE} to "
            "a folder that can be written.",
            file=sys.stderr,
        )
    return corpus


def _in_parallel(jobs: list, label: str) -> list:
    """Runs (function, arguments) pairs on all cores, with a progress bar, and chains their results in order."""
    from tqdm import tqdm  # plain text, so that a saved notebook stays readable

    if len(jobs) < 20:  # starting worker processes would take longer
        return [result for function, arguments in jobs for result in function(*arguments)]
    import joblib  # its workers start alike on Linux, macOS and Windows, in scripts and notebooks

    chunks = [jobs[k : k + 8] for k in range(0, len(jobs), 8)]
    workers = joblib.Parallel(n_jobs=-1, return_as="generator")(joblib.delayed(_run_chunk)(chunk) for chunk in chunks)
    results = []
    with tqdm(total=len(jobs), desc=f"Reading {label}", unit="song") as bar:
        for chunk, read in zip(chunks, workers, strict=True):
            results.extend(read)
            bar.update(len(chunk))
    return results


def _run_chunk(jobs: list) -> list:
    return [result for function, arguments in jobs for result in function(*arguments)]


def _with_unique_ids(songs: list[Song]) -> list[Song]:
    """Erk's numbering repeats itself four times; the second E0001 becomes E0001#2."""
    seen: dict[str, int] = {}
    unique = []
    for song in songs:
        seen[song.id] = seen.get(song.id, 0) + 1
        unique.append(song if seen[song.id] == 1 else replace(song, id=f"{song.id}#{seen[song.id]}"))
    return unique


def _pack(corpus: Corpus) -> str:
    """JSON with every distinct event written once: a corpus has few, and the file loads in milliseconds."""
    table: dict[Event, int] = {}
    songs = []
    for song in corpus.songs:
        numbers = [table.setdefault(event, len(table)) for event in song.events]
        labels = [song.id, song.title, song.family, song.tonic, song.mode, song.meter, str(song.pickup)]
        songs.append([labels, numbers])
    body = json.dumps(
        {
            "events": [[list(event.pitches), str(event.duration)] for event in table],
            "songs": songs,
            "rejected": [[rejected.name, rejected.reason] for rejected in corpus.rejected],
        }
    )
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body})


def _unpack(text: str) -> Corpus:
    """The inverse of _pack. Raises ValueError if the text is not what _pack wrote."""
    outer = json.loads(text)
    if hashlib.sha256(outer["body"].encode()).hexdigest() != outer["sha256"]:
        raise ValueError("checksum")
    data = json.loads(outer["body"])
    table = [Event(tuple(pitches), Fraction(duration)) for pitches, duration in data["events"]]
    songs = [
        Song(*labels[:6], tuple(map(table.__getitem__, numbers)), Fraction(labels[6]))
        for labels, numbers in data["songs"]
    ]
    return Corpus(songs, [Rejected(*row) for row in data["rejected"]])
