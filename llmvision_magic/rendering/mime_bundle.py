"""What a front end is handed: the reply, a block of it, or a line about it, in each MIME type."""

from __future__ import annotations

import functools
import pkgutil
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.finish_reasons import ending_of, shown_reason
from llmvision_magic.rendering.blocks import Block, try_join
from llmvision_magic.rendering.further_choices import further_choices

if TYPE_CHECKING:
    from markdown_it.token import Token

    from llmvision_magic.messages import Reply

# JupyterLab's MathJax looks for its marks in every HTML output but those that carry the first class; the second is the
# same for MathJax 2.
_NO_MATHJAX = " mathjax_ignore tex2jax_ignore"

# Parts of a long block stand as close as if they were one.
_ARRIVING_STYLE = "<style>.llmvm-on:not(#_#_)>*{margin-bottom:0}</style>"

MOST_SHOWN = 100_000
"""Characters of a reply that are rendered, some 25,000 tokens: a page with more is no page. The plain text has all."""

ARRIVING_PLAIN = 40
"""Characters of plain text sent with blocks while a reply arrives: half of all bytes would be for nobody to see."""

_PICTURE = r"\(data:image/[a-z]{3,4};base64,[A-Za-z0-9+/=]{1,1333400}\)"

_ENDS = {
    "length": "Ended at the token limit.",
    "filtered": "Ended by the server's content filter.",
}


class Footer(NamedTuple):
    """What stands under a reply.

    Attributes:
        parts: Quiet facts: model, tokens, seconds.
        notice: Why the reply ended when it did not end by itself; shown more visibly. Empty when it did.
    """

    parts: Sequence[str] = ()
    notice: str = ""

    @classmethod
    def of(cls, reply: Reply) -> Footer:
        """The footer that a reply's own fields make. Only numbers the server told are shown."""
        parts = [reply.model] if reply.model else []
        if reply.usage is not None and reply.usage.completion_tokens is not None:
            parts.append(_tokens(reply.usage.completion_tokens))
        elif reply.usage is not None and reply.usage.total_tokens is not None:
            parts.append(_tokens(reply.usage.total_tokens) + " with the prompt")
        if reply.seconds is not None:
            parts.append(f"{reply.seconds:.1f} s")
        if reply.status == "complete" and (reason := shown_reason(reply.finish_reason)):
            parts.append(f"finish reason {reason}")
        return cls(parts, reply.notice or _ENDS.get(ending_of(reply.finish_reason), ""))


def reply_bundle(
    reply: Reply, footer: Footer | None = None, blocks: Sequence[Block] = (), *, at_once: bool = False
) -> dict[str, str]:
    """A reply that has ended, by MIME type.

    Args:
        reply: The reply.
        footer: What to put under it; None for what its own fields say.
        blocks: The reply's blocks as they were shown while it arrived; what was made for them is not made again.
        at_once: Leave a long block in the parts it was shown in: reading it anew as a whole takes its time.

    Returns:
        ``text/html`` with its own style, ``text/markdown`` safe in any front end, ``text/plain`` the text exactly. The
        first two hold at most `shown_length` characters of the reply, and the HTML then says so.
    """
    from llmvision_magic.rendering.markdown_writer import tokens_to_markdown

    shown = reply.text[: shown_length(reply.text)]
    footer = footer or Footer.of(reply)
    footer = telling_what_is_shown(footer, reply, shown)
    tokens, body = _whole(shown, blocks, in_parts=at_once)
    body += further_html(reply)
    foot = footer_html(footer)
    return {
        "text/html": style(body + foot) + wrapped(body + foot),
        "text/markdown": tokens_to_markdown(tokens, shown),
        "text/plain": reply.text,
    }


def _whole(shown: str, blocks: Sequence[Block], *, in_parts: bool = False) -> tuple[list[Token] | None, str]:
    """Tokens and HTML of what is shown of a text; of its blocks, what was made is not made again."""
    from llmvision_magic.rendering.html import tokens_to_html
    from llmvision_magic.rendering.markdown import try_parse

    joined = try_join(blocks, shown, in_parts=in_parts)
    if joined is not None:
        return joined
    tokens = try_parse(shown)
    return tokens, tokens_to_html(tokens, shown)


def reply_html(text: str, blocks: Sequence[Block] = ()) -> str:
    """A reply's text as a safe HTML fragment, as `reply_bundle` shows it.

    Args:
        text: Markdown, any string; of a long one the first part is shown, see `not_all_shown`.
        blocks: Its blocks as they were shown while it arrived.
    """
    return _whole(text[: shown_length(text)], blocks)[1]


def not_all_shown(text: str) -> str:
    """A sentence that says how much of a long text is shown; "" when all of it is."""
    shown = shown_length(text)
    return "" if shown == len(text) else _only_the_first(shown, len(text))


