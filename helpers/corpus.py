"""Collections of songs: the ones that come with music21, and your own folders.

The first load of a collection reads every file, on all cores; the result is cached, and the next load
takes milliseconds. Files that cannot be used are listed with a reason, never dropped in silence.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import replace
from pathlib import Path

from helpers import limits
from helpers.apart import read_apart
from helpers.cache import cached, corpus_of
from helpers.limits import look_at
from helpers.readers import SUFFIXES, VOICES, read_chorale, read_essen, read_file, read_tune, tunes_in, tunes_of
from helpers.reasons import Unusable, reason_of, shown
from helpers.songs import Corpus, Rejected, Song
from helpers.text import text_of
from helpers.tunes import one_tune

DEEPEST = 100  # folders inside one another


def essen_parts() -> list[str]:
    """Names of the parts of the Essen collection inside music21, such as "erk" or "kinder".

    Notebook: none; for songs of your own choice.
    """
    return sorted(_essen_files())


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

    Raises:
        ValueError: `part` is none of them; names those there are.

    Source: Schaffrath (1995), The Essen Folksong Collection; ABC by Seymour Shlien.
    Notebook: 01-markov.
    """
    files = _essen_files()
    if part not in files:
        raise ValueError(f"there is no Essen part {part!r}; choose one of {', '.join(sorted(files))}.")
    name = f"essen-{part}{'-bar' if bar_accidentals else ''}"
    tunes = ((file.name, tune) for file in files[part] for tune in tunes_in(text_of(file)))
    return cached(name, lambda: [(read_essen, (*tune, bar_accidentals)) for tune in tunes], part, unique_ids=True)


def load_chorales() -> Corpus:
    """Bach's four-part chorales inside music21, each as a sequence of chords cut wherever a voice moves.

    Bach set many melodies more than once, so `song.family` is the first chorale of the tune: sopranos that begin
    alike, share a long run or are alike in most of their steps, whatever the key, are one (`helpers.tunes`). Files
    that do not hold exactly four single voices are listed in `rejected`. Tonic and mode are found by music21's key
    analysis (Krumhansl-Schmuckler with Aarden-Essen weights).

    Notebook: 04-autoencoder-vae.
    """
    corpus = _chorales()
    return Corpus([song for song, *_ in _settings(corpus)], corpus.rejected)


def load_chorale_voices() -> list[tuple[Song, Song, Song, Song]]:
    """Soprano, alto, tenor and bass of each song of `load_chorales().songs`, in the same order.

    The four share id, family, tonic, mode and meter, so `in_c()` moves them alike; `title` is the voice's name.
    They are equally long: a voice that ends early is filled up with a rest.

    Notebook: 04-autoencoder-vae.
    """
    return [tuple(voices) for _, *voices in _settings(_chorales())]


def _chorales() -> Corpus:
    """Each chorale as chords, followed by its four voices."""
    folder = _music21_folder() / "corpus" / "bach"
    files = sorted(file for file in folder.iterdir() if re.match(r"bwv[\d.a-z-]+\.(mxl|xml)$", file.name))
    return cached("chorales", lambda: [(read_chorale, (str(file),)) for file in files], "Bach chorales")


def _settings(corpus: Corpus) -> list[list[Song]]:
    """The chords and the four voices of each chorale, with the family that its melody gives them."""
    step = 1 + len(VOICES)
    groups = [corpus.songs[k : k + step] for k in range(0, len(corpus.songs), step)]
    first = one_tune([group[1] for group in groups])
    families = (groups[k][0].id for k in first)
    return [[replace(song, family=family) for song in group] for group, family in zip(groups, families, strict=True)]


def load_songs_in_kern(folder, merge_ties: bool = False) -> Corpus:
    """All **kern files in a folder and the folders below it, such as `deutschl/erk` of the kern Essen songs.

    Args:
        folder: where the .krn files are.
        merge_ties: join tied notes into one event; as printed (two notes) otherwise.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.

    Notebook: none; for songs of your own choice.
    """
    return load_folder(folder, merge_ties=merge_ties, suffixes=(".krn",))


