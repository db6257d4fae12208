"""The top-level blocks of a reply as values, each with its text, tokens and HTML, and what they make together."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token


class Definitions:
    """Link and footnote definitions of the blocks that are finished; later blocks may use them."""

    def __init__(self) -> None:
        self.links: MutableMapping[str, object] = {}
        self.notes: MutableMapping[str, int] = {}

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


class Block:
    """A part of a reply, from the beginning of a top-level block to that of the next, or a part of a long block.

    Attributes:
        source: The text, exactly as it arrived. The sources of all blocks, joined, are the reply.
        head: Lines that stand before a later part of a long block so that it is read as what it is: the opening of its
            fence, the head of its table.
        part_of: Number of the long block it is a part of; None for a block that is whole.
        is_growing: Whether it is the tail. A growing part of a long fence has no colours yet: it is sent many times.
    """

    def __init__(
        self,
        source: str,
        definitions: Definitions | None = None,
        head: str = "",
        part_of: int | None = None,
        *,
        is_growing: bool = False,
        block_tokens: list[Token] | None = None,
    ) -> None:
        self.source = source
        self.definitions = definitions or Definitions()
        self.head = head
        self.part_of = part_of
        self.is_growing = is_growing
        self._block_tokens = block_tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Block{self._value!r}"

    @property
    def _value(self) -> tuple[str, str, int | None]:
        return self.source, self.head, self.part_of

    @cached_property
    def tokens(self) -> list[Token] | None:
        """What the parser makes of the block, when it is first asked for; None where it is nested too deeply."""
        from llmvision_magic.rendering.markdown import try_complete, try_parse

        if self._block_tokens is not None:
            return try_complete(self._block_tokens, self.definitions.env())
        tokens = try_parse(self.head + self.source, self.definitions.env())
        if self.head and tokens and tokens[0].type == "table_open":
            end = next((number for number, token in enumerate(tokens) if token.type == "thead_close"), 0)
            del tokens[1 : end + 1]
        return tokens

    @cached_property
    def html(self) -> str:
        """The block as a safe HTML fragment, made when it is first asked for; empty for a block of definitions."""
        from llmvision_magic.rendering.html import tokens_to_html

        return tokens_to_html(self.tokens, self.source, highlight=not (self.is_growing and self.part_of is not None))

    def end(self, length: int) -> Block:
        """The last characters of the block, from the beginning of a line if there is one, read as what the block is."""
        source = self.source[-length:]
        if len(self.source) > length and source.partition("\n")[2].strip():
            source = source.partition("\n")[2]
        return Block(source, self.definitions, self.head or self._opening(), self.part_of, is_growing=self.is_growing)

    def _opening(self) -> str:
        """The lines that parts of the block need before them: of a fence the first one, of a table the first two."""
        from llmvision_magic.rendering.markdown import try_parse

        lines = self.source.splitlines(keepends=True)[:2]
        tokens = try_parse("".join(lines), self.definitions.env()) if len(lines) == 2 else None
        needed = {"fence": 1, "table_open": 2}.get(tokens[0].type, 0) if tokens else 0
        return "".join(lines[:needed])


def try_join(blocks: Sequence[Block], text: str, *, in_parts: bool = False) -> tuple[list[Token], str] | None:
    """Tokens and HTML of a whole reply from those of its blocks; None where the whole may read otherwise.

    A definition that came late changes blocks before it, and notes move to the end; a text that is nested too deeply
    is shown as it stands, and only so many formulas are drawn in one reply.

    Args:
        blocks: All blocks of the text, in order.
        text: The reply.
        in_parts: Leave blocks that were cut as they are.
    """
    from llmvision_magic.rendering.html import MAX_FORMULAS

    if not blocks or "]:" in text or text.count("$") + text.count("\\") > MAX_FORMULAS:
        return None
    if "".join(block.source for block in blocks) != text:
        return None
    tokens: list[Token] = []
    html = []
    for block in blocks if in_parts else _whole(blocks):
        if block.tokens is None:
            return None
        tokens += block.tokens
        html.append(block.html)
    return tokens, "".join(html)


def _whole(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, those that were cut put together again."""
    whole: list[Block] = []
    for part_of, parts in groupby(blocks, key=lambda block: block.part_of):
        if part_of is None:
            whole += parts
        else:
            whole.append(Block("".join(part.source for part in parts)))  # no definitions: see above
    return whole
