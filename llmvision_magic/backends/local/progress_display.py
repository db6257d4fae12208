"""Progress on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from llmvision_magic.backends.local.weights import Progress

_STEP_PERCENT = 25


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """Show progress while the block runs: a bar on a terminal, else a plain line now and then.

    Args:
        stream: Where to; not closed.
    """
    if not stream.isatty():
        yield _Lines(stream).show
        return
    from rich.console import Console

    console = Console(file=stream)
    if not console.is_interactive:  # a terminal that cannot move its cursor
        yield _Lines(stream).show
        return
    from llmvision_magic.backends.local.progress_bars import ProgressBars

    with ProgressBars(console=console) as bars:
        tasks = {}

        def show(progress: Progress) -> None:
            if progress.message not in tasks:
                tasks[progress.message] = bars.add_task(progress.message, total=progress.total)
            bars.update(tasks[progress.message], completed=progress.done)

        yield show


class _Lines:
    """A line when something new begins, and one at each quarter of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._message = ""
        self._next = 0

    def show(self, progress: Progress) -> None:
        if progress.message != self._message:
            self._message, self._next = progress.message, _STEP_PERCENT
            self._stream.write(f"{progress.message} …\n")
        percent = 100 * progress.done // progress.total if progress.total else 0
        if percent >= self._next:
            self._stream.write(f"{progress.message}: {percent} %\n")
            self._next = (percent // _STEP_PERCENT + 1) * _STEP_PERCENT
        self._stream.flush()
