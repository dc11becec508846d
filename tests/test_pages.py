import errno
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import numpy as np
import pytest
import soundfile
from PIL import Image

from helpers.player import Player
from helpers.songs import Song

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
sys.path.insert(0, str(ROOT / "pages"))

import make_site  # noqa: E402
import results  # noqa: E402

pytestmark = pytest.mark.slow


def test_the_results_in_the_readme_are_those_measured():
    written = (ROOT / "README.md").read_text(encoding="utf-8")
    assert written == results.readme(), "run: make notebooks, or python pages/results.py"
    assert results.printed("01-markov", r"(1,754 songs)") and set(results.minutes()) == set(results.BUILT)
    with pytest.raises(ValueError, match="execute the notebook"):
        results.printed("01-markov", r"(no such result)")


class _Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names |= {attributes.get("id"), attributes.get("name")}
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the site is made in the full environment only")
    folder = tmp_path_factory.mktemp("pages")
    failed = {"02-fnn-gradcheck": {"heading": "7. Depth <b>", "error": "AssertionError: a < `b`"}}
    make_site.build({path.stem: path for path in NOTEBOOKS}, folder / "site", folder / "work", failed)
    return folder / "site"


def test_every_internal_link_of_the_site_leads_somewhere(site):
    pages = {
        path: _Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.parent.name != "_static"
    }
    assert len(pages) >= 14
    broken = []
    for page, parsed in pages.items():
        for link in parsed.links:
            address = urlparse(link)
            if address.scheme or address.netloc:
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            anchor = unquote(address.fragment)
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].names):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken, "\n".join(broken)


def test_the_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|audio|link|iframe)\b[^>]*\b(?:src|href)=\"(https?://[^\"]+)\"", text)
        assert [address for address in loaded if "colab-badge" not in address and "/en/" not in address] == []


def test_the_contents_page_has_a_picture_a_sound_and_a_score_for_each_notebook(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    for name, score in results.scores().items():
        assert f"notebooks/{name}.html" in page and score in page
        assert Image.open(site / "covers" / f"{name}.png").size[0] > 300
        samples, rate = soundfile.read(io.BytesIO((site / "covers" / f"{name}.mp3").read_bytes()))
        assert 5 < len(samples) / rate < 10.5 and np.sqrt((samples**2).mean()) > 0.005
    assert page.count("solved: ") == len(make_site.SOLVED)


def test_the_site_has_the_page_of_the_benchmarks(site):
    page = (site / "benchmarks.html").read_text(encoding="utf-8")
    assert "How cost grows" in page and len(re.findall(r'<img[^>]* src="_images/\w+\.png"', page)) == 2
    assert 'href="benchmarks.html"' in (site / "README.html").read_text(encoding="utf-8")


def test_where_styles_scripts_sound_and_svg_are_stripped_two_pictures_remain():
    block = Player(Song.from_tiny("4/4 c4 d e f", title="Stripped")).html
    for tag in ("style", "script", "svg", "audio"):
        block = re.sub(rf"<{tag}\b.*?</{tag}>", "", block, flags=re.DOTALL)
    pictures = re.findall(r'<img class="nfs-still" alt="([^"]+)"[^>]*base64,([^"]+)"', block)
    assert [alt for alt, _ in pictures] == ["staff notation of Stripped", "piano roll of Stripped"]
    import base64

    for _, data in pictures:
        picture = np.array(Image.open(io.BytesIO(base64.b64decode(data))))
        assert picture.min() < 150 < picture.max() and (picture < 150).mean() > 0.002


def test_the_page_of_a_notebook_that_failed_says_so_and_no_other_does(site):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in site.glob("notebooks/[0-9]*.html")}
    assert [name for name, text in pages.items() if "On this machine the notebook failed" in text] == [
        "02-fnn-gradcheck"
    ]
    text = pages["02-fnn-gradcheck"]
    assert "AssertionError" in text and "Depth <b>" not in text
    assert text.index("On this machine") < text.index("You build")


def test_the_site_is_small_and_holds_no_caches(site):
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert not [path for path in files if ".doctree" in path.name or path.name == ".buildinfo" or path.suffix == ".map"]


def test_mirror_replaces_what_differs_and_leaves_the_rest_alone(tmp_path):
    make_site.mirror({Path("a/b.txt"): b"1", Path("c.txt"): b"2"}, tmp_path)
    before = (tmp_path / "c.txt").stat().st_mtime_ns
    make_site.mirror({Path("a/b.txt"): b"3", Path("c.txt"): b"2"}, tmp_path)
    assert (tmp_path / "a/b.txt").read_bytes() == b"3" and (tmp_path / "c.txt").stat().st_mtime_ns == before
    (tmp_path / "yours.html").write_text("a page of make yours")
    make_site.mirror({Path("c.txt"): b"2"}, tmp_path, {Path("a/b.txt"), Path("gone.txt")})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["c.txt", "yours.html"]
    make_site.mirror({Path("c.txt"): b"2"}, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["c.txt"]


def test_a_notebook_whose_outputs_are_cleared_has_no_picture_and_no_score(monkeypatch):
    nb = nbformat.read(NOTEBOOKS[0], as_version=4)
    assert set(make_site.cover(nb)) == {"png", "mp3"}
    for cell in nb.cells:
        cell.pop("outputs", None)
    assert make_site.cover(nb) == {}

    def nothing(name, pattern):
        raise ValueError("execute the notebook")

    monkeypatch.setattr(results, "printed", nothing)
    page = make_site.contents({"03-lstm": {"png"}})
    assert "Best score on unseen songs: not among its saved outputs." in page
    assert (
        page.count("<img") == 1
        and "<audio" not in page
        and page.count('<section class="nfs-card">') == len(results.BUILT)
    )


@pytest.fixture
def small_site(tmp_path):
    """Sources of two pages for Sphinx, and where it works."""
    pytest.importorskip("sphinx", reason="the site is made in the full environment only")
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text("")
    for name in ("index", "other"):
        (source / f"{name}.rst").write_text(f"{name}\n{'=' * len(name)}\n\ntext of {name}\n")
    return source, tmp_path / "html", tmp_path / "doctrees"


def test_a_page_that_was_cut_off_is_made_again(small_site, monkeypatch):
    """Sphinx makes a page again if its source is newer: what a kill or a full disk has cut off is newer still."""
    make_site.sphinx(*small_site)
    page = small_site[1] / "other.html"
    whole = page.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(make_site, "write_atomically", lambda *_: None)  # killed before it is done
        make_site.sphinx(*small_site)
    page.write_text(whole[:100])
    make_site.sphinx(*small_site)
    assert page.read_text() == whole


def test_a_disk_that_is_full_for_a_page_is_an_error(small_site, monkeypatch):
    """Sphinx only warns of it, and ends well."""
    said = "WARNING: error writing file other.html: [Errno 28] Kein Platz mehr"
    run = make_site.subprocess.run

    def full(command, **how):
        assert how["env"]["LC_ALL"] == "C.UTF-8"
        return subprocess.CompletedProcess(command, 0, "", said)

    monkeypatch.setattr(make_site.subprocess, "run", full)
    with pytest.raises(OSError, match="No space left") as caught:
        make_site.sphinx(*small_site)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.setattr(make_site.subprocess, "run", run)
    make_site.sphinx(*small_site)
    assert "text of other" in (small_site[1] / "other.html").read_text()
