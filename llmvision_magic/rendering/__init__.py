"""Markdown → what a reader sees: safe HTML, Markdown that is safe elsewhere, text for a terminal.

A pure function of text. A reply is untrusted: nothing in it runs, loads from the network or moves the page.
"""

from __future__ import annotations

from llmvision_magic.messages import CodeBlock
from llmvision_magic.rendering.blocks import Block
from llmvision_magic.rendering.further_choices import further_choices
from llmvision_magic.rendering.incremental_parser import Blocks, Update
from llmvision_magic.rendering.mime_bundle import (
    MOST_SHOWN,
    Footer,
    blocks_bundle,
    not_all_shown,
    reply_bundle,
    reply_html,
    status_html,
    style,
    style_bundle,
    stylesheet,
    text_bundle,
)
from llmvision_magic.rendering.terminal import plain_for_terminal

__all__ = [
    "MOST_SHOWN",
    "Block",
    "Blocks",
    "Footer",
    "Update",
    "blocks_bundle",
    "code_blocks",
    "further_choices",
    "not_all_shown",
    "plain_for_terminal",
    "render",
    "reply_bundle",
    "reply_html",
    "safe_markdown",
    "status_html",
    "style",
    "style_bundle",
    "stylesheet",
    "text_bundle",
]


# The parser and the sanitiser are imported when the first reply is shown, not with the extension.


def render(text: str) -> str:
    """A reply as a safe HTML fragment: no style, no wrapper; the same for the same text.

    Args:
        text: Markdown, any string.
    """
    from llmvision_magic.rendering.html import render

    return render(text)


def safe_markdown(text: str) -> str:
    """A reply as Markdown that is safe in any front end, also one that runs raw HTML.

    Args:
        text: Markdown, any string.
    """
    from llmvision_magic.rendering.markdown_writer import safe_markdown

    return safe_markdown(text)


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced code blocks of a text, in order, those inside lists and quotes too.

    Args:
        text: Markdown, any string.

    Returns:
        Each with the first word behind its fence and its code, without the last line end.
    """
    from llmvision_magic.rendering.markdown import NestingError, fences

    try:
        return [CodeBlock(language, code) for language, code in fences(text)]
    except NestingError:
        return []
