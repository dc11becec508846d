"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import re
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside the goal and renames, so that an interruption leaves the old file, or none.

    What a process that was killed has left beside the same goal is removed first.

    Args:
        path: the goal; its folder must be there.
        data: what the file is to hold.

    Notebook: none: called by the other files, and by pages/run.py.
    """
    beginning = f".{path.name[:80]}.{re.sub(r'[^A-Za-z0-9]', '', platform.node())[:20]}-"
    for left in path.parent.glob(f"{glob.escape(beginning)}*.part"):
        if not _runs(left.name.removeprefix(beginning).partition("-")[0]):
            with contextlib.suppress(OSError):
                left.unlink()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{beginning}{os.getpid()}-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # temporary files are private
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _runs(process: str) -> bool:
    """Whether a process of this machine still runs; on Windows, where an open file cannot be removed, nobody asks."""
    if os.name != "posix" or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # another user's
    return True
