"""`make yours`: from a folder of music to a trained network and a page."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from helpers import checkpoints, shipped
from helpers.composing import in_register
from helpers.corpus import load_essen
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.exported import from_notebook
from helpers.metrics import nats_per_note
from helpers.midi import to_midi
from helpers.songs import Corpus, Rejected, Song
from helpers.yours import command, families, fitting, network, page, preparing, scoring
from helpers.yours.__main__ import main

TUNES = {
    "Morning Reel": "C2 E2 G2 E2|D2 F2 A2 F2|E2 G2 c2 G2|F2 D2 C4|",
    "Evening Jig": "c2 B2 A2 G2|A2 F2 D2 F2|G2 E2 C2 E2|D4 C4|",
    "The Mill": "G2 G2 A2 B2|c4 G4|A2 A2 B2 c2|d4 G4|e2 d2 c2 B2|c8|",
    "The River": "E2 F2 G2 A2|G2 F2 E2 D2|C2 E2 G2 c2|B4 c4|A2 c2 B2 G2|c8|",
    "Old Man": "C4 G4|E4 C4|F2 A2 G2 F2|E4 D4|C4 E4|D2 B,2 C4|",
    "Long Road": "c2 A2 F2 A2|c2 d2 e2 c2|f2 d2 B2 G2|c4 C4|e2 g2 e2 c2|C8|",
    "Small Rain": "D2 G2 B2 d2|c2 A2 F2 D2|G2 F2 E2 C2|D4 G4|F2 A2 C4|",
    "Last Call": "G2 E2 C2 G,2|A,2 C2 F2 A2|G2 c2 e2 g2|f2 d2 c4|B2 G2 c4|",
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NOTES_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NOTES_YOURS", str(tmp_path_factory.mktemp("yours")))


def abc(title, body, key="C", meter="4/4", number=1):
    return f"X:{number}\nT:{title}\nM:{meter}\nL:1/8\nK:{key}\n{body}\n"


@pytest.fixture
def folder(tmp_path):
    songs = tmp_path / "my songs"
    songs.mkdir()
    for k, (title, body) in enumerate(TUNES.items()):
        (songs / f"{k}.abc").write_text(abc(title, body))
    return songs


def melody(pitches, title="t", family="f", durations=(1,), meter="4/4", **more):
    lengths = [durations[k % len(durations)] for k in range(len(pitches))]
    text = zip(pitches, lengths, strict=True)
    events = [Song.from_tiny("4/4 c4").events[0].__class__((p,) if p else (), Fraction(d)) for p, d in text]
    return Song(more.pop("id", title), title, family, "C", "major", meter, tuple(events), **more)


@pytest.fixture(scope="module")
def base():
    return network.load_base("06-lstm")


def test_what_the_network_knew_it_says_as_before(base):
    """Its rows are kept when new pitches, durations and meters come in."""
    old = network.alphabet_of(base.card)
    odd = melody([35, 36, 90, 91, 0, 38], durations=(Fraction(1, 3), Fraction(7, 4), 5), meter="9/8")
    new = old.grown([odd])
    assert len(new.pitches) > len(old.pitches) and len(new.durations) > len(old.durations)
    assert new.meters[:-1] == old.meters and new.meters[-1] == "9/8"
    model = network.grown(base.model, base.card["hyperparameters"], old, new)
    songs = [song.in_c() for song in load_essen("variant").songs]
    known = [song for song in songs if from_notebook("06-attention").can_be_spelled(song, alphabet_in(base.card))][:20]
    assert len(known) > 4
    lstm = from_notebook("06-attention").lstm
    before = lstm.note_losses(base.model, lstm.note_data(known, alphabet_in(base.card)))
    after = lstm.note_losses(model, network.data_of(known, new))
    assert (before - after).abs().max() < 2e-3
    assert (before - lstm.note_losses(base.model, network.data_of(known, old))).abs().max() < 1e-4
    assert torch.isfinite(lstm.note_losses(model, network.data_of([odd], new))).all()


def alphabet_in(card):
    return StringToIntEncoder(card["vocabulary"])


def test_rows_that_are_not_kept_would_be_seen(base):
    """The last test can fail: with the new rows as likely as the old ones the scores differ."""
    old = network.alphabet_of(base.card)
    new = old.grown([melody([49, 51, 90, 91], durations=(Fraction(5, 4),))])
    song = melody([60, 62, 64, 65, 67, 65, 64, 62, 60])
    losses = from_notebook("06-attention").lstm.note_losses
    model = network.grown(base.model, base.card["hyperparameters"], old, new)
    known = losses(base.model, network.data_of([song], old))
    assert (losses(model, network.data_of([song], new)) - known).abs().max() < 2e-3
    with torch.no_grad():
        model.network.pitch_head.bias[1 + len(old.pitches) :] += network.UNHEARD
        model.network.duration_head.bias[len(old.durations) :] += network.UNHEARD
    assert (losses(model, network.data_of([song], new)) - known).abs().max() > 0.05


def test_the_clock_is_that_of_the_series():
    fnn = from_notebook("06-attention").fnn
    songs = [song.in_c() for song in load_essen("variant").songs]
    coarse = {one.name for one in NoteEncoder().encode_songs(songs)[1]}
    songs = [song for song in songs if song.id not in coarse]
    assert len(songs) > 10
    sixteenths = StringToIntEncoder.fit(NoteEncoder().encode(song) for song in songs)
    finer = network.EMPTY.grown(songs).vocabulary
    for song in (song for song in songs if song.meter in fnn.METERS):
        ids = torch.tensor(sixteenths.encode(NoteEncoder().encode(song)))
        fine = torch.tensor(finer.encode(network.NOTES.encode(song)))
        theirs = fnn.clock(ids, fnn.durations(sixteenths), song)
        assert torch.equal(theirs, network.clock(fine, network.lengths_of(finer), song, fnn.METERS))
    with pytest.raises(ValueError, match="the meter 7/8 is none that this model learned; it knows"):
        network.clock(fine, network.lengths_of(finer), replace(song, meter="7/8", pickup=0), fnn.METERS)


def test_variants_are_one_family_by_title_or_by_melody():
    line = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 64, 67, 72]
    bent = [*line[:5], 70, *line[6:]]
    other = [60, 67, 60, 65, 60, 72, 60, 71, 60, 69, 60, 67, 60, 64, 60, 62, 60, 59]
    songs = [
        melody(line, "One", id="1"),
        melody([p + 2 for p in bent], "Another name", id="2"),
        melody(other, "Third", id="3"),
        melody(list(reversed(other))[:14] + [66, 61], "THIRD (2)", id="4"),
        melody([60, 65, 70, 66, 61, 73, 62, 60, 75, 63, 60, 77, 61, 60, 80], "Alone", id="5"),
    ]
    grouped, audit = families.with_families([replace(song, family=song.id) for song in songs])
    assert [song.family for song in grouped] == ["1", "1", "3", "3", "5"]
    assert audit.families == 3 and audit.by_melody >= 1 and audit.by_title == 2


def test_a_title_that_many_bear_and_the_name_of_a_file_mean_nothing():
    draw = torch.Generator().manual_seed(0)
    lines = [torch.randint(55, 80, (40,), generator=draw).tolist() for _ in range(12)]
    songs = [melody(line, "Reel", id=f"a{k}.abc") for k, line in enumerate(lines)]
    songs += [melody(line[::-1], f"song{k}", id=f"song{k}.mid") for k, line in enumerate(lines)]
    grouped, audit = families.with_families([replace(song, family=song.id) for song in songs])
    assert audit.families == 24 and audit.generic == ["Reel"]
    short = [melody([60, 62, 64, 65], f"tune{k}", id=f"tune{k}.mid") for k in range(3)]
    assert families.with_families([replace(s, family=s.id) for s in short])[1].families == 1  # nothing else to go by


@pytest.mark.parametrize("number", [2, 3, 4, 8, 60])
def test_no_family_is_on_two_sides_and_no_side_is_empty(number):
    songs = [melody([60], family=f"f{k // 2}", id=str(k)) for k in range(2 * number)]
    parts = families.split(songs)
    sides = [{song.family for song in part} for part in parts]
    assert sorted(song.id for part in parts for song in part) == sorted(song.id for song in songs)
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert sides[0] and sides[2] and bool(sides[1]) == (number > 2)
    assert families.split(songs) == parts


def test_pieces_keep_the_clock():
    song = melody(
        [60 + k % 12 for k in range(700)], durations=(1, Fraction(1, 2), Fraction(1, 3)), meter="3/4", pickup=1
    )
    alphabet = network.EMPTY.grown([song])
    lengths, vocabulary = network.lengths_of(alphabet.vocabulary), alphabet.vocabulary
    beats = lambda s: network.clock(torch.tensor(vocabulary.encode(network.NOTES.encode(s))), lengths, s, ("3/4",))[
        :, 0
    ]
    pieces = preparing.in_pieces([song])
    assert len(pieces) == 3 and max(len(piece.events) for piece in pieces) <= preparing.LONGEST
    assert tuple(event for piece in pieces for event in piece.events) == song.events
    whole, first = beats(song), 0
    for piece in pieces:
        assert torch.equal(beats(piece)[:-1], whole[first : first + len(piece.events)])
        first += len(piece.events)


def test_long_rests_go_in_whole_measures():
    song = melody([0, 60, 0, 62, 64, 0], durations=(3, 1, 21, 1, 2, 40), meter="4/4")
    short = preparing.without_long_rests(song)
    assert [(event.pitches, event.duration) for event in short.events] == [((60,), 1), ((), 1), ((62,), 1), ((64,), 2)]
    assert short.pickup == 1  # the first note stood on the fourth quarter, so the second still stands on the second


def test_what_no_alphabet_spells_is_rejected_with_its_reason():
    fine = melody([60] * 10, "fine", id="fine")
    sevenths = melody([60] * 10, "sevenths", id="sevenths", durations=(Fraction(1, 7),))
    high = melody([126, 127] * 5, "high", id="high")
    found = preparing.prepared(
        Corpus([fine, sevenths, replace(high, tonic="D", mode="minor"), melody([60] * 3, "short", id="short")])
    )
    assert found.songs == [fine]
    said = {one.name: one.reason for one in found.rejected}
    assert "1/7 quarter notes is not a multiple" in said["sevenths"]
    assert "3 notes" in said["short"] and "leaves the MIDI range" in said["high"]
    with pytest.raises(ValueError, match="none of 1 songs can be used. sevenths: a duration of 1/7"):
        preparing.prepared(Corpus([sevenths]))


def test_where_a_model_sings_is_its_own(base):
    low = melody([40, 43, 45, 48] * 4)
    writer = network.writer_of(base.model, base.card | {"step": "1/240", "centres": preparing.centres_of([low])})
    assert in_register(melody([64, 67]), writer.centres)[1] == -2
    assert in_register(melody([64, 67]))[1] == 0


def yours(folder, tmp_path, *more, **environment):
    """The command in a process of its own: (exit status, what it said, the page)."""
    site = tmp_path / "yours.html"
    line = [sys.executable, "-m", "helpers.yours", str(folder), "--page", str(site), *more]
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | environment, check=False)
    return done.returncode, done.stdout + done.stderr, site


@pytest.mark.slow
def test_from_a_folder_to_a_page_and_the_studio(folder, tmp_path, capsys):
    (folder / "bad.abc").write_text("no tune")
    (folder / "markup.abc").write_text(abc("<script>alert(1)</script>", "C2 F2 B2 e2|d2 c2 A2 F2|E2 B,2 C4|", number=9))
    (folder / "9.abc").write_text(abc("Slip", "C3 E3 G3|c3 (3BcB A3|G3 E3 D3|C6 z3|", meter="9/8"))
    status = main([str(folder), "--page", str(tmp_path / "yours.html"), "--epochs", "1"])
    said = capsys.readouterr()
    assert status == 0, said
    assert "10 songs can be used, 1 cannot." in said.out and "no tune with an X:" in said.out
    text = (tmp_path / "yours.html").read_text()
    assert "<script>alert" not in text and "bad.abc" in text
    assert 1 <= text.count("<audio") <= 5 and "Take of seed" in text
    assert (
        "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text).replace("http://www.w3.org", "")
        and 'src="http' not in text
    )
    card = json.loads((network.yours_folder() / "my-songs.json").read_text())
    assert card["notebook"] == "06-attention" and "9/8" in card["meters"] and card["complete"]
    assert not list(network.yours_folder().glob(".*"))
    (name,) = writers = shipped.own_writers()
    assert name == "my-songs"
    written = writers[name].write(Song.from_tiny("4/4 c4 d e f"), max_length=12, seed=1)
    assert written.given == 4 and len(written.surprise) == len(written.song.events)
    assert shipped.own_writers(Song.from_tiny("7/8 c8"))[name].frame.meter == card["frame"]["meter"]
    main([str(folder), "--page", str(tmp_path / "yours.html"), "--epochs", "1"])
    assert "has been trained on these very songs" in capsys.readouterr().out


def test_a_broken_network_of_yours_is_named_and_left_out(capsys):
    (network.yours_folder() / "x.safetensors").write_bytes(b"no")
    (network.yours_folder() / "x.json").write_text("{}")
    assert shipped.own_writers() == {} and "x.safetensors cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "There is no folder"),
        (lambda folder: folder.mkdir(), "holds no music"),
        (lambda folder: folder.write_text("x"), "is a file; give the folder that holds it"),
        (
            lambda folder: (folder.mkdir(), (folder / "a.abc").write_text("x")),
            "None of 1 songs can be used. a.abc: this",
        ),
    ],
    ids=["missing", "empty", "a file", "all rejected"],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path, capsys, make, said):
    make(tmp_path / "songs")
    assert main([str(tmp_path / "songs"), "--page", str(tmp_path / "yours.html")]) == 1
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "yours.html").exists() and not list(network.yours_folder().iterdir())


def test_one_family_is_one_sentence(tmp_path, capsys):
    for k in range(4):
        (tmp_path / f"{k}.abc").write_text(abc("The Same Tune", TUNES["The Mill"]))
    assert main([str(tmp_path), "--page", str(tmp_path / "yours.html")]) == 1
    assert "4 songs are variants of one tune (The Same Tune)" in capsys.readouterr().err
    assert not list(network.yours_folder().iterdir())


@pytest.mark.parametrize(("base", "said"), [("03-lstm", "belongs to notebook 03-lstm"), ("99", "no checkpoint '99'")])
def test_another_notebooks_checkpoint_is_one_sentence(folder, tmp_path, capsys, base, said):
    assert main([str(folder), "--from", base, "--page", str(tmp_path / "yours.html")]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_found_before_the_work(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main([str(folder), "--page", str(tmp_path / "file" / "yours.html")]) == 1
    said = capsys.readouterr()
    assert "cannot be written to" in said.err and "PAGE=" in said.err and "Training on" not in said.out
    assert not list(network.yours_folder().iterdir())


def lines(number, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        melody((55 + torch.randint(20, (16,), generator=draw)).tolist(), f"t{k}", id=f"t{k}") for k in range(number)
    ]


def small(songs, alphabet=None):
    torch.manual_seed(0)
    alphabet = alphabet or network.EMPTY.grown(songs)
    model = from_notebook("06-attention").Pointing("LSTM", hidden=16, **alphabet.shape)
    return model, network.data_of(songs, alphabet)


def test_a_loss_that_is_no_number_names_the_step_and_the_song(tmp_path):
    songs = lines(20)
    model, data = small(songs)
    with torch.no_grad():
        model.network.pitch.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"the loss of step 1 is not a number, first in song 't\d+'"):
        fitting.fit(model, songs, data, None, fitting.Plan(2, 1e-3, 3), tmp_path / "run")
    assert not (tmp_path / "run" / "last.pt").exists()


def test_it_stops_early_with_the_best_weights(tmp_path):
    songs, others = lines(16), lines(16, seed=1)
    alphabet = network.EMPTY.grown(songs + others)
    model, data = small(songs, alphabet)
    held_out = network.data_of(others, alphabet)
    outcome = fitting.fit(model, songs, data, held_out, fitting.Plan(400, 2e-2, 3), tmp_path / "run")
    assert outcome.complete and outcome.epochs < 400
    lstm = from_notebook("06-attention").lstm
    assert lstm.note_losses(model, held_out).mean().item() == pytest.approx(outcome.best, abs=1e-5)


def test_ctrl_c_keeps_the_best_so_far_and_the_same_call_goes_on(tmp_path, monkeypatch):
    songs = lines(40)
    plan = fitting.Plan(4, 5e-3, 9)
    model, data = small(songs)
    whole = fitting.fit(model, songs, data, None, plan, tmp_path / "whole")
    interrupted, _ = small(songs)
    calls, loss = [], fitting._Watched.__call__

    def interrupting(self, *given):
        calls.append(1)
        if len(calls) == 8:  # in the third epoch of three steps each
            raise KeyboardInterrupt
        return loss(self, *given)

    monkeypatch.setattr(fitting._Watched, "__call__", interrupting)
    outcome = fitting.fit(interrupted, songs, data, None, plan, tmp_path / "run")
    assert (outcome.epochs, outcome.complete, whole.epochs) == (2, False, 4)
    again, _ = small(songs)
    outcome = fitting.fit(again, songs, data, None, plan, tmp_path / "run")
    assert outcome.complete and outcome.epochs == 4
    for key, weights in model.state_dict().items():
        assert torch.equal(weights, again.state_dict()[key]), key
    with pytest.raises(KeyboardInterrupt):  # before the first epoch was whole there is nothing to keep
        calls[:] = [1] * 7
        fitting.fit(small(songs)[0], songs, data, None, plan, tmp_path / "none")


def test_a_network_that_training_made_no_better_stays_as_it_was(tmp_path):
    songs = lines(16)
    model, data = small(songs)
    first = {key: weights.clone() for key, weights in model.state_dict().items()}
    outcome = fitting.fit(model, songs, data, data, fitting.Plan(2, 50.0, 3), tmp_path / "run")
    assert outcome.kept == "first"
    assert all(torch.equal(weights, model.state_dict()[key]) for key, weights in first.items())


def test_scores_are_the_losses_of_whole_songs(base):
    songs = [replace(song.in_c(), family=song.id) for song in load_essen("variant").songs][:12]
    alphabet = network.EMPTY.grown(songs)
    parts = families.split(songs)
    counted = scoring.counted_p(parts, alphabet)
    row = scoring.score("counting", counted, parts, alphabet)
    sizes = [len(song.events) + 1 for song in parts.test]
    losses = [-part.log().sum().item() for part in counted(parts.test).split(sizes)]
    assert row.nats == pytest.approx(nats_per_note(losses, parts.test))
    assert row.with_memory != row.nats and (row.spread is None) == (len(parts.test) == 1)


def test_the_page_says_what_few_songs_cannot_show():
    songs = [melody([60], family=f"f{k}", id=str(k)) for k in range(2)]
    said = " ".join(page.few(families.split(songs)))
    assert "too few families for validation" in said and "no ±" in said
    many = [melody([60], family=f"f{k}", id=str(k)) for k in range(800)]
    assert page.few(families.split(many)) == []


def test_reasons_are_gathered():
    rejected = [Rejected(f"{k}.mid", "the file is empty") for k in range(9)] + [Rejected("x", "odd")]
    rejected += [Rejected(f"s{k}", f"too fine (event {k}, measure 2)") for k in range(3)]
    assert preparing.reasons(rejected)[1] == ("too fine", 3, "s0, s1, s2")
    assert preparing.reasons(rejected)[0] == ("the file is empty", 9, "0.mid, 1.mid, 2.mid, 3.mid, 4.mid and 4 more")


def test_piano_files_become_melodies(tmp_path, capsys):
    for k, body in enumerate(([60, 64, 67, 72] * 5, [72, 71, 69, 67] * 5, [65, 69, 60, 64] * 5)):
        high = melody([p + k for p in body], f"p{k}", durations=(1,))
        low = melody([40, 45] * 20, "left", durations=(Fraction(1, 2),))
        to_midi((replace(high, title="Right Hand"), replace(low, title="Left Hand")), tmp_path / f"p{k}.mid")
    found = preparing.load(tmp_path)
    assert len(found.songs) == 3 and "3 songs with chords or several voices" in " ".join(found.done)
    assert all(len(song.events) == 20 and {e.duration for e in song.events} == {1} for song in found.songs)


@pytest.mark.slow
def test_the_command_from_scratch_in_a_process(folder, tmp_path):
    status, said, site = yours(folder, tmp_path, "--from", "scratch", "--epochs", "2", "--name", "fresh")
    assert status == 0, said
    assert "from scratch" in site.read_text() and (network.yours_folder() / "fresh.safetensors").is_file()
    model, card = checkpoints.load("fresh", folder=network.yours_folder())
    assert card["hyperparameters"]["body"] == "LSTM" and Path(site).stat().st_size > 10_000
    assert command.SCRATCH in card["training"]
