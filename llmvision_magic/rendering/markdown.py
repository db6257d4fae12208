"""Markdown text → tokens: which Markdown a reply is written in.

CommonMark with tables, strikethrough, task lists, footnotes and maths. Raw HTML is not a part of it: a tag is text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, MutableMapping

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from llmvision_magic.rendering import footnotes, maths, sanitizing

MAX_NESTING = 60
"""Depth, in tokens, to which a reply is understood: 60 block quotes, or 30 lists, inside each other."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class NestingError(Exception):
    """The text is nested deeper than it is read; it has to be shown as it was written."""


@functools.cache
def parser() -> MarkdownIt:
    """The one parser. It keeps no state between texts."""
    md = MarkdownIt("js-default", {"html": False, "maxNesting": MAX_NESTING})
    # Which links are followed is decided in `sanitizing`, where the label of a refused one can stay as text.
    md.validateLink = lambda url: True  # type: ignore[method-assign]
    maths.install(md)
    footnotes.install(md)
    sanitizing.install(md)
    return md


def well_formed(text: str) -> str:
    """The text as Unicode that can be encoded: surrogate pairs are joined, lone surrogates become U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse(text: str, env: MutableMapping[str, object] | None = None) -> list[Token]:
    """Tokens of a text, links and images already reduced to what is allowed.

    Args:
        text: Markdown, any string.
        env: Link and footnote definitions known from before; those of the text are added.

    Raises:
        NestingError: The text is nested deeper than `MAX_NESTING`; the parser would leave out what lies below.
    """
    env = {} if env is None else env
    try:
        return _checked(parser().parse(well_formed(text), env))
    except RecursionError as error:
        raise NestingError from error


def _checked(tokens: list[Token]) -> list[Token]:
    # A list adds two levels at once, so the parser may have stopped at either of the last two.
    if any(token.level >= MAX_NESTING - 2 for token in tokens):
        raise NestingError
    return tokens


def try_complete(tokens: list[Token], env: MutableMapping[str, object]) -> list[Token] | None:
    """What `parse` makes of a text whose block tokens are there already; None where it is nested too deeply.

    Args:
        tokens: Block tokens, from `parse_blocks`; they become part of the result.
        env: Link and footnote definitions known from before.
    """
    state = StateCore("", parser(), env, tokens)
    try:
        for rule in _rules_after_block():
            rule(state)
        return _checked(state.tokens)
    except (RecursionError, NestingError):
        return None


@functools.cache
def _rules_after_block() -> list[Callable[[StateCore], None]]:
    core = parser().core.ruler
    names = core.get_active_rules()
    return core.getRules("")[names.index("block") + 1 :]


def try_parse(text: str, env: MutableMapping[str, object] | None = None) -> list[Token] | None:
    """As `parse`; None for a text that is nested too deeply."""
    try:
        return parse(text, env)
    except NestingError:
        return None


def parse_blocks(text: str, env: MutableMapping[str, object] | None = None) -> list[Token]:
    """Block tokens of a text, without looking into paragraphs: much cheaper than `parse`.

    Raises:
        NestingError: The interpreter's stack did not suffice.
    """
    tokens: list[Token] = []
    source = re.sub(r"\r\n?", "\n", well_formed(text)).replace("\0", "\ufffd")
    try:
        parser().block.parse(source, parser(), {} if env is None else env, tokens)
    except RecursionError as error:
        raise NestingError from error
    return tokens


def fences(text: str) -> list[tuple[str, str]]:
    """Language and code of each fenced block, in order.

    Raises:
        NestingError: The interpreter's stack did not suffice.
    """
    return [
        ((unescapeAll(token.info).split(maxsplit=1) or [""])[0], token.content.removesuffix("\n"))
        for token in parse_blocks(text)
        if token.type == "fence"
    ]