def further_html(reply: Reply) -> str:
    """The choices of a reply after its first, numbered; "" where it has one."""
    from llmvision_magic.rendering.html import render

    if len(reply.choices) < 2:
        return ""
    shown = further_choices(reply)
    parts = [f'<p class="nth">{which}</p>\n{render(text)}' for which, text in shown.texts]
    return "".join([*parts, *([f'<p class="nth">{escape(shown.note)}</p>'] if shown.note else [])])


def shown_length(text: str) -> int:
    """How many of the text's characters are rendered: `MOST_SHOWN`, and those of the pictures that begin in them."""
    end = MOST_SHOWN
    if len(text) > end:
        for picture in re.finditer(_PICTURE, text):
            if picture.start() >= end:
                break
            end += len(picture[0])
    return min(end, len(text))


def text_bundle(reply: Reply, footer: Footer) -> dict[str, str]:
    """A reply that has ended, shown as the text it is; by MIME type, as `reply_bundle`."""
    from llmvision_magic.rendering.html import tokens_to_html
    from llmvision_magic.rendering.markdown import try_parse
    from llmvision_magic.rendering.markdown_writer import tokens_to_markdown

    shown = reply.text[:MOST_SHOWN]
    ticks = "`" * (max((len(run) for run in re.findall("`{3,}", shown)), default=2) + 1)
    block = f"{ticks}text\n{shown}\n{ticks}\n"
    footer = telling_what_is_shown(footer, reply, shown)
    body = tokens_to_html(None, shown) + footer_html(footer)
    html = style(body) + wrapped(body)
    return {"text/html": html, "text/markdown": tokens_to_markdown(try_parse(block), block), "text/plain": reply.text}


def telling_what_is_shown(footer: Footer, reply: Reply, shown: str) -> Footer:
    """The footer, with how much of the reply is shown where that is not all."""
    if len(reply.text) == len(shown):
        return footer
    return Footer(footer.parts, f"{footer.notice} {_only_the_first(len(shown), len(reply.text))}".strip())


def _only_the_first(shown: int, length: int) -> str:
    return f"Only the first {shown:,} of {length:,} characters are shown; the plain text has all."


def blocks_bundle(blocks: Sequence[Block]) -> dict[str, str]:
    """Blocks of a reply that is arriving, as one output, by MIME type.

    Args:
        blocks: One after another. Their plain text is only the end; the final output has all of it.
    """
    body = "".join(block.html for block in blocks)
    plain = "".join(block.source for block in blocks)
    if len(plain) > ARRIVING_PLAIN:
        plain = "…" + plain[-ARRIVING_PLAIN:]
    joined = " llmvm-on" if blocks[-1].part_of is not None else ""
    return {"text/html": wrapped(body, joined), "text/plain": plain}


def style_bundle(body: str | None = None) -> dict[str, str]:
    """The style for blocks of a reply that is arriving, as an output that comes before them.

    Args:
        body: The HTML that it is for; None for any that may come.
    """
    return {"text/html": style(body) + _ARRIVING_STYLE, "text/plain": ""}


def status_html(text: str) -> str:
    """A quiet line in place of a reply that has not begun: "waiting 3 s"."""
    return f'<div class="mathjax_ignore tex2jax_ignore" style="opacity:.65;font-size:.9em">{escape(text)}</div>'


def stylesheet() -> str:
    """The whole style of a reply, for a page that is ours: replies and their blocks stand in ``div.llmvm``."""
    return re.sub(r"</?style>", "", style() + _ARRIVING_STYLE)


def style(body: str | None = None) -> str:
    """The style element.

    Args:
        body: The HTML that it is for, so that it says no more than that needs; None for any.
    """
    first, *sections = _sections()
    rules = [rules for marks, rules in sections if body is None or any(mark in body for mark in marks)]
    return f"<style>{first[1]}{''.join(rules)}}}</style>"


@functools.cache
def _sections() -> list[tuple[list[str], str]]:
    """The style sheet in parts, without the white space of its source: what a part is for, and its rules."""
    css = pkgutil.get_data(__package__, "style.css")  # not importlib.resources: it imports half a millisecond more
    assert css is not None  # noqa: S101  # it is a part of the package
    text = re.sub(r" ?([{};,>]) ?|(:) ", r"\1\2", " ".join(css.decode().replace("& ", "").split())).replace(";}", "}")
    always, *others = text.removesuffix("}").split("/* if ")
    parts = [("", always.partition("*/")[2]), *(part.split("*/")[:2] for part in others)]
    return [(marks.split(), rules.strip()) for marks, rules in parts]


def wrapped(body: str, classes: str = "") -> str:
    """HTML of ours as the style knows it, where no MathJax looks into it."""
    marks = _NO_MATHJAX if "$" in body or "\\" in body else ""
    return f'<div class="llmvm{classes}{marks}">{body}</div>'


def footer_html(footer: Footer) -> str:
    """The line under a reply; "" where there is nothing to say."""
    notice = f"<b>{escape(footer.notice, quote=False)}</b>" if footer.notice else ""
    facts = escape(" · ".join(footer.parts), quote=False)
    return f'<p class="foot">{notice}{" " if notice and facts else ""}{facts}</p>' if notice or facts else ""


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"
