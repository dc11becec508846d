"""The site, made of executed notebooks by Sphinx.

Run: by pages/run.py
"""

import base64
import errno
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import soundfile
from PIL import Image
from results import BUILT, ROOT, minutes, scores

from helpers.files import write_atomically
from helpers.player import content_policy

NO_MODEL = {"10-more-machines"}  # what it measures is no score
SOLVED = {  # what other tutorials get wrong -> where it is solved, and what holds it to that
    "windows split at random, so songs of training are validated": "01, section 10; 03, section 10: the leak measured",
    "no test set": "every board: 145 songs of unseen families, looked at once",
    "gradients printed transposed": "02: each shape checked, each gradient three ways",
    "a temperature that does nothing": "01, section 8: entropy in closed form; a test turns the slider",
    "the last note dropped": "encoders: decode(encode(song)) is the song, tested on all of them",
    "the whole prefix run again for every token": "03 and 05: state and queues, equal logits, and the ratio measured",
    "MuseScore, FluidSynth, a Drive folder, an account or a GPU needed": "pip alone; a test with Colab's versions",
    "broken by next month's release": "tests at both ends of each version range, every week",
    "cannot say whether it just copies": "each notebook: the longest run shared with a training song",
}


def with_notice(first_cell: str, heading: str, error: str) -> str:
    """The first cell of a notebook that failed here: after its title, what the page shows instead."""
    title, _, rest = first_cell.partition("\n")
    shown = html.escape(f"in “{heading}”: {error}")
    notice = (
        f'<div class="admonition warning"><p class="admonition-title">It did not run here</p><p>On this machine the '
        f"notebook failed {shown}</p><p>This page shows the results as they were committed.</p></div>"
    )
    return f"{title}\n\n{notice}\n{rest}"


def cover(nb) -> dict[str, bytes]:
    """ "png": the picture, and "mp3": ten seconds of the sound, of the cells tagged cover-picture and cover-sound.

    What has no output, because somebody has cleared it, is left out.
    """
    found, takes, rate = {"picture": None, "sound": None}, [], 0
    for cell in nb.cells:
        tags = cell.metadata.get("tags", ())
        for out in cell.get("outputs", ()):
            data = out.get("data", {})
            if "cover-picture" in tags and "image/png" in data:
                found["picture"] = small(base64.b64decode(data["image/png"]), 520)
            match = re.search(r"data:audio/[a-z-]+;base64,([^\"]+)", data.get("text/html", ""))
            if "cover-sound" in tags and match:
                samples, rate = soundfile.read(io.BytesIO(base64.b64decode(match[1])))
                takes.append(samples)
    if takes:
        samples = takes[-1] if len(takes[-1]) > 5 * rate else np.concatenate(takes)  # short ones one after the other
        samples = samples[: 10 * rate]
        samples[-rate // 2 :] *= np.linspace(1, 0, len(samples[-rate // 2 :]))
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format="MP3")
        found["sound"] = file.getvalue()
    endings = {"picture": "png", "sound": "mp3"}
    return {endings[kind]: data for kind, data in found.items() if data is not None}


