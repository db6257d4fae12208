"""The panel beside the notebook instead of in a cell's output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from llmvision_magic.panel.widget import ChatPanel

INSTALL = "pip install sidecar"


def docked(make: Callable[[], ChatPanel]) -> ChatPanel:
    """A new panel in JupyterLab's side area.

    Args:
        make: Makes the panel, once it is known that it can be docked.

    Raises:
        InvalidInput: What docks it is not installed.
    """
    try:
        from sidecar import Sidecar
    except ImportError:
        raise InvalidInput(
            f"Beside the notebook the panel needs sidecar: `{INSTALL}` (or this package with its extra `side`), then "
            "reload the page. `%chat panel` shows it here."
        ) from None
    panel = make()
    side = Sidecar(title="Chat")  # not the conversation's name, which changes: the tab would keep the first
    with side:
        panel.show_widget()
    panel.show_docked(side.close)
    return panel
