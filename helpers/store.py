"""More songs than memory holds: parsed once, on all cores, into files of numbers that are mapped and never loaded.

A store is a folder of shards. Each is a safetensors file with the tokens and clocks of 200 songs, one after the other,
and it appears whole or not at all; so what was interrupted goes on where it stopped. `benchmarks/stores.py` compares
the format with Arrow, Parquet and `datasets`.

Notebook: 10-more-machines.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch.utils.data import Dataset
from tqdm import tqdm

from helpers.apart import read_apart
from helpers.corpus import files_below, jobs_of, load_essen
from helpers.datasets import split_by_family, tune_name
from helpers.encoders import TERM_SYMBOL, NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.files import write_atomically
from helpers.readers import SUFFIXES
from helpers.songs import Rejected, Song

PARTS = ("train", "validation", "test")
SHARD = 200  # readings; a core parses them in a second or a few


def melodies_of(notebook: str) -> ModuleType:
    """What spells and scores melodies in a notebook: its own exported cells, or those of notebook 03 that it builds on.

    Args:
        notebook: name of the notebook, such as "06-attention".

    Returns:
        a module with note_alphabet, note_data, note_loss, note_losses and LikeLengths.

    Raises:
        FileNotFoundError: naming the notebooks there are, if this is none of them.
        ValueError: if it trains no network on melodies.

    Notebook: none; called by `prepare` and training.task.
    """
    module = from_notebook(notebook)
    for one in (module, *(value for value in vars(module).values() if isinstance(value, ModuleType))):
        if hasattr(one, "note_data") and hasattr(one, "note_loss"):
            return one
    raise ValueError(f"notebook {notebook!r} exports no network for melodies; 03-lstm, 05-wavenet and 06-attention do.")


def readings_of(source: str) -> list[tuple[str, str] | Song | Rejected]:
    """What is to be read: path and name of each file in a folder, and what cannot be opened; or the songs of a book.

    Args:
        source: a folder of .krn, .abc, .mid, .mxl and .musicxml files, or a book inside music21, such as "essen:erk".

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
        ValueError: there is no music in it, or no such book.

    Notebook: 10-more-machines.
    """
    if source.startswith("essen:"):
        return list(load_essen(source.removeprefix("essen:")).songs)
    folder = Path(source).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {source!r}; check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{source!r} is a file; give the folder that holds it.")
    named, _, rejected = files_below(folder)
    if not named and not rejected:
        raise ValueError(f"there is no music in {source!r}: it holds no file that ends in {', '.join(SUFFIXES)}.")
    return [*named, *rejected]


def melodies_in(readings: Iterable[tuple[str, str] | Song | Rejected]) -> Iterator[Song | Rejected]:
    """The songs in files, of chords the highest note; each that is in no catalogue has its title as its family.

    Files are read in a process apart, as `load_folder` reads them, but by Dask's workers, which may start none.

    Args:
        readings: as `readings_of` gives them; songs are passed on as they are.

    Notebook: none; called by `prepare`.
    """
    for are_files, some in groupby(readings, key=lambda one: isinstance(one, tuple)):
        if not are_files:
            yield from some
            continue
        jobs = (job for path, name in some for job in jobs_of(path, name, None, True, True))
        alone = multiprocessing.current_process().daemon
        groups = (function(*how) for function, how, _ in jobs) if alone else read_apart(jobs, cores=1)
        for one in (one for group in groups for one in group):
            named = isinstance(one, Song) and one.family == one.id and tune_name(one)
            yield replace(one, family=named) if named else one


def digest_of(readings: Sequence, *more) -> str:
    """Twelve letters that change when what is read does: the names, sizes and times of the files, or the songs.

    Args:
        readings: as `readings_of` gives them.
        more: what else decides what is stored.

    Notebook: none; names the store of `helpers.training`.
    """
    hashed = hashlib.sha256(repr(more).encode())
    for one in readings:
        if isinstance(one, tuple):
            with contextlib.suppress(OSError):  # it went a moment ago, and will be rejected
                stat = os.stat(one[0])
                one = one[1], stat.st_size, stat.st_mtime_ns
        hashed.update(repr(one).encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()[:12]


def prepare(readings: Sequence, folder, notebook: str, in_c: bool = True, shard: int = SHARD, jobs: int = -1):
    """Parses songs on all cores into a store; shards that are there already are not made again.

    The work goes through joblib: inside `joblib.parallel_config("dask")` the cores are those of a Dask cluster.
    Files' songs are one family if the letters of their titles are the same. Their melodies are not compared,
    as `make yours` does: 200,000 songs have 20 billion pairs.

    Args:
        readings: what is to be read, as `readings_of` gives it.
        folder: of the store; made if it is not there. Give other songs another folder.
        notebook: whose notes and clocks are stored.
        in_c: whether songs move to C major or A minor first.
        shard: readings a file.
        jobs: processes that parse; one for each core if -1.

    Returns:
        the Store.

    Raises:
        ValueError: if not one song can be used; with the first reason.
        OSError: if the disk is full; the shards that are there stay.

    Notebook: 10-more-machines.
    """
    melodies_of(notebook)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [folder / f"shard-{k:05}.safetensors" for k in range(-(-len(readings) // shard))]
    left = sum(not path.is_file() for path in wanted)
    tasks = (
        joblib.delayed(_write_shard)(path, readings[k * shard : (k + 1) * shard], notebook, in_c)
        for k, path in enumerate(wanted)
        if not path.is_file()
    )
    done = joblib.Parallel(n_jobs=jobs if left > 1 else 1, return_as="generator")(tasks)
    for _ in tqdm(done, f"Preparing {len(readings):,} files or songs", left, unit="shard", disable=left < 5 or None):
        pass
    return Store(wanted)


def _write_shard(path: Path, readings: Sequence, notebook: str, in_c: bool) -> None:
    """Reads some songs and writes them down as numbers; what the notebook cannot spell is rejected with the reason."""
    book, songs, tokens, rejected = melodies_of(notebook), [], {TERM_SYMBOL}, []
    for one in melodies_in(readings):
        try:
            if isinstance(one, Song):
                song = one.in_c() if in_c else one
                tokens.update(_spelled(song, book))
                songs.append(song)
            else:
                rejected.append([one.name, one.reason])
        except ValueError as error:  # an EncodingError is one too
            rejected.append([one.id, str(error)])
    alphabet = _alphabet_of(tokens, book)[0]
    data, split = book.note_data(songs, alphabet), split_by_family(songs)
    part = {id(song): k for k, name in enumerate(PARTS) for song in getattr(split, name)}
    tensors = {
        "ids": torch.cat(data.songs).short() if songs else torch.zeros(0, dtype=torch.short),
        "clocks": torch.cat(data.columns).short() if songs else torch.zeros(0, 0, dtype=torch.short),
        "starts": torch.tensor([0, *map(len, data.songs)]).cumsum(0),
        "parts": torch.tensor([part[id(song)] for song in songs], dtype=torch.uint8),
    }
    texts = {"vocabulary": alphabet.vocabulary, "names": [song.id for song in songs], "rejected": rejected}
    write_atomically(path, to_bytes(tensors, {"texts": json.dumps(texts)}))  # several texts would come in any order


def _spelled(song: Song, book) -> list[str]:
    """Tokens (time,); ValueError for a song that the notebook cannot spell."""
    tokens = NoteEncoder().encode(song)
    if len(tokens) < 4:
        raise ValueError("it has fewer than two notes")
    meters = getattr(book, "METERS", getattr(getattr(book, "fnn", None), "METERS", None))
    if meters and song.meter not in meters:
        raise ValueError(f"its meter is {song.meter}, and the notebook knows {', '.join(meters)}")
    return tokens


def _alphabet_of(tokens, book):
    """The notebook's own alphabet of all these tokens, and how many durations it has."""
    return book.note_alphabet([NoteEncoder().decode(sorted(set(tokens) - {TERM_SYMBOL}))])


