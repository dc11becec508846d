import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-c constraints.txt", "-e .[dev]"]
    (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python")]
    assert python.startswith("python" + PROJECT["requires-python"])


def test_every_dependency_is_justified_and_constrained():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in pins}
    for requirement in PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), []):
        assert re.search(rf'"{re.escape(requirement)}",\s+# \w', text), f"{requirement} has no reason"
        assert re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") in pinned
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins)


def test_the_newest_end_is_tested_where_a_release_has_moved_it():
    import ranges

    listed = (("Matplot_Lib", "3.12", True), ("numpy", "2.4.6", True), ("torch", "9.9", False), ("new", "1.0", True))
    report = {"install": [{"metadata": {"name": n, "version": v}, "requested": asked} for n, v, asked in listed]}
    pins = "matplot-lib==3.11.2\nnumpy==2.4.6\ntorch==2.13.0\n"
    assert ranges.moved(report, pins) == ["matplot-lib==3.12", "new==1.0"]
    assert not ranges.moved(report, pins.replace("3.11.2", "3.12") + "new==1.0\n")


def test_the_sanitize_file_replaces_what_it_should():
    """nbval drops a pair in silence unless `regex: ` and `replace: ` stand on neighbouring lines."""
    from nbval.plugin import get_sanitize_patterns

    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    patterns = get_sanitize_patterns(text)
    assert len(patterns) == text.count("regex:")
    for before, after in [
        ("took 0.48 s", "took SECONDS"),
        ("2.2 ms, 212 × as fast", "SECONDS, RATIO as fast"),
        ("1,754 songs", "1,754 songs"),
        ("2.6902 nats", "2.6902 nats"),
    ]:
        for regex, replacement in patterns:
            before = re.sub(regex, replacement, before)
        assert before == after


@pytest.mark.slow
def test_whoever_imports_helpers_trains_on_one_thread():
    """So that a busy machine is not ten times slower, and gives the same numbers; OMP_NUM_THREADS overrides it."""
    threads = (
        "import threading; t = threading.Thread(target=lambda: print(torch.get_num_threads())); t.start(); t.join()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}

    def count(imports, **more):
        code = f"{imports}; print(torch.get_num_threads()); {threads}"
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, env=environment | more, check=True, capture_output=True, text=True
        ).stdout.split()

    assert count("import torch, helpers") == count("import helpers, torch") == ["1", "1"]
    assert count("import torch, helpers", OMP_NUM_THREADS="2") == ["2", "2"]
