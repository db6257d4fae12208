"""Where a reply is shown, as the chat sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome


class ReplyView(Protocol):
    """Where a reply is shown: a notebook cell, a terminal, a panel, several of them."""

    @property
    def interval(self) -> float:
        """Seconds from one frame to the next."""

    def prepare(self) -> None:
        """Get ready: the request is on its way, and its answer takes some time."""

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is; the next text takes it away."""

    def add(self, text: str) -> None:
        """Show text that has arrived."""

    def finish(self, outcome: Outcome) -> None:
        """Replace everything by the final output."""

    def clear(self) -> None:
        """Take away what was shown: there is no text."""

    def leave(self) -> None:
        """Stop showing: an exception from outside ended the reply. What was shown stays."""
