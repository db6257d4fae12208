"""A reply that is arriving, as top-level Markdown blocks: those that are finished, and the last one.

Only the text from the last block on is read again when more arrives, and only its complete lines decide where a block
begins: a line that is still growing may yet turn out to continue the block before it. A last block that grows very long
(a fence, a list or a table may be the whole reply) is cut into parts, each shown as a block of its own kind; the whole
reply, shown at the end, knows nothing of these cuts.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.rendering.block_boundaries import block_starts, closed_before, place_to_cut, tokens_between
from llmvision_magic.rendering.blocks import Block, Definitions

if TYPE_CHECKING:
    from markdown_it.token import Token

LONG = 500
"""Characters from which on an unfinished block is cut: it is sent again with every frame."""

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


class Update(NamedTuple):
    """What came of a piece of text.

    Attributes:
        finished: Blocks that nothing can change any more (except a definition that comes late), oldest first.
        tail: The rest: the last block as far as it has arrived; its source may be empty.
    """

    finished: list[Block]
    tail: Block


class Blocks:
    """Cuts an arriving reply into blocks. One per stream; dies with it.

    Args:
        cut_long: Whether a long unfinished block is handed over in parts.
    """

    def __init__(self, *, cut_long: bool = False) -> None:
        self._cut_long = cut_long
        self._tail = ""
        self._seen = 0  # characters of the tail whose lines have been read
        self._closed_before = ""  # what the next line must not begin with for the tail to be finished; "": it never is
        self._head = ""
        self._part_of: int | None = None
        self._long_blocks = 0
        self._definitions = Definitions()

    def feed(self, text: str) -> Update:
        """Take text that has newly arrived, cut anywhere."""
        self._tail += text
        finished: list[Block] = []
        complete = max((match.end() for match in _LINE_END.finditer(self._tail, self._seen)), default=0)
        if complete:
            self._read(complete, finished)
        if self._closed_before and self._tail[self._seen : self._seen + 1] not in self._closed_before:
            self._hand_over(self._seen, finished)
            self._head, self._part_of, self._seen, self._closed_before = "", None, 0, ""
        return Update(finished, Block(self._tail, self._definitions, self._head, self._part_of, is_growing=True))

    def _read(self, complete: int, finished: list[Block]) -> None:
        """Read the tail's complete lines: hand over the blocks that ended, and parts of one that grows long."""
        text = self._head + self._tail[:complete]
        offset = len(self._head)
        lines = [0, *(match.end() for match in _LINE_END.finditer(text))]
        tokens = _block_tokens(text, self._definitions)
        numbers = block_starts(text, tokens)
        starts = [lines[number] for number in numbers]
        read = tokens_between(tokens, numbers)
        for (start, end), block_tokens in zip(pairwise(starts), read, strict=False):
            self._hand_over(end - max(start, offset), finished, None if self._head else block_tokens)
            self._head, self._part_of = "", None
        if self._cut_long and len(self._tail) > LONG and (place := place_to_cut(text, tokens, lines)) is not None:
            head, end = place
            if self._part_of is None:
                self._long_blocks += 1
                self._part_of = self._long_blocks
            self._hand_over(end - max(starts[-1], offset), finished)
            self._head = head
        self._seen = len(text) - offset - sum(len(block.source) for block in finished)
        self._closed_before = closed_before(tokens, lines, text)

    def _hand_over(self, length: int, finished: list[Block], tokens: list[Token] | None = None) -> None:
        """Finish the first `length` characters of the tail, whose block tokens may be known."""
        source = self._tail[:length]
        finished.append(Block(source, self._definitions, self._head, self._part_of, block_tokens=tokens))
        self._tail = self._tail[length:]
        self._definitions.add(finished[-1].source)


def _block_tokens(text: str, definitions: Definitions) -> list[Token]:
    from llmvision_magic.rendering.markdown import NestingError, parse_blocks

    try:
        return parse_blocks(text, definitions.env())
    except NestingError:
        return []
