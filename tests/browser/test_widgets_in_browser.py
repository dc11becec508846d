"""The controls in JupyterLab, driven as a reader would: run the notebook, move the controls, listen, save."""

import io
import re
import shutil
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from lab import studio
from music21 import converter

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOUND = """async player => {
  const audio = player.querySelector('audio');
  const context = new OfflineAudioContext(1, 8000, 8000);
  const data = await (await fetch(audio.src)).arrayBuffer();
  const sound = await context.decodeAudioData(data);
  const samples = sound.getChannelData(0);
  let sum = 0; for (const s of samples) sum += s * s;
  return {seconds: sound.duration, loudness: Math.sqrt(sum / samples.length), shown: audio.duration};
}"""

ALL_RUN = r"""() => [...document.querySelectorAll('.jp-CodeCell')]
  .filter(c => c.innerText.trim() && !c.querySelector('.jp-InputPlaceholder'))  // a hidden cell shows no number
  .every(c => /\[\d+\]/.test(c.querySelector('.jp-InputPrompt').textContent))"""


def open_and_run(page, lab, name, minutes=20):
    """Opens a notebook and runs all its cells; returns when the kernel is idle again."""
    page.goto(lab.address(name))
    page.locator(".jp-Notebook").first.wait_for()
    page.locator(".jp-NotebookPanel-toolbar").first.wait_for()
    page.locator(".jp-Toolbar-kernelName", has_text="Python 3").wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    page.locator(".jp-StatusBar-TextItem, .jp-StatusBar-Widget", has_text="| Idle").first.wait_for()
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    page.wait_for_function(ALL_RUN, timeout=minutes * 60_000)


def as_wide_as_a_phone(page, box):
    """Gives outputs the width of a phone, and checks that nothing is cut off; returns the style element."""
    style = page.add_style_tag(content=".jp-OutputArea-output { width: 400px !important; flex: none !important; }")
    page.wait_for_timeout(300)
    sizes = box.evaluate("box => [box.clientWidth, box.scrollWidth]")
    assert sizes[0] <= 400 and sizes[1] <= sizes[0] + 2, sizes
    return style


def player_of(page):
    return page.locator(".widget-output .nfs-player, .widget-vbox .nfs-player").first


def notes_shown(player):
    """Notes on the staff, where tied ones count once, and bars in the piano roll."""
    kinds = ("notehead", "tie:not(.spanning)")  # a tie over the end of a line is drawn twice
    heads, ties = (player.locator(f".nfs-staff g.{kind}").count() for kind in kinds)
    return heads - ties, player.locator(".nfs-roll rect.note").count()


@pytest.fixture(scope="module")
def first_notebook(lab):
    shutil.copy(NOTEBOOKS / "01-markov.ipynb", lab.notebooks)
    return "01-markov.ipynb"


