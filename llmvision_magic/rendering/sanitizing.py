"""What a parsed reply may contain: links and images are reduced to what is allowed, on the tokens.

Both outputs, HTML and the Markdown handed on, are made from the tokens after this.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_address
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MAX_BRACKETS = 2_000
"""Opening brackets in one paragraph up to which links are looked for; each may cost a look at what follows it."""

LARGEST_IMAGE = 1_000_000
"""Bytes of a picture that is shown."""

# By what their bytes begin with, in base64: a browser believes the bytes and not the name. SVG may hold links and more.
_IMAGE = re.compile(
    r"data:image/(?:png;base64,iVBORw0KGgo|jpeg;base64,/9j/|gif;base64,R0lGOD|webp;base64,UklGR)[A-Za-z0-9+/]*={0,2}\Z"
)
_ALLOWED_URL = re.compile(r"(?:https?://|mailto:)[^\s\\]+\Z", re.IGNORECASE)
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20\x7f#%/<>?@\\^|`{}\"]")
_TASK = re.compile(r"\[([ xX])\](?=\s)")


def install(md: MarkdownIt) -> None:
    """Add the rules of this module to a parser."""
    normalized = md.normalizeLink
    # What is a picture already needs no escaping, which would take seconds.
    md.normalizeLink = lambda url: url if is_picture(url) else normalized(url)  # type: ignore[method-assign]
    md.core.ruler.at("inline", _inline)
    md.core.ruler.push("allowed_only", _allowed_only)
    md.core.ruler.push("tasks", _tasks)


def is_allowed(url: str) -> bool:
    """Whether a link may lead there: absolute http, https and mailto addresses that a browser can read.

    JupyterLab takes what cannot be read for the path of a file beside the notebook, and opens it.
    """
    if _ALLOWED_URL.match(url) is None:
        return False
    return url[:7].lower() == "mailto:" or _has_host(url)


def is_picture(url: str) -> bool:
    """Whether the address is itself a picture that is shown: PNG, JPEG, GIF or WebP, and not too large."""
    return len(url) <= LARGEST_IMAGE * 4 / 3 + 30 and _IMAGE.match(url) is not None


def _has_host(url: str) -> bool:
    """Whether the address has a host (https://url.spec.whatwg.org/#host-parsing, as far as it matters here)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if "[" in parts.netloc:
            ip_address(host)
        elif host.rpartition(".")[2].isdigit():  # then all of it is read as a number
            IPv4Address(host)
    except ValueError:
        return False
    return bool(host) and not _FORBIDDEN_IN_HOST.search(host)


def plain_text(tokens: list[Token] | None) -> str:
    """The text of inline tokens without their markup."""
    return "".join(
        "\n"
        if token.type in ("softbreak", "hardbreak")
        else plain_text(token.children)
        if token.type == "image"
        else token.content
        for token in tokens or []
    )


def _inline(state: StateCore) -> None:
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if token.content.count("[") > MAX_BRACKETS:
            token.children.append(Token("text", "", 0, content=token.content))
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _allowed_only(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _reduced(token.children)


def _reduced(tokens: list[Token]) -> list[Token]:
    """Links that are not allowed become their label, images become links (or text, inside a link) or stay pictures."""
    kept: list[Token] = []
    links: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            url = str(token.attrGet("href") or "")
            links.append(is_allowed(url))
            if links[-1]:
                kept.append(_link(url))
        elif token.type == "link_close":
            if links.pop():
                kept.append(token)
        elif token.type == "image":
            url = str(token.attrGet("src") or "")
            if is_picture(url):
                kept.append(Token("image", "img", 0, attrs={"src": url}, content=plain_text(token.children)))
                continue
            label = plain_text(token.children).strip() or (url if is_allowed(url) else "image")
            text = Token("text", "", 0, content=label)
            if is_allowed(url) and not any(links):
                kept += [_link(url), text, Token("link_close", "a", -1)]
            else:
                kept.append(text)
        else:
            kept.append(token)
    return kept


def _link(url: str) -> Token:
    return Token("link_open", "a", 1, attrs={"href": url})


def _tasks(state: StateCore) -> None:
    """``- [x] done``: a character instead of a form element."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        if first.type == "text" and (match := _TASK.match(first.content + " ")):
            first.content = ("☐" if match[1] == " " else "☑") + first.content[3:]
            item.meta = {**item.meta, "task": True}
