"""One run of the server's process, from its start to its end."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_TERM_SECONDS = 2.0


class ServerProcess:
    """A child that is started once, watched, and ended. It ends with this process whatever happens to it.

    A thread reads the child's report and waits for its end, so that no ended child stays a zombie and the end is
    noticed at once.

    Attributes:
        log_path: Where the child's output goes.
    """

    def __init__(self, program: Path, options: Mapping[str, object], log_path: Path) -> None:
        """Start the child.

        Args:
            program: A Python file that keeps the agreement described in `llama_server`.
            options: Handed over on standard input: no other process can read it there, unlike a command line.
            log_path: An existing file; the child's output is appended.

        Raises:
            OSError: The child could not be started.
        """
        self.log_path = log_path
        self._report: dict[str, object] = {}
        self._reported = threading.Event()
        self._ended = threading.Event()
        with log_path.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603
                # -I: neither the notebook's folder nor PYTHON… settings decide what the child imports.
                [sys.executable, "-I", "-X", "utf8", str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # a buffer's lock, held by another thread while this process is forked, would stay locked
                cwd=log_path.parent,  # the current folder may be deleted, now or later
                env=_environment(),
                start_new_session=True,  # Ctrl-C and Jupyter's interrupt go to the kernel's group
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
            )
        _running.add(self)
        handed = {**options, "parent": os.getpid(), "search_path": [p for p in sys.path if os.path.isabs(p)]}
        if self._child.stdin is not None:
            with suppress(OSError):  # the child has ended already: the watcher will say so
                self._child.stdin.write(json.dumps(handed).encode() + b"\n")
                self._child.stdin.flush()
        threading.Thread(target=self._watch, name="llmvision-local-server", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.returncode

    def report(self, seconds: float) -> dict[str, object] | None:
        """What the child reported; None if it has not within `seconds`; empty if it closed its output without."""
        return self._report if self._reported.wait(seconds) else None

    def end(self) -> None:
        """TERM, wait, KILL. Returns when the child is gone; harmless when it already is."""
        if not self._ended.is_set():
            self._child.terminate()
            if not self._ended.wait(_TERM_SECONDS):
                self._child.kill()
                self._ended.wait(_TERM_SECONDS)
        self._close_pipe()

    def abandon(self) -> None:
        """Forget the child in a process forked from its parent: it is not ours to hold, to end or to wait for."""
        self._close_pipe()
        self._child.returncode = 0  # else Popen warns, when collected, of a child that nobody waited for
        self._ended.set()

    def _close_pipe(self) -> None:
        if self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.close()

    def _watch(self) -> None:
        output = self._child.stdout
        if output is not None:
            with output:
                line = output.readline()
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    self._report = said
        self._reported.set()
        self._child.wait()
        self._ended.set()
        self._close_pipe()
        _running.discard(self)


_running: set[ServerProcess] = set()


def _end_all() -> None:
    for process in list(_running):
        process.end()


def _forget_all() -> None:
    """In a fork the parent's children are not ours; above all the pipes that keep them alive must be closed here."""
    for process in list(_running):
        process.abandon()
    _running.clear()


def _environment() -> dict[str, str]:
    """The environment without what a program that only computes has no business to know."""
    return {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_TOKEN", "_SECRET"))}


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
