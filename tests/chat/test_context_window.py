"""What does not fit into the context: the oldest whole turns."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.chat.context_window import fit, more_to_leave_out, size_of
from llmvision_magic.messages import Message


def words(messages: Sequence[Message]) -> int:
    """A tokenizer: a token is a word."""
    return sum(len(str(message.content).split()) for message in messages)


def history(sizes: Sequence[int]):
    """Messages of turns with so many words each, and the prompt."""
    return lambda left_out: [Message("user", "word " * size) for size in [*sizes[left_out:], 1]]


def test_what_fits_is_sent_whole_without_asking_the_server():
    """Short conversations cost no counting."""

    def refuse(messages: Sequence[Message]) -> int:
        raise AssertionError("nobody needs to count")

    assert fit(history([10, 10]), [50, 50], 8192, None, refuse) == 0


def test_room_for_the_reply_is_left():
    """A quarter of the context is free for the reply; max_tokens below that frees more for the history."""
    sizes = [300, 300, 100]
    assert fit(history(sizes), [1500, 1500, 500], 800, None, words) == 1
    assert fit(history(sizes), [1500, 1500, 500], 800, 50, words) == 0


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.integers(100, 2000))
def test_result_fits_and_is_not_more_than_all(sizes: list[int], context: int):
    """Either prompt and history fit into three quarters, or the prompt stands alone."""
    left_out = fit(history(sizes), [5 * size for size in sizes], context, None, words)
    assert 0 <= left_out <= len(sizes)
    assert left_out == len(sizes) or words(history(sizes)(left_out)) <= context - context // 4


@given(st.lists(st.integers(0, 100), min_size=1), st.data(), st.none() | st.floats(-1, 1))
def test_each_step_leaves_out_at_least_one_more(sizes: list[int], data: st.DataObject, excess: float | None):
    """So that asking again always ends."""
    left_out = data.draw(st.integers(0, len(sizes) - 1))
    assert left_out < more_to_leave_out(sizes, left_out, excess) <= len(sizes)


def test_size_counts_bytes_and_parts():
    """A token is at least a byte."""
    assert size_of("ä") == 2
    assert size_of(({"type": "text", "text": "hello"},)) >= 5
