"""Which of several equal requests one is: the first, the second, …"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmvision_magic.cell_context import CellContext


@dataclass(slots=True)
class _Cell:
    """What one cell has asked of one kind.

    Attributes:
        execution: Its run that asked last.
        asked: How often it asked in that run.
        places: Its places in the order of asking; they stay its own.
    """

    execution: str | None = None
    asked: int = 0
    places: list[int] = field(default_factory=list)


class OccurrenceCounter:
    """Counts equal requests, so that the second one is answered by what was recorded second.

    A cell that is run again asks what it asked before and not something further: it gets its places of before. Where
    cells have no ids, each request is a further one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: Counter[object] = Counter()
        self._cells: dict[tuple[object, str], _Cell] = {}

    def take(self, key: object, cell_context: CellContext) -> int:
        """The place of a request among the equal ones, from 0.

        Args:
            key: The same for equal requests.
            cell_context: Who asks.
        """
        with self._lock:
            # Requests that are made at once are told apart by their run, where the cell has no id.
            name = cell_context.cell or (None if cell_context.column is None else cell_context.execution)
            if name is None:
                return self._further(key)
            cell = self._cells.setdefault((key, name), _Cell())
            if cell.execution != cell_context.execution:
                cell.execution, cell.asked = cell_context.execution, 0
            place = cell.asked if cell_context.column is None else cell_context.ordinal
            cell.asked += 1
            while len(cell.places) <= place:
                cell.places.append(self._further(key))
            return cell.places[place]

    def _further(self, key: object) -> int:
        place = self._next[key]
        self._next[key] += 1
        return place