def test_first_notebook_from_run_all_to_saved_files(page, lab, first_notebook, pictures):
    open_and_run(page, lab, first_notebook)
    composer = page.locator(".nfs-composer")
    composer.scroll_into_view_if_needed()
    composer.get_by_label("seed").fill("5")
    composer.get_by_label("seed").press("Tab")
    composer.get_by_label("melody").fill("3/4 c4 B8 A G4")
    composer.get_by_label("melody").press("Tab")
    composer.get_by_label("key to play in").select_option("G")
    composer.get_by_role("button", name="Compose").click()
    player = player_of(page)
    player.wait_for()
    sound = player.evaluate(SOUND)
    assert sound["seconds"] > 3 and sound["loudness"] > 0.005 and sound["shown"] > 3
    label = player.locator(".nfs-label").inner_text()
    notes = int(re.search(r"(\d+) note", label)[1])
    assert notes_shown(player) == (notes, notes)
    assert "seed 5" in player.inner_text() and "in G major" in player.inner_text() and "3/4" in label
    colors = player.locator(".nfs-staff g.note[fill]").evaluate_all("all => all.map(n => n.getAttribute('fill'))")
    assert len(set(colors)) > 3  # of surprise

    # the lit note moves while it plays
    player.locator("audio").evaluate("audio => audio.play()")
    lit = "() => document.querySelector('.widget-output .nfs-player .nfs-roll .lit')?.id"
    page.wait_for_function(lit)
    first = page.evaluate(lit)
    page.wait_for_function(f"first => ({lit})() && ({lit})() !== first", arg=first)
    assert page.locator(".widget-output .nfs-player .nfs-staff g.lit").count() >= 1
    player.locator("audio").evaluate("audio => audio.pause()")

    # the files it saves are whole
    saved = {}
    for kind in ("MIDI", "MusicXML", "MP3"):
        with page.expect_download() as download:
            player.get_by_role("link", name=kind, exact=True).click()
        saved[kind] = (download.value.suggested_filename, Path(download.value.path()).read_bytes())
    assert [name.rsplit(".", 1)[-1] for name, _ in saved.values()] == ["mid", "musicxml", "mp3"]
    midi = mido.MidiFile(file=io.BytesIO(saved["MIDI"][1]))
    pitches = [m.note for m in midi if m.type == "note_on" and m.velocity]
    assert len(pitches) == notes and pitches[:4] == [55, 54, 52, 50]  # the beginning, in G, nearest to where it was
    score = converter.parseData(saved["MusicXML"][1].decode(), format="musicxml")
    struck = [n for n in score.flatten().notes if n.tie is None or n.tie.type == "start"]
    assert len(struck) == notes
    samples, rate = soundfile.read(io.BytesIO(saved["MP3"][1]))
    assert len(samples) / rate > 3 and np.abs(samples).max() > 0.1

    composer.screenshot(path=pictures / "composer-light-1200.png")
    as_wide_as_a_phone(page, composer)
    composer.screenshot(path=pictures / "composer-light-400.png")


COMPOSER = """
import time
import torch
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.songs import Song
from helpers.widgets import Composer, LatentExplorer, MelodyInput
from helpers.composing import Writer
song = Song.from_tiny("4/4 c4 d e f g2 g2 r4")
vocabulary = StringToIntEncoder.fit([NoteEncoder().encode(song)])
def next_p(frame):
    def p(history):
        time.sleep(wait)
        p = torch.ones(len(vocabulary)).double()
        p[0] = 0
        return p / p.sum()
    return p
wait = 0.0
encode = lambda song: vocabulary.encode(NoteEncoder().encode(song))
decode = lambda ids, frame: NoteEncoder().decode(vocabulary.decode(ids), frame)
composer = Composer({"even": Writer(next_p, encode, decode)}, songs=[song])
composer
"""


