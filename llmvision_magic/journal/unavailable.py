"""Why the journal cannot be used, in words."""

from __future__ import annotations

import errno
from pathlib import Path

from llmvision_magic.journal.location import shown_path


class Trouble(Exception):
    """The journal cannot be used; the message says why and what to do. The chat goes on without it."""


def trouble_of(error: Exception, path: Path | None) -> Trouble:
    """What went wrong with the journal at `path`, for the reader; None when it is not even known where it is."""
    if isinstance(error, Trouble):
        return error
    if path is None:
        return Trouble(str(error).rstrip("."))
    if isinstance(error, ImportError):
        return Trouble("this Python comes without SQLite (its module sqlite3)")
    shown = shown_path(path)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Trouble(f"the disk with {shown} is full; make room there")
        return Trouble(f"{shown} cannot be written ({error.strerror or error}); LLMVISION_JOURNAL names another place")
    import sqlite3

    # The primary result code: https://www.sqlite.org/rescode.html
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return Trouble(f"the disk with {shown} is full; make room there")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Trouble(f"another program holds {shown} locked; close it there")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Trouble(f"{shown} is damaged; move it away, and a new one begins")
    return Trouble(f"{shown} cannot be used ({error}); LLMVISION_JOURNAL names another place")
