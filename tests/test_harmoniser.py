"""The Harmoniser and the blind test, by their Python side; tests/browser drives them in a browser."""

import base64
import io
import re
import threading
from dataclasses import replace
from fractions import Fraction

import mido
import pytest
from music21 import converter

from helpers.songs import Event, Song
from helpers.widgets import BlindTest, Harmoniser

TUNE = Song.from_tiny("4/4 c'4 d' e' f' g'2 g' a'4 g' f' e' d'1", title="A <b>tune</b>")
OTHER = Song.from_tiny("3/4 g4 a b c'2.", title="another")


class Calls:
    """Stands for the network: a bass in whole bars whose pitch is the seed's, and what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, melody, seed, before, voices, bars):
        self.asked.append((melody, seed, before, list(voices), list(bars)))
        held = [Event((40 + seed % 12 + 5 * k,), melody.duration) for k in (2, 1, 0)]
        made = [melody, *(replace(melody, events=(event,)) for event in held)]
        if before:
            made = [made[k] if k not in voices else before[k] for k in range(4)]
        return made, [[0.5 * k for k in range(len(voice.events))] for voice in made]


@pytest.fixture
def panel():
    made = Harmoniser(Calls(), songs=[TUNE, OTHER])
    made.melody.bars.value = 8
    return made


def test_the_buttons_write_in_a_thread_one_take_after_the_other(panel):
    go_on, calls = threading.Event(), panel.harmonise
    panel.harmonise = lambda *how: (go_on.wait(600), calls(*how))[1]
    panel.button.click()
    panel.button.click()  # of a page that does not wait for the first
    assert panel.button.disabled and not panel.shown.children
    go_on.set()
    panel.wait()
    panel.harmonise = calls
    assert len(calls.asked) == len(panel.shown.children) == 1 and not panel.button.disabled
    panel.again.click()
    panel.wait()
    assert panel.seed.value == 2 and panel.harmonise.asked[-1][2] is not None


def test_whoever_harmonises_takes_a_turn(panel, monkeypatch, tmp_path):
    from helpers.widgets import harmoniser, turns

    order = []

    def one_at_a_time(wait):
        wait(3)
        order.append(panel.message.value)
        return turns.turn(wait, 1, tmp_path)

    monkeypatch.setattr(harmoniser, "turn", one_at_a_time)
    panel.button.click()
    panel.wait()
    assert "3 before you" in order[0] and len(panel.shown.children) == 1 and list(tmp_path.iterdir()) == []


def test_sliders_and_meters_of_any_size_are_one_sentence(panel):
    panel.melody.bars.set_state({"max": 10**9, "value": 10**9})
    panel.write()
    assert "its first bars is 1e+09; it goes from 1 to 16." in panel.message.value
    panel.melody.bars.set_state({"max": 16, "value": 16})
    long = Song("x", "long", "x", "C", "major", "99/1", (Event((60,), Fraction(4000)),), Fraction(0))
    panel.melody.songs[0] = long
    panel.write()
    assert "16 bars of 99/1 are 4000 quarter notes, and 128 is the most at a time" in panel.message.value
    assert panel.harmonise.asked == []


def block_of(panel, place=0):
    return panel.shown.children[place].outputs[0]["data"]["text/html"]


def file_in(block, mime):
    return base64.b64decode(re.search(rf"data:{re.escape(mime)};base64,([^\"]+)", block)[1])


def test_a_melody_becomes_four_voices_coloured_by_surprise_to_take_home(panel):
    panel.write()
    assert not panel.message.value
    assert panel.harmonise.asked == [(TUNE, 1, None, [], [])]
    block = block_of(panel)
    assert "surprise 3.50 nats" in block and "surprise of the model" in block and "choir" in block
    assert "A &lt;b&gt;tune" in block and "<b>tune" not in block
    midi = mido.MidiFile(file=io.BytesIO(file_in(block, "audio/midi")))
    struck = [m.note for m in midi if m.type == "note_on" and m.velocity]
    assert sorted(struck)[:3] == [41, 46, 51] and len(struck) == len(TUNE.events) + 3
    assert {m.program for m in midi if m.type == "program_change"} == {52}
    score = converter.parseData(file_in(block, "application/vnd.recordare.musicxml+xml").decode(), format="musicxml")
    assert len(score.parts) == 4
    assert sum(n.tie is None or n.tie.type == "start" for n in score.parts[3].flatten().notes) == 1


def test_again_is_another_seed_and_what_is_ticked_stays(panel):
    assert panel.again.disabled
    panel.write()
    first = panel.voices
    panel.kept[2].value, panel.bars.value = True, (2, 3)
    panel.write_again()
    assert panel.seed.value == 2
    melody, seed, before, voices, bars = panel.harmonise.asked[-1]
    assert (melody, seed, voices, bars) == (TUNE, 2, [3], [2, 3]) and before is first
    assert panel.voices[3] == first[3] and panel.voices[1] != first[1]
    assert "kept: the bass, bar 2, bar 3" in block_of(panel) and len(panel.shown.children) == 2
    assert panel.kept[2].value and panel.bars.value == (2, 3)  # for the one after


def test_another_melody_has_nothing_to_keep(panel):
    panel.write()
    panel.kept[0].value = True
    panel.melody.picked.value = 1
    panel.write_again()
    assert panel.harmonise.asked[-1][2:] == (None, [], [])
    assert [value for _, value in panel.bars.options] == [1, 2] and not panel.kept[0].value


def test_the_same_notes_in_another_meter_are_another_melody():
    panel = Harmoniser(Calls(), songs=[TUNE, replace(TUNE, meter="2/4")])
    panel.write()
    panel.melody.picked.value = 1
    panel.write_again()
    assert panel.harmonise.asked[-1][2] is None


def test_nothing_that_may_change_is_said_and_the_take_stays(panel):
    panel.write()
    for box in panel.kept:
        box.value = True
    panel.write_again()
    assert "untick a voice or a bar" in panel.message.value
    assert len(panel.harmonise.asked) == 1 and len(panel.shown.children) == 1
    assert not panel.again.disabled and not panel.button.disabled


@pytest.mark.parametrize(
    "pickup, duration, bars",
    [(0, 16, [1, 2, 3, 4]), (1, 16, [0, 1, 2, 3, 4]), (1, 17, [0, 1, 2, 3, 4]), (0, 15, [1, 2, 3, 4]), (2, 2, [0])],
)
def test_every_bar_can_be_kept_the_upbeat_too(pickup, duration, bars):
    song = replace(TUNE, events=[Event((72,), Fraction(1))] * duration, pickup=pickup)
    panel = Harmoniser(Calls())
    panel._offer(song)
    assert [value for _, value in panel.bars.options] == bars


def test_the_first_bars_of_a_song_and_its_upbeat(panel):
    panel.melody.bars.value = 1
    assert panel.melody.song().events == TUNE.events[:4]
    panel.melody.songs[0] = replace(TUNE, pickup=2)
    assert panel.melody.song().events == TUNE.events[:5]


def test_mistakes_are_one_sentence_and_cost_nothing(panel):
    panel.write()
    panel.melody.way.value = "drawn"
    panel.write()
    assert "the grid is empty" in panel.message.value
    panel.melody.drawn.text.value = "c4 <x>"
    panel.write()
    assert "cannot be read" in panel.message.value
    panel.melody.way.value = "a file"
    panel.write()
    assert "no file is chosen" in panel.message.value
    assert len(panel.harmonise.asked) == 1 and len(panel.shown.children) == 1


def test_a_network_that_fails_is_named():
    def fails(*asked):
        raise RuntimeError("out of <memory>")

    panel = Harmoniser(fails, songs=[TUNE])
    panel.write()
    assert "RuntimeError: out of &lt;memory&gt;" in panel.message.value
    assert not panel.button.disabled and panel.again.disabled


def test_a_drawn_melody_is_harmonised():
    panel = Harmoniser(Calls())
    assert panel.melody.way.value == "drawn"
    panel.melody.drawn.song = Song.from_tiny("4/4 c'4 d' e'2")
    panel.write()
    assert panel.harmonise.asked[0][0] == Song.from_tiny("4/4 c'4 d' e'2") and not panel.message.value
    assert "your melody, seed 1" in block_of(panel)


PAIRS = [(TUNE, OTHER)] * 6


def half_and_half(right, answered):
    return right / answered / 2, (1 + right / answered) / 2


def test_the_blind_test_counts_what_is_right_and_gives_the_interval():
    test = BlindTest(PAIRS, half_and_half, seed=3)
    assert len(set(test.real_first)) == 2  # both orders occur
    assert test.first.disabled
    test.next_pair()
    for number, truth in enumerate(list(test.real_first)):
        shown = [re.search(r'nfs-title">([^<]+)', block_of(test, k))[1].strip() for k in (0, 1)]
        assert shown == [f"A of pair {number + 1}", f"B of pair {number + 1}"]
        notes = [block_of(test, k).count('class="note"') for k in (0, 1)]
        assert (notes[0] > notes[1]) == truth  # TUNE has more notes than OTHER
        test.answer(truth if number else not truth)  # the first one wrong
        assert ("Wrong" if number == 0 else "Right") in test.message.value
    assert test.right == 5 and "5 of 6 right" in test.message.value and "from 42 % to 92 %" in test.message.value
    assert "lies inside" in test.message.value and "prove nothing" in test.message.value
    assert test.first.disabled and test.second.disabled
    test.answer(True)
    assert len(test.answers) == 6


def test_the_order_is_not_told_by_titles_and_differs_between_seeds():
    orders = {tuple(BlindTest(PAIRS, half_and_half, seed=seed).real_first) for seed in range(8)}
    assert len(orders) > 3
    test = BlindTest(PAIRS, half_and_half, seed=0)
    test.next_pair()
    assert not re.search("tune|another", block_of(test, 0) + block_of(test, 1))


def test_no_pair_is_refused():
    with pytest.raises(ValueError, match="no pair"):
        BlindTest([], half_and_half)
