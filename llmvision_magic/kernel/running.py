"""The cell that runs now, also for code that knows nothing of the extension."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython

from llmvision_magic.cell_context import NOBODY, Asker


def running_cell() -> Asker:
    """The cell that the front end has asked to run.

    nbclient (and with it nbconvert and papermill) and nbval ask in such a way that a cell cannot ask back: nobody is
    there to type, and nobody to look on. Other front ends allow it.
    """
    shell: Any = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return NOBODY
    request: dict[str, Any] = kernel.get_parent() or {}
    cell = request.get("metadata", {}).get("cellId")
    execution = request.get("header", {}).get("msg_id")
    watched = request.get("content", {}).get("allow_stdin", True)
    return Asker(
        cell if isinstance(cell, str) else None, str(execution or shell.execution_count), watched=bool(watched)
    )
