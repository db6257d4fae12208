"""Talk to a language model from a notebook.

``%load_ext llmvision_magic`` registers ``%%chat`` and ``%chat``. In Python: `ChatClient`, `ChatPanel`,
`Conversation`, `Reply`.
The promise is `__all__`; everything else may move.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from llmvision_magic.hooks import HOOKS
from llmvision_magic.version import __version__ as __version__

if TYPE_CHECKING:
    from llmvision_magic import errors
    from llmvision_magic.cell_context import CellContext
    from llmvision_magic.client import ChatClient
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.hooks import ReplyDisplay
    from llmvision_magic.kernel import load_ipython_extension, unload_ipython_extension
    from llmvision_magic.messages import Reply
    from llmvision_magic.panel import ChatPanel
    from llmvision_magic.panel.host import PanelHost

__all__ = [
    "ChatClient",
    "ChatPanel",
    "Conversation",
    "Reply",
    "errors",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_HOMES = {
    "ChatClient": "llmvision_magic.client",
    "ChatPanel": "llmvision_magic.panel",
    "Conversation": "llmvision_magic.conversation",
    "Reply": "llmvision_magic.messages",
    "load_ipython_extension": "llmvision_magic.kernel",
    "unload_ipython_extension": "llmvision_magic.kernel",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562), so that loading the extension stays cheap."""
    from importlib import import_module

    if name == "errors":
        return import_module("llmvision_magic.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


# Arrows between the rooms run down only. What a lower one needs of a higher one is joined here, above them all.


def _reply_display() -> ReplyDisplay:
    from llmvision_magic import rendering

    return rendering


def _cell_context() -> CellContext:
    from llmvision_magic.cell_context import NO_CELL

    if "ipykernel" not in sys.modules:
        return NO_CELL
    from llmvision_magic.kernel.execute_request import running_cell

    return running_cell()


def _without_secrets(text: str) -> str:
    from llmvision_magic.settings.secrets import without_secrets

    return without_secrets(text)


def _panel_host() -> PanelHost:
    from llmvision_magic.kernel.panel_host import host_of_this_kernel

    return host_of_this_kernel()


HOOKS.reply_display = _reply_display
HOOKS.cell_context = _cell_context
HOOKS.without_secrets = _without_secrets
HOOKS.panel_host = _panel_host
