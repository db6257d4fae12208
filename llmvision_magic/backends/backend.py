"""An open way to a model, whatever answers there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from llmvision_magic.backends.model_client import ModelClient, ReplayInfo
    from llmvision_magic.backends.wire import Request
    from llmvision_magic.messages import Message


class Backend(NamedTuple):
    """An open way to a model.

    Attributes:
        model: Name of the model that is asked.
        context_tokens: Size of the model's context, in tokens, where it is known beforehand (the embedded model).
        count_tokens: Counts the tokens of messages, where the context is known.
        recorded: Says what is known of a reply that is replayed; None where nothing is replayed.
    """

    client: ModelClient
    model: str
    context_tokens: int | None = None
    count_tokens: Callable[[Sequence[Message]], int] | None = None
    recorded: Callable[[Request], ReplayInfo | None] | None = None
