"""A page of ours by MIME type: Markdown, texts as they read, and what is folded until somebody wants it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple, TypeAlias

from llmvision_magic.rendering import reply_html, safe_markdown
from llmvision_magic.rendering.mime_bundle import MOST_SHOWN, not_all_shown, style, wrapped


class Fold(NamedTuple):
    """What is unfolded with a click.

    Attributes:
        title: What there is, in plain words.
        text: It, in Markdown.
        unfolded: What stands there, in Markdown, where nothing can be folded.
    """

    title: str
    text: str
    unfolded: str


class Quoted(NamedTuple):
    """A text that is shown as it is, line by line.

    Attributes:
        head: Whose it is, in plain words.
    """

    head: str
    text: str


Part: TypeAlias = "str | Fold | Quoted"
"""A part of a page; a str is Markdown."""


def page_bundle(parts: Sequence[Part]) -> dict[str, str]:
    """A page by MIME type, as `reply_bundle` of a reply; only in HTML something is folded."""
    body = "".join(map(_part_html, parts))
    plain = page_markdown(parts)
    return {"text/html": style(body) + wrapped(body), "text/markdown": safe_markdown(plain), "text/plain": plain}


def page_markdown(parts: Sequence[Part]) -> str:
    """A page where nothing can be folded."""
    return "\n\n".join(map(_part_markdown, parts))


def _part_html(part: Part) -> str:
    if isinstance(part, str):
        return _markdown_html(part)
    if isinstance(part, Fold):
        summary = f"<summary>{escape(part.title, quote=False)}</summary>"
        return f"<details>{summary}{_markdown_html(part.text)}</details>\n"
    from llmvision_magic.rendering.html import tokens_to_html

    text = tokens_to_html(None, part.text[:MOST_SHOWN]).replace("<pre>", '<pre class="said">', 1)
    return f"<p><strong>{escape(part.head, quote=False)}</strong></p>{text}{_cut_html(part.text)}"


def _markdown_html(text: str) -> str:
    return reply_html(text) + _cut_html(text)


def _cut_html(text: str) -> str:
    cut = not_all_shown(text)
    return f'<p class="foot">{cut}</p>' if cut else ""


def _part_markdown(part: Part) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Fold):
        return part.unfolded
    ticks = "`" * (max((len(run) for run in re.findall("`{3,}", part.text)), default=2) + 1)
    return f"**{part.head}**\n\n{ticks}text\n{part.text}\n{ticks}"