def load_folder(
    folder, instrument=None, merge_ties: bool = True, suffixes=SUFFIXES, melody: bool = False, only=None
) -> Corpus:
    """Your own music: every .krn, .abc, .mid, .mxl, .musicxml file in a folder and the folders below it.

    Several voices on one instrument become chords; in MIDI files, all tracks with one General MIDI program are one
    instrument, whatever they are called ("Right Hand", "Staff-1"). Where a file has several instruments, name the one
    you want. Durations stay exact fractions (a triplet eighth is 1/3); only a MIDI file that was played
    rather than written has its notes moved to the nearest 1/16 or triplet eighth, as music21 does.
    Other files are passed over. A broken one is listed in `rejected` with its reason, and so is one that is too large
    or takes too much time or memory (`helpers.limits` says how much); each is read in a process of its own.

    Args:
        folder: where the files are.
        instrument: the instrument to keep (its name, as `rejected` prints it), and files without it are rejected;
            "all" sounds them together; None takes files with only one.
        merge_ties: join tied notes into one event. MIDI has no ties: there a held note always is one.
        suffixes: which kinds of file to read.
        melody: keep only the highest of the notes that sound together, as `events.skyline`. `Song.skyline` cannot do
            this where voices overlap, because the chords it gets are cut wherever any voice moves.
        only: ids of songs; just these are read, with the rest of their file unless it is ABC. None for all.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.

    Notebook: none; for your own music.
    """
    folder = Path(folder).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}; check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file; give the folder that holds it.")
    named, state, rejected = files_below(folder, suffixes)
    wanted = only and {*only, *(song_id.rpartition("#")[0] for song_id in only)}  # a file of many songs is one job
    stamp = "-" + _digest((state, limits.SECONDS, limits.MEMORY, wanted and sorted(wanted)))
    place = "folder-" + _digest((str(folder.resolve()), instrument, merge_ties, suffixes, melody))
    jobs = lambda: [job for file in named for job in jobs_of(*file, instrument, merge_ties, melody, wanted=wanted)]
    corpus = cached(place, jobs, shown(folder.name), unique_ids=True, stamp=stamp, apart=True)
    return Corpus(corpus.songs, corpus.rejected + rejected)


def jobs_of(path: str, name: str, *how, wanted=None) -> list[tuple]:
    """What is to be read of a file, for `apart.read_apart`: (function, arguments, name) for it, or each tune of ABC.

    Args:
        path: of the file.
        name: what its songs are called by.
        how: instrument, merge_ties and melody, as `load_folder`.
        wanted: ids; None for all.

    Notebook: none; called by store.
    """
    jobs = _every_job(path, name, *how) if wanted is None or any(one.startswith(name) for one in wanted) else []
    return [job for job in jobs if wanted is None or job[2] in wanted]


def _every_job(path: str, name: str, *how):
    if not path.lower().endswith(".abc"):
        return [(read_file, (path, name, *how), name)]
    try:
        return [(read_tune, (tune, label, *how), label) for tune, label in tunes_of(path, name)]
    except (Unusable, OSError) as error:
        return [(_rejected, (name, reason_of(error)), name)]


def _rejected(name: str, reason: str) -> list[Rejected]:
    return [Rejected(name, reason)]


def files_below(folder: Path, suffixes=SUFFIXES) -> tuple[list[tuple[str, str]], list[tuple], list[Rejected]]:
    """The files of music in a folder and the folders below it; links to folders are not followed.

    Args:
        folder: it must be there.
        suffixes: which kinds of file.

    Returns:
        path and name of each, in order; their states: name, size and time; and what cannot be opened.

    Notebook: none; called by store.
    """
    rejected, reason = [], "this folder may not be opened; check its permissions"
    walk = os.walk(folder, onerror=lambda error: rejected.append(Rejected(shown(str(error.filename), 1000), reason)))
    found: list[Path] = []
    for root, folders, names in walk:
        if len(Path(root).parts) - len(folder.parts) > DEEPEST:
            rejected.append(Rejected(shown(root, 1000), f"it lies more than {DEEPEST} folders deep; move it up"))
            folders.clear()
        elif "__MACOSX" not in root:
            found += (Path(root) / name for name in names)
    wanted = (file for file in found if file.suffix.lower() in suffixes and not file.name.startswith("."))
    named, state = [], []
    for file in sorted(wanted):
        name = shown(str(file.relative_to(folder)), 1000)
        try:
            seen = look_at(file)
            state.append((name, seen.st_size, seen.st_mtime_ns))
            named.append((str(file), name))
        except (Unusable, OSError) as error:
            rejected.append(Rejected(name, reason_of(error)))
    return named, state, rejected


def _digest(thing) -> str:
    return hashlib.sha256(repr(thing).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def load_file(path, instrument=None, merge_ties: bool = True, melody: bool = False, first: bool = False) -> Corpus:
    """The songs in one file, by its ending: kern, ABC, MIDI or MusicXML. Nothing is cached.

    Args:
        path: of the file.
        instrument, merge_ties, melody: as `load_folder`.
        first: stop at the first song that can be used; of an ABC file's tunes, three are tried at most.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: its ending is none of these.

    Notebook: none; called by widgets.
    """
    path = Path(path).expanduser()
    if not path.exists() or path.is_dir():
        raise FileNotFoundError(f"there is no file {str(path)!r}; check the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name!r} is no music file that can be read; use one of {', '.join(SUFFIXES)}.")
    jobs = jobs_of(str(path), shown(path.name, 1000), instrument, merge_ties, melody)
    if not first:
        return corpus_of([song for songs in read_apart(jobs) for song in songs], unique_ids=True)
    found: list = []
    for job in jobs[:3]:  # one after the other: what comes after the first is not wanted
        found += next(read_apart([job]))
        if any(isinstance(one, Song) for one in found):
            break
    return corpus_of(found, unique_ids=True)


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
