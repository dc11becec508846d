import base64
import inspect
import io
import re
import subprocess
import sys
from fractions import Fraction
from xml.etree import ElementTree

import mido
import nbformat
import numpy as np
import pytest
import soundfile
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from PIL import Image

from helpers import figures, midi, notation, sound
from helpers.player import Player, play
from helpers.songs import Event, Song, voices_of

TUNE = "3/4 g4 a8 b c'4 r4 d'2 trip{e'8 f#' g'} g'2 b-4~ b-8 c8 r4"


@pytest.fixture(scope="module")
def tune():
    return Song.from_tiny(TUNE, tonic="G", title="A tune")


def notes_of(midi: bytes):
    """(onset, duration, pitch) in quarter lengths, read by mido."""
    file = mido.MidiFile(file=io.BytesIO(midi))
    notes, sounding, now = [], {}, 0
    for message in mido.merge_tracks(file.tracks):
        now += message.time
        if message.type == "note_on" and message.velocity:
            sounding[message.note] = now
        elif message.type in ("note_on", "note_off"):
            start = sounding.pop(message.note)
            notes.append(
                (Fraction(start, file.ticks_per_beat), Fraction(now - start, file.ticks_per_beat), message.note)
            )
    return sorted(notes)


def test_midi_read_back_by_another_library_holds_the_same_notes(tune):
    expected, onset = [], Fraction(0)
    for event in tune.events:
        expected += [(onset, event.duration, pitch) for pitch in event.pitches]
        onset += event.duration
    assert notes_of(midi.to_midi(tune)) == sorted(expected)


def test_midi_says_tempo_meter_and_instrument(tune):
    messages = list(mido.merge_tracks(mido.MidiFile(file=io.BytesIO(midi.to_midi(tune, tempo=90, program=40))).tracks))
    assert {message.program for message in messages if message.type == "program_change"} == {40}
    assert [round(mido.tempo2bpm(message.tempo)) for message in messages if message.type == "set_tempo"] == [90]
    (key,) = [message for message in messages if message.type == "key_signature"]
    assert key.key == "G"
    (meter,) = [message for message in messages if message.type == "time_signature"]
    assert (meter.numerator, meter.denominator) == (3, 4)


def test_chords_go_into_midi():
    song = Song("x", "", "x", "C", "major", "4/4", (Event((60, 64, 67), 2), Event((62,), Fraction(1, 7))))
    assert [note[2] for note in notes_of(midi.to_midi(song))] == [60, 64, 67, 62]
    assert notes_of(midi.to_midi(song))[3][:2] == (2, Fraction(1, 7))


