"""The tests with the lowest and with the newest versions that pyproject.toml allows, each in an environment of its own.

torch stays as it is installed: other versions of it would pull in gigabytes of CUDA. What only the tests need is
the newest. Where the newest are those that constraints.txt names, `make test` has tested them.

Run: make test-ranges, or python tests/ranges.py lowest
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import VERSION_PATTERN, Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_TESTS = ("pytest", "pytest-xdist", "nbval", "hypothesis", "pyyaml", "nbconvert", "papermill", "psutil")
ALIKE = ("tests/browser", "tests/test_run.py", "tests/test_ranks.py")  # only torch and what tests need move these


def lowest(requirement: Requirement) -> str:
    """The lowest published release inside a requirement's range, as a pin."""
    words = [sys.executable, "-m", "pip", "index", "versions", requirement.name]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    texts = re.search(r"Available versions: (.*)", listed)[1].split(", ")
    versions = [Version(text) for text in texts if re.fullmatch(VERSION_PATTERN, text, re.VERBOSE | re.IGNORECASE)]
    return f"{requirement.name}=={min(v for v in versions if v in requirement.specifier)}"


def requirements(end: str) -> list[str]:
    """What to install for one end of the ranges."""
    import torch

    needed = [Requirement(text) for text in PROJECT["dependencies"]]
    others = [one for one in needed if one.name != "torch"]
    pins = [lowest(one) for one in others] if end == "lowest" else [str(one) for one in others]
    return [f"torch=={torch.__version__.split('+')[0]}", *pins]


def moved(report: dict, constraints: str) -> list[str]:
    """Which of the packages asked for pip would install in another version than the one pinned, as name==version.

    Args:
        report: what `pip install --dry-run --report` writes.
        constraints: the text of constraints.txt, a pin a line.
    """
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in constraints.split())}
    asked = (one["metadata"] for one in report["install"] if one["requested"])
    versions = {canonicalize_name(one["name"]): one["version"] for one in asked}
    return sorted(f"{name}=={version}" for name, version in versions.items() if version != pins.get(name))


def main(ends):
    for end in ends:
        wanted = requirements(end)
        if end == "newest":
            dry = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", *wanted[1:], *FOR_TESTS]
            report = subprocess.run([sys.executable, "-m", "pip", *dry], check=True, stdout=subprocess.PIPE, text=True)
            released = moved(json.loads(report.stdout), (ROOT / "constraints.txt").read_text(encoding="utf-8"))
            if not released:
                print("newest: all are those of constraints.txt, which make test tests.", flush=True)
                continue
            print(f"newest: released since constraints.txt was written: {', '.join(released)}", flush=True)
        place = ROOT / ".envs" / end
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        python = str(place / "bin" / "python")
        print(f"{end}: {' '.join(wanted)}", flush=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--upgrade"]
        subprocess.run([*pip, *wanted, *FOR_TESTS], check=True)
        subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)
        workers = ["-n", "auto", "--dist", "loadscope", "--no-loadscope-reorder"]
        tests = ["tests", *(word for path in ALIKE for word in ("--ignore", path))]
        subprocess.run([python, "-m", "pytest", "-q", *workers, *tests], check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1:] or ("lowest", "newest"))
