"""A model that writes songs, as the Composer and the comparisons use it; and how surprised it is by each note.

Notebook: 01-markov and later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

from helpers.encoders import NoteEncoder
from helpers.exported import from_notebook
from helpers.moments import LOWEST, moments_of
from helpers.songs import Event, Song, pitch_name

IN_C = Song("frame", "", "frame", "C", "major", "4/4", ())
CENTRES = {"major": 63, "minor": 72}  # mean pitch of Erk's songs in C major and in A minor, which the series learned


class Stopped(Exception):
    """Raised out of `Writer.write` by an `on_step` that wants no more.

    Notebook: none: raised by the Composer.
    """


class Written(NamedTuple):
    """A song, and how surprised the model was by it.

    Attributes:
        song: the beginning, and what the model wrote after it.
        surprise: for each event, -log p in nats before it was heard (temperature 1).
        given: how many of the events were the beginning that it was handed.

    Notebook: 01-markov, returned by `Writer.write`.
    """

    song: Song
    surprise: tuple[float, ...]
    given: int


@dataclass(frozen=True)
class Writer:
    """What it takes to write a song with a model.

    Attributes:
        next_p: function of a song that lends its meter and upbeat -> function of the ids so far -> p (m,) of the next.
        encode: song -> ids, the terminal 0 at both ends; raises ValueError for what the model cannot express.
        decode: (ids, song that lends its meter and upbeat) -> song.
        frame: lends meter and upbeat where there is no beginning.
        spans: song -> how many tokens each event takes; one each if None.
        per_note: how many tokens to allow for each note asked for.
        centres: mean pitch of the songs it learned, in C major ("major") and in A minor ("minor").

    Notebook: 01-markov, made by `note_writer`.
    """

    next_p: Callable
    encode: Callable
    decode: Callable
    frame: Song = IN_C
    spans: Callable | None = None
    per_note: int = 1
    centres: Mapping[str, float] = field(default_factory=CENTRES.copy)

    def write(
        self,
        start: Song | None = None,
        temperature: float = 1.0,
        max_length: int = 48,
        seed: int = 0,
        top_k: int = 0,
        on_step: Callable | None = None,
    ) -> Written:
        """Goes on from `start`, with the loop of notebook 01.

        Args:
            start: the beginning, kept as it is; None begins with nothing.
            temperature: from 0; 1 as learned, lower for the likeliest notes (0: always), higher for surprises.
            max_length: of the song in notes, the beginning included; it may end sooner.
            seed: the same seed writes the same song.
            top_k: draw among the k likeliest tokens only; 0 for all.
            on_step: called with the number of tokens so far; may raise Stopped.

        Returns:
            the song with the surprise of each event.

        Raises:
            ValueError: in one sentence, for a beginning that is too long or holds a note the model does not know, and
                for a song that ends before its first note.
            Stopped: if `on_step` does.
        """
        frame = start or self.frame
        typed = self._typed(start, max_length) if start else []
        heard: list = []
        next_p = _remembering(self.next_p(frame), heard, top_k, on_step)
        ids = from_notebook("01-markov").compose(next_p, typed, temperature, max_length * self.per_note, seed)
        ended = len(ids) > 1 and ids[-1] == 0
        tokens = ids[1 : len(ids) - ended]
        if not tokens:
            raise ValueError("the model ended its song before the first note; try another seed or a beginning.")
        each = [-math.log(max(p[token].item(), 1e-300)) for p, token in zip(heard, tokens, strict=False)]
        song = self.decode(ids, frame)
        return Written(song, self._per_event(song, each), len(start.events) if start else 0)

    def _typed(self, start: Song, max_length: int) -> list[int]:
        """The beginning as ids, if it leaves room for a token of the model's own."""
        typed, longest = self._ids(start), max_length * self.per_note
        if len(typed) >= longest:
            raise ValueError(
                f"the beginning alone takes {len(typed)} tokens, and a song of {max_length} notes may have {longest}; "
                "ask for a longer one, or shorten the beginning."
            )
        return typed

    def _ids(self, start: Song) -> list[int]:
        """The beginning as ids; where the model has no token for a note, a sentence that says which note."""
        try:
            return list(map(int, self.encode(start)))[1:-1]
        except ValueError as whole:
            for number, event in enumerate(start.events, 1):
                try:
                    self.encode(replace(start, events=(event,)))
                except ValueError:
                    names = " ".join(map(pitch_name, event.pitches)) or "a rest"
                    if len(event.pitches) > 1:
                        text = f"note {number} of the beginning is a chord, {names}, and this model sings one note at a"
                        raise ValueError(f"{text} time; keep one of them.") from None
                    text = f"note {number} of the beginning, {names} for {event.duration} quarter notes, is none that"
                    raise ValueError(
                        f"{text} this model knows; choose other notes or another beginning (it learned songs in C)."
                    ) from None
            raise whole

    def _per_event(self, song: Song, each: Sequence[float]) -> tuple[float, ...]:
        """The surprises of a song's events from those of its tokens."""
        spans = self.spans(song) if self.spans else [1] * len(song.events)
        ends = accumulate(spans, initial=len(each) - sum(spans))  # a hold before the first note is no event
        return tuple(sum(each[start:end]) for start, end in pairwise(ends))


