"""The measured results that README and the contents page show: one list, from checkpoints, saved outputs and timings.

Run `python pages/results.py` to write them into README.md; a test fails while they are not there.
"""

import json
import re
from pathlib import Path

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


def scores() -> dict[str, str]:
    """Notebook -> its best test score, in words."""
    result = {}
    alone = printed("01-markov", r"^Markov, order 5 +(\d\.\d+) nats")
    memory = printed("01-markov", r"^Markov, order 5 \+ memory +(\d\.\d+) nats")
    result["01-markov"] = f"{alone}; with in-song memory {memory}"
    for name, model in SHIPPED.items():
        card = json.loads((ROOT / "models" / f"{model}.json").read_text(encoding="utf-8"))["scores"]
        alone, memory = card["test_nats_per_note"], card["test_nats_per_note_with_memory"]
        result[name] = f"{alone:.3f}; with in-song memory {memory:.3f}"
    right = json.loads((ROOT / "models" / "04-vae.json").read_text(encoding="utf-8"))["scores"]["test"]["right"]
    text = f"{right:.0%} of the voice-steps of unseen chorales rebuilt from 96 numbers"
    result["04-autoencoder-vae"] = text.replace("%", " %")
    card = json.loads((ROOT / "models" / "07-sound.json").read_text(encoding="utf-8"))["scores"]
    result["07-sound"] = f"{card['validation_nats_per_sample']:.2f} nats a sample (validation)"
    card = json.loads((ROOT / "models" / "benchmark.json").read_text(encoding="utf-8"))
    jsb, nottingham = (card[name]["scores"]["test"] for name in ("JSB_Chorales", "Nottingham"))
    pair = [f"{s['network and counted']:.2f} (counting {s['counted, in-song memory']:.2f})" for s in (jsb, nottingham)]
    result["08-polyphony"] = f"nats a frame: {pair[0]} on JSB chorales, {pair[1]} on Nottingham"
    before, after = (printed("09-your-songs", rf"^{name} +(\d\.\d+)") for name in ("before", "after"))
    result["09-your-songs"] = f"{after} on unseen Irish tunes; {before} before training"
    off = printed("10-more-machines", r"^lengths mixed, 8 ranks: off by (\d+)\.")
    result["10-more-machines"] = f"the usual mean over 8 processes is {off} % off the gradient, the weighted one exact"
    card = json.loads((ROOT / "models" / "11-harmony.json").read_text(encoding="utf-8"))["scores"]
    nats, counted = (card[f"test_nats_per_voice_step{end}"] for end in ("", "_counted"))
    result["11-harmony"] = f"{nats:.3f} nats a voice-step of unseen chorales; counting {counted:.3f}"
    return dict(sorted(result.items()))


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
    MINUTES.write_text(json.dumps(dict(sorted(took.items())), indent=1) + "\n", encoding="utf-8")


def write_readme() -> None:
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    write_readme()
