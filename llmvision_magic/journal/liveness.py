"""Which kernels are alive: each holds a lock that the operating system takes away when its process ends, however it
ends. A process id may be another's by now, and the time of the last sign of life is that of a machine that slept, too.

For each kernel one byte of a file beside the journal is locked, at a place that the kernel's name says; nothing is
written there. The lock of https://man7.org/linux/man-pages/man2/fcntl_locking.2.html belongs to the process: unlike
that of `flock`, which the package filelock takes, no process that the kernel has forked keeps it. Where there are no
such locks, as on Windows, no other kernel is known to be alive.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from llmvision_magic.text_files import open_regular

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # not POSIX


class _Liveness:
    """What this process has locked: in each file once and for all, for closing any descriptor of it ends its locks."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._files: dict[Path, tuple[int, os.stat_result]] = {}
        self._own: dict[int, set[str]] = {}  # kernels by the descriptor of the file in which their bytes are locked

    def announce(self, journal: Path, kernel: str) -> None:
        """Show from now on that a kernel of this process is alive; what cannot be shown is not."""
        if fcntl is None:
            return
        with self._guard, suppress(OSError, ValueError):
            descriptor = self._opened(journal)
            if kernel not in self._own.setdefault(descriptor, set()):
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place_of(kernel))
                self._own[descriptor].add(kernel)

    def is_elsewhere(self, journal: Path, kernel: str) -> bool:
        """Whether a kernel is alive in another process."""
        if fcntl is None:
            return False
        with self._guard, suppress(OSError, ValueError):
            descriptor = self._opened(journal)
            if kernel in self._own.get(descriptor, ()):
                return False
            try:
                # A lock that others share: two who look at once do not take each other for the kernel.
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _place_of(kernel))
            except (BlockingIOError, PermissionError):
                return True
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _place_of(kernel))
        return False

    def _opened(self, journal: Path) -> int:
        """The file's descriptor, a new one where it is another file: it may have been taken away with the journal."""
        path = journal.with_name(f"{journal.name}-alive")
        if known := self._files.get(path):
            with suppress(FileNotFoundError):
                if os.path.samestat(known[1], path.stat()):
                    return known[0]
            self._own.pop(known[0], None)
            os.close(known[0])
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        self._files[path] = descriptor, os.fstat(descriptor)
        return descriptor


def _place_of(kernel: str) -> int:
    """Where in the file a kernel's byte is."""
    return int(kernel[:15], 16)


_PRESENCE = _Liveness()

announce = _PRESENCE.announce
is_elsewhere = _PRESENCE.is_elsewhere
