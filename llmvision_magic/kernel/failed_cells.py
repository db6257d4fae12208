"""What has failed in this kernel: for ``Err`` and ``%chat fix``.

IPython keeps the last exception shown. It is ours when a ``%chat`` line was mistyped, and it knows nothing of the one
before: so each failed cell is noted when it ends.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from llmvision_magic.errors import ChatError, Interrupted

if TYPE_CHECKING:
    from llmvision_magic.prompt import ErrorHistory, FailedCell

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""

MOST_CELLS = 100
"""Failed cells whose traceback is kept, as text: an exception would keep all values of its frames alive."""


class FailedCells:
    """The cells that did not end well since the extension was loaded, and the last error of the time before.

    What ends a cell is its error, of whatever kind: an interrupt and a `SystemExit` too. Ours are none: they say
    themselves what to do.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._texts: dict[int, str] = {}
        self._last: tuple[BaseException, str, int | None] | None = None
        self._shown: object = None

    def note(self, result: Any) -> None:
        """Called by IPython after each cell; ipykernel gives None for one that was cancelled."""
        self._look()
        error = result and (result.error_before_exec or result.error_in_exec)
        if not error or _is_of_chat(error):
            return
        from llmvision_magic.prompt.tracebacks import traceback_text

        self._last = (error, result.info.raw_cell, result.execution_count)
        if result.execution_count is not None:
            self._texts[result.execution_count] = traceback_text(error, self.name_cell)
            for oldest in list(self._texts)[:-MOST_CELLS]:
                del self._texts[oldest]

    def _look(self) -> None:
        """Take over what IPython has shown since: a cell may go on after an error, as with ``%run``."""
        shown = getattr(sys, "last_value", None)
        if shown is self._shown:
            return
        self._shown = shown
        if isinstance(shown, BaseException) and not _is_of_chat(shown):
            cell, source = self._cell_of(shown)
            self._last = (shown, source, cell)

    def name_cell(self, filename: str) -> str | None:
        """ "Cell In[3]" for the file name that IPython gives to a cell's code; None for any other."""
        named = self._shell.compile.format_code_name(filename)
        return " ".join(named) if named else None

    def errors(self) -> ErrorHistory:
        """What ``Err`` is."""
        from llmvision_magic.prompt import ErrorHistory
        from llmvision_magic.prompt.tracebacks import traceback_text

        def last() -> str | None:
            failure = self.last()
            return None if failure is None else traceback_text(failure.error, self.name_cell)

        return ErrorHistory(last, self._texts)

    def last(self) -> FailedCell | None:
        """The last failure that is the user's own; None when there was none."""
        from llmvision_magic.prompt import FailedCell

        self._look()
        if self._last is None:
            return None
        error, source, cell = self._last
        return FailedCell(error, source, self._python(source), cell)

    def _cell_of(self, error: BaseException) -> tuple[int | None, str]:
        """The number and the source of the cell that an error came through."""
        names = [getattr(error, "filename", None)]
        frames = error.__traceback__
        while frames is not None:
            names.append(frames.tb_frame.f_code.co_filename)
            frames = frames.tb_next
        for name in names:
            label = self.name_cell(name) if isinstance(name, str) else None
            number = label.removeprefix("Cell In[").removesuffix("]") if label else ""
            sources = self._shell.user_ns.get("In", [])
            if number.isdecimal() and int(number) < len(sources):
                return int(number), sources[int(number)]
        return None, ""

    def _python(self, source: str) -> str:
        try:
            return str(self._shell.transform_cell(source))
        except SyntaxError:  # that may be why it failed
            return source


def _is_of_chat(error: BaseException) -> bool:
    """Whether it ended our own work, and not code of the user's."""
    if not isinstance(error, KeyboardInterrupt) or isinstance(error, Interrupted):
        return isinstance(error, ChatError | Interrupted)
    ours, frames = False, error.__traceback__
    while frames is not None:
        name = str(frames.tb_frame.f_globals.get("__name__"))
        ours = name != "__main__" and (ours or name.startswith("llmvision_magic."))
        frames = frames.tb_next
    return ours
