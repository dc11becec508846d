"""The measured results that README and the contents page show: one list, from checkpoints, saved outputs and timings.

Run `python pages/results.py` to write them into README.md; a test fails while they are not there.
"""

import json
import re
from pathlib import Path

from helpers.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- results: written by pages/results.py -->", "<!-- end of results -->"
BUILT = {
    "01-markov": ("Markov chains", "a chain that counts, a temperature that works, a memory for the song it is in"),
    "02-fnn-gradcheck": (
        "A network by hand",
        "one matrix and its gradient, checked three ways; back-propagation by hand; a network that knows the beat",
    ),
    "03-lstm": (
        "LSTM",
        "a memory, gate by gate, forwards and backwards; composing at any length; a head each for pitch and duration",
    ),
    "04-autoencoder-vae": (
        "Autoencoder and VAE",
        "a map of Bach chorales: a linear autoencoder is PCA, the ELBO step by step, walks and draws",
    ),
    "05-wavenet": (
        "WaveNet",
        "convolutions that only look back, proven by gradient; a queue for each layer; Bach's chords",
    ),
    "06-attention": (
        "Attention",
        "a pointer that looks up its own song, on any network; the Transformer, piece by piece, with a cache",
    ),
    "07-sound": (
        "Raw sound",
        "sound sample by sample: 256 amplitudes, and a WaveNet that predicts the next of 8,000 a second",
    ),
    "08-polyphony": (
        "Polyphony",
        "chords spelled note by note: counted, then by a Transformer that points; a benchmark that papers used",
    ),
    "09-your-songs": (
        "Your own songs",
        "from a folder of music to a network that learned from it: families, an alphabet that grows, fine-tuning",
    ),
    "10-more-machines": (
        "More machines than one",
        "a training step that many processes take together, a mistake that is easily made, and runs that survive",
    ),
    "11-harmony": (
        "Harmony",
        "a network that fills in what is missing, in any order; rewriting; three voices under a melody; a blind test",
    ),
}
SHIPPED = {  # notebook -> its network that writes melodies
    "02-fnn-gradcheck": "02-fnn",
    "03-lstm": "03-lstm",
    "05-wavenet": "05-wavenet",
    "06-attention": "06-lstm",
}
MINUTES = ROOT / "pages" / "minutes.json"  # written by make notebooks


def printed(name: str, pattern: str) -> str:
    """What a notebook's saved outputs print, where the pattern's group stands. Raises: ValueError if they do not."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = ("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", ()))
    found = next((match for text in texts if (match := re.search(pattern, text, re.MULTILINE))), None)
    if not found:
        raise ValueError(f"the saved outputs of {name} print nothing like {pattern!r}; execute the notebook.")
    return found[1]


def score(name: str) -> str:
    """A notebook's best test score, in words. Raises: ValueError if its saved outputs do not hold it."""
    card = lambda file: json.loads((ROOT / "models" / f"{file}.json").read_text(encoding="utf-8"))
    if name == "01-markov":
        alone = printed(name, r"^Markov, order 5 +(\d\.\d+) nats")
        memory = printed(name, r"^Markov, order 5 \+ memory +(\d\.\d+) nats")
        return f"{alone}; with in-song memory {memory}"
    if name in SHIPPED:
        kept = card(SHIPPED[name])["scores"]
        return f"{kept['test_nats_per_note']:.3f}; with in-song memory {kept['test_nats_per_note_with_memory']:.3f}"
    if name == "04-autoencoder-vae":
        right = card("04-vae")["scores"]["test"]["right"]
        return f"{right:.0%} of the voice-steps of unseen chorales rebuilt from 96 numbers".replace("%", " %")
    if name == "07-sound":
        return f"{card('07-sound')['scores']['validation_nats_per_sample']:.2f} nats a sample (validation)"
    if name == "08-polyphony":
        both = (card("benchmark")[which]["scores"]["test"] for which in ("JSB_Chorales", "Nottingham"))
        pair = [f"{s['network and counted']:.2f} (counting {s['counted, in-song memory']:.2f})" for s in both]
        return f"nats a frame: {pair[0]} on JSB chorales, {pair[1]} on Nottingham"
    if name == "09-your-songs":
        before, after = (printed(name, rf"^{when} +(\d\.\d+)") for when in ("before", "after"))
        return f"{after} on unseen Irish tunes; {before} before training"
    if name == "10-more-machines":
        off = printed(name, r"^lengths mixed, 8 ranks: off by (\d+)\.")
        return f"the usual mean over 8 processes is {off} % off the gradient, the weighted one exact"
    kept = card("11-harmony")["scores"]
    nats, counted = (kept[f"test_nats_per_voice_step{end}"] for end in ("", "_counted"))
    return f"{nats:.3f} nats a voice-step of unseen chorales; counting {counted:.3f}"


def scores(otherwise: str = "") -> dict[str, str]:
    """Notebook -> its best test score, in words.

    Args:
        otherwise: what to say where the saved outputs do not hold it; if "", that is an error.
    """
    found = {}
    for name in BUILT:
        try:
            found[name] = score(name)
        except ValueError:
            if not otherwise:
                raise
            found[name] = otherwise
    return found


def minutes() -> dict[str, float]:
    """Notebook -> minutes that all its cells took, on two cores."""
    return json.loads(MINUTES.read_text(encoding="utf-8"))


def table(address: str) -> str:
    """The notebooks, what one builds in each, the score, the minutes and the badge, as a Markdown table."""
    colab = (
        f"https://colab.research.google.com/github/{address.removeprefix('https://github.com/')}/blob/main/notebooks"
    )
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    lines = ["| | you build | best test score (melodies: nats per note) | minutes | |", "|---|---|---|---|---|"]
    best, took = scores(), minutes()
    for name, (title, built) in BUILT.items():
        link = f"[{name[:2]} · {title}](notebooks/{name}.ipynb)"
        open_it = f"[![Open in Colab]({badge})]({colab}/{name}.ipynb)"
        lines.append(f"| {link} | {built} | {best[name]} | {took[name]:.1f} | {open_it} |")
    return "\n".join(lines)


def readme() -> str:
    """README.md with the results as they are now."""
    import tomllib

    address = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md must hold the lines {BEGIN!r} and {END!r}, between which the results stand.")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(address)}\n\n{END}{after}"


def keep_time(name: str, seconds: float) -> None:
    """Writes down how long all cells of a notebook took."""
    took = minutes() if MINUTES.is_file() else {}
    took[name] = round(seconds / 60, 1)
    write_atomically(MINUTES, (json.dumps(dict(sorted(took.items())), indent=1) + "\n").encode("utf-8"))


def write_readme() -> None:
    write_atomically(ROOT / "README.md", readme().encode("utf-8"))


if __name__ == "__main__":
    write_readme()
