"""rendering: every example of the CommonMark and GFM specifications, arriving in pieces."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.specifications import examples

from llmvision_magic.messages import Reply
from llmvision_magic.rendering import Block, Blocks, incremental_parser, render, reply_bundle

EXAMPLES = examples()
pytestmark = pytest.mark.skipif(not EXAMPLES and not os.environ.get("CI"), reason="the specifications were not fetched")

TEXTS = st.lists(st.sampled_from(EXAMPLES or [""]), min_size=1, max_size=4).map("\n".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def test_specifications_are_here() -> None:
    """Some 1,300 examples, of which half are in both."""
    assert len(EXAMPLES) > 650


def arriving(text: str, cuts: list[int], *, cut_long: bool) -> Iterator[tuple[str, list[Block]]]:
    """The text so far and what is on the screen, after each piece."""
    stream, finished = Blocks(cut_long=cut_long), list[Block]()
    edges = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    for start, end in pairwise(edges):
        update = stream.feed(text[start:end])
        finished += update.finished
        yield text[:end], [*finished, update.tail]


def has_definitions(text: str) -> bool:
    return "]:" in text or "[^" in text


def words_of(html: str) -> str:
    """What is read of an HTML fragment, without white space."""
    return re.sub(r"\s", "", unescape(re.sub(r"<[^>]*>", "", html)))


def assert_screen_is_the_text_so_far(text: str, cuts: list[int]) -> None:
    for so_far, screen in arriving(text, cuts, cut_long=False):
        assert "".join(block.source for block in screen) == so_far
        # A definition changes what stands before it; that is right in the end (below), not at once.
        if not has_definitions(so_far):
            assert "".join(block.html for block in screen) == render(so_far)


def assert_end_is_the_whole(text: str, cuts: list[int]) -> None:
    screen: list[Block] = []
    for so_far, screen in arriving(text, cuts, cut_long=True):
        assert "".join(block.source for block in screen) == so_far
        if not has_definitions(so_far):
            assert words_of("".join(block.html for block in screen)) == words_of(render(so_far))
    reply = Reply(text)
    assert reply_bundle(reply, blocks=[block for block in screen if block.source.strip()]) == reply_bundle(reply)


@pytest.mark.parametrize("part", range(8))
def test_every_example_character_by_character(part: int) -> None:
    """After each character the screen shows the blocks of the text so far, exactly."""
    for text in EXAMPLES[part::8]:
        assert_screen_is_the_text_so_far(text, list(range(len(text))))


@settings(max_examples=300)
@given(TEXTS, CUTS)
def test_screen_is_the_text_so_far(text: str, cuts: list[int]) -> None:
    """Several examples one after another, cut anywhere."""
    assert_screen_is_the_text_so_far(text, cuts)


@pytest.mark.parametrize("part", range(8))
def test_every_example_in_the_end(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The final output is that of the whole text, byte for byte; also of blocks that were cut as soon as can be."""
    monkeypatch.setattr(incremental_parser, "LONG", 8)
    for text in EXAMPLES[part::8]:
        assert_end_is_the_whole(text, list(range(len(text))))


@settings(max_examples=300)
@given(TEXTS, CUTS)
def test_end_is_the_whole(text: str, cuts: list[int]) -> None:
    """The same for several examples one after another, cut anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incremental_parser, "LONG", 8)
        assert_end_is_the_whole(text, cuts)