class Store(Dataset):
    """The songs of a store; each is read from the disk when it is asked for.

    Args:
        paths: of the shards.

    Items:
        x (time,), y (time,) and z (time, columns), as a SongDataset gives them; x and y in `alphabet`'s numbers.

    Attributes:
        alphabet: StringToIntEncoder of all tokens that are there, as the notebook spells them.
        durations: how many durations it has.
        lengths: notes of each song, an array.

    Raises:
        ValueError: if there is no song in it; with the first reason.

    Notebook: 10-more-machines.
    """

    def __init__(self, paths: Sequence[Path]):
        self.paths = [Path(path) for path in paths]
        self._files = [safe_open(str(path), "pt") for path in self.paths]
        self._starts = [file.get_tensor("starts") for file in self._files]
        self._slices = [(file.get_slice("ids"), file.get_slice("clocks")) for file in self._files]
        self._first = np.cumsum([0] + [len(starts) - 1 for starts in self._starts])
        self.lengths = np.concatenate([np.diff(starts.numpy()) - 1 for starts in self._starts] or [np.zeros(0)])
        self._parts = np.concatenate([file.get_tensor("parts").numpy() for file in self._files] or [np.zeros(0)])
        if not len(self):
            raise ValueError(f"all {len(self.rejected)} songs were rejected; the first: {self._first_reason()}")
        self._spelling = [self._text(k, "vocabulary") for k in range(len(self.paths))]
        self.alphabet, self.durations = None, 0
        self._tables = []

    def spelled_by(self, notebook: str, vocabulary: Sequence[str] | None = None) -> Store:
        """The same store, its tokens numbered as a notebook numbers them; before this it cannot be read.

        Args:
            notebook: the one that the store was prepared for.
            vocabulary: that of a network, where there is one already.

        Raises:
            ValueError: if a song has a token that the vocabulary lacks.
        """
        tokens = {token for spelling in self._spelling for token in spelling}
        self.alphabet, self.durations = _alphabet_of(tokens, melodies_of(notebook))
        if vocabulary is not None:
            self.alphabet = StringToIntEncoder(list(vocabulary))
        self._tables = [torch.tensor(self.alphabet.encode(spelling)) for spelling in self._spelling]
        return self

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shard, k = self._place(index)
        starts, (all_ids, all_clocks) = self._starts[shard], self._slices[shard]
        first, last = int(starts[k]), int(starts[k + 1])
        ids = self._tables[shard][all_ids[first:last].long()]
        return ids[:-1], ids[1:], all_clocks[first - k : last - k - 1].long()

    def of_part(self, name: str) -> list[int]:
        """Indices of the songs of a part, by the split of tune families.

        Args:
            name: "train", "validation" or "test".
        """
        return np.flatnonzero(self._parts == PARTS.index(name)).tolist()

    def name_of(self, index: int) -> str:
        """The id of a song, read from the disk.

        Args:
            index: of the song.
        """
        shard, k = self._place(index)
        return self._text(shard, "names")[k]

    @cached_property
    def rejected(self) -> list[Rejected]:
        """What could not be used, with the reasons, read from the disk."""
        return [Rejected(*row) for k in range(len(self.paths)) for row in self._text(k, "rejected")]

    def _first_reason(self) -> str:
        return f"{self.rejected[0].name}: {self.rejected[0].reason}" if self.rejected else "there was none"

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no song {index}; there are {len(self)}.")
        shard = int(np.searchsorted(self._first, index, "right")) - 1
        return shard, index - int(self._first[shard])

    def _text(self, shard: int, name: str) -> list:
        return json.loads(self._files[shard].metadata()["texts"])[name]
