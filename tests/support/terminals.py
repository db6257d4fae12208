"""Terminal IPython in a pseudo-terminal, and what a person would see of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

from support.deadline import DEADLINE

ROWS, COLUMNS = 24, 80


class _Screen(pyte.HistoryScreen):
    """A terminal that answers when a program asks where its cursor is, as prompt_toolkit does."""

    def __init__(self, answer: Callable[[str], None], columns: int) -> None:
        super().__init__(columns, ROWS, history=2000, ratio=0.001)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """A program in a terminal of 24 rows, and 80 columns unless it is said otherwise.

    Attributes:
        raw: All that the program has written.
        frames: The visible part after each piece that was read, where it changed.
    """

    def __init__(self, child: pexpect.spawn, columns: int = COLUMNS) -> None:
        self._child = child
        self._screen = _Screen(child.send, columns)
        self._stream = pyte.Stream(self._screen)
        self.raw = ""
        self.frames: list[str] = []

    @property
    def visible(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def scrollback(self) -> str:
        """What has scrolled away, and what stands on the screen."""
        gone = [
            "".join(row[column].data for column in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return "\n".join([*gone, self.visible]).rstrip()

    @property
    def cursor_is_visible(self) -> bool:
        return not self._screen.cursor.hidden

    def write(self, text: str) -> None:
        """Press keys."""
        self._child.send(text)

    def press_ctrl_c(self) -> None:
        self._child.sendintr()

    def until(self, condition: Callable[[], bool]) -> None:
        """Read until the condition holds."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"waited in vain; the terminal shows:\n{self.visible}"
            try:
                piece = self._child.read_nonblocking(65536, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            self.raw += piece
            self._stream.feed(piece)
            if not self.frames or self.frames[-1] != self.visible:
                self.frames.append(self.visible)


class IPython(Terminal):
    """Terminal IPython, a cell at a time.

    Attributes:
        mark: How much of `raw` was there when the last cell was started.
    """

    def __init__(self, child: pexpect.spawn) -> None:
        super().__init__(child)
        self._number = 1
        self.mark = 0
        self._await_prompt(1)

    def _await_prompt(self, number: int) -> None:
        self.until(lambda: self.visible.splitlines()[-1:] == [f"In [{number}]:"] and self.cursor_is_visible)

    def start(self, code: str) -> None:
        """Type a cell and run it."""
        self.mark = len(self.raw)
        for line in code.split("\n"):
            self.write(line + "\r")
        if "\n" in code:
            self.write("\r\r")  # two empty lines end a cell

    @property
    def output(self) -> str:
        """What stands below the cell that was started last, up to the next prompt if that is there already."""
        below = self.scrollback.partition(f"In [{self._number}]:")[2].partition(f"In [{self._number + 1}]:")[0]
        lines = below.splitlines()[1:]
        while lines and lines[0].lstrip().startswith(("...:", "⋮")):
            del lines[0]
        return "\n".join(lines).rstrip("\n")

    def shows(self, text: str) -> None:
        """Read until the text stands below the cell."""
        self.until(lambda: text in self.output)

    def finish(self) -> str:
        """Wait for the next prompt; what the cell has shown."""
        self._await_prompt(self._number + 1)
        output = self.output
        self._number += 1
        return output

    def run(self, code: str) -> str:
        """Run a cell to its end; what it shows."""
        self.start(code)
        return self.finish()


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a person who has set nothing but `settings`.

    Without the size of another terminal: where files of tests run side by side, each is told one.
    """
    others = ("LLMVISION_", "FORCE_", "NO_COLOR", "COLUMNS", "LINES")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {
        **inherited,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "TERM": "xterm-256color",
        "LLMVISION_JOURNAL": "off",
        **settings,
    }


@contextmanager
def running_python(arguments: list[str], home: Path, *, columns: int = COLUMNS, **settings: str) -> Iterator[Terminal]:
    """Python with these arguments in a terminal so wide."""
    child = pexpect.spawn(
        sys.executable,
        arguments,
        env=environment(home, **settings),
        dimensions=(ROWS, columns),
        encoding="utf-8",
        cwd=str(home),
    )
    try:
        yield Terminal(child, columns)
    finally:
        child.close(force=True)


@contextmanager
def running_ipython(home: Path, **settings: str) -> Iterator[IPython]:
    """A fresh terminal IPython."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--no-confirm-exit"],
        env=environment(home, **settings),
        dimensions=(ROWS, COLUMNS),
        encoding="utf-8",
        echo=True,
        cwd=str(home),
    )
    try:
        yield IPython(child)
    finally:
        child.close(force=True)
