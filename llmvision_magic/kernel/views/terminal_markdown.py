"""Markdown for a terminal: the tokens of the one parser, as rich prints them.

Nothing of the text may be lost on the way: what rich does not know becomes text, and what cannot be drawn is shown as
it was written.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from typing import ClassVar

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement, TableElement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from llmvision_magic.rendering import Block, plain_for_terminal
from llmvision_magic.rendering.markdown import NestingError, parse

MAX_LEVEL = 24
"""Depth, in tokens, that is drawn: each list or quote takes columns, and deeper none would be left for the text."""

LEAST_COLUMN = 6
"""Width, in characters and with the space around it, below which a column of a table cannot be read."""


class _Table(TableElement):
    """A table of which nothing is cut off: long words in cells are broken, and too many columns become lines."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                if len(part.columns) * LEAST_COLUMN > options.max_width:
                    yield from self._rows()
                    return
                for column in part.columns:
                    column.overflow = "fold"
            yield part

    def _rows(self) -> Iterator[Text]:
        heads = [self.header.row] if self.header and self.header.row else []
        for row in [*heads, *(self.body.rows if self.body else [])]:
            yield Text(" | ").join(cell.content for cell in row.cells)


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _Markdown(Markdown):
    """Prints tokens. Links show their address and do nothing."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "table_open": _Table,
    }

    def __init__(self, tokens: list[Token], source: str) -> None:
        super().__init__("", hyperlinks=False)
        self.parsed = tokens
        self._source = source

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            yield from list(super().__rich_console__(console, options))
        except Exception:  # a reply that was paid for is shown, if need be as bare text
            yield as_written(self._source)


class Lines:
    """A renderable without the blanks around it: no empty lines before and behind, no spaces at the ends of lines.

    Args:
        inner: What is rendered.
        space: Blank lines put before it.
        last: Most lines that are shown, the last ones; None for all.
    """

    def __init__(self, inner: RenderableType, *, space: int = 0, last: int | None = None) -> None:
        self._inner = inner
        self._space = space
        self._last = last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rendered = console.render_lines(self._inner, options.update(height=None), pad=False)
        lines = [_without_spaces(line) for line in rendered]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        if not lines:
            return
        lines = [*([] for _ in range(self._space)), *lines]
        for line in lines if self._last is None else lines[-self._last :]:
            yield from line
            yield Segment.line()


def _without_spaces(line: list[Segment]) -> list[Segment]:
    """A line without the spaces at its end, unless they show a background, as a code block's do."""
    line = list(line)
    while line and not (line[-1].style and line[-1].style.bgcolor):
        last = line.pop()
        if text := last.text.rstrip():
            return [*line, Segment(text, last.style, last.control)]
    return line


def drawn(block: Block) -> RenderableType:
    """A block as rich prints it; control characters are made visible."""
    env = block.definitions.env()
    try:
        tokens = parse(block.source, env)
    except NestingError:
        return as_written(block.source)
    if any(token.level > MAX_LEVEL for token in tokens):
        return as_written(block.source)
    return _Markdown([*_known(tokens), *_definitions(block.source, env)], block.source)


def as_written(source: str) -> Text:
    """A text as it was written; control characters are made visible."""
    return Text(plain_for_terminal(source))


def _known(tokens: list[Token]) -> Iterator[Token]:
    """The tokens in the words that rich knows."""
    for token in tokens:
        if token.type in ("footnotes_open", "footnotes_close"):
            continue
        if token.type == "math_block":
            yield Token("fence", "code", 0, content=plain_for_terminal(token.content), info="tex")
            continue
        if token.type == "inline":
            token.children = list(_known(_links_once(token.children or [])))
        elif token.type == "math_inline":
            token.type, token.tag = "code_inline", "code"
        elif token.type == "footnote_mark":
            token.type, token.content = "text", f"[{token.content}]"
        # Here and not only in the source: `&#x202E;` becomes a character while it is parsed.
        token.content = plain_for_terminal(token.content)
        yield token


def _links_once(tokens: list[Token]) -> list[Token]:
    """Without the links whose text is their address: it need not stand there twice."""
    kept: list[Token] = []
    skip = 0
    for token, *following in (tokens[i : i + 3] for i in range(len(tokens))):
        if skip:
            skip -= 1
        elif (
            token.type == "link_open"
            and [part.type for part in following] == ["text", "link_close"]
            and str(token.attrGet("href")).removeprefix("mailto:") == following[0].content
        ):
            kept.append(following[0])
            skip = 2
        else:
            kept.append(token)
    return kept


def _definitions(source: str, env: dict[str, object]) -> Iterator[Token]:
    """The link definitions of a block as text: a link before them was printed without its address."""
    found = env["references"]
    new = found.maps[0] if isinstance(found, ChainMap) else {}
    lines = plain_for_terminal(source).split("\n")
    for definition in new.values():
        start, end = definition["map"]
        yield Token("paragraph_open", "p", 1)
        yield Token("inline", "", 0, children=[Token("text", "", 0, content=" ".join(lines[start:end]))], content="")
        yield Token("paragraph_close", "p", -1)
