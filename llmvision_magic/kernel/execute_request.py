"""What the front end says of the cell that runs: its ``execute_request``, as Jupyter's messaging calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from llmvision_magic.cell_context import CellContext


Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def in_notebook(shell: Shell) -> bool:
    """Whether it is a kernel, and no terminal."""
    return hasattr(shell, "kernel")


def cell_id(shell: Shell) -> str | None:
    """The running cell's id, which front ends send in the request's metadata."""
    if not in_notebook(shell):
        return None
    found = _request(shell).get("metadata", {}).get("cellId")
    return found if isinstance(found, str) else None


def execution_id(shell: Shell) -> str:
    """Which run of a cell this is."""
    message_id = _request(shell).get("header", {}).get("msg_id") if in_notebook(shell) else None
    return str(message_id or shell.execution_count)


def has_cell_alone(shell: Shell) -> bool:
    """Whether one of our magics is all that the running cell holds, so that all of its output is ours."""
    code = str(_request(shell).get("content", {}).get("code", "")).strip()
    return re.match(r"%%(chat|llmvision)\b|%(chat|llmvision)\b.*\Z", code) is not None


def running_cell() -> CellContext:
    """The cell that runs now, also for code that knows nothing of the extension.

    nbclient (and with it nbconvert and papermill) and nbval ask in such a way that a cell cannot ask back: nobody is
    there to type, and nobody to look on. Other front ends allow it.
    """
    from llmvision_magic.cell_context import NO_CELL, CellContext

    shell: Shell = get_ipython()
    if shell is None or not in_notebook(shell):
        return NO_CELL
    interactive = _request(shell).get("content", {}).get("allow_stdin", True)
    return CellContext(cell_id(shell), execution_id(shell), interactive=bool(interactive))


def _request(shell: Shell) -> dict[str, Any]:
    """The front end's request to run the cell."""
    parent: dict[str, Any] = shell.kernel.get_parent() or {}
    return parent
