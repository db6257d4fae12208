"""The journal's file: opening it, its tables, and how it comes from one version to the next.

::

    conversation ─< turn ── reply        a turn is written once; of a reply, what has arrived so far
    dropped                              ids of conversations that are here no more
    search                               an index of turns and replies, brought up to date by whoever searches
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.journal.unavailable import JournalUnavailable, why_unavailable
from llmvision_magic.text_files import open_regular, shown_path

if TYPE_CHECKING:
    from llmvision_magic.journal.location import JournalLocation

APPLICATION = 0x6C6C6D76
"""``PRAGMA application_id`` of our files ("llmv"), by which another program's database is told from them."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE conversation (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, system TEXT, settings TEXT NOT NULL, head TEXT,
            notebook TEXT, kernel TEXT NOT NULL, pid INTEGER NOT NULL, created REAL NOT NULL, updated REAL NOT NULL)""",
        "CREATE INDEX conversation_updated ON conversation (updated)",
        """CREATE TABLE turn (
            number INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversation ON DELETE CASCADE,
            id TEXT NOT NULL, parent TEXT, fallback TEXT, prompt TEXT NOT NULL, system TEXT, cell TEXT,
            typed TEXT, execution TEXT, created REAL NOT NULL, UNIQUE (conversation, id))""",
        """CREATE TABLE reply (
            turn INTEGER PRIMARY KEY REFERENCES turn ON DELETE CASCADE, text TEXT NOT NULL, status TEXT NOT NULL,
            reason TEXT NOT NULL, model TEXT, finish_reason TEXT, usage TEXT, left_out INTEGER NOT NULL,
            updated REAL NOT NULL, indexed INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX reply_to_index ON reply (indexed) WHERE NOT indexed",
    ),
    (
        "ALTER TABLE turn ADD COLUMN options TEXT",
        "ALTER TABLE turn ADD COLUMN kernel TEXT",
        "ALTER TABLE reply ADD COLUMN unsent INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE dropped (conversation TEXT PRIMARY KEY, created REAL NOT NULL) WITHOUT ROWID",
    ),
)
"""What each version adds to the one before; ``PRAGMA user_version`` counts those that a file has had.

``turn.fallback`` is the head to go back to when the turn ends without text, ``turn.kernel`` the one that asked it.
``reply.unsent`` says that the user leaves the turn out of what is sent.
``prompt``, ``settings``, ``options`` and ``usage`` are JSON. Of a conversation that was dropped its id is left: another
kernel that has it open must not write it again.
"""

PATIENCE = 0.5
"""Seconds to wait for another kernel's write; one takes milliseconds."""


def opened(place: JournalLocation, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open the journal, making or migrating it.

    The connection may be used by any thread, by one at a time.

    Args:
        patience: Longest wait for another kernel's write, in seconds.

    Raises:
        JournalUnavailable: It cannot be opened, is damaged, of a newer version, or another program's.
    """
    path = place.path
    assert path is not None  # noqa: S101  # whoever keeps nothing opens nothing
    connection = None
    try:
        _make(path, place.is_ours)
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
        _make_private(path)
        _write_ahead(connection, patience)
    except Exception as error:
        if connection is not None:
            connection.close()
        raise why_unavailable(error, path) from error
    return connection


def _make(path: Path, is_ours: bool) -> None:
    """Make the file, if there is none, for its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_ours and stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
        path.parent.chmod(0o700)
    # SQLite opens it by its path again, and waits where that is a pipe by now: nobody's mistake does that.
    os.close(open_regular(path, os.O_RDWR | os.O_CREAT))


def _make_private(path: Path) -> None:
    """Leave a file that is known to be ours to its owner alone; SQLite gives those beside it the same permissions."""
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Let readers and a writer work at once, and a commit cost no wait for the disk.

    What is committed survives the end of the process at any moment; a power failure may take the last commits.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    # On a file system that cannot do it the answer is another mode, which serves too, if more slowly.
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait here, when two kernels make the file at the same moment.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the current version, one kernel at a time and as a whole."""
    version = _number(connection, "user_version")
    if version == len(MIGRATIONS) and _number(connection, "application_id") == APPLICATION:
        return
    with transaction(connection):
        version = _number(connection, "user_version")
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if _number(connection, "application_id") != APPLICATION and not (is_empty and version == 0):
            raise JournalUnavailable(
                f"{shown_path(path)} belongs to another program; LLMVISION_JOURNAL names another place"
            )
        if version > len(MIGRATIONS):
            raise JournalUnavailable(
                f"{shown_path(path)} was written by a newer llmvision-magic (version {version}, this one knows up to "
                f"{len(MIGRATIONS)}); upgrade, or let LLMVISION_JOURNAL name another place"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; begins as a writer, so that it cannot lose its turn in the middle."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After some errors, a full disk among them, SQLite has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
