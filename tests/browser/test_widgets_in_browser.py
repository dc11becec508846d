"""The controls in JupyterLab, driven as a reader would: run the notebook, move the controls, listen, save."""

import io
import re
import shutil
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
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

ALL_RUN = r"""() => [...document.querySelectorAll('.jp-CodeCell')].filter(c => c.innerText.trim())
  .every(c => /\[\d+\]/.test(c.querySelector('.jp-InputPrompt').textContent))"""


def open_and_run(page, lab, name, minutes=5):
    """Opens a notebook and runs all its cells; returns when the kernel is idle again."""
    page.goto(lab.address(name))
    page.locator(".jp-Notebook").first.wait_for()
    page.locator(".jp-NotebookPanel-toolbar").first.wait_for()
    page.wait_for_function("() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
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


def noteheads(player):
    """Notes on the staff that are struck, ties counted once, by their rects in the roll, and by the heads on the staff."""
    return player.locator(".nfs-roll rect.note").count(), player.locator(".nfs-staff g.note").count()


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
    composer.get_by_label("melody").fill("3/4 c'4 b8 a g4")
    composer.get_by_label("melody").press("Tab")
    composer.get_by_label("key to play in").select_option("G")
    composer.get_by_role("button", name="Compose").click()
    player = player_of(page)
    player.wait_for()
    sound = player.evaluate(SOUND)
    assert sound["seconds"] > 3 and sound["loudness"] > 0.005 and sound["shown"] > 3
    label = player.locator(".nfs-label").inner_text()
    notes = int(re.search(r"(\d+) note", label)[1])
    assert noteheads(player)[0] == notes and noteheads(player)[1] >= notes
    assert "seed 5" in player.inner_text() and "in G" in player.inner_text() and "3/4" in label
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
        saved[kind] = (download.value.suggested_filename, open(download.value.path(), "rb").read())
    assert [name.rsplit(".", 1)[-1] for name, _ in saved.values()] == ["mid", "musicxml", "mp3"]
    midi = mido.MidiFile(file=io.BytesIO(saved["MIDI"][1]))
    pitches = [m.note for m in midi if m.type == "note_on" and m.velocity]
    assert len(pitches) == notes and pitches[:4] == [67, 66, 64, 62]  # the beginning, in G, nearest to where it was
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
from helpers.writers import Writer
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
    page.wait_for_timeout(500)
