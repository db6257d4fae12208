"""Bars for a terminal, each under the line that says what it is of, in as many columns as there are."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

_COLUMNS_FOR_ALL = 60
_COLUMNS_FOR_A_BAR = 30


class ProgressBars(Progress):
    """A progress of rich's in which no line is ever longer than the terminal is wide.

    A line that the terminal breaks is one more than rich knows of, and is left standing each time it draws anew.
    """

    def get_renderables(self) -> Iterable[RenderableType]:
        """Two lines for each task; one where it is not known how much there is to do."""
        for task in self.tasks:
            self.columns = _columns(self.console.width)  # it may have been made narrower
            yield Text(task.description, no_wrap=True, overflow="ellipsis")
            if task.total is not None:
                yield self.make_tasks_table([task])


def _columns(width: int) -> tuple[ProgressColumn, ...]:
    """What there is room for in so many columns."""

    def whole() -> Column:
        return Column(no_wrap=True)

    if width < _COLUMNS_FOR_A_BAR:
        return (TaskProgressColumn(table_column=whole()),)
    short = (BarColumn(bar_width=None), DownloadColumn(table_column=whole()))
    if width < _COLUMNS_FOR_ALL:
        return short
    return (*short, TransferSpeedColumn(table_column=whole()), TimeRemainingColumn(table_column=whole()))
