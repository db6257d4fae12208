"""A reply that is arriving, as top-level Markdown blocks: those that are finished, and the last one.

Only the text from the last block on is read again when more arrives, and only its complete lines decide where a block
begins: a line that is still growing may yet turn out to continue the block before it.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True)
class Definitions:
    """Link and footnote definitions of the blocks that are finished; later blocks may use them."""

    links: MutableMapping[str, object] = field(default_factory=dict)
    notes: MutableMapping[str, int] = field(default_factory=dict)

    def env(self) -> dict[str, object]:
        """For the parser, which adds what it finds: to a layer of its own, for an unfinished definition may change."""
        return {
            "references": ChainMap({}, self.links),
            "footnotes": {"refs": ChainMap({}, self.notes), "list": {}},
        }

    def add(self, source: str) -> None:
        """Take over the definitions of a block that is finished."""
        if "]:" not in source:
            return
        from llmvision_magic.rendering.markdown import NestingError, parse_blocks

        env: dict[str, object] = {"references": self.links, "footnotes": {"refs": self.notes, "list": {}}}
        try:
            parse_blocks(source, env)
        except NestingError:
            return


@dataclass(frozen=True)
class Block:
    """A part of a reply, from the beginning of a top-level block to that of the next.

    Attributes:
        source: The text, exactly as it arrived. The sources of all blocks, joined, are the reply.
    """

    source: str
    definitions: Definitions = field(default_factory=Definitions, repr=False, compare=False)

    @cached_property
    def tokens(self) -> list[Token] | None:
        """What the parser makes of the block, when it is first asked for; None where it is nested too deeply."""
        from llmvision_magic.rendering.markdown import try_parse

        return try_parse(self.source, self.definitions.env())

    @cached_property
    def html(self) -> str:
        """The block as a safe HTML fragment, made when it is first asked for; empty for a block of definitions."""
        from llmvision_magic.rendering.html import written

        return written(self.tokens, self.source)


@dataclass(frozen=True)
class Update:
    """What came of a piece of text.

    Attributes:
        finished: Blocks that nothing can change any more (except a definition that comes late), oldest first.
        tail: The rest: the last block as far as it has arrived; its source may be empty.
    """

    finished: list[Block]
    tail: Block


class Blocks:
    """Cuts an arriving reply into blocks. One per stream; dies with it."""

    def __init__(self) -> None:
        self._tail = ""
        self._seen = 0
        self._definitions = Definitions()

    def feed(self, text: str) -> Update:
        """Take text that has newly arrived, cut anywhere."""
        self._tail += text
        finished: list[Block] = []
        lines = [0, *(match.end() for match in _LINE_END.finditer(self._tail))]
        if lines[-1] > self._seen:
            starts = [lines[start] for start in block_starts(self._tail[: lines[-1]], self._definitions)]
            for start, end in pairwise(starts):
                finished.append(Block(self._tail[start:end], self._definitions))
                self._definitions.add(finished[-1].source)
            self._tail = self._tail[starts[-1] :]
            self._seen = lines[-1] - starts[-1]
        return Update(finished, Block(self._tail, self._definitions))


def block_starts(text: str, definitions: Definitions) -> list[int]:
    """Numbers of the lines on which top-level blocks begin, the first being 0.

    A link definition leaves no token; it belongs to the block that follows it, because its title may still turn out
    to be that block's first line.
    """
    from llmvision_magic.rendering.markdown import NestingError, parse_blocks

    try:
        tokens = parse_blocks(text, definitions.env())
    except NestingError:
        return [0]
    lines = re.split(r"\r\n?|\n", text)
    starts: list[int] = []
    end = 0
    for begin, finish in [*(t.map for t in tokens if t.level == 0 and t.map), (len(lines), len(lines))]:
        starts += [line for line in range(end, begin) if lines[line].strip(" \t")][:1] or [begin]
        end = finish
    return [0, *(start for start in starts[1:] if start < len(lines))]


def try_join(blocks: Sequence[Block], text: str) -> tuple[list[Token], str] | None:
    """Tokens and HTML of a whole reply from those of its blocks; None where the whole may read otherwise.

    A definition that came late changes blocks before it, and notes move to the end; a text that is nested too deeply
    is shown as it stands, and only so many formulas are drawn in one reply.

    Args:
        blocks: All blocks of the text, in order.
        text: The reply.
    """
    from llmvision_magic.rendering.html import MAX_FORMULAS

    if not blocks or "]:" in text or text.count("$") + text.count("\\") > MAX_FORMULAS:
        return None
    if "".join(block.source for block in blocks) != text:
        return None
    tokens: list[Token] = []
    for block in blocks:
        if block.tokens is None:
            return None
        tokens += block.tokens
    return tokens, "".join(block.html for block in blocks)