def peak_frequency(samples, sample_rate):
    """Hz of the strongest partial, refined by a parabola through the logarithmic peak."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    k = spectrum.argmax()
    a, b, c = np.log(spectrum[k - 1 : k + 2])
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * sample_rate / (8 * len(samples))


@pytest.mark.parametrize("pitch", [60, 69, 76])
@pytest.mark.parametrize("program", [0, 73])
def test_sound_has_the_right_pitch(pitch, program):
    song = Song("x", "", "x", "C", "major", "4/4", (Event((pitch,), 2),))
    samples = sound.to_audio(song, tempo=60, program=program)
    hertz = peak_frequency(samples[4000:36000], sound.SAMPLE_RATE)
    cents = 1200 * np.log2(hertz / (440 * 2 ** ((pitch - 69) / 12)))
    cents -= 1200 * round(cents / 1200)  # the strongest partial may be the octave
    assert abs(cents) < 20


@pytest.mark.parametrize("tempo", [60, 100, 200])
def test_sound_is_there_and_as_long_as_it_should_be(tune, tempo):
    samples = sound.to_audio(tune, tempo=tempo)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert np.abs(samples).max() <= 1
    assert np.sqrt((samples**2).mean()) > 0.01
    seconds = float(tune.duration) * 60 / tempo
    assert len(samples) / sound.SAMPLE_RATE == pytest.approx(seconds, rel=0.05)


def test_rests_are_silent_and_a_song_of_rests_is_all_silence():
    samples = sound.to_audio(Song.from_tiny("c8 r4. r2 c4 d4"), tempo=60)
    seconds = np.arange(len(samples)) / sound.SAMPLE_RATE
    loud = lambda start, end: np.sqrt((samples[(start <= seconds) & (seconds < end)] ** 2).mean())
    assert loud(2.5, 3.9) < 0.05 * loud(4, 5)
    assert not sound.to_audio(Song.from_tiny("r1")).any()


def test_mp3_is_read_back_with_the_same_length(tune, tmp_path):
    data = sound.to_mp3(tune, tmp_path / "tune.mp3")
    samples, rate = soundfile.read(io.BytesIO(data))
    assert (tmp_path / "tune.mp3").read_bytes() == data
    assert rate == sound.SAMPLE_RATE
    assert len(samples) / rate == pytest.approx(float(tune.duration) * 0.6, rel=0.05)
    assert len(data) < 8_000 * float(tune.duration) * 0.6


def test_musicxml_holds_the_same_notes(tune):
    from music21 import converter

    score = converter.parse(notation.to_musicxml(tune), format="musicxml")
    from helpers.songs import events_of_stream

    assert events_of_stream(score.parts[0], merge_ties=True)[: len(tune.events)] == tune.events
    assert score.parts[0].recurse().getElementsByClass("KeySignature")[0].sharps == 1


def test_upbeats_and_ties_are_written():
    song = Song("x", "", "x", "C", "major", "3/4", (Event((60,), 1), Event((62,), 5), Event((64,), 1)), pickup=1)
    measures = notation.to_music21(song).parts[0].getElementsByClass("Measure")
    assert [float(measure.duration.quarterLength) for measure in measures] == [1, 3, 3]
    assert [note.tie and note.tie.type for note in measures[1].notes] == ["start"]
    assert [note.tie and note.tie.type for note in measures[2].notes] == ["stop", None]


@pytest.mark.parametrize(
    ("tonic", "mode", "names"),
    [
        ("C", "major", "C C# D E- E F F# G A- A B- B"),
        ("E", "major", "C C# D D# E E# F# G G# A A# B"),
        ("Eb", "major", "C D- D E- E F G- G A- A B- B"),
        ("A", "minor", "C C# D D# E F F# G G# A B- B"),
    ],
)
def test_spelling_fits_the_key(tonic, mode, names):
    events = tuple(Event((60 + k,), 1) for k in range(12))
    part = notation.to_music21(Song("x", "", "x", tonic, mode, "4/4", events)).parts[0]
    written = [note.pitch for note in part.flatten().notes]
    assert [pitch.midi for pitch in written] == list(range(60, 72))
    assert [pitch.name for pitch in written] == names.split()


def test_every_key_can_be_written():
    for tonic in ("Cb", "Gb", "C#", "D#", "G#", "A#", "Fb"):
        for mode in ("major", "minor"):
            song = Song("x", "", "x", tonic, mode, "4/4", (Event((61,), 4),))
            assert "<svg" in notation.notation_svg(song)


def test_arcs_join_the_notes_that_are_paired(tune):
    rest = next(k for k, event in enumerate(tune.events) if not event.pitches)
    svg = notation.joined_svg(tune, [(8, 0), (3, 1), (rest, 0)])
    arcs = re.findall(r'<path d="M(\d+) -?\d+ C[^"]+ (\d+) -?\d+"/>', svg)
    assert len(arcs) == 2  # none to the rest
    heads = [int(x) + 110 for x in re.findall(r'class="notehead"><use [^>]*?(?:translate\(|\sx=")(\d+)', svg)]
    sounding = [k for k, event in enumerate(tune.events) if event.pitches]
    x_of = dict(zip(sounding, heads, strict=False))  # a tied note comes after them
    assert [tuple(map(int, arc)) for arc in arcs] == [(x_of[8], x_of[0]), (x_of[3], x_of[1])]
    ElementTree.fromstring(svg)
    wrapped = Song("x", "", "x", "C", "major", "4/4", (Event((60,), 1), Event((67,), 1)) * 60)
    assert "<path d=" in notation.joined_svg(wrapped, [(100, 0)])  # from one line to another
    notation.png_of(notation.joined_svg(wrapped, [(100, 0)]))


def test_notation_has_a_head_for_every_note_and_a_time_for_each(tune):
    svg, moments = notation.engrave(tune)
    heads = len(re.findall(r'class="note"', svg))
    assert heads == sum(len(names) for _, _, names in moments)
    onsets = [start for start, _, _ in moments]
    expected, onset = [], Fraction(0)
    for event in tune.events:
        if event.pitches:
            expected.append(float(onset))
        onset += event.duration
    assert set(np.round(expected, 3)) <= set(np.round(onsets, 3))  # tied notes have a head in each measure
    for _, _, names in moments:
        assert all(f'id="{name}"' in svg for name in names)


def test_png_is_a_picture_with_ink(tune):
    picture = np.asarray(Image.open(io.BytesIO(notation.notation_png(tune))))
    assert picture.shape[1] >= 700
    assert 0.01 < (picture < 128).mean() < 0.3


def test_voice_roll_colours_the_voices_and_marks_what_is_wrong():
    voices = [Song.from_tiny("4/4 c4 d e2"), Song.from_tiny("4/4 r2 C2")]
    wrong = [[k == 2, k in (0, 5)] for k in range(8)]
    ax = figures.voice_roll(voices, wrong, ax=plt.figure().gca())
    assert {bar.get_facecolor()[:3] for bar in ax.patches} == {to_rgb(color) for color in figures.GROUPS[:2]}
    marks = [tuple(place) for cloud in ax.collections for place in cloud.get_offsets()]
    assert marks == [(1.25, 62), (2.75, 48)]  # the lower voice rests at step 0, so no cross can stand there
    with pytest.raises(ValueError, match="a mark for each"):
        figures.voice_roll(voices, [[True]])
    with pytest.raises(ValueError, match="4 at most"):
        figures.voice_roll(voices * 3)


def test_piano_roll_draws_each_note(tune):
    ax = figures.piano_roll(tune, plt.figure().gca())
    assert len(ax.patches) == sum(len(event.pitches) for event in tune.events)
    assert ax.get_xlabel() and ax.get_ylabel()
    plt.close("all")


def test_model_graph_needs_no_graphviz_program(monkeypatch):
    import torch

    monkeypatch.setenv("PATH", "")
    svg = figures.model_graph(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh()), torch.zeros(2, 4))
    assert "<svg" in svg and "Linear" in svg


@pytest.mark.parametrize(
    ("how", "says"), [({"tempo": 0}, "tempo"), ({"tempo": float("nan")}, "tempo"), ({"program": 128}, "instrument")]
)
def test_bad_settings_are_refused(tune, how, says):
    with pytest.raises(ValueError, match=says):
        midi.to_midi(tune, **how)


def test_an_empty_song_is_refused_everywhere():
    empty = Song("nothing", "", "x", "C", "major", "4/4", ())
    for show in (midi.to_midi, sound.to_audio, notation.to_musicxml, notation.notation_svg, figures.piano_roll, Player):
        with pytest.raises(ValueError, match="'nothing' holds no event"):
            show(empty)


def test_player_is_one_small_self_contained_block():
    song = Song.from_tiny("4/4 c8 d e f g4 g a8 a a a g2 a8 a a a g2 f8 f f f e4 e")
    player = Player(song, title="ten seconds", tempo=60 * float(song.duration) / 10)
    assert len(player.html) < 250_000
    remote = [
        address for address in re.findall(r'(?:src|href)="([^"#]*)"', player.html) if not address.startswith("data:")
    ]
    assert not remote
    assert player._repr_html_() == player.html
    assert "22 notes, 10.0 s" in repr(player)


def test_play_shows_the_parameters_of_the_player_and_hands_them_on(tune, capsys):
    shown, made = inspect.signature(play), inspect.signature(Player)
    assert str(shown) == f"{made} -> None" and "tempo: 'float' = 100" in str(shown)
    assert list(shown.parameters)[:2] == ["song", "title"] and "downloads" in shown.parameters
    assert play(tune, "shown", tempo=60) is None
    assert capsys.readouterr().out.strip() == repr(Player(tune, "shown", tempo=60))
    with pytest.raises(TypeError, match="tempoo"):
        play(tune, tempoo=60)


def test_two_players_of_one_song_do_not_share_an_id(tune):
    ids = [re.search(r'<div id="([^"]+)"', Player(tune).html)[1] for _ in range(2)]
    assert ids[0] != ids[1]


def test_titles_never_become_markup(tune):
    evil = '<script>alert("x")</script>\'"'
    html = Player(tune, title=evil).html
    assert "<script>alert" not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;" in html
    assert "<script>alert" not in notation.notation_svg(Song("x", evil, "x", "C", "major", "4/4", (Event((60,), 1),)))


VOICES = [
    Song("x", name, "x", "C", "major", "4/4", tuple(Event((pitch,), 2) for pitch in pitches))
    for name, pitches in (("soprano", (76, 74)), ("alto", (67, 67)), ("tenor", (60, 59)), ("bass", (48, 43)))
]


def test_voices_have_a_staff_an_instrument_and_a_sound_each():
    score = notation.to_music21(VOICES)
    assert len(score.parts) == 4 and [len(part.flatten().notes) for part in score.parts] == [2, 2, 2, 2]
    svg, moments = notation.engrave(VOICES)
    assert [len(names) for _, _, names in moments] == [4, 4] and svg.count('class="staff') >= 4
    data = mido.MidiFile(file=io.BytesIO(midi.to_midi(VOICES, program=[73, 71, 70, 42])))
    programs = {m.program: m.channel for track in data.tracks for m in track if m.type == "program_change"}
    assert set(programs) == {73, 71, 70, 42} and len(set(programs.values())) == 4
    together, alone = sound.to_audio(VOICES, program=[73, 71, 70, 42]), sound.to_audio(VOICES[0], program=73)
    assert len(together) == len(alone) and np.abs(together).max() > 0.5
    spectrum = np.abs(np.fft.rfft(together[2000:26000] * np.hanning(24000)))
    for pitch in (76, 67, 60, 48):  # each voice is heard
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        assert spectrum[round(hertz) - 3 : round(hertz) + 4].max() > 20 * np.median(spectrum)
    assert repr(Player(VOICES, "four")) == "▶ four (4/4, 8 notes, 2.4 s)"


def test_voices_are_looked_at_once():
    voices = voices_of(VOICES)
    assert list(voices) == VOICES and voices.duration == 4 and voices_of(voices) is voices
    assert voices_of(VOICES[0]) == (VOICES[0],)


def test_voices_and_instruments_must_match():
    with pytest.raises(ValueError, match="2 instruments for 4 voices"):
        midi.to_midi(VOICES, program=[0, 1])
    with pytest.raises(ValueError, match="no voice"):
        midi.to_midi([])


def test_the_roll_has_a_bar_for_each_note_where_it_sounds(tune):
    svg, timed = figures.roll_svg(tune)
    sounding = [event for event in tune.events if event.pitches]
    assert svg.count("<rect") == len(timed) == len(sounding)
    bars = {
        name: (float(x), float(w)) for name, x, w in re.findall(r'<rect id="([^"]+)".*? x="(.*?)".*?width="(.*?)"', svg)
    }
    per_quarter = (720 - 36) / float(tune.duration)
    for start, end, name in timed:
        x, wide = bars[name]
        assert x == pytest.approx(34 + start * per_quarter, abs=0.1)
        assert wide == pytest.approx((end - start) * per_quarter - 1, abs=0.2)
    assert np.array(Image.open(io.BytesIO(figures.png_of(svg)))).min() < 120


def test_surprise_colours_each_note_on_staff_and_roll(tune):
    surprise = [0.5 * k for k in range(len(tune.events))]
    player = Player(tune, surprise=surprise, given=3, note="how <it> was made", downloads=True)
    for event, nats in zip(tune.events, surprise, strict=True):
        color = figures.surprise_color(nats)
        if event.pitches:
            assert f'fill="{color}"><title>' in player.html  # in the roll
            assert re.search(rf'<g id="[^"]+" color="{color}" fill="{color}" class="note"', player.html)
    assert "how &lt;it&gt; was made" in player.html and "stroke-dasharray" in player.html
    assert "6 nats, one chance in 400" in player.html
    with pytest.raises(ValueError, match="2 surprises for"):
        Player(tune, surprise=[1, 2])


def test_surprise_gets_lighter_with_the_nats_and_stays_readable_on_white():
    from matplotlib.colors import to_rgb

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    light = [luminance(figures.surprise_color(nats)) for nats in (0, 1, 2, 3, 4, 5, 6)]
    assert light == sorted(light) and figures.surprise_color(60) == figures.surprise_color(6)
    assert 1.05 / (light[-1] + 0.05) > 2.5  # contrast with white


@pytest.mark.slow
def test_the_first_staff_may_be_engraved_in_a_thread():
    """Verovio's fonts were found by the importing thread alone: the first song of a Composer had no staff."""
    code = (
        "import threading; from helpers import notation; from helpers.songs import Song; drawn = []\n"
        "draw = lambda: drawn.append(notation.notation_svg(Song.from_tiny('4/4 c4 d e f')).count('class=\"notehead'))\n"
        "thread = threading.Thread(target=draw); thread.start(); thread.join(); draw(); print(drawn)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[4, 4]\n"


def test_each_voice_has_the_colours_of_its_own_surprises():
    voices = [Song.from_tiny("4/4 c'4 d' e' f' g'1"), Song.from_tiny("4/4 e2 g2 g1"), Song.from_tiny("4/4 C2. D4 C1")]
    rows = [[0.3, 0.6, 0.9, 1.2, 1.5], [2.1, 2.4, 2.7], [4.2, 4.5, 4.8]]
    player = Player(voices, surprise=rows)
    for nats in (nats for row in rows for nats in row):
        color = figures.surprise_color(nats)
        assert player.html.count(f'color="{color}" fill="{color}"') == 1  # on the staff, each note once
        assert f"surprise {nats:.2f} nats" in player.html  # on the roll
    with pytest.raises(ValueError, match="2 rows of surprise for 3 voices"):
        Player(voices, surprise=rows[:2])
    with pytest.raises(ValueError, match="2 surprises for 3 events"):
        Player(voices, surprise=[rows[0], rows[1], rows[2][:2]])


def test_figures_of_a_notebook_are_sharp_with_and_without_music21():
    """Which of them music21 sharpened depended on what was in the cache: a cached load does not import it."""
    draw = "plt.plot([1, 2])\nplt.show()"
    cells = ["import matplotlib.pyplot as plt\nimport helpers.figures", draw, f"import music21\n{draw}"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(book, startup_timeout=600).execute()
    for cell in book.cells[1:]:
        (output,) = (one for one in cell.outputs if "data" in one)
        width, _ = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).size
        assert width // 2 == output.metadata["image/png"]["width"]
