import base64
import io
import math
import re
import threading
import time
from collections import Counter
from fractions import Fraction

import mido
import pytest
import torch

from helpers.composing import MomentWriter, note_writer
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.midi import to_midi
from helpers.songs import Song
from helpers.widgets import (
    INSTRUMENTS,
    LARGEST_FILE,
    Composer,
    LatentExplorer,
    MelodyInput,
    song_in,
)

SCALE = Song.from_tiny("4/4 c4 d e f g a b c'")
ALPHABET = StringToIntEncoder.fit([NoteEncoder().encode(SCALE)])
P = torch.tensor([0, *(0.5**k for k in range(8))]).double()
P = P / P.sum()  # never ends; c twice as likely as d, and so on
WRITER = note_writer(lambda like: lambda history: P, ALPHABET)


def composer_with(**values):
    composer = Composer({"scale": WRITER, "other": WRITER}, songs=[SCALE.transpose(7)])
    composer.way.value = "nothing"
    for name, value in values.items():
        getattr(composer, name).value = value
    return composer


def composed(**values):
    composer = composer_with(**values)
    composer.compose()
    assert not composer.message.value, composer.message.value
    return composer


def shown(composer, place=0):
    return composer.shown.children[place].outputs[0]["data"]["text/html"]


def entropy(song):
    counts = Counter(event.pitches for event in song.events)
    return -sum(n / counts.total() * math.log(n / counts.total()) for n in counts.values())


def midi_of(block):
    data = re.search(r"data:audio/midi;base64,([^\"]+)", block)[1]
    return mido.MidiFile(file=io.BytesIO(base64.b64decode(data)))


def test_chords_are_composed_played_and_saved():
    after = {0: torch.eye(89)[44], 1: (torch.eye(89)[40] + torch.eye(89)[35]) / 2}
    chords = MomentWriter(lambda piece, said: after.get(len(said), torch.eye(89)[0]).double())
    composer = Composer({"chords": chords}, songs=[SCALE])
    for name, value in {"way": "typed", "start": "4/4 c4 e", "length": 8, "key": 2}.items():
        getattr(composer, name).value = value
    composer.compose()
    assert not composer.message.value, composer.message.value
    notes = [m.note for track in midi_of(shown(composer)).tracks for m in track if m.type == "note_on" and m.velocity]
    assert notes[:2] == [74, 78] and set(notes[2:]) == {66, 62, 57} and len(notes) == 2 + 2 * 6
    composer.start.value = "4/4 c1 c c"
    composer.compose()
    assert "the beginning alone takes 12 quarters" in composer.message.value and len(composer.shown.children) == 1


# ---- every control has its effect in what is heard ----


@pytest.mark.slow
def test_temperature_changes_the_entropy_of_the_notes():
    cold, plain, hot = (composed(length=200, temperature=t).written[0].song for t in (0.3, 1.0, 3.0))
    assert entropy(cold) < entropy(plain) - 0.4 < entropy(hot) - 0.6
    expected = -(P[1:] * P[1:].log()).sum().item()
    assert entropy(plain) == pytest.approx(expected, abs=0.2)


@pytest.mark.slow
def test_top_k_changes_the_support():
    kinds = lambda k: {event.pitches for event in composed(length=200, temperature=2.0, top_k=k).written[0].song.events}
    assert kinds(2) == {(60,), (62,)} and len(kinds(0)) == 8


def test_length_changes_the_number_of_events():
    assert [len(composed(length=n).written[0].song.events) for n in (8, 50)] == [8, 50]


def test_key_changes_the_pitches_by_the_nearest_way():
    plain, up, down = (composed(key=k).written[0].song for k in (0, 2, 7))
    pitches = lambda song: [event.pitches[0] for event in song.events]
    assert pitches(up) == [pitch + 2 for pitch in pitches(plain)] and up.tonic == "D"
    assert pitches(down) == [pitch - 5 for pitch in pitches(plain)] and down.tonic == "G"


def test_tempo_changes_how_long_it_sounds():
    seconds = lambda tempo: midi_of(shown(composed(tempo=tempo, length=20))).length
    assert seconds(60) == pytest.approx(2 * seconds(120), rel=0.01)


