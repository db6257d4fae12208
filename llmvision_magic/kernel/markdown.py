"""Pieces of our own pages, in Markdown: code spans, counts, the beginning of a prompt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from llmvision_magic.rendering import plain_for_terminal

if TYPE_CHECKING:
    from llmvision_magic.messages import Content

FIRST_WORDS = 60
"""Characters of a prompt that stand in the tree."""


def code_span(value: object) -> str:
    """A value as a code span that fits into a table cell; "" for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = plain_for_terminal(" ".join(text.split())).replace("|", "\\|")
    if len(text) > 120:
        text = text[:119] + "…"
    ticks = "`" if "`" not in text else "```"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def first_words(prompt: Content, most: int = FIRST_WORDS) -> str:
    """The beginning of a prompt, in one line, with nothing in it that is Markdown to a code block."""
    words = " ".join(shown_prompt(prompt).replace("`", "'").split())
    return words if len(words) <= most else words[: most - 1] + "…"


def shown_prompt(content: Content) -> str:
    """A prompt's text; of parts, the texts, with a word in place of each image."""
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part.get("text", "*(an image)*")) for part in content)
