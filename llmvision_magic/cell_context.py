"""Who asks: which cell, and which run of it."""

from __future__ import annotations

import sys
from typing import NamedTuple


class Asker(NamedTuple):
    """Who asks, as far as it is known.

    Attributes:
        cell: Id of the cell, where the front end gives one.
        execution: Which run of the cell.
        column: Which of the requests that one run makes at once, from 0; None where they come one after another.
        ordinal: Which of the equal ones among these, from 0.
        watched: Whether somebody looks on. Where a notebook is run as a test or by a program nobody does.
    """

    cell: str | None = None
    execution: str | None = None
    column: int | None = None
    ordinal: int = 0
    watched: bool = True


NOBODY = Asker()


def asker() -> Asker:
    """The cell that runs now; nobody in particular outside notebooks."""
    if "ipykernel" not in sys.modules:
        return NOBODY
    from llmvision_magic.kernel.running import running_cell

    return running_cell()
