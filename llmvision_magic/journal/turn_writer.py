"""One turn while its reply arrives: when what there is of it is written to disk."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL = 0.7
"""Seconds between two writes of a reply that is arriving. Frames come every quarter of a second even when it is silent,
so that no text is older than a second when it is written."""

SHORT = 0.2
"""Seconds of a reply that is over before anybody can look for it: until then this kernel is not shown to be alive."""


class TurnWriter:
    """One turn on its way to disk; made by `Journal.begin`.

    Args:
        announce: Shows other kernels that this one is alive.
        write_text: Writes the text that has arrived so far; says whether it is on disk.
        settle: Writes the turn as it is settled.
    """

    def __init__(
        self, announce: Callable[[], None], write_text: Callable[[str], bool], settle: Callable[[], None]
    ) -> None:
        self._announce = announce
        self._write_text = write_text
        self._settle = settle
        self._due = time.monotonic() + INTERVAL
        self._length = 0
        self._announced = False

    def progress(self, length: int, text: Callable[[], str]) -> None:
        """Write what has arrived, if it is time.

        Args:
            length: Tells whether something is new: it grows with the text.
            text: Gives the text so far.
        """
        now = time.monotonic()
        if not self._announced and now > self._due - INTERVAL + SHORT:
            self._announced = True
            self._announce()
        if now < self._due or length == self._length:
            return
        self._due = now + INTERVAL
        if self._write_text(text()):
            self._length = length

    def settle(self) -> None:
        """Write the turn as it is settled in its conversation."""
        self._settle()


class _NoWriter(TurnWriter):
    """For what is not kept."""

    def __init__(self) -> None:
        pass

    def progress(self, length: int, text: Callable[[], str]) -> None:
        pass

    def settle(self) -> None:
        pass


NO_WRITER: TurnWriter = _NoWriter()