def test_mistakes_and_stop(page, lab, pictures, tmp_path):
    lab.set_theme("dark")
    open_and_run(page, lab, lab.write("mistakes.ipynb", COMPOSER))
    composer = page.locator(".nfs-composer")
    status = composer.get_by_role("status")
    compose = composer.get_by_role("button", name="Compose")

    def say(way, words):
        compose.click()
        status.filter(has_text=words).first.wait_for()
        assert "Traceback" not in page.inner_text("body")

    composer.get_by_label("melody").fill("c4 <script>alert(1)</script>")
    composer.get_by_label("melody").press("Tab")
    say("typed", "TinyNotation")
    composer.get_by_label("melody").fill("c4 a4")
    composer.get_by_label("melody").press("Tab")
    say("typed", "A4")
    composer.get_by_label("begin with").select_option("a file")
    for name, data, words in (
        ("empty.mid", b"", "is empty"),
        ("<img src=x onerror=alert(1)>.txt", b"hello", "is no music file"),
        ("broken.mid", b"MThd and then nothing", "cannot be used"),
        ("large.mid", b"\0" * 20_000_000, "20.0 MB"),
    ):
        composer.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": data})
        composer.get_by_text(words).first.wait_for()
    assert page.locator("img[src=x]").count() == 0
    composer.locator("input[type=file]").set_input_files(
        {"name": "tune.abc", "mimeType": "", "buffer": b"X:1\nT:A <b>tune</b>\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|\n"}
    )
    composer.get_by_text("A <b>tune</b>: 6 notes, G major, 4/4").wait_for()
    compose.click()
    player = player_of(page)
    player.wait_for()
    assert "6 notes of A <b>tune</b>" in player.inner_text() or "8 notes of A <b>tune</b>" in player.inner_text()
    composer.screenshot(path=pictures / "composer-dark-1200.png")
    phone = as_wide_as_a_phone(page, composer)
    composer.screenshot(path=pictures / "composer-dark-400.png")
    phone.evaluate("style => style.remove()")

    # a long take can be stopped, and the takes stay
    takes = page.locator(".widget-output .nfs-player").count()
    page.locator(".jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Escape")
    composer.get_by_label("begin with").select_option("nothing")
    page.evaluate("() => 0")
    lab_slow(page)
    compose.click()
    stop = composer.get_by_role("button", name="Stop")
    page.wait_for_function(
        "() => [...document.querySelectorAll('button')].some(b => b.textContent === 'Stop' && !b.disabled)"
    )
    stop.click()
    status.filter(has_text="Stopped").first.wait_for()
    assert page.locator(".widget-output .nfs-player").count() == takes
    lab.set_theme("light")


def lab_slow(page):
    """Runs `wait = 0.5` in the notebook's kernel, by a new cell at its end."""
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type("wait = 0.5")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(ALL_RUN)


def test_grid_by_mouse_and_keyboard(page, lab, pictures):
    open_and_run(
        page, lab, lab.write("grid.ipynb", "from helpers.widgets import MelodyInput\ngrid = MelodyInput()\ngrid")
    )
    grid = page.locator(".nfs-grid")
    cell = lambda pitch, step: grid.locator(f"button[data-pitch='{pitch}'][data-step='{step}']")
    text = page.get_by_label("as text")
    shows = lambda value: wait_value(page, text, value)
    cell(60, 0).click()
    shows("4/4 c8")
    cell(64, 1).hover()  # drag over three columns
    page.mouse.down()
    cell(64, 3).hover()
    page.mouse.up()
    shows("4/4 c8 e4.")
    cell(67, 6).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    shows("4/4 c8 e4. r4 g4")
    page.keyboard.press("ArrowUp")  # moves in the grid, not in the notebook
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "A♭4, step 7, empty"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")  # held already: stays
    shows("4/4 c8 e4. r4 g4")
    assert cell(67, 7).get_attribute("aria-label") == "G4, step 8, held"
    cell(60, 0).click()  # erases it
    shows("4/4 r8 e4. r4 g4")
    text.fill("4/4 c4 d8 e8 f2")
    text.press("Tab")
    page.wait_for_function("() => document.querySelectorAll('.nfs-grid button[aria-selected=true]').length === 8")
    page.get_by_role("button", name="Play", exact=True).click()
    player = page.locator(".nfs-player").first
    player.wait_for()
    assert notes_shown(player) == (4, 4) and player.evaluate(SOUND)["loudness"] > 0.005
    page.locator(".jp-OutputArea-output > .widget-vbox").first.screenshot(path=pictures / "grid.png")
    as_wide_as_a_phone(page, page.locator(".jp-OutputArea-output > .widget-vbox").first)


def wait_value(page, field, value):
    page.wait_for_function("([field, value]) => field.value === value", arg=[field.element_handle(), value])


MAP = """
import torch
from helpers.songs import Song
from helpers.widgets import LatentExplorer
torch.manual_seed(0)
codes = torch.randn(40, 5) * torch.tensor([3.0, 2, 1, 1, 1])
def decode(code):
    low, high = 60 + round(code[0]), 60 + round(code[1])
    return [Song.from_tiny("4/4 c4 d e f").transpose(high - 60), Song.from_tiny("4/4 C2 D2").transpose(low - 60)]
explorer = LatentExplorer(decode, codes, [f"song {k}" for k in range(40)], ["major", "minor"] * 20)
explorer
"""