def test_instrument_changes_the_midi_program():
    for program in (INSTRUMENTS["violin"], INSTRUMENTS["piano"]):
        programs = {m.program for m in midi_of(shown(composed(instrument=program))) if m.type == "program_change"}
        assert programs == {program}


def test_seed_and_again():
    composer = composer_with(seed=4)
    for _ in range(2):
        composer.compose()
    first, second = composer.written
    assert first.song == second.song  # the same settings write the same song
    composer.again.click()
    composer.wait()
    assert composer.seed.value == 5 and composer.written[0].song != first.song


def test_model_changes_the_writer():
    lone = note_writer(lambda like: lambda history: torch.eye(9)[8].double(), ALPHABET)
    composer = Composer({"scale": WRITER, "high": lone})
    composer.way.value, composer.model.value = "nothing", "high"
    composer.compose()
    assert {event.pitches for event in composer.written[0].song.events} == {(72,)}
    assert "high, seed 1" in shown(composer)


def test_every_way_to_begin():
    composer = composer_with(way="typed", start="3/4 e4 f g")
    beginnings = [composer.beginning_of_song()]
    composer.way.value = "drawn"
    composer.drawn.song = Song.from_tiny("4/4 g4 f8 e")
    beginnings.append(composer.beginning_of_song())
    composer.way.value, composer.first.value = "picked", 3
    beginnings.append(composer.beginning_of_song())  # a song in G, moved to C
    composer.way.value = "a file"
    composer.file.choose(*upload("tune.mid", to_midi(SCALE)))
    beginnings.append(composer.beginning_of_song())
    assert [b.to_tiny() for b in beginnings] == [
        "3/4 e4 f4 g4",
        "4/4 g4 f8 e8",
        "4/4 c4 d4 e4",
        "4/4 c4 d4 e4",
    ]
    composer.way.value = "nothing"
    assert composer.beginning_of_song() is None
    assert "picked" not in Composer({"scale": WRITER}).way.options


def test_a_beginning_is_moved_to_where_the_models_sing():
    composer = composer_with(way="typed", start="4/4 c''4 d'' e''")
    composer.compose()
    assert [event.pitches[0] for event in composer.written[0].song.events[:3]] == [60, 62, 64]
    assert "d&#39;&#39; e&#39;&#39;”, 2 octaves lower;" in shown(composer)
    composer.start.value = "4/4 c4 d e"
    composer.compose()
    assert "begun with “4/4 c4 d e”;" in shown(composer)


# ---- takes ----


def test_a_take_shows_surprise_settings_and_files_and_the_last_ones_stay():
    composer = composer_with(way="typed", start="4/4 c4 c", temperature=0.5, top_k=3, seed=9)
    for _ in range(5):
        composer.compose()
    assert len(composer.shown.children) == len(composer.written) == 3
    block = shown(composer)
    for words in ("temperature 0.5", "top-k 3", "seed 9", "longest 48", "in C major", "120 quarters a minute", "piano"):
        assert words in block
    assert "surprise of the model" in block and "begun with “4/4 c4 c”" in block
    for kind in ("mid", "musicxml", "mp3"):
        assert f'download="scale-seed-9.{kind}"' in block
    surprises = composer.written[0].surprise
    for nats in set(surprises):
        assert f"surprise {nats:.2f} nats" in block
    assert composer.written[0].given == 2


def test_titles_and_names_never_become_markup():
    evil = "<script>alert(1)</script>\"'"
    song = Song(evil, evil, evil, "C", "major", "4/4", SCALE.events)
    composer = Composer({evil: WRITER}, songs=[song])
    composer.way.value = "picked"
    composer.compose()
    assert "<script>alert" not in shown(composer) and "&lt;script&gt;alert" in shown(composer)
    composer.file.choose(*upload(evil + ".mid", b""))
    assert "<script>alert" not in composer.file.message.value
    explorer = LatentExplorer(lambda z: SCALE, torch.randn(4, 3), [evil] * 4, [evil] * 4)
    assert explorer.map.songs[0][2].startswith(evil)  # the page sets it as text
    explorer.listen()
    assert "<script>alert" not in explorer.shown.children[0].outputs[0]["data"]["text/html"]


# ---- stopping ----


