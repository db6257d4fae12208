"""Code → a few short elements. Pygments does the reading; it is imported at the first fence in a known language."""

from __future__ import annotations

import functools
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.token import _TokenType

MAX_CODE = 100_000
"""Length of a code block, in characters, above which it is not highlighted."""

MAX_LINE = 4_000
"""Length of a line, in characters, above which its block is not highlighted: some lexers search a line repeatedly."""

ELEMENTS = frozenset(("tt", "i", "b", "em", "var", "del", "ins"))
"""Keyword, string, number, comment, name being defined or called for, deleted, inserted. Short, for with a class
instead the colours of a listing would be most of what is saved of it; and such that it reads well without our style."""


def code_html(code: str, language: str) -> str:
    """Code as escaped HTML, highlighted when the language is known.

    Args:
        code: The code, of any length.
        language: A name as written after a fence; case is ignored.
    """
    known = bool(language) and len(code) <= MAX_CODE and max(map(len, code.split("\n"))) <= MAX_LINE
    spans = _try_spans(code, language.lower()) if known else None
    return html.escape(code, quote=False) if spans is None else spans


@functools.cache
def _aliases() -> frozenset[str]:
    """Names of languages that come with Pygments.

    Asking it for any other name would look through every installed package for plug-ins, at each unknown fence.
    """
    from pygments.lexers import get_all_lexers

    # "raw" reads a token dump, and fails on anything else.
    return frozenset(alias for lexer in get_all_lexers(plugins=False) for alias in lexer[1]) - {"raw", "pytb-raw"}


def _try_spans(code: str, language: str) -> str | None:
    if language in ("text", "plain", "plaintext", "txt", "output") or language not in _aliases():
        return None
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    parts: list[str] = []
    current, run = "", ""
    try:
        for token, text in lexer.get_tokens(code):
            name = _class(token)
            # White space has no colour: it goes with whatever stands before it, which saves many spans.
            if name == current or text.isspace():
                run += text
            else:
                parts.append(_span(run, current))
                current, run = name, text
    except (ValueError, LookupError, RecursionError):
        # A lexer that stumbles over a fragment of its language. The code is shown plain.
        return None
    parts.append(_span(run, current))
    return "".join(parts)


def _span(text: str, name: str) -> str:
    escaped = html.escape(text, quote=False)
    return f"<{name}>{escaped}</{name}>" if name and text else escaped


@functools.cache
def _class(token: _TokenType) -> str:
    from pygments.token import is_token_subtype

    return next((name for name, group in _groups() if is_token_subtype(token, group)), "")


def _groups() -> tuple[tuple[str, _TokenType], ...]:
    from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String

    return (
        ("em", Comment),
        ("tt", Keyword),
        ("tt", Operator.Word),
        ("tt", Name.Tag),
        ("tt", Generic.Heading),
        ("tt", Generic.Subheading),
        ("i", String),
        ("b", Number),
        ("var", Name.Function),
        ("var", Name.Class),
        ("var", Name.Builtin),
        ("var", Name.Decorator),
        ("var", Name.Attribute),
        ("del", Generic.Deleted),
        ("ins", Generic.Inserted),
    )
