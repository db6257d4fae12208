"""Talk to a language model from a notebook.

``%load_ext llmvision_magic`` registers ``%%chat`` and ``%chat``. In Python: `ChatClient`, `ChatPanel`,
`Conversation`, `Reply`.
The promise is `__all__`; everything else may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmvision_magic import errors
    from llmvision_magic.client import ChatClient
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel import load_ipython_extension, unload_ipython_extension
    from llmvision_magic.messages import Reply
    from llmvision_magic.panel import ChatPanel

__version__ = "0.1.0"

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
