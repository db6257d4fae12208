"""A turn in words, for whoever reads an exported or saved conversation."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from llmvision_magic.messages import Reply, text_of

if TYPE_CHECKING:
    from llmvision_magic.conversation import Turn


def reply_of(turn: Turn) -> Reply:
    """A turn's reply, as it was shown; its log probabilities are not kept, see `Reply`."""
    return Reply(turn.text, turn.model, turn.finish_reason, turn.usage, status=turn.status, notice=turn.reason)


def when(turn: Turn) -> str:
    """When a turn began, in local time."""
    return f"{datetime.fromtimestamp(turn.created):%Y-%m-%d %H:%M}"


def prompt_words(turn: Turn) -> str:
    """A prompt in words; its images are counted."""
    images = 0 if isinstance(turn.prompt, str) else sum(part.get("type") != "text" for part in turn.prompt)
    told = f"({images} {'image' if images == 1 else 'images'} attached)" if images else ""
    return "\n\n".join(part for part in (text_of(turn.prompt), told) if part)