@dataclass(frozen=True)
class MomentWriter:
    """As `Writer`, for a model that spells what sounds on each quarter, note by note.

    Attributes:
        next_p: (moments so far, tokens said in the next one) -> p (89,) of its next token, 0 for its end.
        centres: as `Writer`, of the highest voice.
        per_note: how many tokens to allow for each moment.

    Notebook: 08-polyphony.
    """

    next_p: Callable
    centres: Mapping[str, float] = field(default_factory={"major": 70, "minor": 70}.copy)
    per_note: int = 5

    def write(
        self,
        start: Song | None = None,
        temperature: float = 1.0,
        max_length: int = 48,
        seed: int = 0,
        top_k: int = 0,
        on_step: Callable | None = None,
    ) -> Written:
        """Goes on from `start`, with the loop of notebook 08.

        Args:
            start: the beginning, of which is kept what sounds on each quarter; None begins with nothing.
            temperature, seed, top_k, on_step: as `Writer.write`.
            max_length: of the song in quarters, the beginning included.

        Returns:
            the song, a chord on each quarter, with the surprise of each chord: the sum over its tokens.

        Raises:
            ValueError: in one sentence, for a beginning that is too long or has a note that no piano has.
            Stopped: if `on_step` does.
        """
        given, heard = _moments_to_begin(start, max_length), {}

        def p_of(piece, said):
            place = len(piece), said
            if place not in heard:
                heard[place] = self.next_p(piece, said)
                if on_step:
                    on_step(len(heard))
            return heard[place]

        compose, how = from_notebook("08-polyphony").compose_moments, (given, max_length, temperature, seed)
        piece = compose(lambda piece, said: _allowed(p_of(piece, said), said, top_k), *how)
        surprise = tuple(
            -sum(math.log(max(p_of(piece[:t], moment[:r])[k].item(), 1e-300)) for r, k in enumerate((*moment, 0)))
            for t, moment in enumerate(piece)
        )
        return Written(_as_chords(piece, start or IN_C), surprise, len(given))


def _as_chords(piece: Sequence[Sequence[int]], frame: Song) -> Song:
    """Moments as the chords of a song in 4/4, in the key of its frame."""
    events = tuple(Event(tuple(sorted(k + LOWEST for k in moment)), Fraction(1)) for moment in piece)
    return replace(frame, id="moments", meter="4/4", pickup=Fraction(0), events=events)


def _moments_to_begin(start: Song | None, longest: int) -> list[tuple[int, ...]]:
    """The moments of a beginning, if they leave room for one more and a piano has their notes."""
    given = moments_of(start) if start else []
    if len(given) >= longest:
        raise ValueError(
            f"the beginning alone takes {len(given)} quarters, and a song of {longest} has no room for more; ask for a "
            "longer one, or shorten the beginning."
        )
    if outside := [k + LOWEST for moment in given for k in moment if not 1 <= k <= 88]:
        raise ValueError(f"the beginning has {pitch_name(outside[0])}, which no piano has; move it by octaves.")
    return given


def _allowed(p, said: tuple[int, ...], top_k: int):
    """p of the next token, of those under the last one; a first note leaves a trace of a second, if it is forbidden."""
    p = p.clone()
    p[(said or (len(p),))[-1] :] = 0
    return likeliest(p, top_k) + (0 if said else 1e-12 * likeliest(p, 2))


def _remembering(model: Callable, heard: list, top_k: int, on_step: Callable | None) -> Callable:
    """A model that keeps in `heard` what it says of each token, and lets only the likeliest pass."""

    def next_p(history):
        while len(heard) < len(history):  # at first all of the beginning, then one at a time
            heard.append(model(history[: len(heard) + 1]))
            if on_step:
                on_step(len(heard))
        return likeliest(heard[-1], top_k)

    return next_p


def in_register(song: Song, centres: Mapping[str, float] = CENTRES) -> tuple[Song, int]:
    """A beginning moved by octaves to where a model learned to sing; elsewhere it hardly knows any song.

    Args:
        song: in C major or A minor.
        centres: of the model's Writer.

    Returns:
        The song, and by how many octaves it was moved.

    Notebook: 01-markov, inside the Composer.
    """
    pitches = [event.pitches[-1] for event in song.events if event.pitches]
    octaves = round((centres[song.mode] - sum(pitches) / len(pitches)) / 12) if pitches else 0
    return song.transpose(12 * octaves), octaves


def note_writer(
    next_p: Callable, vocabulary, frame: Song = IN_C, notes: NoteEncoder | None = None, centres: Mapping = CENTRES
) -> Writer:
    """A Writer for a model whose tokens are notes, as NoteEncoder makes them.

    Args:
        next_p: function of a song that lends its meter and upbeat -> function of the ids so far -> p (m,).
        vocabulary: the StringToIntEncoder of its ids.
        frame: lends meter and upbeat where there is no beginning.
        notes: how it spells them; in sixteenths if None.
        centres: as `Writer`.

    Notebook: 01-markov.
    """
    notes = notes or NoteEncoder()
    return Writer(
        next_p,
        encode=lambda song: vocabulary.encode(notes.encode(song)),
        decode=lambda ids, like: notes.decode(vocabulary.decode(ids), like),
        frame=frame,
        centres=centres,
    )


def likeliest(p, k: int):
    """p with all but its k largest entries put to zero, summing to 1 again.

    Args:
        p: tensor (m,) of probabilities.
        k: how many entries stay; 0, or m and more, for all.

    Returns:
        a tensor (m,); p itself if all stay.

    Notebook: none: called by `Writer.write`.
    """
    if not 0 < k < len(p):
        return p
    values, places = p.topk(k)
    return p.new_zeros(len(p)).scatter(0, places, values / values.sum())


def steps_of(song: Song, step=Fraction(1, 4)) -> list[int]:
    """How many time steps each event takes: the `spans` of a model that writes on a grid.

    Args:
        song: its durations must be multiples of the step.
        step: one time step in quarter lengths.

    Notebook: none: for a model of your own.
    """
    return [int(event.duration / step) for event in song.events]