def small(png: bytes, width: int = 2000) -> bytes:
    """A picture in 32 colours, which a figure seldom needs more of, and no wider than so many pixels."""
    picture, file = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    picture.thumbnail((width, width))
    picture.quantize(32, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return min(png, file.getvalue(), key=len)


def contents(covers: dict[str, set]) -> str:
    """The first page.

    Args:
        covers: notebook -> which of "png" and "mp3" it has.
    """
    best, took = scores("not among its saved outputs"), minutes()
    cards = []
    for name, (title, built) in BUILT.items():
        what, has = "Measured" if name in NO_MODEL else "Best score on unseen songs", covers.get(name, set())
        picture = f'<img src="covers/{name}.png" alt="a figure of notebook {name[:2]}">' if "png" in has else ""
        sound = (
            f'<audio controls preload="none" src="covers/{name}.mp3" '
            f'aria-label="ten seconds of notebook {name[:2]}"></audio>'
        )
        cards.append(
            f'<section class="nfs-card"><a href="notebooks/{name}.html">{picture}</a><div><h3>'
            f'<a href="notebooks/{name}.html">{name[:2]} · {title}</a></h3><p>You build {built}. {what}: {best[name]}. '
            f"All cells take {took[name]:.1f} minutes.</p>{sound if 'mp3' in has else ''}</div></section>"
        )
    solved = "\n".join(f"| {wrong} | solved: {where} |" for wrong, where in SOLVED.items())
    page = (ROOT / "pages" / "index.md").read_text(encoding="utf-8")
    return page.replace("{{ cards }}", "\n".join(cards)).replace("{{ solved }}", solved)


def build(notebooks: dict[str, Path], site: Path, work: Path, failures: dict[str, dict] | None = None) -> None:
    """Leaves the whole site in `site`, where each file is replaced only when its new form is whole.

    Args:
        notebooks: name -> the executed notebook that its page shows.
        work: a folder that Sphinx keeps its own files in; with it, only what has changed is made again.
        failures: name -> {"heading", "error"} of a notebook that did not run here; its page says so.
    """
    source, made = work / "source", work / "html"
    files = {path.relative_to(ROOT / "pages"): path.read_bytes() for path in (ROOT / "pages").glob("*.*")}
    files |= {Path("pages") / path.name: path.read_bytes() for path in (ROOT / "pages").glob("*.png")}
    for name in ("README.md", "CONTRIBUTING.md", "LICENSE", "data/README.md"):
        files[Path(name)] = (ROOT / name).read_bytes()
    for path in (ROOT / "notebooks" / "solutions").glob("*.ipynb"):
        files[path.relative_to(ROOT)] = path.read_bytes()
    covers = {}
    for name, path in notebooks.items():
        nb = nbformat.read(path, as_version=4)
        for data in (out.get("data", {}) for cell in nb.cells for out in cell.get("outputs", ())):
            if "image/png" in data:
                data["image/png"] = base64.b64encode(small(base64.b64decode(data["image/png"]))).decode()
        if name in (failures or {}):
            nb.cells[0].source = with_notice(nb.cells[0].source, **failures[name])
        files[Path("notebooks") / f"{name}.ipynb"] = nbformat.writes(nb).encode("utf-8")
        found = cover(nb)
        covers[name] = set(found)
        for kind, data in found.items():
            files[Path("extra") / "covers" / f"{name}.{kind}"] = data
    files[Path("index.md")] = contents(covers).encode("utf-8")
    files[Path("benchmarks.md")] = (ROOT / "benchmarks" / "RESULTS.md").read_bytes()
    files |= {Path(path.name): path.read_bytes() for path in (ROOT / "benchmarks").glob("*.png")}
    files[Path("README.md")] = files[Path("README.md")].replace(b"benchmarks/RESULTS.md)", b"benchmarks.md)")
    mirror(files, source)
    sphinx(source, made, work / "doctrees")
    pages = {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    still = re.compile(rb'<img class="nfs-still"[^>]*>')  # for readers that strip SVG, which a browser does not
    pages = {path: still.sub(b"", data) if path.suffix == ".html" else data for path, data in pages.items()}
    pages = locked(pages)
    text = b"".join(data for path, data in pages.items() if path.suffix == ".html")
    wanted = {path: data for path, data in pages.items() if asked_for(path, text)}
    wanted = {path: used_icons(data, text) if path.name == "fontawesome.js" else data for path, data in wanted.items()}
    ours = work / "site.json"  # what is ours in the site: a page of `make yours` may lie there, too
    before = {Path(name) for name in json.loads(ours.read_text(encoding="utf-8"))} if ours.is_file() else set()
    write_atomically(ours, json.dumps(sorted(str(path) for path in before | set(wanted))).encode("utf-8"))
    mirror(wanted, site, before)
    write_atomically(ours, json.dumps(sorted(str(path) for path in wanted)).encode("utf-8"))


def locked(pages: dict[Path, bytes]) -> dict[Path, bytes]:
    """Each page with a Content-Security-Policy: what a title or an output smuggles in does not run.

    Allowed are scripts in files of their own, the players', and of inline ones those of Sphinx's theme: what stands on
    the two pages that hold nothing of ours, the name of the page, and MathJax's settings.
    """
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
    theme = {
        script for name in ("genindex.html", "search.html") for script in inline.findall(pages[Path(name)].decode())
    }
    varying = re.compile(
        r"DOCUMENTATION_OPTIONS\.pagename = '[\w/-]+';|"
        r'window\.MathJax = \{"options": \{"processHtmlClass": "[\w|]+"\}\}'
    )
    result = dict(pages)
    for path in (path for path in pages if path.suffix == ".html"):
        text = pages[path].decode("utf-8")
        own = [script for script in inline.findall(text) if script in theme or varying.fullmatch(script)]
        policy = content_policy(own, "https://colab.research.google.com")
        meta = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
        result[path] = re.sub("<head>", lambda match, meta=meta: f"<head>\n{meta}", text, count=1).encode("utf-8")
    return result


def sphinx(source: Path, made: Path, cache: Path) -> None:
    """Makes the pages; what a run left that did not come to its end is thrown away, for a page may be cut off there.

    Raises: OSError if the disk is full, RuntimeError with Sphinx's own words if it fails for another reason.
    """
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", str(cache), str(source), str(made)]
    whole = cache / "whole"
    had_cache = whole.is_file()
    if not had_cache:
        for folder in (cache, made):
            shutil.rmtree(folder, ignore_errors=True)
    whole.unlink(missing_ok=True)
    english = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env=english)
    for number in map(int, re.findall(r"\[Errno (\d+)\]", done.stderr)):  # where no page is written, Sphinx only warns
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise OSError(number, os.strerror(number), str(made))
    if done.returncode and had_cache:
        sphinx(source, made, cache)
    elif done.returncode:
        raise RuntimeError(f"Sphinx could not make the pages: {done.stderr.strip()}")
    else:
        write_atomically(whole, b"")


def asked_for(path: Path, pages: bytes) -> bool:
    """Whether a file that Sphinx made is of use to a page: all of MathJax, all languages and source maps are not."""
    folder, named = path.parent.as_posix(), path.name.encode() in pages
    if path.name == ".buildinfo" or path.suffix == ".map" or folder.startswith("_static/locales"):
        return False
    if folder.startswith("_static/mathjax/"):
        parts = ("input/tex.js", "input/tex-base.js", "input/tex-full.js", "output/chtml.js", "fonts/tex.js")
        unused = ("output/svg", "input/asciimath", "input/mml", "adaptors", "all-packages.js", *parts)
        spoken = folder.endswith("mathmaps") and path.stem not in ("en", "base")
        return not spoken and not any(part in path.as_posix() for part in unused)
    return named or folder not in ("_images", "_static/mathjax")


def used_icons(script: bytes, pages: bytes) -> bytes:
    """Font Awesome's script with the icons that a page names, of two thousand; the whole one, if it is written anew."""
    icon = re.compile(rb'("?)([a-z0-9-]+)\1:\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?')
    used = set(re.findall(rb"\bfa-([a-z0-9-]+)", pages))
    return icon.sub(lambda found: found[0] if found[2] in used else b"", script)


def mirror(files: dict[Path, bytes], folder: Path, before: set[Path] | None = None) -> None:
    """Makes `folder` hold just these files; one that is the same already is left alone, with its time.

    Args:
        files: path in the folder -> what it is to hold.
        folder: it need not be there.
        before: the only other files that are removed; None for all.
    """
    for path, data in files.items():
        goal = folder / path
        if not goal.is_file() or goal.read_bytes() != data:
            goal.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(goal, data)
    there = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for path in (there if before is None else there & before) - set(files):
        (folder / path).unlink()