def slow(pause):
    def next_p(history):
        time.sleep(pause)
        return P

    return note_writer(lambda like: next_p, ALPHABET)


def test_a_long_take_shows_progress_and_can_be_stopped():
    composer = Composer({"slow": slow(0.05)})
    composer.way.value = "nothing"
    assert composer.stop.disabled and "Nothing is being written" in composer.stop.tooltip
    composer.length.value = 200
    composer.button.click()
    assert composer.button.disabled and "press Stop" in composer.button.tooltip and not composer.stop.disabled
    values = set()
    while len(values) < 3 and composer.button.disabled:  # however busy the machine is
        values.add(composer.progress.value)
        time.sleep(0.02)
    composer.stop.click()
    composer.wait()
    assert len(values) == 3 and composer.progress.max == 200
    assert "Stopped" in composer.message.value and not composer.shown.children
    assert not composer.button.disabled and composer.stop.disabled


def test_composing_does_not_block_the_caller():
    go_on = threading.Event()

    def next_p(history):
        go_on.wait(600)
        return P

    composer = Composer({"waits": note_writer(lambda like: next_p, ALPHABET)})
    composer.way.value = "nothing"
    begin = threading.active_count()
    composer.button.click()
    assert threading.active_count() == begin + 1 and not composer.shown.children
    go_on.set()
    composer.wait()
    assert len(composer.shown.children) == 1


def test_a_press_as_soon_as_the_button_is_back_is_heard():
    """The thread of the take before may still be on its way out; the press was lost then, and nothing was written."""
    composer, pressed = Composer({"quick": slow(0)}), []
    composer.way.value = "nothing"

    def press(change):
        if not change["new"] and not pressed:
            pressed.append(threading.Thread(target=composer.button.click))  # as the kernel's main thread would
            pressed[0].start()
            pressed[0].join(0.5)  # the first take's thread waits here, and cannot have ended

    composer.button.observe(press, "disabled")
    composer.button.click()
    composer.wait()
    pressed[0].join()
    composer.wait()
    assert len(composer.shown.children) == 2 and not composer.button.disabled


def test_a_queue_that_cannot_be_read_is_said_and_the_buttons_come_back(monkeypatch):
    def broken(wait):
        raise OSError("too many open files")

    monkeypatch.setattr("helpers.widgets.composer.turn", broken)
    composer = Composer({"quick": slow(0)})
    composer.button.click()
    composer.wait()
    assert "too many open files" in composer.message.value and not composer.button.disabled


# ---- what a reader gets wrong ----


