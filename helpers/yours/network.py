"""The network of notebook 06 with an alphabet that grows, and a clock for any meter.

Notebook: 09-your-songs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch

from helpers import checkpoints
from helpers.composing import IN_C, Writer, note_writer
from helpers.datasets import SongDataset
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.songs import Song

NOTEBOOK = "06-attention"
STEP = Fraction(1, 240)  # of a quarter note: 64th notes, and triplets and quintuplets of them
NOTES = NoteEncoder(STEP)
SIXTEENTH = int(Fraction(1, 4) / STEP)
UNHEARD = 12  # nats by which a new note is less likely, at first, than the known one it takes after


@dataclass(frozen=True)
class Alphabet:
    """The notes that a network knows, all pairs of pitch and duration, and the meters of its clock.

    Attributes:
        pitches: MIDI numbers as text, and "r" for a rest.
        durations: in multiples of STEP.
        meters: time signatures.
        beats: sixteenths of the longest measure.

    Notebook: 09-your-songs.
    """

    pitches: tuple[str, ...]
    durations: tuple[int, ...]
    meters: tuple[str, ...]
    beats: int = 32

    @property
    def vocabulary(self) -> StringToIntEncoder:
        """The terminal, then every pitch with every duration."""
        pairs = (f"{pitch}/{duration}" for pitch in self.pitches for duration in self.durations)
        return StringToIntEncoder([".", *pairs])

    @property
    def shape(self) -> dict:
        """The hyperparameters of a network with this alphabet."""
        return {
            "pitches": len(self.pitches),
            "durations": len(self.durations),
            "sizes": [self.beats, 32, len(self.meters)],
        }

    def grown(self, songs: Sequence[Song]) -> Alphabet:
        """This alphabet and behind it what some songs need besides.

        Args:
            songs: whose durations are multiples of STEP.
        """
        tokens = [token.split("/") for song in songs for token in NOTES.encode(song)[1:-1]]
        in_order = lambda have, found, key: (*have, *sorted(set(found) - set(have), key=key))
        return Alphabet(
            in_order(self.pitches, (pitch for pitch, _ in tokens), lambda pitch: (pitch != "r", len(pitch), pitch)),
            in_order(self.durations, (int(duration) for _, duration in tokens), int),
            in_order(self.meters, (song.meter for song in songs), str),
            max([self.beats, *(math.ceil(song.measure_length * 4) for song in songs)]),
        )


EMPTY = Alphabet((), (), ())


def alphabet_of(card: dict) -> Alphabet:
    """The alphabet of a network of notebook 06, shipped or your own.

    Args:
        card: of its checkpoint.

    Notebook: 09-your-songs.
    """
    scale = 1 if "step" in card else SIXTEENTH
    pairs = [token.split("/") for token in card["vocabulary"][1:]]
    durations = dict.fromkeys(int(duration) * scale for _, duration in pairs)
    meters = card.get("meters") or from_notebook(NOTEBOOK).fnn.METERS
    beats = card["hyperparameters"]["sizes"][0]
    return Alphabet(tuple(dict.fromkeys(pitch for pitch, _ in pairs)), tuple(durations), tuple(meters), beats)


def load_base(name: str, folder=checkpoints.MODELS) -> checkpoints.Checkpoint:
    """A checkpoint to go on from.

    Args:
        name: such as "06-lstm".
        folder: where it is.

    Raises:
        ValueError: it belongs to another notebook, or cannot be used.
        FileNotFoundError: there is none of this name.

    Notebook: 09-your-songs.
    """
    loaded = checkpoints.load(name, folder=folder)
    if (loaded.card["notebook"], loaded.card["class"]) != (NOTEBOOK, "Pointing"):
        raise ValueError(
            f"the checkpoint {name!r} belongs to notebook {loaded.card['notebook']} (class {loaded.card['class']}); "
            f"only a network of {NOTEBOOK} can go on with your songs: FROM=06-lstm, or FROM=scratch."
        )
    return loaded


def from_scratch(alphabet: Alphabet, seed: int = 0):
    """A network with the size of the shipped LSTM and weights drawn at random.

    Args:
        alphabet: its notes and meters.
        seed: of the weights.

    Notebook: 09-your-songs.
    """
    torch.manual_seed(seed)
    return from_notebook(NOTEBOOK).Pointing("LSTM", **alphabet.shape)


def grown(model, hyperparameters: dict, old: Alphabet, new: Alphabet):
    """The same network for a larger alphabet: rows are added, and what it says of the notes it knew stays.

    A new pitch takes after the nearest known one, an octave away if there is one; a new duration after the nearest; and
    each is made exp(UNHEARD) times less likely than that one, so that hardly anything changes until it is learned.

    Args:
        model: Pointing.
        hyperparameters: with which it was built.
        old: its alphabet.
        new: begins with the old one.

    Returns:
        a new Pointing; the same weights where nothing is added.

    Notebook: 09-your-songs.
    """
    pitches, durations = _like_pitches(old, new), _like_durations(old, new)
    beats = [k if k < old.beats else k % 16 for k in range(new.beats)]
    meters = [old.meters.index(meter) if meter in old.meters else _like_meter(old, meter) for meter in new.meters]
    behind_terminal = lambda rows: [0, *(1 + row for row in rows)]
    rows = {
        "pitch.weight": behind_terminal(pitches),
        "pitch_head.weight": behind_terminal(pitches),
        "pitch_head.bias": behind_terminal(pitches),
        "duration.weight": behind_terminal(durations),
        "duration_head.weight": durations,
        "duration_head.bias": durations,
        "given_pitch.weight": durations,
        "features.0.weight": beats,
        "features.2.weight": meters,
    }
    weights = model.state_dict()
    for name, taken in rows.items():
        weights[f"network.{name}"] = (larger := weights[f"network.{name}"][taken].clone())
        if name.endswith("bias"):
            larger[len(model.state_dict()[f"network.{name}"]) :] -= UNHEARD
    bigger = from_notebook(NOTEBOOK).Pointing(**hyperparameters | new.shape)
    bigger.load_state_dict(weights)
    return bigger.eval()


def _like_pitches(old: Alphabet, new: Alphabet) -> list[int]:
    known = {int(pitch): k for k, pitch in enumerate(old.pitches) if pitch != "r"}
    near = lambda pitch: min(known, key=lambda other: ((other - pitch) % 12 != 0, abs(other - pitch)))
    place = {pitch: k for k, pitch in enumerate(old.pitches)}
    return [place[pitch] if pitch in place else 0 if pitch == "r" else known[near(int(pitch))] for pitch in new.pitches]


def _like_durations(old: Alphabet, new: Alphabet) -> list[int]:
    far = lambda one, other: abs(math.log(one / other))
    return [min(range(len(old.durations)), key=lambda k: far(old.durations[k], length)) for length in new.durations]


def _like_meter(old: Alphabet, meter: str) -> int:
    """The known meter with the same unit and the nearest count."""
    count, unit = map(int, meter.split("/"))
    known = [tuple(map(int, other.split("/"))) for other in old.meters]
    return min(range(len(known)), key=lambda k: (known[k][1] != unit, abs(known[k][0] / known[k][1] - count / unit)))


def lengths_of(vocabulary: StringToIntEncoder) -> torch.Tensor:
    """Duration (m,) of each token in multiples of STEP; 0 for the terminal.

    Args:
        vocabulary: of an Alphabet.

    Notebook: 09-your-songs.
    """
    return from_notebook(NOTEBOOK).fnn.durations(vocabulary)


def clock(ids: torch.Tensor, lengths: torch.Tensor, song: Song, meters: Sequence[str]) -> torch.Tensor:
    """Beat, bar and meter at each note after the first terminal: `clock` of notebook 02 in finer steps.

    Args:
        ids: (notes + 1,) of a song, the last terminal left out or not.
        lengths: (m,) duration of each token in multiples of STEP.
        song: lends its meter and its upbeat.
        meters: that the network knows.

    Returns:
        (len(ids) - 1, 3): the sixteenth in the measure, the bar (31 for all later ones), the number of the meter.

    Raises:
        ValueError: the meter is none of these.

    Notebook: 09-your-songs.
    """
    if song.meter not in meters:
        raise ValueError(f"the meter {song.meter} is none that this model learned; it knows {', '.join(meters)}.")
    onset = lengths[ids].cumsum(0)[:-1] - int(song.pickup / STEP)
    measure = int(song.measure_length / STEP)
    beat = torch.div(onset % measure, SIXTEENTH, rounding_mode="floor")
    bar = (torch.div(onset, measure, rounding_mode="floor") + 1).clamp(0, 31)
    return torch.stack([beat, bar, torch.full_like(onset, meters.index(song.meter))], 1)


def data_of(songs: Sequence[Song], alphabet: Alphabet) -> SongDataset:
    """Songs as ids with their clocks.

    Args:
        songs: that the alphabet can spell.
        alphabet: of the network.

    Notebook: 09-your-songs.
    """
    vocabulary = alphabet.vocabulary
    lengths = lengths_of(vocabulary)
    ids = [torch.tensor(vocabulary.encode(NOTES.encode(song))) for song in songs]
    return SongDataset(ids, [clock(one, lengths, song, alphabet.meters) for one, song in zip(ids, songs, strict=True)])


def writer_of(model, card: dict, frame: Song = IN_C) -> Writer:
    """A network with a grown alphabet as a Writer.

    Args:
        model: Pointing.
        card: as it was saved.
        frame: lends meter and upbeat where there is no beginning.

    Notebook: 09-your-songs.
    """
    alphabet, vocabulary = alphabet_of(card), StringToIntEncoder(card["vocabulary"])
    lengths, device = lengths_of(vocabulary), next(model.parameters()).device

    def next_p(like):
        def feed(history, done, state):
            z = clock(torch.tensor([*history, 0]), lengths, like, alphabet.meters)[done:]
            log_p, state = model(torch.tensor([history[done:]], device=device), z[None].to(device), state)
            return log_p[0, -1].cpu().double().exp(), state

        return from_notebook(NOTEBOOK).lstm.carrying(feed)

    return note_writer(next_p, vocabulary, frame, notes=NOTES, centres=card["centres"])


def yours_folder() -> Path:
    """Where your own networks are: $NOTES_YOURS, or models/yours in the project.

    Notebook: 09-your-songs.
    """
    return Path(os.environ.get("NOTES_YOURS") or checkpoints.MODELS / "yours").expanduser()
