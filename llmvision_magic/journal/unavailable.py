"""Why the journal cannot be used, in words."""

from __future__ import annotations

import errno
from pathlib import Path

from llmvision_magic.text_files import shown_path


class JournalUnavailable(Exception):
    """The journal cannot be used; the message says why and what to do. The chat goes on without it."""


def why_unavailable(error: Exception, path: Path | None) -> JournalUnavailable:
    """What went wrong with the journal at `path`, for the reader; None when it is not even known where it is."""
    if isinstance(error, JournalUnavailable):
        return error
    if path is None:
        return JournalUnavailable(str(error).rstrip("."))
    if isinstance(error, ImportError):
        return JournalUnavailable("this Python comes without SQLite (its module sqlite3)")
    shown = shown_path(path)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return JournalUnavailable(f"the disk with {shown} is full; make room there")
        return JournalUnavailable(
            f"{shown} cannot be written ({error.strerror or error}); LLMVISION_JOURNAL names another place"
        )
    import sqlite3

    # The primary result code: https://www.sqlite.org/rescode.html
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return JournalUnavailable(f"the disk with {shown} is full; make room there")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalUnavailable(f"another program holds {shown} locked; close it there")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return JournalUnavailable(f"{shown} is damaged; move it away, and a new one begins")
    return JournalUnavailable(f"{shown} cannot be used ({error}); LLMVISION_JOURNAL names another place")
