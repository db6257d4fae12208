"""rendering: a reply that is arriving, block by block."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rendering_examples import read_examples

from llmvision_magic.rendering import Block, Blocks, Update, render

# fmt: off
FRAGMENTS = [
    "a", "b c", "\n", "\n\n", "- ", "  ", "    ", "> ", "# ", "```", "```py\n", "~~~", "|", "|-|-|\n", "a|b\n", "1. ",
    "2) ", "* ", "+ ", "***", "---", "===", "$", "$$", "\\[", "\\]", "\\(", "x^2", "[^1]: ", "[^1]", '"t', '"', "[foo]",
    "[foo]: /url", "[foo]: https://example.org/ ", "\n\n    ", "\t", "<div>", "`", "\r\n", "\r", "**", "\\", "$$\n",
    "\\[\n", "= 1", "![a](https://b.c/)", "[", "](", "-", "  \n", "é", "\u2028", "\x0b", "\0",
]
# fmt: on
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)
EXAMPLES = [
    pytest.param(fields[1], id=fields[0])
    for fields in [*read_examples("replies.txt", 4), *read_examples("blocks.txt", 3)]
]


def fed(text: str, cuts: list[int]) -> tuple[list[Block], Block]:
    """All finished blocks and the tail, after a text fed in pieces; checks what must hold after each."""
    blocks, finished, update = Blocks(), list[Block](), Update([], Block(""))
    edges = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    for start, end in pairwise(edges):
        update = blocks.feed(text[start:end])
        finished += update.finished
        assert "".join(block.source for block in finished) + update.tail.source == text[:end]
    return finished, update.tail


def has_definitions(text: str) -> bool:
    return "[^" in text or "]:" in text


@settings(max_examples=500)
@given(TEXTS, st.lists(st.integers(0, 120), max_size=12))
def test_sources_are_the_text(text: str, cuts: list[int]) -> None:
    """Finished sources and the tail's, joined, are the text so far, whatever arrives and however it is cut."""
    fed(text, cuts)


@settings(max_examples=500)
@given(TEXTS.filter(lambda text: not has_definitions(text)), st.lists(st.integers(0, 120), max_size=12))
def test_blocks_look_as_they_will_in_the_end(text: str, cuts: list[int]) -> None:
    """The HTML of the blocks, joined, is the HTML of the whole, where no definition reaches across."""
    finished, tail = fed(text, cuts)
    assert "".join(block.html for block in finished) + tail.html == render(text)


@settings(max_examples=200)
@given(TEXTS, st.lists(st.integers(0, 120), max_size=12))
def test_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    """The blocks are the same for the same text, however it arrives, once its lines are complete."""
    text = text.replace("\r", "") + "\n"
    at_once = Blocks().feed(text)
    finished, tail = fed(text, cuts)
    assert [block.source for block in finished] == [block.source for block in at_once.finished]
    assert tail.source == at_once.tail.source


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_character_by_character(text: str) -> None:
    """The same for whole examples that arrive in single characters."""
    finished, tail = fed(text, list(range(len(text))))
    if not has_definitions(text):
        assert "".join(block.html for block in finished) + tail.html == render(text)


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(text, blocks, id=name) for name, text, blocks in read_examples("blocks.txt", 3)]
)
def test_text_is_cut_into_these_blocks(text: str, expected: str) -> None:
    """A complete text has the blocks that the example shows between lines of dashes."""
    finished, tail = fed(text + "\n", [])
    sources = [block.source.rstrip("\n") for block in [*finished, tail]]
    assert "\n--------\n".join(sources) == expected


@pytest.mark.parametrize(
    ("before", "growing", "grown"),
    [
        ("foo\n", "***", "***bar***\n"),
        ("foo\n", "#", "#bar\n"),
        ("foo\n", "```", "```a`b\n"),
        ("foo\n", "- ", "-bar\n"),
        ("foo\n", "---", "--- bar\n"),
        ("foo\n", "$$", "$$ bar\n"),
        ("foo\n", ">", "\\>\n"),
    ],
)
def test_line_that_is_still_growing_finishes_nothing(before: str, growing: str, grown: str) -> None:
    """What looks like a new block may turn out to continue the last one, until its line is complete."""
    blocks = Blocks()
    blocks.feed(before)
    assert blocks.feed(growing).finished == []
    finished = blocks.feed(grown.removeprefix(growing) if grown.startswith(growing) else "").finished
    assert [block.source for block in finished] in ([], [before])


def test_block_is_finished_by_the_first_line_of_the_next() -> None:
    """A paragraph is handed over as soon as the line that follows it is complete, or cannot continue it."""
    blocks = Blocks()
    assert blocks.feed("one\n# two").finished == []
    assert blocks.feed("\n").finished == [Block("one\n")]
    assert Blocks().feed("one\n\n# tw").finished == [Block("one\n\n")]


@pytest.mark.parametrize(
    ("before", "begin", "finished"),
    [
        ("# one\n", "two", True),
        ("one\n\n", "two", True),
        ("one\n\n", " two", False),
        ("one\n", "two", False),
        ("- one\n\n", "two", True),
        ("- one\n\n", "- two", False),
        ("- one\n\n", "  two", False),
        ("1. one\n\n", "2", False),
        ("- one\n", "two", False),
        ("a|b\n-|-\n1|2\n\n", "two", True),
        ("> one\n\n", "> two", True),
        ("> one\n", "two", False),
        ("```\none\n\n", "two", False),
        ("    one\n\n", "two", False),
        ("[a]: https://b.c/\n\n", "two", False),
    ],
)
def test_block_is_finished_before_its_follower_is_a_line(before: str, begin: str, finished: bool) -> None:
    """A long line is long in coming; what it cannot continue is not kept back by it."""
    assert bool(Blocks().feed(before + begin).finished) is finished


def test_links_defined_before_are_known_to_later_blocks() -> None:
    """A definition that has arrived applies from then on; one in an unfinished line does not bind later ones."""
    blocks = Blocks()
    blocks.feed("[a]: https://example.org/fi")
    update = blocks.feed("rst\n\n[a] is known\n\nlast\n")
    assert 'href="https://example.org/first"' in update.finished[-1].html
    assert 'href="https://example.org/first"' in blocks.feed("\n[a]").tail.html


def test_definition_that_comes_late_changes_the_whole_only() -> None:
    """A link is text until its definition arrives; the whole, rendered at the end, has the link."""
    text = "[a]\n\nb\n\n[a]: https://example.org/\n"
    finished, _ = fed(text, [3, 9])
    assert "href" not in finished[0].html
    assert "href" in render(text)


def test_footnotes_while_they_arrive() -> None:
    """A mark shows its number before its note has come, and the note is a small block of its own."""
    finished, tail = fed("One[^1].\n\n[^1]: The *note*.\n\nTwo.\n", [4, 12, 20])
    assert [block.html.strip() for block in [*finished, tail]] == [
        "<p>One<sup>[1]</sup>.</p>",
        '<div class="notes">\n<p><sup>[1]</sup> The <em>note</em>.</p>\n</div>',
        "<p>Two.</p>",
    ]


def test_carriage_return_waits_for_its_line_feed() -> None:
    """A CRLF that arrives in two pieces ends one line, not two."""
    blocks = Blocks()
    assert blocks.feed("one\r\n# two\r").finished == []
    assert [block.source for block in blocks.feed("\nthree").finished] == ["one\r\n", "# two\r\n"]
