"""Exceptions as text, as the notebook's user sees them: cells by their numbers, no frames of what runs the cells."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping

CellNamer = Callable[[str], str | None]
"""The cell that a file name stands for ("Cell In[3]"); None for a file that is one."""

_RUNNERS = ("/IPython/core/", "/ipykernel/", "/llmvision_magic/")
"""Parts of file names of what runs a cell; their frames come before the user's own."""


def traceback_text(error: BaseException, name_cell: CellNamer = lambda filename: None) -> str:
    """An exception with its frames, from the user's first one on."""
    told = traceback.TracebackException.from_exception(error)
    seen: list[traceback.TracebackException] = []
    pending: list[traceback.TracebackException | None] = [told]
    while pending:
        one = pending.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        pending += [one.__cause__, one.__context__, *(one.exceptions or [])]
        _tidy(one, name_cell)
    return "".join(told.format()).rstrip("\n")


def _tidy(told: traceback.TracebackException, name_cell: CellNamer) -> None:
    frames = list(told.stack)
    first = next((index for index, frame in enumerate(frames) if not _is_runner(frame.filename)), len(frames))
    for frame in frames[first:]:
        frame.filename = name_cell(frame.filename) or frame.filename
    told.stack[:] = frames[first:]
    if isinstance(getattr(told, "filename", None), str):  # where the syntax is wrong
        told.filename = name_cell(told.filename) or told.filename


def _is_runner(filename: str) -> bool:
    path = filename.replace("\\", "/")
    return any(part in path for part in _RUNNERS)


class ErrorHistory:
    """What ``Err`` is in an expression: the last traceback; ``Err[3]`` is that of cell 3.

    Args:
        last: Gives the text of the last traceback; None when nothing has failed.
        by_cell: The text for each execution count.
    """

    def __init__(self, last: Callable[[], str | None], by_cell: Mapping[int, str]) -> None:
        self._last = last
        self._by_cell = by_cell

    def __repr__(self) -> str:
        text = self._last()
        if text is None:
            raise LookupError("no cell has failed")
        return text

    def __getitem__(self, cell: int) -> Traceback:
        if cell not in self._by_cell:
            known = ", ".join(map(str, self._by_cell)) or "none"
            raise LookupError(f"cell {cell} is not known to have failed; these are: {known}")
        return Traceback(self._by_cell[cell])


class Traceback(str):
    """The text of a traceback: where it is cut, its end is kept, for that says the most."""

    __slots__ = ()
