"""An open way to a model, whatever answers there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from llmvision_magic.backends.wire import Request
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.messages import Delta, Message, Reply
    from llmvision_magic.stop import Stop


class ModelClient(Protocol):
    """What answers requests: a model behind a server, or a recording."""

    def stream(
        self, request: Request, stop: Stop | None = None, *, before_reading: Callable[[], None] | None = None
    ) -> Generator[Delta | Retrying, None, None]:
        """Yield a reply as it arrives.

        Args:
            before_reading: Called when all that was read is handed out, before more is waited for.
        """

    def complete(self, request: Request, stop: Stop | None = None) -> Reply:
        """Wait for a whole reply."""

    def models(self, stop: Stop | None = None) -> list[str]:
        """Names of the models there are."""


class ReplayInfo(NamedTuple):
    """What is known beforehand of a reply that is replayed.

    Attributes:
        seconds: How long it took when it was recorded.
        at_once: It comes as a whole.
    """

    seconds: float
    at_once: bool


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
