"""Which cells show a chat panel: one that is run again has its panel anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.execute_request import cell_id, execution_id, in_notebook

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class PanelCells:
    """The panels that cells of one kernel have shown."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._shown: dict[str, tuple[str, Callable[[], None]]] = {}

    def show(self, conversation: str | None, side: bool) -> None:
        """Show a chat panel, in this cell or beside the notebook.

        Raises:
            InvalidInput: This is no notebook, or what docks it is not installed.
        """
        if not in_notebook(self._shell):
            raise InvalidInput("A chat panel needs a notebook; here `%%chat` and `%chat ask TEXT` answer.")
        from llmvision_magic.panel import ChatPanel
        from llmvision_magic.panel.docking import docked

        cell, execution = cell_id(self._shell), execution_id(self._shell)
        ran, close = self._shown.get(cell or "", (execution, None))
        if side:
            panel = docked(lambda: ChatPanel(conversation))
        else:
            panel = ChatPanel(conversation)
            panel._ipython_display_()
        if close is not None and ran != execution:  # the cell is run again: nobody else has its first panel
            close()
        if cell is not None:
            self._shown[cell] = execution, panel.close
