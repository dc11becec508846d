"""Files that appear whole or not at all, and what a killed process has left beside them."""

import os
import platform
import re
import subprocess
import sys

import pytest

from helpers import files

NODE = re.sub(r"[^A-Za-z0-9]", "", platform.node())[:20]


def test_a_file_is_there_and_nothing_else(tmp_path):
    for data in (b"old", b"new"):
        files.write_atomically(tmp_path / "goal.json", data)
        assert (tmp_path / "goal.json").read_bytes() == data
    files.write_atomically(tmp_path / ("long" * 60), b"")  # the longest names there are have 255 letters
    assert sorted(path.name for path in tmp_path.iterdir()) == ["goal.json", "long" * 60]
    if os.name == "posix":
        assert (tmp_path / "goal.json").stat().st_mode & 0o777 == 0o644


def test_what_dead_processes_left_is_removed_and_what_belongs_to_others_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, goal = f"-{os.getpid()}-x.part", ".goal.json."
    left = {
        f"{goal}{NODE}-{dead.pid}-x.part": False,
        f"{goal}{NODE}--x.part": False,
        f"{goal}{NODE}-word-x.part": False,
        f"{goal}{NODE}{mine}": os.name == "posix",
        f"{goal}another{dead.pid}-x.part": True,  # of another machine, whose processes we do not know
        f".other.json.{NODE}-{dead.pid}-x.part": True,
        f"{goal}{NODE}-{dead.pid}-x.json": True,
    }
    for name in left:
        (tmp_path / name).touch()
    (tmp_path / f"{goal}{NODE}-{dead.pid}-folder.part").mkdir()  # cannot be removed like a file, and does not hinder
    files.write_atomically(tmp_path / "goal.json", b"")
    assert {name: (tmp_path / name).exists() for name in left} == left


@pytest.mark.skipif(os.name != "posix", reason="Windows asks nobody")
def test_a_process_of_somebody_else_runs(monkeypatch):
    def refuse(process, number):
        assert (process, number) == (7, 0)
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert files._runs("7") and not files._runs("x")


def test_where_writing_fails_the_old_file_stays_and_the_error_is_that_of_writing(tmp_path, monkeypatch):
    goal = tmp_path / "goal.json"
    files.write_atomically(goal, b"old")
    with pytest.raises(TypeError):
        files.write_atomically(goal, "no bytes")
    assert [path.name for path in tmp_path.iterdir()] == ["goal.json"] and goal.read_bytes() == b"old"

    def full(new, old):
        assert re.fullmatch(rf"\.goal\.json\.{NODE}-{os.getpid()}-\w+\.part", os.path.basename(new))
        assert os.path.dirname(new) == str(tmp_path) and old == goal
        os.remove(new)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(goal, b"new")
    assert goal.read_bytes() == b"old"
