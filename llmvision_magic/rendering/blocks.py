"""A reply that is arriving, as top-level Markdown blocks: those that are finished, and the last one.

Only the text from the last block on is read again when more arrives, and only its complete lines decide where a block
begins: a line that is still growing may yet turn out to continue the block before it. A last block that grows very long
(a fence, a list or a table may be the whole reply) is cut into parts, each shown as a block of its own kind; the whole
reply, shown at the end, knows nothing of these cuts.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from functools import cached_property
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it.token import Token

LONG = 500
"""Characters from which on an unfinished block is cut: it is sent again with every frame."""

KEPT_LINES = 4
"""Lines of a fence that stay with the tail when it is cut, so that its closing does not stand alone."""

_BLANK = " \t\r\n"
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


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
        from llmvision_magic.rendering.html import written

        return written(self.tokens, self.source, highlight=not (self.is_growing and self.part_of is not None))

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
        read = _tokens_between(tokens, numbers)
        for (start, end), block_tokens in zip(pairwise(starts), read, strict=False):
            self._hand_over(end - max(start, offset), finished, None if self._head else block_tokens)
            self._head, self._part_of = "", None
        if self._cut_long and len(self._tail) > LONG and (place := _place_to_cut(text, tokens, lines)) is not None:
            head, end = place
            if self._part_of is None:
                self._long_blocks += 1
                self._part_of = self._long_blocks
            self._hand_over(end - max(starts[-1], offset), finished)
            self._head = head
        self._seen = len(text) - offset - sum(len(block.source) for block in finished)
        self._closed_before = _closed_before(tokens, lines, text)

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


def block_starts(text: str, tokens: list[Token]) -> list[int]:
    """Numbers of the lines on which top-level blocks begin, the first being 0.

    A link definition leaves no token; it belongs to the block that follows it, because its title may still turn out
    to be that block's first line.

    Args:
        text: Complete lines.
        tokens: Their block tokens.
    """
    lines = re.split(r"\r\n?|\n", text)
    starts: list[int] = []
    end = 0
    for begin, finish in [*(t.map for t in tokens if t.level == 0 and t.map), (len(lines), len(lines))]:
        starts += [line for line in range(end, begin) if lines[line].strip(" \t")][:1] or [begin]
        end = finish
    return [0, *(start for start in starts[1:] if start < len(lines))]


def _tokens_between(tokens: list[Token], numbers: list[int]) -> list[list[Token]]:
    """The block tokens from each of these lines to the next, for the blocks that begin there."""
    groups: list[list[Token]] = [[] for _ in numbers]
    group = 0
    for token in tokens:
        if token.level == 0 and token.map and token.nesting >= 0:
            while group + 1 < len(numbers) and token.map[0] >= numbers[group + 1]:
                group += 1
        groups[group].append(token)
    return groups


def _closed_before(tokens: list[Token], lines: list[int], text: str) -> str:
    """Whether the last block is over although no other has begun.

    A reply's paragraph is mostly one long line. Waiting for its end before the block above it is finished would send
    that block again with every frame of the paragraph.

    Args:
        tokens: Block tokens of complete lines.
        lines: Where each line begins, and the end.
        text: The lines.

    Returns:
        Characters with which the next line could continue the block; "" if any line could.
    """
    last = next((token for token in reversed(tokens) if token.level == 0), None)
    first = next((token for token in reversed(tokens) if token.level == 0 and token.map), None)
    if last is None or first is None or first.map is None:
        return ""
    end = min(first.map[1], len(lines) - 1)
    rest = text[lines[end] :]
    if rest.strip(_BLANK):
        return ""  # definitions: they belong to what follows
    if first.type in ("heading_open", "hr"):
        return _BLANK
    is_followed_by_blank = bool(rest) or not text[lines[end - 1] : lines[end]].strip(_BLANK)
    if first.type in ("paragraph_open", "table_open", "blockquote_open") and is_followed_by_blank:
        return _BLANK
    if first.type in ("bullet_list_open", "ordered_list_open") and is_followed_by_blank:
        return _BLANK + "-+*0123456789"
    return ""


def _place_to_cut(text: str, tokens: list[Token], lines: list[int]) -> tuple[str, int] | None:
    """Where the last block, still unfinished, can be cut: so that its last item, row or lines stay with the tail.

    Args:
        text: Complete lines.
        tokens: Their block tokens.
        lines: Where each line begins, and the end.

    Returns:
        The lines that later parts need before them, and the place in `text`; None if it cannot be cut.
    """
    first = next((token for token in reversed(tokens) if token.level == 0 and token.map), None)
    if first is None or first.map is None:
        return None
    begin, end = first.map
    if first.type == "fence" and first.content.count("\n") == end - begin - 1:  # one line more were its closing
        opening = text[lines[begin] : lines[begin + 1]]
        cut = max(end - KEPT_LINES, begin + 1)
        return (opening, lines[cut]) if cut > begin + 1 else None
    inner = {"bullet_list_open": "list_item_open", "ordered_list_open": "list_item_open", "table_open": "tr_open"}
    wanted = inner.get(first.type)
    rows = [t.map[0] for t in tokens if t.type == wanted and t.level == (2 if wanted == "tr_open" else 1) and t.map]
    rows = [row for row in rows if row > begin + (2 if wanted == "tr_open" else 0)]
    if not rows:
        return None
    head = text[lines[begin] : lines[begin + 2]] if wanted == "tr_open" else ""
    return head, lines[rows[-1]]


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
