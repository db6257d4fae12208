"""Which turns do not fit into the model's context: the oldest whole ones, never the system prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmvision_magic.messages import Content, Message, image_count, text_of

REPLY_SHARE = 4
"""A quarter of the context is left free for the reply, unless ``max_tokens`` asks for less. The embedded model's server
ends a reply there."""


IMAGE_TOKENS = 3_300
"""Tokens that an image is taken for, whatever its bytes: one of 1568 × 1568 pixels at 750 pixels a token, the most
that models in use make of one."""


def size_of(content: Content) -> int:
    """Bytes of a message's text. A token is at least one byte, so this is the most tokens it can have.

    An image counts as `IMAGE_TOKENS`.
    """
    return len(text_of(content).encode("utf-8", "replace")) + IMAGE_TOKENS * image_count(content)


def more_to_leave_out(turn_sizes: Sequence[int], left_out: int, excess: float | None) -> int:
    """How many turns to leave out after a request was too long with `left_out` of them.

    Args:
        turn_sizes: Bytes of each turn, oldest first.
        left_out: How many were left out already; fewer than there are.
        excess: Which share of what was sent is too much (0.25: a quarter); None when nobody told.

    Returns:
        A greater number than `left_out`, at most all.
    """
    remaining = turn_sizes[left_out:]
    if excess is None:
        return left_out + max(1, len(remaining) // 4)
    to_drop = excess * sum(remaining)
    dropped = count = 0
    while count < len(remaining) and (count == 0 or dropped < to_drop):
        dropped += remaining[count]
        count += 1
    return left_out + count


def fit(
    messages: Callable[[int], Sequence[Message]],
    turn_sizes: Sequence[int],
    context_tokens: int,
    max_tokens: int | None,
    count_tokens: Callable[[Sequence[Message]], int],
) -> int:
    """How many of the oldest turns to leave out so that prompt and reply fit into a context of known size.

    Args:
        messages: The request's messages with so many turns left out.
        turn_sizes: Bytes of each turn, oldest first.
        context_tokens: Size of the context, in tokens.
        max_tokens: Longest reply, in tokens, if the user set one.
        count_tokens: Asks the server; called only when the messages might be too long.
    """
    reserve = context_tokens // REPLY_SHARE
    budget = context_tokens - min(reserve, max_tokens or reserve)
    left_out = 0
    while left_out < len(turn_sizes):
        sent = messages(left_out)
        # 16 tokens for the marks around each message are more than chat templates in use need.
        if sum(size_of(message.content) + 16 for message in sent) <= budget:
            break
        tokens = count_tokens(sent)
        if tokens <= budget:
            break
        left_out = more_to_leave_out(turn_sizes, left_out, 1 - budget / tokens)
    return left_out
