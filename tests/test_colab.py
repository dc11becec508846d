import subprocess

import pytest

from helpers import colab


def test_what_is_running_is_pinned_and_the_two_lines_say_what_was_done(monkeypatch, tmp_path):
    versions = [{"torch": "2.6", "numpy": "2.1", "ipython": "7.34", "mido": "1.2"}]
    versions.append(versions[0] | {"mido": "1.3", "verovio": "4.3"})
    monkeypatch.setattr(colab, "_installed", lambda: versions[0] if not pinned else versions[1])
    pinned = {}

    def pip(command, **_):
        pinned["text"] = open(command[command.index("-c") + 1]).read()  # noqa: SIM115
        assert command[-2:] == ["--editable", str(tmp_path)]
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    first, second = colab.install(tmp_path).split("\n")
    assert pinned["text"] == "torch==2.6\nnumpy==2.1\nipython==7.34\n"
    assert first.endswith("mido, verovio") and second == (
        "kept torch 2.6, numpy 2.1, ipython 7.34; changed the version of mido"
    )


def test_pips_own_words_are_shown_when_it_fails(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "no space left")
    monkeypatch.setattr(subprocess, "run", lambda *words, **_: failed)
    with pytest.raises(RuntimeError, match="no space left"):
        colab.install(tmp_path)
