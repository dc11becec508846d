"""pytest settings for the whole tree; it stands here because notebooks lie outside tests/."""

import json
from pathlib import Path

import hypothesis

hypothesis.settings.register_profile(  # no test depends on how fast the machine is
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent
MINUTES = {"test_ranks.py": 4, "test_run.py": 2, "test_own_corpus.py": 1, "test_yours.py": 1, "test_corpus.py": 1}


def pytest_collectstart(collector):
    """nbval compares printed text only: figures, players and progress bars differ between machines."""
    if getattr(collector, "skip_compare", None) is not None:
        collector.skip_compare += (
            "text/html",
            "image/png",
            "image/svg+xml",
            "image/gif",
            "stderr",
            "application/javascript",
            "application/vnd.jupyter.widget-view+json",
        )


def pytest_collection_modifyitems(items):
    """What takes long goes first, so that all workers end at about the same time."""
    took = json.loads((ROOT / "pages" / "minutes.json").read_text(encoding="utf-8"))

    def minutes(item):
        path = Path(item.path)
        if path.suffix == ".ipynb" and path.parent.name == "notebooks":
            return took.get(path.stem, 0)
        return 1.5 if path.parent.name == "browser" else MINUTES.get(path.name, 0)

    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = 600  # seconds; nbval's five are too few where many processes want a core
    items.sort(key=minutes, reverse=True)  # stable: files stay together and in order


def pytest_xdist_auto_num_workers():
    """One more than cores: what waits for a browser, a kernel or a disk leaves no core idle. Each takes 1.5 GB."""
    import joblib
    import psutil

    room = int(psutil.virtual_memory().available / 1.5e9)
    return max(1, min(joblib.cpu_count() + 1, room))