def test_map_by_click_and_sliders(page, lab, pictures):
    open_and_run(page, lab, lab.write("map.ipynb", MAP))
    drawing = page.locator("svg[aria-label^='map of the songs']")
    page.evaluate("() => { window.first = document.querySelector('.nfs-map'); }")
    before = page.locator(".nfs-cross").get_attribute("d")
    dot = drawing.locator("circle").nth(8)
    at = [float(dot.get_attribute(name)) for name in ("cx", "cy")]
    dot.click()
    page.wait_for_function(
        "([x, y]) => { const d = document.querySelector('.nfs-cross').getAttribute('d').match(/[\\d.]+/g).map(Number);"
        "return Math.abs((d[0] + d[2]) / 2 - x) < 2 && Math.abs(d[1] - y) < 2; }",
        arg=at,
    )
    assert page.locator(".nfs-cross").get_attribute("d") != before
    page.get_by_role("button", name="Listen").click()
    player = page.locator(".nfs-player").first
    player.wait_for()
    assert notes_shown(player) == (6, 6) and player.evaluate(SOUND)["loudness"] > 0.005
    way = page.locator("svg[aria-label^='map of the songs'] path[stroke-dasharray]")
    before = way.get_attribute("d")
    page.get_by_label("walk to").select_option("3. song 2")
    page.wait_for_function(
        "before => document.querySelector('svg[aria-label^=map] path[stroke-dasharray]')?.getAttribute('d') !== before",
        arg=before,
    )
    assert page.evaluate("() => window.first === document.querySelector('.nfs-map')")  # it is never drawn anew
    page.get_by_role("button", name="Walk").click()
    page.get_by_text("song 0 → song 2").first.wait_for()
    assert notes_shown(page.locator(".nfs-player").first) == (30, 30)
    page.locator(".jp-OutputArea-output > .widget-vbox").first.screenshot(path=pictures / "map.png")
    as_wide_as_a_phone(page, page.locator(".jp-OutputArea-output > .widget-vbox").first)


def test_studio_is_a_page_without_code(page, tmp_path, pictures):
    with studio(NOTEBOOKS / "studio.ipynb", tmp_path) as address:
        page.goto(address)
        composer = page.locator(".nfs-composer")
        composer.wait_for()
        assert "import" not in page.inner_text("body")
        composer.get_by_role("button", name="Compose").click()
        player = page.locator(".nfs-player").first
        player.wait_for()
        assert player.evaluate(SOUND)["seconds"] > 3
        page.screenshot(path=pictures / "studio-1200.png", full_page=True)
        harmoniser = page.locator(".nfs-harmoniser")
        harmoniser.get_by_role("button", name="Harmonise").click()
        four = harmoniser.locator(".nfs-player").first
        four.wait_for()
        assert four.locator(".nfs-staff g.staff").count() >= 4 and four.evaluate(SOUND)["loudness"] > 0.005
        assert "choir" in four.inner_text()
        composer.get_by_label("begin with").select_option("drawn")
        composer.locator(".nfs-grid button[data-pitch='60'][data-step='0']").click()
        wait_value(page, composer.get_by_label("as text"), "4/4 c8")
        page.set_viewport_size({"width": 400, "height": 900})
        page.wait_for_timeout(500)
        page.screenshot(path=pictures / "studio-400.png", full_page=True)
        sizes = page.evaluate("() => [innerWidth, document.documentElement.scrollWidth]")
        assert sizes[1] <= sizes[0] + 2, sizes


