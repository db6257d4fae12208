"""Tokens → HTML that may stand in a page: two locks, the renderer and a sanitiser over what it wrote."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from llmvision_magic.rendering import highlighting, markdown, mathml, sanitizing

if TYPE_CHECKING:
    import nh3

MAX_FORMULAS = 2_000
"""Formulas in one reply that are drawn; further ones are shown as TeX."""

_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,20}\Z")


def render(text: str) -> str:
    """A reply as a safe HTML fragment.

    Args:
        text: Markdown, any string.
    """
    return tokens_to_html(markdown.try_parse(text), text)


def tokens_to_html(tokens: list[Token] | None, text: str, *, highlight: bool = True) -> str:
    """Tokens as a safe HTML fragment.

    Args:
        tokens: What `markdown.parse` makes of the text; None for a text that is nested too deeply.
        text: The text; shown as it stands where there are no tokens.
        highlight: Whether code in a known language is coloured.
    """
    env = {"formulas": 0, "highlight": highlight}
    try:
        fragment = None if tokens is None else _renderer().render(tokens, markdown.parser().options, env)
    except RecursionError:
        fragment = None
    if fragment is None:
        fragment = f"<pre>{escape(markdown.well_formed(text), quote=False)}</pre>\n"
    # The renderer escapes what the reply wrote: such a tag is its own.
    return (_picture_cleaner() if "<img " in fragment else _cleaner()).clean(fragment)


def language_of(fence: Token) -> str:
    """The first word after a fence; empty when it is no name."""
    words = fence.info.split(maxsplit=1)
    return words[0] if words and _LANGUAGE.match(words[0]) else ""


class _Renderer(RendererHTML):
    """Writes the elements that `_cleaner` lets pass. Each method is named after the token it writes."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        href = escape(str(tokens[idx].attrGet("href") or ""))
        return f'<a href="{href}" rel="noopener noreferrer" target="_blank" referrerpolicy="no-referrer">'

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<img src="{escape(str(tokens[idx].attrGet("src")))}" alt="{escape(tokens[idx].content)}">'

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        newline = "" if tokens[idx + 1].hidden or tokens[idx + 1].nesting == -1 else "\n"
        task = ' class="task"' if tokens[idx].meta.get("task") else ""
        return f"<li{task}>{newline}"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        language = language_of(tokens[idx])
        label = f' data-l="{language}"' if language else ""
        code = tokens[idx].content
        shown = highlighting.code_html(code, language) if env["highlight"] else escape(code, quote=False)
        return f"<pre{label}><code>{shown}</code></pre>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="wide"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"

    def th_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</th>"  # without a line end: a table has many cells, and each is saved

    def td_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</td>"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell(tokens[idx])

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _formula(tokens[idx], env, display=tokens[idx].markup in ("$$", "\\["))

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div class="wide">{_formula(tokens[idx], env, display=True)}</div>\n'

    def footnote_mark(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<sup>[{escape(tokens[idx].content, quote=False)}]</sup>"

    def footnotes_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="notes">\n'


@functools.cache
def _renderer() -> _Renderer:
    return _Renderer()


def _cell(token: Token) -> str:
    align = {"text-align:right": "right", "text-align:center": "mid"}.get(str(token.attrGet("style")))
    return f'<{token.tag} class="{align}">' if align else f"<{token.tag}>"


def _formula(token: Token, env: EnvType, *, display: bool) -> str:
    env["formulas"] += 1
    drawn = mathml.try_mathml(token.content, display=display) if env["formulas"] <= MAX_FORMULAS else None
    return drawn or f"<code>{escape(token.content, quote=False)}</code>"


@functools.cache
def _cleaner() -> nh3.Cleaner:
    """The second lock: what is not named here does not pass, whatever the renderer wrote."""
    import nh3

    return nh3.Cleaner(**_allowed())


@functools.cache
def _picture_cleaner() -> nh3.Cleaner:
    """The same for a fragment with pictures; slower, for it asks back for each attribute."""
    import nh3

    allowed = _allowed()
    allowed["tags"] |= {"img"}
    allowed["attributes"]["img"] = {"src", "alt"}
    allowed["url_schemes"] |= {"data"}
    return nh3.Cleaner(**allowed, attribute_filter=_without_other_data)


def _without_other_data(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if sanitizing.is_picture(value) else None
    return None if name == "href" and value[:5].lower() == "data:" else value


def _allowed() -> dict[str, Any]:
    text = "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong sup"
    table = "table tbody td th thead tr ul"
    link = {"rel": {"noopener noreferrer"}, "target": {"_blank"}, "referrerpolicy": {"no-referrer"}}
    return {
        "tags": {*text.split(), *table.split(), *highlighting.ELEMENTS, *mathml.ELEMENTS},
        "attributes": {
            "a": {"href"},
            "ol": {"start"},
            "pre": {"data-l"},
            **{tag: set(mathml.ATTRIBUTES) for tag in mathml.ELEMENTS},
        },
        # Not `set_tag_attribute_values`: it writes them in an order that differs from process to process.
        "tag_attribute_values": {"a": link},
        "link_rel": None,
        "url_schemes": {"http", "https", "mailto"},
        "url_relative": "deny",
        "allowed_classes": {
            "div": {"wide", "notes"},
            "li": {"task"},
            "td": {"right", "mid"},
            "th": {"right", "mid"},
            **mathml.CLASSES,
        },
    }
