"""Titles and outputs that try to run something, in the player, the site, the page of `make yours`, and the Composer."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from lab import studio
from test_widgets_in_browser import open_and_run

from helpers.player import Player, content_policy
from helpers.songs import Song

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pages"))
TITLE = (
    "</script><img src=x onerror=\"ran.push('img')\"><script>ran.push('script')</script>' onload='ran.push(1)' {{7*7}}"
)
RAW = (
    "<script>ran.push('raw')</script><img src=x onerror=\"ran.push('raw img')\">"
    "<a href=\"javascript:ran.push('link')\">a</a>"
)
LISTEN = """window.ran = []; window.refused = [];
document.addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective + ' ' + e.sample));"""


def hostile_song():
    return Song("x", TITLE, "x", "C", "major", "4/4", Song.from_tiny("4/4 c4 d e f").events)


class _Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.downloads = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]
        assert dict(attributes).get("src") != "x"
        self.downloads += [value for name, value in attributes if name == "download"]


def test_a_player_shows_any_title_as_text():
    block = Player(hostile_song(), note=TITLE, downloads=True).html
    parsed = _Tags(block)
    assert parsed.tags.count("script") == 1 and parsed.tags.count("img") == 2
    assert len(parsed.downloads) == 3 and all(re.fullmatch(r"[\w-]{1,60}\.\w+", name) for name in parsed.downloads)


def ended(page):
    """What ran, and what the policy refused, some time after everything has loaded."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    return page.evaluate("() => [window.ran, window.refused]")


def test_a_player_runs_nothing_but_its_own_script(page, tmp_path):
    block = Player(hostile_song(), note=TITLE, downloads=True).html
    (tmp_path / "player.html").write_text(f"<!DOCTYPE html><meta charset=utf-8>{block}", encoding="utf-8")
    page.add_init_script(LISTEN)
    page.goto((tmp_path / "player.html").as_uri())
    assert ended(page) == [[], []] and page.locator(".nfs-player[data-ready]").count() == 1


def test_a_page_with_the_policy_runs_players_and_nothing_that_was_smuggled_in(page, tmp_path):
    meta = f'<meta http-equiv="Content-Security-Policy" content="{content_policy()}">'
    block = Player(hostile_song()).html
    (tmp_path / "page.html").write_text(f"<head><meta charset=utf-8>{meta}</head>{RAW}{block}", encoding="utf-8")
    page.add_init_script(LISTEN)
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("link", name="a", exact=True).click()
    ran, refused = ended(page)
    assert ran == [] and len(refused) == 3  # the script, the handler and the link
    assert page.locator(".nfs-player[data-ready]").count() == 1


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of two notebooks and their solutions, one with an output that is not ours."""
    make_site = pytest.importorskip("make_site", reason="the site is made in the full environment only")
    folder, names = tmp_path_factory.mktemp("site"), ("01-markov", "02-fnn-gradcheck")
    paths = {name: ROOT / "notebooks" / f"{name}.ipynb" for name in names}
    nb = nbformat.read(paths["01-markov"], as_version=4)
    data = {"text/html": RAW + Player(hostile_song()).html}
    next(cell for cell in nb.cells if cell.cell_type == "code").outputs = [nbformat.v4.new_output("display_data", data)]
    paths["01-markov"] = folder / "01-markov.ipynb"
    nbformat.write(nb, paths["01-markov"])
    make_site.build(paths, folder / "site", folder / "work")
    return folder / "site"


def test_no_page_of_the_site_is_hindered_by_its_policy(page, site):
    page.add_init_script(LISTEN)
    for name in ("index.html", "notebooks/02-fnn-gradcheck.html", "search.html?q=loss"):
        page.goto((site / "index.html").parent.as_uri() + "/" + name)
        assert ended(page) == [[], []], name
    page.goto((site / "notebooks" / "02-fnn-gradcheck.html").as_uri())
    page.locator("mjx-container").first.wait_for()
    assert page.locator(".nfs-player").count() == page.locator(".nfs-player[data-ready]").count() > 1
    assert page.locator("audio").first.evaluate(
        "audio => new Promise(done => { audio.onplaying = () => done(true); audio.play() })"
    )


def test_what_an_output_smuggles_into_the_site_does_not_run(page, site):
    page.add_init_script(LISTEN)
    page.goto((site / "notebooks" / "01-markov.html").as_uri())
    ran, refused = ended(page)
    assert ran == [] and len(refused) >= 2
    players = page.locator(".nfs-player")
    assert players.count() == page.locator(".nfs-player[data-ready]").count() > 1


HOSTILE = f"""
from helpers.composing import note_writer
from helpers.encoders import NoteEncoder, StringToIntEncoder
from helpers.player import play
from helpers.songs import Song
from helpers.widgets import Composer
import torch
title = {TITLE!r}
tune = Song.from_tiny("4/4 c4 d e f")
song = Song(title, title, "x", "C", "major", "4/4", tune.events)
play(song, note=title)
alphabet = StringToIntEncoder.fit([NoteEncoder().encode(song)])
p = torch.tensor([0.0, 1, 1, 1, 1]).double() / 4
composer = Composer({{title: note_writer(lambda like: lambda history: p, alphabet)}}, songs=[song])
composer.way.value = "picked"
composer.length.value = 8
composer.compose()
composer.start.value = title
composer
"""


def try_the_composer(page):
    """Types, chooses a file and composes, all of it with the title; nothing of it may run."""
    composer = page.locator(".nfs-composer")
    composer.get_by_label("begin with").select_option("a file")
    tune = f"X:1\nT:{TITLE}\nM:4/4\nL:1/4\nK:C\nCDEF|\n".encode()
    evil = {"name": "<img src=x onerror=ran.push(2)>.abc", "mimeType": "", "buffer": tune}
    composer.locator("input[type=file]").set_input_files(evil)
    composer.get_by_text(": 4 notes, C major, 4/4").wait_for()
    composer.get_by_label("begin with").select_option("typed")
    composer.get_by_label("melody").fill(TITLE)
    composer.get_by_role("button", name="Compose").click()
    composer.get_by_role("status").filter(has_text="inside another one").first.wait_for()
    composer.get_by_label("begin with").select_option("a file")
    takes = page.locator(".nfs-player[data-ready]").count()
    composer.get_by_role("button", name="Compose").click()
    page.wait_for_function(f"() => document.querySelectorAll('.nfs-player[data-ready]').length > {takes}")
    assert page.evaluate("() => window.ran") == [] and page.locator("img[src=x]").count() == 0


def test_titles_run_nothing_in_the_lab(page, lab):
    page.add_init_script("window.ran = []")
    open_and_run(page, lab, lab.write("hostile.ipynb", HOSTILE))
    assert page.locator(".nfs-player[data-ready]").count() >= 1
    try_the_composer(page)


def test_titles_run_nothing_in_the_studio(page, tmp_path):
    page.add_init_script("window.ran = []")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page"), nbformat.v4.new_code_cell(HOSTILE)])
    nbformat.write(nb, tmp_path / "hostile.ipynb")
    with studio(tmp_path / "hostile.ipynb", tmp_path) as address:
        page.goto(address)
        page.locator(".nfs-composer").wait_for()
        try_the_composer(page)