HARMONISER = """
from functools import partial
from helpers import checkpoints
from helpers.exported import from_notebook
from helpers.songs import Song
from helpers.widgets import BlindTest, Harmoniser
harmony = from_notebook("11-harmony")
tune = Song.from_tiny("4/4 c4 d e f g2 g a4 g f e d1", title="A tune")
harmoniser = Harmoniser(partial(harmony.harmonise, checkpoints.load("11-harmony").model), songs=[tune])
harmoniser
"""
BLIND = """
pairs = [(tune, tune.transpose(k)) for k in (1, 2)]
BlindTest(pairs, harmony.interval_of, seed=0)
"""


def test_a_melody_is_harmonised_kept_in_part_and_saved(page, lab, pictures):
    open_and_run(page, lab, lab.write("harmoniser.ipynb", HARMONISER, BLIND))
    panel = page.locator(".nfs-harmoniser")
    again = panel.get_by_role("button", name="Again")
    assert again.is_disabled()
    panel.get_by_role("button", name="Harmonise").click()
    player = panel.locator(".nfs-player").first
    player.wait_for()
    sound = player.evaluate(SOUND)
    assert sound["seconds"] > 8 and sound["loudness"] > 0.005
    assert player.locator(".nfs-staff g.staff").count() >= 4 * 4  # four staves in four bars
    heads, bars = notes_shown(player)
    assert heads == bars > 20
    colors = player.locator(".nfs-staff g.note[fill]").evaluate_all("all => all.map(n => n.getAttribute('fill'))")
    assert len(set(colors)) > 3  # of surprise
    bass = lambda take: take.locator(".nfs-roll rect[id^=roll-3]").evaluate_all(
        "all => all.map(n => n.id + n.textContent)"
    )
    first = bass(player)
    panel.get_by_label("keep the bass").check()
    panel.get_by_label("keep bars").select_option(["bar 2"])
    again.click()
    panel.get_by_text("kept: the bass, bar 2").wait_for()
    second = bass(panel.locator(".nfs-player").first)
    name = lambda note: note.split(",")[0]  # the surprise after it may change
    assert list(map(name, second)) == list(map(name, first))
    assert panel.locator(".nfs-player").count() == 2
    for kind, end in (("MIDI", "mid"), ("MusicXML", "musicxml")):
        with page.expect_download() as download:
            panel.locator(".nfs-player").first.get_by_role("link", name=kind, exact=True).click()
        data = Path(download.value.path()).read_bytes()
        assert download.value.suggested_filename.endswith(end)
        if kind == "MIDI":
            struck = [m for m in mido.MidiFile(file=io.BytesIO(data)) if m.type == "note_on" and m.velocity]
            assert len(struck) > 20 and {m.note for m in struck} >= {60, 62, 64}
        else:
            assert len(converter.parseData(data.decode(), format="musicxml").parts) == 4

    # a melody clicked into the grid
    panel.get_by_label("melody").select_option("drawn")
    panel.get_by_role("button", name="Harmonise").click()
    panel.get_by_text("the grid is empty").wait_for()
    for step, pitch in ((0, 72), (2, 74), (4, 76), (6, 72)):
        panel.locator(f".nfs-grid button[data-pitch='{pitch}'][data-step='{step}']").click()
    wait_value(page, panel.get_by_label("as text"), "4/4 c'8 r8 d'8 r8 e'8 r8 c'8")
    panel.get_by_role("button", name="Harmonise").click()
    panel.locator(".nfs-title", has_text="seed 2").nth(1).wait_for()  # the second take with this seed
    assert panel.locator(".nfs-player").count() == 3
    panel.screenshot(path=pictures / "harmoniser-1200.png")
    as_wide_as_a_phone(page, panel)
    panel.screenshot(path=pictures / "harmoniser-400.png")

    # the blind test below it
    blind = page.locator(".nfs-blind")
    blind.get_by_role("button", name="Begin").click()
    for number in (1, 2):
        blind.locator(".nfs-title", has_text=f"A of pair {number}").wait_for()
        blind.get_by_role("button", name="A is Bach").and_(blind.locator(":enabled")).click()
    blind.get_by_text("of 2 right; the interval").wait_for()
    assert blind.get_by_role("button", name="A is Bach").is_disabled()
