"""Songs as sequences of tokens, and back without loss.

Each encoder says what it can express; `encode` raises EncodingError with the reason for anything else,
and nothing is ever rounded. For every song it accepts, decode(encode(song)) == song, last note included.

Notebook: 01-markov (NoteEncoder, GridEncoder), 03-lstm (PitchEncoder), 05-wavenet (ChordEncoder).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from helpers.songs import Event, Rejected, Song

TERM_SYMBOL = "."  # begins and ends every song
HOLD_SYMBOL = "_"  # the grid's "still sounding"
REST_SYMBOL = "r"


class EncodingError(ValueError):
    """The song holds something this encoder cannot express; the message says what and where.

    Notebook: none: raised by `encode`.
    """


class _Encoder:
    """What all encoders share. A subclass says how one event becomes tokens, and how tokens become events."""

    def encode(self, song: Song) -> list[str]:
        """The song's tokens, with TERM_SYMBOL at both ends.

        Raises:
            EncodingError: with the reason.
        """
        tokens = [TERM_SYMBOL]
        for number, (event, onset) in enumerate(zip(song.events, song.onsets, strict=False), 1):
            try:
                tokens.extend(self._tokens(event))
            except EncodingError as error:
                measure = 1 + (onset - song.pickup) // song.measure_length  # 0 in the upbeat
                raise EncodingError(f"{error} (event {number}, measure {measure})") from None
        return tokens + [TERM_SYMBOL]

    def decode(self, tokens: Iterable[str], like: Song | None = None) -> Song:
        """The song that these tokens write, with or without the terminals at its ends.

        Args:
            tokens: as `encode` makes them, or as a model does.
            like: take the labels (title, tonic, mode, meter, pickup) from this song; C major in 4/4 if None.

        Raises:
            ValueError: naming the first token that cannot be read.
        """
        tokens = list(tokens)
        if tokens[:1] == [TERM_SYMBOL]:
            tokens = tokens[1:]
        if tokens[-1:] == [TERM_SYMBOL]:
            tokens = tokens[:-1]
        if TERM_SYMBOL in tokens:
            place = tokens.index(TERM_SYMBOL)
            raise ValueError(f"token {place} is the terminal {TERM_SYMBOL!r}, which ends a song; decode one at a time.")
        events = tuple(self._events(tokens))
        if like is not None:
            return Song(like.id, like.title, like.family, like.tonic, like.mode, like.meter, events, like.pickup)
        return Song("decoded", "", "decoded", "C", "major", "4/4", events)

    def encode_songs(self, songs: Iterable[Song]) -> tuple[list[list[str]], list[Rejected]]:
        """Tokens of every song that can be expressed, and the others with their reasons."""
        encoded, rejected = [], []
        for song in songs:
            try:
                encoded.append(self.encode(song))
            except EncodingError as reason:
                rejected.append(Rejected(song.id, str(reason)))
        return encoded, rejected

    def _tokens(self, event: Event) -> list[str]:
        raise NotImplementedError

    def _events(self, tokens: Sequence[str]) -> Iterable[Event]:
        raise NotImplementedError


class _SteppedEncoder(_Encoder):
    """Durations as whole numbers of time steps.

    Args:
        step: one time step in quarter lengths; 1/4 (a sixteenth note) by default.

    Raises:
        ValueError: for a step that is not positive.
    """

    def __init__(self, step=Fraction(1, 4)):
        self.step = Fraction(step)
        if self.step <= 0:
            raise ValueError(f"a time step of {step} quarter notes is not positive.")

    def __repr__(self):
        return f"{type(self).__name__}(step={self.step})"

    def _steps(self, event: Event) -> int:
        steps = event.duration / self.step
        if steps.denominator != 1:
            raise EncodingError(
                f"a duration of {event.duration} quarter notes is not a multiple of the time step, {self.step}"
            )
        return int(steps)


class NoteEncoder(_SteppedEncoder):
    """One token a note: "60/4" is middle C for 4 time steps, "r/2" a rest for 2.

    Args:
        step: as `_SteppedEncoder`.

    Notebook: 01-markov.
    """

    def _tokens(self, event):
        return [f"{_one_pitch(event)}/{self._steps(event)}"]

    def _events(self, tokens):
        return (_event_of(token, self.step, r"(\d+|r)/([1-9]\d*)") for token in tokens)


class ChordEncoder(_SteppedEncoder):
    """One token an event, chords included: "60.64.67/4" is a C major triad for 4 time steps, "r/2" a rest.

    Args:
        step: as `_SteppedEncoder`.

    Notebook: 05-wavenet.
    """

    def _tokens(self, event):
        return [f"{'.'.join(map(str, event.pitches)) or REST_SYMBOL}/{self._steps(event)}"]

    def _events(self, tokens):
        return (_event_of(token, self.step, r"(\d+(?:\.\d+)*|r)/([1-9]\d*)") for token in tokens)


class GridEncoder(_SteppedEncoder):
    """One token a time step: a pitch or "r" where a note or rest begins, "_" while it goes on.

    Args:
        step: as `_SteppedEncoder`.

    Notebook: 01-markov.
    """

    def _tokens(self, event):
        return [_one_pitch(event)] + [HOLD_SYMBOL] * (self._steps(event) - 1)

    def _events(self, tokens):
        if tokens and tokens[0] == HOLD_SYMBOL:
            raise ValueError(f"token 0 is {HOLD_SYMBOL!r}, which holds a note, but no note has begun.")
        starts = [place for place, token in enumerate(tokens) if token != HOLD_SYMBOL] + [len(tokens)]
        for start, end in pairwise(starts):
            yield _event_of(f"{tokens[start]}/{end - start}", self.step, r"(\d+|r)/(\d+)", tokens[start])


class PitchEncoder(_Encoder):
    """One token a pitch, for melodies whose notes are equally long.

    Args:
        duration: of every note, in quarter lengths.

    Raises:
        ValueError: for a duration that is not positive.

    Notebook: 03-lstm.
    """

    def __init__(self, duration=Fraction(1)):
        self.duration = Fraction(duration)
        if self.duration <= 0:
            raise ValueError(f"a duration of {duration} quarter notes is not positive.")

    def __repr__(self):
        return f"PitchEncoder(duration={self.duration})"

    def _tokens(self, event):
        if event.duration != self.duration:
            raise EncodingError(
                f"a duration of {event.duration} quarter notes, where this encoder writes {self.duration} only"
            )
        return [_one_pitch(event)]

    def _events(self, tokens):
        return (_event_of(f"{token}/1", self.duration, r"(\d+|r)/(1)", token) for token in tokens)


class StringToIntEncoder:
    """Tokens as integers and back.

    Args:
        vocabulary: the distinct tokens, in the order of their integers.

    Raises:
        ValueError: for a token that is named twice.

    Notebook: 01-markov.
    """

    def __init__(self, vocabulary: Sequence[str]):
        self.vocabulary = list(vocabulary)
        self._ints = {token: number for number, token in enumerate(self.vocabulary)}
        if len(self._ints) != len(self.vocabulary):
            raise ValueError("the vocabulary names a token twice.")

    @classmethod
    def fit(cls, encoded_songs: Iterable[Sequence[str]]) -> StringToIntEncoder:
        """The vocabulary of these songs: terminal, hold, rests, then pitches from low to high, short to long."""
        return cls(sorted({token for tokens in encoded_songs for token in tokens}, key=_musical_order))

    def __len__(self):
        return len(self.vocabulary)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The tokens' integers.

        Raises:
            ValueError: naming a token outside the vocabulary.
        """
        try:
            return [self._ints[token] for token in tokens]
        except KeyError as unknown:
            raise ValueError(
                f"token {unknown.args[0]!r} is not among the {len(self)} tokens of this vocabulary."
            ) from None

    def decode(self, ints: Iterable[int]) -> list[str]:
        """The integers' tokens.

        Raises:
            ValueError: naming a number outside the vocabulary.
        """
        tokens = []
        for number in map(int, ints):
            if not 0 <= number < len(self):
                raise ValueError(f"{number} is no token's number; they go from 0 to {len(self) - 1}.")
            tokens.append(self.vocabulary[number])
        return tokens


def _one_pitch(event: Event) -> str:
    if len(event.pitches) > 1:
        raise EncodingError(
            f"a chord of {len(event.pitches)} notes, where one at a time can be written; take song.skyline()"
        )
    return str(event.pitches[0]) if event.pitches else REST_SYMBOL


def _event_of(text: str, step: Fraction, pattern: str, token: str | None = None) -> Event:
    match = re.fullmatch(pattern, text)
    if not match:
        raise ValueError(f"token {token or text!r} cannot be read as a note or a rest.")
    name, steps = match.groups()
    pitches = () if name == REST_SYMBOL else tuple(map(int, name.split(".")))
    return Event(pitches, int(steps) * step)


def _musical_order(token: str) -> tuple:
    sounds_or_rests, sounds = token not in (TERM_SYMBOL, HOLD_SYMBOL), not token.startswith(REST_SYMBOL)
    return sounds_or_rests, sounds, [int(number) for number in re.findall(r"\d+", token)], token
