"""The journal's file while it is open: opened when it is needed, and anew when it has become another one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError, InvalidInput
from llmvision_magic.journal.unavailable import JournalUnavailable, why_unavailable

if TYPE_CHECKING:
    from sqlite3 import Connection

    from llmvision_magic.journal.location import JournalLocation

PATIENCE = 0.5
"""Seconds to wait for another kernel's write, at the beginning and the end of a turn."""

HURRY = 0.05
"""The same while a reply is being shown, or where waiting has been in vain before."""


class JournalFile:
    """The file of one kernel's journal. Whoever uses it holds its lock.

    Args:
        locate: Says where the journal is; asked at each use.

    Attributes:
        lock: Held while the file is used; a thread may take it several times.
        trouble: Why the last write failed; None when it did not.
    """

    def __init__(self, locate: Callable[[], JournalLocation]) -> None:
        self._locate = locate
        self.lock = threading.RLock()
        self.trouble: JournalUnavailable | None = None
        self._connection: Connection | None = None
        self._opened: tuple[Path, object] | None = None

    @property
    def place(self) -> JournalLocation:
        """Where the journal is now."""
        return self._locate()

    @property
    def path_opened(self) -> Path | None:
        """The file that is open; None when none is."""
        return None if self._opened is None else self._opened[0]

    def is_off(self) -> bool:
        """Whether nothing is kept."""
        try:
            return self.place.path is None
        except ChatError:  # a place that cannot be read; writing finds out and says so
            return False

    def write(self, action: Callable[[Connection], None], patience: float) -> bool:
        """Write within a transaction. Never raises: `trouble` says why it failed.

        Args:
            patience: Seconds to wait for another kernel's write.

        Returns:
            Whether it is on disk.
        """
        from_path = None
        try:
            from_path = (place := self.place).path
            patience = patience if self.trouble is None else min(patience, HURRY)
            connection = self._open(place, patience)
            from llmvision_magic.journal.database import transaction

            connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
            with transaction(connection):
                action(connection)
        except Exception as error:  # the chat goes on, whatever happens to the journal
            self.trouble = why_unavailable(error, from_path)
            self.close()  # what is opened anew is looked at anew
            return False
        return True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The open journal, for the functions of `reading`.

        Raises:
            InvalidInput: The journal is off, or cannot be read.
        """
        with self.lock:
            place = self.place
            if place.path is None:
                raise InvalidInput(f"The journal is off ({place.source}): nothing is kept, and nothing can be found.")
            try:
                connection = self._open(place, PATIENCE)
                connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
                yield connection
            except ChatError:
                raise
            except Exception as error:
                self.close()
                raise InvalidInput(f"The journal cannot be used: {why_unavailable(error, place.path)}.") from error

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._opened = None

    def _open(self, place: JournalLocation, patience: float) -> Connection:
        """The connection; a new one when the file is another than it was, for example moved away."""
        assert place.path is not None  # noqa: S101  # whoever keeps nothing opens nothing
        if self._connection is None or self._opened != (place.path, _identity(place.path)):
            from llmvision_magic.journal.database import opened

            self.close()
            self._connection = opened(place, patience)
            self._opened = (place.path, _identity(place.path))
        return self._connection


def _identity(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
