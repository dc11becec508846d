"""What a mutation campaign found untested in the core: each test fails for a change that the other tests let pass."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from music21 import converter

from helpers.datasets import (
    MiniBatches,
    RandomCrop,
    ScoreDataset,
    SongDataset,
    pad_songs,
    split_by_family,
    tune_name,
)
from helpers.encoders import EncodingError, GridEncoder, NoteEncoder, StringToIntEncoder
from helpers.events import chords_of, events_of_stream, skyline
from helpers.metrics import CopiedRun, RunIndex, histogram_distance, longest_copied_run, nats_per_note
from helpers.songs import Event, Song, note_values, pitch_name, voices_of


def song(*events, id="x", pickup=0, meter="4/4", **labels):
    events = tuple(Event(pitches, duration) for pitches, duration in events)
    return Song(id, labels.get("title", ""), labels.get("family", id), "C", "major", meter, events, pickup)


def found(*notes):
    """(onset, duration, pitches, whether it continues a tie) of each."""
    return [(Fraction(onset), Fraction(length), pitches, tied) for onset, length, pitches, tied in notes]


# ---- events ----


def test_a_tied_note_under_others_is_one_note_and_a_struck_one_is_two():
    held = found((0, 2, (48,), False), (0, 1, (60,), False), (1, 1, (62,), False), (2, 2, (48,), True))
    assert chords_of(held)[-1] == ((48,), 2)
    moving = found((0, 1, (60,), False), (0, 2, (48,), False), (2, 1, (48,), True), (2, 1, (60,), False))
    assert chords_of(moving) == [((48, 60), 1), ((48,), 1), ((48, 60), 1)]
    tied, struck = (found((0, 2, (60,), False), (1, 3, (48,), False), (2, 2, (60,), tie)) for tie in (True, False))
    assert chords_of(tied) == [((60,), 1), ((48, 60), 3)]
    assert chords_of(struck) == [((60,), 1), ((48, 60), 1), ((48, 60), 2)]
    apart = found((0, 1, (60,), False), (0, 3, (48,), False), (2, 1, (60,), True))  # the tie has nothing to go on from
    assert chords_of(apart) == [((48, 60), 1), ((48,), 1), ((48, 60), 1)]


def test_chords_begin_at_time_zero_and_a_release_cuts_nothing_that_sounds_on():
    assert chords_of(found((1, 1, (60,), False))) == [((), 1), ((60,), 1)]
    twice = found((0, 1, (50,), False), (1, 1, (52,), False), (2, 4, (60,), False), (2, 1, (60,), False))
    assert chords_of([*twice, *found((7, 1, (72,), False))]) == [
        ((50,), 1),
        ((52,), 1),
        ((60,), 4),
        ((), 1),
        ((72,), 1),
    ]


def test_a_chord_that_goes_on_is_lengthened_by_what_it_goes_on_for():
    line = found((0, 1, (50,), False), (1, 2, (52,), False), (3, 5, (60,), False), (3, 4, (60,), False))
    assert chords_of(line) == [((50,), 1), ((52,), 2), ((60,), 5)]


def test_grace_notes_and_drums_are_left_out_and_what_follows_is_not():
    from music21 import note, percussion, stream

    drum = percussion.PercussionChord([note.Unpitched("C4")], quarterLength=1)
    score = stream.Stream(
        [note.Note("C4"), note.Note("D4").getGrace(), note.Note("E4"), drum, note.Rest(), note.Note("G4")]
    )
    events = events_of_stream(score, merge_ties=True)
    assert [event.pitches for event in events if event.pitches] == [(60,), (64,), (67,)]


def test_the_highest_notes_are_kept_as_they_were_struck():
    line = found((0, 4, (60,), False), (1, 2, (72,), False), (2, 1, (50,), False), (4, 2, (55,), False))
    assert skyline(line) == [(0, 1, (60,), False), (1, 2, (72,), False), (4, 2, (55,), False)]
    one = found((0, 1, (60,), False), (1, 1, (62,), True))
    assert skyline(one) == one
    assert skyline(found((0, 1, (60, 64), False))) == [(0, 1, (64,), False)]
    assert skyline(found((0, 2, (60,), False), (2, 1, (60,), True), (2, 1, (48,), False))) == [(0, 3, (60,), False)]


# ---- songs ----


def test_a_lower_note_that_begins_where_a_higher_one_ends_is_kept_and_the_same_one_inside_it_is_not():
    under = found((0, 1, (72,), False), (0, 2, (48,), False), (1, 1, (60,), False))
    assert skyline(under) == found((0, 1, (72,), False), (1, 1, (60,), False))
    twice = found((0, 2, (60,), False), (1, 1, (60,), False))
    assert skyline(twice) == found((0, 2, (60,), False))


def test_names_of_pitches():
    names = {0: "C-1", 60: "C4", 61: "C♯4", 63: "E♭4", 66: "F♯4", 68: "A♭4", 70: "B♭4", 71: "B4", 127: "G9"}
    assert {pitch: pitch_name(pitch) for pitch in names} == names
    assert [pitch_name(p)[:-1] for p in (62, 64, 65, 67, 69)] == list("DEFGA")


def test_transposing_reaches_both_ends_of_the_range_and_no_further():
    whole = song(((0,), 1), ((127 - 12,), 1))
    assert whole.transpose(12).events[-1].pitches == (127,) and song(((12,), 1)).transpose(-12).events[0].pitches == (
        0,
    )
    for semitones in (13, -1):
        with pytest.raises(ValueError, match=f"'x' moved by {semitones}"):
            whole.transpose(semitones)
    assert whole.transpose(12).tonic == "C" and whole.transpose(2).tonic == "D"


def test_a_song_moved_by_octaves_keeps_the_name_of_its_key():
    for tonic in ("C#", "Db", "F#", "Gb"):
        named = replace(song(((60,), 1)), tonic=tonic)
        assert named.transpose(12).tonic == named.transpose(-24).tonic == tonic
    assert song(((60,), 1)).transpose(13).tonic == "Db"


def test_folding_keeps_what_lies_on_the_edges():
    pitches = lambda line: [event.pitches[0] for event in line.events]
    wide = song(*(((p,), 1) for p in (36, 47, 48, 83, 84, 96)))
    assert pitches(wide.folded()) == [48, 59, 48, 83, 72, 72]
    assert pitches(song(((60,), 1), ((71,), 1), ((72,), 1)).folded(60, 71)) == [60, 71, 60]
    with pytest.raises(ValueError, match="narrower"):
        wide.folded(60, 70)


def test_the_highest_of_three_notes_is_the_skyline_of_a_chord():
    assert song(((60, 64, 67), 1), ((), 1)).skyline().events == (Event((67,), 1), Event((), 1))


def test_what_is_typed_carries_its_labels_and_may_hold_lines():
    typed = Song.from_tiny("3/4 c4 d\ne f2 r4", title="A")
    assert (typed.id, typed.title, typed.family, typed.meter, len(typed.events)) == ("tiny", "A", "tiny", "3/4", 5)
    assert Song.from_tiny("c4").title == "" and Song.from_tiny("c4" + " " * 19_998).events == (Event((60,), 1),)
    with pytest.raises(ValueError, match="20,001 characters"):
        Song.from_tiny("c4" + " " * 19_999)


def test_what_music21_stumbles_over_is_said_in_its_words(monkeypatch):
    def stumble(*_, **__):
        raise RuntimeError("this is strange")

    monkeypatch.setattr(converter, "parse", stumble)
    with pytest.raises(ValueError, match="cannot read 'c4 d' as TinyNotation: this is strange"):
        Song.from_tiny("c4 d")


def test_the_shortest_note_values():
    assert note_values(Fraction(1, 16)) == ["64"] and note_values(Fraction(3, 32)) == []
    assert note_values(Fraction(3, 16)) == ["32", "64"] or note_values(Fraction(3, 16)) == ["32."]
    assert note_values(Fraction(3)) == ["2."]


def test_voices_are_one_song_or_several():
    one = song(((60,), 1), id="one")
    assert tuple(voices_of(one)) == (one,) and tuple(voices_of([one, one])) == (one, one)
    with pytest.raises(ValueError, match="song 'empty' holds no event"):
        voices_of([song(id="empty")])
    with pytest.raises(ValueError, match="there is no voice, so there is nothing to show or play"):
        voices_of([])


# ---- encoders ----


def test_an_error_names_the_measure():
    third = Fraction(1, 3)
    before = {0: (), 1: (((60,), 1),), 2: (((60,), 1), ((62,), 4))}  # the upbeat of a quarter, a whole measure
    for measure, events in before.items():
        with pytest.raises(EncodingError, match=rf"\(event {len(events) + 1}, measure {measure}\)"):
            NoteEncoder().encode(song(*events, ((64,), third), pickup=1))
    with pytest.raises(EncodingError, match=r"\(event 2, measure 1\)"):
        NoteEncoder().encode(song(((60,), 4), ((64,), third), pickup=1))


def test_a_terminal_inside_is_named_by_its_place():
    with pytest.raises(ValueError, match="token 1 is the terminal '.', which ends a song; decode one at a time"):
        NoteEncoder().decode([".", "60/4", ".", "62/4", "."])


@pytest.mark.parametrize("encoder", [NoteEncoder(), GridEncoder()])
def test_decoding_takes_the_labels_of_another_song(encoder):
    like = song(((60,), 1), id="a", title="b", family="c", pickup=1, meter="3/4")
    labels = lambda s: (s.id, s.title, s.family, s.tonic, s.mode, s.meter, s.pickup)
    tokens = encoder.encode(song(((62,), 1)))
    assert labels(encoder.decode(tokens, like)) == labels(like)
    assert labels(encoder.decode(tokens)) == ("decoded", "", "decoded", "C", "major", "4/4", 0)


def test_a_vocabulary_stands_in_musical_order_whatever_it_was_fitted_to():
    tokens = ["r/2", "60/10", ".", "60/2", "r/10", "_", "9/1", "60.64/1"]
    order = [".", "_", "r/2", "r/10", "9/1", "60/2", "60/10", "60.64/1"]
    assert StringToIntEncoder.fit([tokens]).vocabulary == StringToIntEncoder.fit([tokens[::-1]]).vocabulary == order


def test_the_number_after_the_last_token_is_none():
    alphabet = StringToIntEncoder([".", "a", "b"])
    assert alphabet.decode([2]) == ["b"]
    for number in (3, -1):
        with pytest.raises(ValueError, match=f"{number} is no token's number; they go from 0 to 2"):
            alphabet.decode([number])


# ---- datasets ----


def test_a_title_names_a_tune_if_it_has_four_letters_and_is_not_the_name_of_the_file():
    titles = {"The Wren": "thewren", "Reel, No. 2": "reelno", "Bob 1": "", "Hund": "hund", "book-7": "", "book": "book"}
    assert {title: tune_name(song(id="book-7.abc", title=title)) for title in titles} == titles
    assert len(sum(split_by_family([song(family="a name that was no Unicode: \udcff")]), [])) == 1


def test_the_smallest_sizes_are_allowed():
    ids = torch.tensor([0, 5])
    (only,) = ScoreDataset([ids], length=1)
    assert [part.tolist() for part in only] == [[0], [5]]
    assert len(RandomCrop(1)(torch.tensor([0, 5, 6, 0]))) == 2
    assert [len(rows) for (rows,) in MiniBatches([torch.arange(3)], size=1)] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"song 1 is \(1,\) torch.int64"):
        ScoreDataset([ids, ids[:1]], length=1)
    with pytest.raises(ValueError, match="song 0 is list"):
        SongDataset([[0, 5]])


def test_a_crop_is_drawn_by_its_own_generator_and_is_of_the_song():
    ids = torch.arange(1000)
    drawn = [RandomCrop(5, generator=torch.Generator().manual_seed(3))(ids).tolist() for _ in range(2)]
    torch.manual_seed(9)
    assert drawn[0] == drawn[1] == RandomCrop(5, generator=torch.Generator().manual_seed(3))(ids).tolist()
    x, y = SongDataset([ids], crop=RandomCrop(5))[0]
    assert x[0] > 0 and torch.equal(x[1:], y[:-1]) and len(x) == 5


def test_a_crop_of_all_but_one_token_is_the_song():
    ids = torch.arange(4)
    assert all(torch.equal(RandomCrop(3)(ids), ids) for _ in range(20))
    with pytest.raises(ValueError, match="a crop of 0 tokens is empty"):
        RandomCrop(0)
    with pytest.raises(ValueError, match="a crop would leave the columns behind"):
        SongDataset([ids], [ids[1:]], crop=RandomCrop(3))
    assert len(ScoreDataset([ids])[0][0]) == 64


def test_items_of_a_batch_must_be_alike():
    two, three = (torch.tensor([1]),) * 2, (torch.tensor([1]),) * 3
    with pytest.raises(ValueError):
        pad_songs([two, three])


def test_batches_have_256_rows_and_seed_0_unless_told_otherwise():
    rows = [torch.arange(600)]
    assert [len(part) for (part,) in MiniBatches(rows)] == [256, 256, 88]
    assert torch.equal(next(iter(MiniBatches(rows)))[0], next(iter(MiniBatches(rows, seed=0)))[0])
    assert not torch.equal(next(iter(MiniBatches(rows)))[0], next(iter(MiniBatches(rows, seed=1)))[0])


# ---- metrics ----


def test_a_copied_run_says_where_it_stands_in_which_of_many_songs():
    scale = [((60 + k,), 1) for k in range(12)]
    books = [song(*scale[:4], id="a"), song(*scale[4:8], id="b"), song(*scale[8:], *scale[8:], id="c")]
    take = song(((100,), 1), *scale[9:12])
    run = longest_copied_run(take, RunIndex(books))
    assert (run.length, run.start, run.source.id, run.source_start) == (3, 1, "c", 1)  # the first of two places
    assert longest_copied_run(song(((101,), 1)), books) == CopiedRun(0, 0, None, 0)
    run = longest_copied_run(song(*scale[:1]), books)
    assert (run.length, run.start, run.source.id, run.source_start) == (1, 0, "a", 0)
    run = longest_copied_run(song(*scale[4:8]), books)
    assert (run.length, run.source.id, run.source_start) == (4, "b", 0)


def test_a_run_is_found_where_it_stands_among_others_that_begin_alike():
    """However few of the places begin alike, and whether that takes one character to see, or two, or none."""
    a, b, c, d = [((60 + k,), 1) for k in range(4)]
    for book, run, place in (([a, c, a, b], [a, b], 2), ([a, b, d, a, b, c], [a, b, c], 3), ([a, b, c, d], [c, d], 2)):
        copied = longest_copied_run(song(*run), [song(*book, id="book")])
        assert (copied.length, copied.start, copied.source_start) == (len(run), 0, place)
    other = ((80,), 1)
    assert longest_copied_run(song(a, b, c, other), [song(a, b, c, d)]).length == 3


def test_histograms_add_up_what_comes_again():
    often = song(((60,), 1), ((60,), 1), ((60,), 1), ((62,), 1))
    assert histogram_distance([often], [song(((60,), 3), ((62,), 1))]) == 0
    assert histogram_distance([often], [song(((60,), 1), ((62,), 1))]) == pytest.approx(0.25)
    assert histogram_distance([often], [song(((60,), 1), ((62,), 1))], "interval") == pytest.approx(2 / 3)


def test_the_song_whose_loss_is_no_number_is_named():
    with pytest.raises(ValueError, match="'second' is not a number"):
        nats_per_note([1.0, float("nan")], [song(id="first"), song(id="second")])
