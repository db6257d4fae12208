"""Replies side by side: one table, a column for each, all of it by the rules of one reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from llmvision_magic.rendering.mime_bundle import (
    MOST_SHOWN,
    Footer,
    footer_html,
    further_html,
    style,
    telling_what_is_shown,
    wrapped,
)

if TYPE_CHECKING:
    from markdown_it.token import Token

    from llmvision_magic.messages import Reply

APART = "Side by side; not part of the conversation."


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        head: What its reply was asked with, as text.
        body: Its reply so far, as safe HTML of the rendering room.
        footer: What stands under it.
    """

    head: str
    body: str
    footer: Footer


def columns_html(columns: Sequence[Column]) -> str:
    """The table, with its own style."""
    heads = "".join(f'<th scope="col">{escape(column.head, quote=False)}</th>' for column in columns)
    bodies = "".join(f"<td>{column.body}</td>" for column in columns)
    feet = "".join(f"<td>{footer_html(column.footer)}</td>" for column in columns)
    table = (
        f'<table class="columns"><thead><tr>{heads}</tr></thead><tbody><tr>{bodies}</tr></tbody>'
        f"<tfoot><tr>{feet}</tr></tfoot></table>"
    )
    body = f'<div class="wide">{table}</div>{footer_html(Footer([APART]))}'
    return style(body) + wrapped(body, " llmvm-side")


def columns_plain(heads: Sequence[str], replies: Sequence[Reply]) -> str:
    """The replies as text, one under the other, each with why it did not end by itself."""
    columns = zip(heads, replies, strict=True)
    return "\n\n".join("\n\n".join(filter(None, (f"{head}:", one.text, _why(one)))) for head, one in columns)


def _why(reply: Reply) -> str:
    return "" if reply.status == "complete" else reply.notice


def comparison_bundle(
    heads: Sequence[str], replies: Sequence[Reply], footers: Sequence[Footer] | None = None
) -> dict[str, str]:
    """Replies that have ended, by MIME type: a table in HTML, one reply under the other elsewhere.

    Args:
        heads: What each was asked with.
        footers: What to put under each reply; None for what their own fields say.
    """
    from llmvision_magic.rendering.html import tokens_to_html
    from llmvision_magic.rendering.markdown import try_parse
    from llmvision_magic.rendering.markdown_writer import tokens_to_markdown

    columns, tokens = [], []
    for number, (head, reply) in enumerate(zip(heads, replies, strict=True)):
        shown = reply.text[: MOST_SHOWN // len(replies)]
        parsed = try_parse(shown)
        footer = telling_what_is_shown(footers[number] if footers else Footer.of(reply), reply, shown)
        columns.append(Column(head, tokens_to_html(parsed, shown) + further_html(reply), footer))
        # What is nested too deeply to be Markdown is a text; a fence of its own keeps it from what follows.
        tokens += _paragraph(head, "**x**")
        tokens += parsed if parsed is not None else try_parse(f"~~~~~~\n{shown}") or []
        if why := " ".join(_why(reply).split()):
            tokens += _paragraph(why, "x")
    plain = columns_plain(heads, replies)
    # All tokens at once: one writer gives all fences one length, so that none can take in what stands below.
    return {"text/html": columns_html(columns), "text/markdown": tokens_to_markdown(tokens, plain), "text/plain": plain}


def _paragraph(text: str, pattern: str) -> list[Token]:
    """A paragraph of Markdown with a text in the place of its x, whatever characters the text holds."""
    from llmvision_magic.rendering.markdown import parse

    tokens = parse(pattern)
    for child in tokens[1].children or []:
        if child.content == "x":
            child.content = text
    return tokens
