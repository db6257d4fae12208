"""What answers requests: a model behind a server, or a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from llmvision_magic.backends.wire import Request
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.messages import Delta, Reply
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
