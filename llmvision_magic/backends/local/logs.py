"""The server's log files: one for each start, readable by the user alone, removed when nobody can want them."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"server-(\d+)-\w+\.log")
_TAIL_BYTES = 64 << 10
_TAIL_LINES = 6
_ERROR = re.compile(r"^[\d.]+ E ")  # how the engine marks an error: "0.00.019.734 E llama_model_load: …"


def new_log(folder: Path) -> Path:
    """Make an empty log file, mode 0600, and remove those of processes that are gone.

    Args:
        folder: Made if needed. Where it cannot be written (a cache that is part of an image), the log goes to the
            system's temporary folder.

    Raises:
        OSError: Neither folder can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"server-{os.getpid()}-", suffix=".log", dir=folder)
    except OSError:
        handle, name = tempfile.mkstemp(prefix=f"server-{os.getpid()}-", suffix=".log")
    os.close(handle)
    path = Path(name)
    for old in path.parent.glob("server-*.log"):
        match = _NAME.fullmatch(old.name)
        if match and not _is_alive(int(match[1])):
            with suppress(OSError):  # another user's, or (Windows) still open in a living process
                old.unlink()
    return path


def log_tail(path: Path) -> str:
    """The last lines of a log: the errors if there are any, else whatever was said last; empty if nothing was."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return "\n".join((errors or lines)[-_TAIL_LINES:])


def _is_alive(pid: int) -> bool:
    """Whether the process that made a log still runs."""
    if pid == os.getpid():
        return True
    if sys.platform == "win32":  # os.kill would end it; an open file cannot be removed there anyway
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
