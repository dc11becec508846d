"""Phrases of the bundled songs, from the lines of their text."""

from fractions import Fraction

import pytest

from helpers.corpus import load_essen
from helpers.phrases import phrase_lengths, places_in_phrase


def test_the_lines_hold_as_many_notes_as_the_songs():
    songs, lengths = load_essen("erk").songs, phrase_lengths("erk")
    fits = [sum(lengths.get(song.id, ())) == len(song.events) for song in songs]
    assert sum(fits) > 0.98 * len(songs)  # the others share an id, or have ties


def test_a_place_counts_from_the_first_note_of_its_phrase():
    (song,) = (song for song in load_essen("erk").songs if song.id == "E0001A")
    lengths = phrase_lengths("erk")["E0001A"]
    assert len(lengths) == 5 and lengths[0] == 8
    places = places_in_phrase(song, lengths)
    assert places[0] == (0, 0) and places[1] == (0, Fraction(1, 2))  # after an upbeat of an eighth
    assert places[8] == (1, 0) and places[8 + lengths[1]] == (2, 0)
    assert [number for number, _ in places] == [k for k, n in enumerate(lengths) for _ in range(n)]


def test_what_does_not_fit_is_said():
    song = load_essen("erk").songs[0]
    with pytest.raises(ValueError, match=f"{song.id!r} has {len(song.events)} events, its phrases have 3"):
        places_in_phrase(song, [1, 2])
    with pytest.raises(FileNotFoundError, match="'erkk'"):
        phrase_lengths("erkk")
