"""The Chat Completion API over HTTP: requests out, deltas in, every failure as one of `errors`.

Nothing outside this package imports an HTTP library. It knows messages and a `Stop`, and neither conversations nor
IPython.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmvision_magic.backends.wire.parameters import Parameters
from llmvision_magic.backends.wire.request import Request, Timeouts

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.base_url import checked_url
    from llmvision_magic.backends.wire.client import Client
    from llmvision_magic.backends.wire.retries import Retrying

__all__ = ["Client", "Parameters", "Request", "Retrying", "Timeouts", "checked_url"]

_HOMES = {
    "Client": "llmvision_magic.backends.wire.client",
    "Retrying": "llmvision_magic.backends.wire.retries",
    "checked_url": "llmvision_magic.backends.wire.base_url",
}


def __getattr__(name: str) -> object:
    """Import what needs the HTTP library when it is first used: in the reading thread, while a first cell goes on."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
