"""Replies without proportion, in a real kernel: the cell ends, the text is kept whole, the kernel stays usable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.control import ChatServer
from support.servers.scripting import done, repeated, silent, sse, stream

PIECE = 1_000_000
"""Characters of the large events that giant replies are streamed in."""


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer) -> Iterator[Kernel]:
    """One kernel for this file."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        yield kernel


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer) -> Iterator[Kernel]:
    """The kernel with the extension freshly loaded."""
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()
    kernel_process.ok("reply = None")


PARAGRAPH = "Some words of *Markdown* text with `code` and a [link](https://example.org).\n" * 8 + "\n"

# A name, and what makes the reply: (a text, how often it is sent), each time as one event.
GIANTS: dict[str, list[tuple[str, int]]] = {
    "paragraphs of 1 MB": [(PARAGRAPH * 500, 3)],
    "a code block of 10 MB": [("```python\n", 1), ("value = 1  # a comment\n" * 43_478, 10), ("```\n", 1)],
    "a line of 10 MB": [("word " * (PIECE // 5), 10)],
    "a line of 10 MB at once": [("x" * 10 * PIECE, 1)],
    "a million stars": [("*" * PIECE, 1)],
    "100,000 stars that may be emphasis": [("*a **b " * 2_000, 10)],
    "100,000 nested quotes": [(">" * 100_000, 1), ("deep", 1)],
    "100,000 nested quotes with blanks": [("> " * 100_000, 1), ("deep", 1)],
    "100,000 nested lists": [("- " * 99_999 + "- deep", 1)],
    "1,000 nested lists on lines": [("\n".join("  " * depth + "- a" for depth in range(1_000)), 1)],
    "100,000 opened brackets": [("[" * 100_000, 1)],
    "100,000 closed brackets": [("[" * 100_000 + "]" * 100_000 + "(x)" * 1_000, 1)],
    "100,000 images": [("![" * 100_000, 1)],
    "a table of 10,000 columns": [("|a" * 10_000 + "|\n" + "|-" * 10_000 + "|\n", 1), ("|b" * 10_000 + "|\n", 3)],
    "a table of 20,000 rows": [("| a | b |\n| - | - |\n", 1), ("| cell | other |\n" * 1_000, 20)],
    "a list of 10,000 items": [("- an item with *some* text\n" * 1_000, 10)],
    "20,000 small paragraphs": [("wo rd\n\n" * 1_000, 20)],
    "10,000 notes": [("[^1]: a note\n\n" * 1_000, 10)],
    "200,000 ampersands": [("&" * 100_000, 2)],
    "5 MB of blanks": [("a", 1), (" " * PIECE, 5)],
    "a million line ends": [("a", 1), ("\n" * PIECE, 1)],
    "100,000 old line ends": [("a\r" * 10_000, 10)],
}


def script_of(name: str) -> list:
    return [repeated(sse(text), count) for text, count in GIANTS[name]]


@pytest.mark.parametrize("name", GIANTS)
def test_giant_reply_is_kept_whole(kernel, chat_server, name):
    """The cell ends well with one output; not a character of the text is lost, in the output and in the reply."""
    expected = "".join(text * count for text, count in GIANTS[name])
    chat_server.script(stream(*script_of(name), sse(finish="stop"), done()))
    cell = kernel.ok("%%chat -o reply\nHello")
    assert set(cell.only.data) == {"text/plain", "text/html", "text/markdown"}
    # Not compared by pytest: it would explain the difference of two giants.
    whole = cell.only.plain == expected
    assert whole, f"{len(cell.only.plain)} of {len(expected)} characters"
    assert kernel.value("[len(reply.text), reply.status]") == [len(expected), "complete"]
    assert kernel.ok("%%chat --once\nafterwards").only.plain.startswith("echo: afterwards")


@pytest.mark.parametrize("name", ["paragraphs of 1 MB", "a line of 10 MB", "a list of 10,000 items"])
def test_giant_reply_is_interrupted_while_it_streams(kernel, chat_server, name):
    """The kernel answers an interrupt in the middle of it; what had come is kept."""
    expected = "Beginning\n\n" + "".join(text * count for text, count in GIANTS[name])
    chat_server.script(stream(sse("Beginning\n\n"), *script_of(name), silent()))
    sent: list[bool] = []

    def look(cell: Cell) -> None:
        if "Beginning" in cell.html and not sent:
            sent.append(True)
            kernel.interrupt()

    cell = kernel.run("%%chat -o reply\nHello", on_output=look)
    assert cell.reply["ename"] == "Interrupted"
    assert expected.startswith(cell.only.plain)
    assert kernel.value("[len(reply.text), reply.status]") == [len(cell.only.plain), "interrupted"]
    assert kernel.ok("%%chat --once\nafterwards").only.plain.startswith("echo: afterwards")


def test_reply_that_holds_giant_code_gives_it_whole(kernel, chat_server):
    """`Reply.code_blocks` of a giant reply is the giant code."""
    chat_server.script(stream(*script_of("a code block of 10 MB"), sse(finish="stop"), done()))
    kernel.ok("%%chat -o reply\nHello")
    assert kernel.value("[[b.language, len(b.code)] for b in reply.code_blocks]") == [["python", 23 * 43_478 * 10 - 1]]
