"""The site, made of executed notebooks by Sphinx: python pages/make_site.py NOTEBOOKS SITE.

Run: make run
"""

import base64
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import soundfile
from results import BUILT, ROOT, minutes, scores

SOLVED = {  # what other tutorials get wrong -> where it is solved, and what holds it to that
    "windows split at random, so songs of training are validated": "01, sections 10 and 12; 03, the leak measured",
    "no test set": "every board: 145 songs of unseen families, looked at once",
    "gradients printed transposed": "02: each shape checked, each gradient three ways",
    "a temperature that does nothing": "01, section 8: entropy in closed form; a test turns the slider",
    "the last note dropped": "encoders: decode(encode(song)) is the song, tested on all of them",
    "the whole prefix run again for every token": "03 and 05: state and queues, equal logits, and the ratio measured",
    "MuseScore, FluidSynth, a Drive folder, an account or a GPU needed": "pip alone; a test with Colab's versions",
    "broken by next month's release": "tests at both ends of each version range, every week",
    "cannot say whether it just copies": "each notebook: the longest run shared with a training song",
}


def cover(path: Path, folder: Path) -> tuple[bool, bool]:
    """Saves the picture and ten seconds of the sound of the cells tagged cover-picture and cover-sound."""
    found = {"picture": None, "sound": None}
    for cell in nbformat.read(path, as_version=4).cells:
        tags = cell.metadata.get("tags", ())
        for out in cell.get("outputs", ()):
            data = out.get("data", {})
            if "cover-picture" in tags and "image/png" in data:
                found["picture"] = base64.b64decode(data["image/png"])
            match = re.search(r"data:audio/mpeg;base64,([^\"]+)", data.get("text/html", ""))
            if "cover-sound" in tags and match:
                samples, rate = soundfile.read(io.BytesIO(base64.b64decode(match[1])))
                samples = samples[: 10 * rate]
                samples[-rate // 2 :] *= [1 - k / (rate // 2) for k in range(len(samples[-rate // 2 :]))]
                file = io.BytesIO()
                soundfile.write(file, samples, rate, format="MP3")
                found["sound"] = file.getvalue()
    for kind, data in found.items():
        if data is None:
            raise ValueError(f"{path.name} has no output in a cell tagged cover-{kind}.")
        (folder / f"{path.stem}.{'png' if kind == 'picture' else 'mp3'}").write_bytes(data)


def contents() -> str:
    """The first page."""
    best, took = scores(), minutes()
    cards = []
    for name, (title, built) in BUILT.items():
        cards.append(
            f'<section class="nfs-card"><a href="notebooks/{name}.html"><img src="covers/{name}.png" '
            f'alt="a figure of notebook {name[:2]}"></a><div><h3><a href="notebooks/{name}.html">{name[:2]} · {title}'
            f"</a></h3><p>You build {built}. Best score on unseen songs: {best[name]}. All cells take "
            f'{took[name]:.1f} minutes.</p><audio controls preload="none" src="covers/{name}.mp3" '
            f'aria-label="ten seconds of notebook {name[:2]}"></audio></div></section>'
        )
    solved = "\n".join(f"| {wrong} | solved: {where} |" for wrong, where in SOLVED.items())
    page = (ROOT / "pages" / "index.md").read_text(encoding="utf-8")
    return page.replace("{{ cards }}", "\n".join(cards)).replace("{{ solved }}", solved)


def build(notebooks: Path, site: Path) -> None:
    """Leaves the whole site in `site`, which is replaced only when it is ready."""
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "source", Path(place) / "made"
        shutil.copytree(ROOT / "pages", source)
        for folder in ("notebooks", "pages", "data", "extra/covers"):
            (source / folder).mkdir(parents=True, exist_ok=True)
        for picture in (ROOT / "pages").glob("*.png"):
            shutil.copy(picture, source / "pages")
        for name in ("README.md", "CONTRIBUTING.md", "LICENSE", "data/README.md"):
            shutil.copy(ROOT / name, source / name)
        for name in BUILT:
            shutil.copy(notebooks / f"{name}.ipynb", source / "notebooks")
            cover(notebooks / f"{name}.ipynb", source / "extra" / "covers")
        shutil.copytree(ROOT / "notebooks" / "solutions", source / "notebooks" / "solutions")
        (source / "index.md").write_text(contents(), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(made)], check=True)
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(made, site)


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:]))
