"""Tokens as told by servers; nothing is ever guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmvision_magic.messages import Reply


class TokenTotals:
    """Tokens of one model in one conversation.

    Attributes:
        replies: Replies in all.
        told: Replies whose server told the usage.
    """

    def __init__(self, replies: int = 0, told: int = 0, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        self.replies = replies
        self.told = told
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        self.replies += 1
        if reply.usage is not None:
            self.told += 1
            self.prompt_tokens += reply.usage.prompt_tokens or 0
            self.completion_tokens += reply.usage.completion_tokens or 0

    def join(self, other: TokenTotals) -> None:
        """Count what another has counted."""
        self.replies += other.replies
        self.told += other.told
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