def upload(name, data):
    return name, len(data), base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "way, values, words",
    [
        ("typed", {"start": "c4 <b>"}, "is not a note in TinyNotation"),
        ("typed", {"start": "4/4 c4 f#4"}, "F♯4 for 1 quarter notes, is none that this model knows"),
        ("drawn", {}, "the grid is empty"),
        ("a file", {}, "no file is chosen yet"),
        ("typed", {"start": "4/4 " + "c4 " * 9, "length": 8}, "ask for a longer one"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_lost(way, values, words):
    composer = composed()
    composer.way.value = way
    for name, value in values.items():
        getattr(composer, name).value = value
    composer.button.click()
    composer.wait()
    message = composer.message.value
    assert words in message and "<b>" not in message and "Traceback" not in message
    assert len(composer.shown.children) == 1 and not composer.button.disabled


def test_a_model_that_fails_is_named_and_the_takes_are_kept():
    def next_p(history):
        raise RuntimeError("out of <memory>")

    composer = Composer({"scale": WRITER, "broken": note_writer(lambda like: next_p, ALPHABET)})
    composer.way.value = "nothing"
    composer.compose()
    composer.model.value = "broken"
    composer.compose()
    assert "broken failed (RuntimeError: out of &lt;memory&gt;)" in composer.message.value
    assert len(composer.shown.children) == 1


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("a.mid", b"", "'a.mid' is empty"),
        ("a.txt", b"c d e", "'a.txt' is no music file"),
        ("a.mid", b"MThd", "'a.mid' cannot be used: "),
        ("..\\..\\etc/a.krn", b"nothing", "'a.krn' cannot be used: "),
        ("a.xml", b"<score-partwise>", "'a.xml' cannot be used: "),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_and_the_one_before_kept(name, data, words):
    composer = composer_with(way="a file")
    composer.file.choose(*upload("b.mid", to_midi(SCALE)))
    kept = composer.file.song
    assert kept.events == SCALE.events
    composer.file.choose(*upload(name, data))
    assert words.replace("'", "&#x27;") in composer.file.message.value
    assert "is kept" in composer.file.message.value and composer.file.song is kept


def test_a_large_file_is_refused_by_its_size_alone():
    with pytest.raises(ValueError, match="20.0 MB, and 2 MB is the most"):
        song_in("large.mid", 20_000_000, None)
    assert LARGEST_FILE < 10_000_000 * 3 / 4  # in base64 it must pass through the server's 10 MB


def test_no_model_is_refused():
    with pytest.raises(ValueError, match="no model"):
        Composer({})


# ---- the grid ----


@pytest.mark.parametrize("text", ["4/4 c4 d8 e8 f2 r4 g4", "4/4 r2 g8 g8 a4", "4/4 b2. c'8"])
def test_grid_and_tiny_notation_say_the_same(text):
    grid = MelodyInput()
    grid.text.value = text
    assert grid.song == Song.from_tiny(text) and not grid.message.value
    again = MelodyInput()
    again.grid.notes = grid.grid.notes  # as the script does
    assert again.song == grid.song and again.text.value == grid.song.to_tiny()
    again.song = None
    assert again.song is None and again.text.value == ""


def test_the_grid_explains_what_does_not_fit_and_keeps_what_is_there():
    grid = MelodyInput(bars=1)
    grid.text.value = "4/4 c4 d4"
    for text, words in (
        ("4/4 c4 CC4", "note 2, C2, lies outside the grid, which goes from G3 to G5"),
        ("4/4 c4 d e f g", "the grid has room for 4"),
        ("4/4 c16", "not a multiple of the time step"),
        ("4/4 h4", "is not a note in TinyNotation"),
    ):
        grid.text.value = text
        assert words in grid.message.value.replace("&#x27;", "'")
        assert grid.song == Song.from_tiny("4/4 c4 d4") and not grid.readable
    with pytest.raises(ValueError, match="whole number of columns"):
        MelodyInput(step=3)
    with pytest.raises(ValueError, match="no rows"):
        MelodyInput(low=60, high=60)


def test_the_grid_plays_what_is_there():
    grid = MelodyInput()
    grid.play.click()
    assert "grid is empty" in grid.message.value and not grid.shown.children
    grid.text.value = "4/4 c4 e g2"
    grid.play.click()
    assert "3 notes" in grid.shown.children[0].outputs[0]["data"]["text/plain"]
    grid.clear.click()
    assert grid.song is None


# ---- the map ----


def explorer_of(n=20, d=6, **more):
    torch.manual_seed(0)
    codes = torch.randn(n, d) * torch.tensor([5.0, 3, 1, 1, 0.5, 0.1][:d])
    asked = []

    def decode(code):
        asked.append(torch.tensor(code, dtype=torch.double))
        return [Song.from_tiny("4/4 c4 d e f"), Song.from_tiny("4/4 C2 D2")]

    explorer = LatentExplorer(decode, codes, [f"song {k}" for k in range(n)], program=(73, 70), **more)
    return explorer, codes.double(), asked


def test_choosing_a_song_goes_to_its_very_code():
    explorer, codes, asked = explorer_of()
    explorer.song.value = 7
    assert torch.allclose(torch.tensor(explorer.code, dtype=torch.double), codes[7], atol=1e-9)
    assert explorer.point == pytest.approx(explorer.points[7].tolist(), abs=0.026)
    explorer.button.click()
    assert (
        torch.allclose(asked[-1], codes[7])
        and "starting from song 7" in explorer.shown.children[0].outputs[0]["data"]["text/html"]
    )


def test_sliders_move_along_the_principal_axes_and_nothing_else():
    explorer, codes, _ = explorer_of()
    explorer.song.value = 3
    explorer.sliders[0].value += 1
    moved = torch.tensor(explorer.code, dtype=torch.double) - codes[3]
    spread = (codes - codes.mean(0)) @ (moved / moved.norm())
    assert moved.norm() == pytest.approx(spread.std().item(), rel=0.01)  # one spread along the longest axis
    assert spread.std() == pytest.approx(torch.linalg.matrix_norm(codes - codes.mean(0), 2).item() / 19**0.5, rel=1e-6)
    explorer.home.click()
    assert torch.allclose(torch.tensor(explorer.code, dtype=torch.double), codes[3])


def test_a_click_on_a_song_goes_to_its_place_on_the_map():
    explorer, _, _ = explorer_of()
    for k in (2, 11):
        explorer.map.point = explorer.points[k].tolist()  # as the script does
        assert explorer.point == pytest.approx(explorer.points[k].tolist(), abs=1e-9)


def test_walking_from_one_song_to_another():
    explorer, codes, asked = explorer_of()
    explorer.song.value, explorer.goal.value, explorer.way.value = 1, 2, 0.25
    assert torch.allclose(torch.tensor(explorer.code, dtype=torch.double), 0.75 * codes[1] + 0.25 * codes[2])
    explorer.walk.click()
    assert len(asked) == 5 and torch.allclose(asked[0], codes[1]) and torch.allclose(asked[4], codes[2])
    assert "song 1 → song 2" in explorer.shown.children[0].outputs[0]["data"]["text/plain"]
    turned, _, _ = explorer_of(between=lambda a, b, t: a * 0 + t)
    turned.way.value = 0.5
    assert turned.code == pytest.approx([0.5] * 6)


def test_a_decoder_that_refuses_is_heard_and_takes_stay():
    explorer, _, _ = explorer_of(takes=2)
    for k in range(3):
        explorer.song.value = k
        explorer.listen()
    assert len(explorer.shown.children) == 2

    def refuse(code):
        raise ValueError("too far <out>")

    explorer.decode = refuse
    explorer.listen()
    assert "too far &lt;out&gt;" in explorer.message.value and len(explorer.shown.children) == 2
    assert not explorer.button.disabled


@pytest.mark.parametrize("more", [{"axes": 1}, {"n": 1}, {"groups": ["a"]}])
def test_a_map_that_cannot_be_drawn_is_refused(more):
    with pytest.raises(ValueError, match="at least two|give one for each"):
        explorer_of(**more)


def test_settings_turned_while_a_song_is_written_are_for_the_next_one():
    composer = Composer({"slow": slow(0.01)}, songs=[SCALE])
    composer.start.value = "4/4 c4 d4"
    composer.button.click()
    composer.way.value, composer.tempo.value, composer.seed.value = "a file", 60, 77
    composer.wait()
    assert "begun with “4/4 c4 d4”" in shown(composer) and "seed 1," in shown(composer)
    assert "120 quarters" in shown(composer)


def test_a_grid_with_unreadable_text_is_not_composed_from():
    composer = composer_with(way="drawn")
    composer.drawn.text.value = "3/4 c4 d e"
    assert composer.beginning_of_song().meter == "3/4" == composer.drawn.song.meter
    composer.drawn.text.value = "c4 d hello"
    composer.button.click()
    composer.wait()
    assert "cannot be read" in composer.message.value and not composer.shown.children
    with pytest.raises(ValueError, match="no note value"):
        MelodyInput(bars=1, step=Fraction(1, 3))


def test_of_an_uploaded_piece_the_highest_notes_and_its_name_are_kept():
    from dataclasses import replace

    from helpers.songs import Event

    duet = to_midi([SCALE, replace(SCALE.transpose(-12), events=(Event((48,), 8),))])
    song = song_in("My duet.mid", len(duet), base64.b64encode(duet).decode())
    assert song.title == "My duet" and all(len(event.pitches) == 1 for event in song.events)
    assert song.events[0].pitches == (60,)


def test_a_decoder_that_breaks_is_named():
    explorer, _, _ = explorer_of()

    def broken(code):
        raise RuntimeError("no <memory>")

    explorer.decode = broken
    explorer.listen()
    assert "the decoder failed (RuntimeError: no &lt;memory&gt;)" in explorer.message.value
    with pytest.raises(ValueError, match="ask for fewer"):
        explorer_of(n=2, axes=3)
