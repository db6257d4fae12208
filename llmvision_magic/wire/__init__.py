"""The Chat Completion API over HTTP: requests out, deltas in, every failure as one of `errors`.

Nothing outside this package imports an HTTP library. It knows messages and a `Stop`, and neither conversations nor
IPython.
"""

from __future__ import annotations

from llmvision_magic.wire.client import Client
from llmvision_magic.wire.parameters import Parameters
from llmvision_magic.wire.request import Request, Timeouts
from llmvision_magic.wire.retries import Retrying

__all__ = ["Client", "Parameters", "Request", "Retrying", "Timeouts"]
