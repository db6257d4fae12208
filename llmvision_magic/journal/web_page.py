"""A conversation as one web page: no script, nothing from the network, light or dark as the reader's system is."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from llmvision_magic.journal.turn_texts import when
from llmvision_magic.rendering import MOST_SHOWN, render, style_bundle

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn

# What the page may do at all, should anything have come through: nothing but its own style and images within it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """<style>
:root { color-scheme: light dark; --you: #eef2f7; --ink: #1b1b1b; --page: #fff }
@media (prefers-color-scheme: dark) { :root { --you: #232a33; --ink: #e6e6e6; --page: #15181c } }
body { max-width: 48em; margin: 2em auto; padding: 0 1em; font: 1rem/1.6 system-ui, sans-serif }
body { color: var(--ink); background: var(--page) }
h1 { font-size: 1.5em }
.quiet { font-size: .82em; opacity: .7 }
.you { margin: 2em 0 1em; padding: .7em 1em; border-radius: 6px; background: var(--you); white-space: pre-wrap }
.you, .rest { overflow-wrap: anywhere }
.rest { white-space: pre-wrap }
.you img { display: block; max-width: 100%; margin-top: .5em }
</style>"""

_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")


def page(conversation: Conversation) -> str:
    """The current branch as an HTML document."""
    name = escape(conversation.name)
    system = f'<p class="quiet">System prompt</p><div class="rest">{escape(conversation.system or "")}</div>'
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="referrer" content="no-referrer">\n<title>{name}</title>',
            style_bundle()["text/html"],
            f"{_STYLE}\n</head>\n<body>\n<h1>{name}</h1>",
            *([system] if conversation.system else []),
            *(_turn_html(turn) for turn in conversation.path()),
            "</body>\n</html>\n",
        ]
    )


def _turn_html(turn: Turn) -> str:
    facts = " · ".join(fact for fact in (turn.model, when(turn), turn.reason) if fact)
    rest = turn.text[MOST_SHOWN:]
    plain = f'<div class="rest">{escape(rest)}</div>' if rest else ""  # rendering all of a giant reply takes minutes
    return (
        f'<section>\n<div class="you">{_prompt_html(turn)}</div>\n'
        f'<div class="llmvm">{render(turn.text[:MOST_SHOWN])}</div>\n{plain}'
        f'<p class="quiet">{escape(facts)}</p>\n</section>'
    )


def _prompt_html(turn: Turn) -> str:
    if isinstance(turn.prompt, str):
        return escape(turn.prompt)
    return "\n".join(_part_html(dict(part)) for part in turn.prompt)


def _part_html(part: dict[str, object]) -> str:
    if isinstance(text := part.get("text"), str):
        return escape(text)
    image = part.get("image_url")
    address = str(image.get("url", "")) if isinstance(image, dict) else ""
    # An image from elsewhere would be fetched by whoever opens the page.
    return f'<img alt="attached image" src="{address}">' if _IMAGE.fullmatch(address) else "(an image)"
