"""A whole reply, put together from the events of its stream."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmvision_magic.errors import ReplyCut
from llmvision_magic.finish_reasons import empty_words
from llmvision_magic.messages import Delta, Reply
from llmvision_magic.reply_builder import ReplyBuilder

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.stop import Stop


def whole_reply(events: Iterable[Delta | Retrying], stop: Stop | None) -> Reply:
    """The reply that a stream's events make; see `Client.complete`."""
    start = time.monotonic()
    builder = ReplyBuilder()
    try:
        for event in events:
            if isinstance(event, Delta):
                builder.add(event)
    except ReplyCut as error:
        error.reply = builder.reply("cut", str(error), time.monotonic() - start)
        raise
    seconds = time.monotonic() - start
    if stop is not None and stop.is_set and not builder.has_ended:
        return builder.reply("interrupted", stop.reason, seconds=seconds)
    if builder.is_blank:
        return builder.reply("failed", empty_words(builder.finish_reasons.get(0)), seconds=seconds)
    return builder.reply(seconds=seconds)
