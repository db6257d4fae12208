"""Which cell asks, and in which of its runs."""

from __future__ import annotations

from typing import NamedTuple


class CellContext(NamedTuple):
    """The cell that asks, as far as it is known.

    Attributes:
        cell: Id of the cell, where the front end gives one.
        execution: Which run of the cell.
        column: Which of the requests that one run makes at once, from 0; None where they come one after another.
        ordinal: Which of the equal ones among these, from 0.
        interactive: Whether somebody looks on. Where a notebook is run as a test or by a program nobody does.
    """

    cell: str | None = None
    execution: str | None = None
    column: int | None = None
    ordinal: int = 0
    interactive: bool = True


NO_CELL = CellContext()
