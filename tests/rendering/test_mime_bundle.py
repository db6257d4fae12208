"""rendering: what a front end is handed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmvision_magic.messages import Choice, Message, Reply, Usage
from llmvision_magic.rendering import (
    Blocks,
    Footer,
    blocks_bundle,
    render,
    reply_bundle,
    safe_markdown,
    status_html,
    style_bundle,
)

STYLE = (Path(__file__).parents[2] / "llmvision_magic" / "rendering" / "style.css").read_text(encoding="utf-8")
RGB = tuple[float, float, float]


def test_reply_in_three_types() -> None:
    """HTML around the rendered text, safe Markdown, and the text exactly."""
    reply = Reply("# Hello\r\n\n<b>you</b> \x1b \ud800")
    bundle = reply_bundle(reply, Footer(["model", "2.1 s"], "Interrupted."))
    assert list(bundle) == ["text/html", "text/markdown", "text/plain"]
    assert bundle["text/plain"] == reply.text
    assert bundle["text/markdown"] == safe_markdown(reply.text)
    assert render(reply.text) in bundle["text/html"]
    assert bundle["text/html"].endswith('<p class="foot"><b>Interrupted.</b> model · 2.1 s</p></div>')
    # A terminal writes what it is given: the plain text of a reply that is evaluated there has no control characters.
    assert reply._repr_mimebundle_() == {**reply_bundle(reply), "text/plain": "# Hello\n\n<b>you</b> \u241b \ufffd"}


@pytest.mark.parametrize(
    ("reply", "foot"),
    [
        (Reply("a"), None),
        (Reply("a", model="m"), "m"),
        (Reply("a", model="m", usage=Usage(3, 1234, 1237), seconds=2.14), "m · 1,234 tokens · 2.1 s"),
        (Reply("a", usage=Usage(completion_tokens=1)), "1 token"),
        (Reply("a", usage=Usage(total_tokens=7)), "7 tokens with the prompt"),
        (Reply("a", usage=Usage(), finish_reason="stop"), None),
        (Reply("a", model="m", finish_reason="length"), "<b>Ended at the token limit.</b> m"),
        (Reply("a", finish_reason="length", notice="Line lost."), "<b>Line lost.</b>"),
        (Reply("a", model="<m>", notice="<b>"), "<b>&lt;b&gt;</b> &lt;m&gt;"),
    ],
)
def test_footer_says_what_the_reply_knows(reply: Reply, foot: str | None) -> None:
    """Only what was told is shown, nothing is invented, and nothing in it is markup."""
    found = re.findall(r'<p class="foot">(.*)</p></div>', reply_bundle(reply)["text/html"])
    assert found == ([] if foot is None else [foot])


def test_other_choices_are_shown_too() -> None:
    """Where several completions were asked for, each is shown under its number."""
    choices = tuple(Choice(i, Message("assistant", text)) for i, text in enumerate(["*one*", "*two*", "<three>"]))
    bundle = reply_bundle(Reply("*one*", choices=choices))
    assert re.findall(r"<(?:em|p)[^>]*>([^<]+)</(?:em|p)>", bundle["text/html"]) == [
        "one",
        "2 of 3",
        "two",
        "3 of 3",
        "&lt;three&gt;",
    ]
    assert bundle["text/plain"] == "*one*"


def test_blocks_share_one_style() -> None:
    """While a reply arrives, the style comes once, in an output of its own; the blocks carry none."""
    update = Blocks().feed("one\n\ntwo\n\nthree")
    bundles = [blocks_bundle([block]) for block in [*update.finished, update.tail]]
    assert "<style>" in style_bundle()["text/html"]
    assert not any("<style>" in bundle["text/html"] for bundle in bundles)
    assert [bundle["text/plain"] for bundle in bundles] == ["one\n\n", "two\n\n", "three"]
    assert "<p>one</p>" in bundles[0]["text/html"]


def test_no_output_is_touched_by_mathjax() -> None:
    """Each output carries the classes that MathJax 2 and 3 leave alone: prices stay prices."""
    outputs = [
        reply_bundle(Reply("$5 and $6"))["text/html"],
        blocks_bundle([Blocks().feed("$5").tail])["text/html"],
        status_html("waiting $3"),
    ]
    for html in outputs:
        wrapper = re.search(r'<div class="([^"]*)"', html)
        assert wrapper is not None
        assert {"mathjax_ignore", "tex2jax_ignore"} <= set(wrapper[1].split())


def test_status_is_one_line_of_text() -> None:
    """A status can hold no markup."""
    assert re.sub(r"<[^>]*>", "", status_html("<waiting> & 3 s")) == "&lt;waiting&gt; &amp; 3 s"


def test_style_is_small_and_stays_in_its_box() -> None:
    """The style is saved with each reply, loads nothing, and has no rule outside of our class."""
    html = reply_bundle(Reply("a"))["text/html"]
    style = html[len("<style>") : html.index("</style>")]
    assert len(style.encode()) < 1_800
    assert re.search(r"url|@|expression|<", style) is None
    assert style.startswith(".llmvm:not(#_){")
    depth = 0
    for at, sign in enumerate(style):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth > 0 or at < style.index("{") or at == len(style) - 1


def luminance(colour: RGB) -> float:
    """Relative luminance (https://www.w3.org/TR/WCAG21/#dfn-relative-luminance) of a colour; all are 0 to 1."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: RGB, other: RGB) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(one: RGB, share: float, other: RGB) -> RGB:
    """What color-mix in srgb makes of `share` (0 to 1) of one colour and the rest of another."""
    red, green, blue = (a * share + b * (1 - share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def parsed(colour: str) -> RGB:
    red, green, blue = (int(digit * 2, 16) / 255 for digit in colour)
    return red, green, blue


PAGES = [("fff", "222"), ("fff", "000"), ("111", "fff"), ("111", "ddd"), ("222", "ccc")]


@pytest.mark.parametrize(("page", "text"), PAGES)
def test_colours_can_be_read_on_light_and_dark(page: str, text: str) -> None:
    """Each colour has a contrast of at least 4.5 to 1 with the page and with the ground of code on it."""
    ground = mixed(parsed("888"), 0x11 / 0xFF, parsed(page))
    ours = set(re.findall(r"(?:--c: |srgb, )#([0-9a-f]{3})\b", STYLE))
    colours = [mixed(parsed(colour), 0.65, parsed(text)) for colour in ours]
    colours.append(mixed(parsed(text), 0.7, parsed(page)))
    assert len(colours) == 6  # five of our own and the quiet one
    assert "var(--c) 65%, currentcolor" in STYLE
    assert "currentcolor 70%, transparent" in STYLE
    assert "background: #8881" in STYLE
    for colour in colours:
        assert contrast(colour, ground) >= 4.5
        assert contrast(colour, parsed(page)) >= 4.5


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("# a", "h1{"),
        ("---", "hr{"),
        ("- a", "li{"),
        ("- [ ] a", ".task{"),
        ("`a`", "code{"),
        ("    a", "pre{"),
        ("[a](https://b.c)", "a{"),
        ("![a](data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=)", "img{"),
        ("> a", "blockquote{"),
        ("|a|\n|-|", "table{"),
        ("|a|\n|:-:|", ".mid{"),
        ("$x$", "mtd{"),
        ("a[^1]\n\n[^1]: b", "sup{"),
        ("a[^1]\n\n[^1]: b", ".notes{"),
    ],
)
def test_style_says_what_the_reply_needs(text: str, rule: str) -> None:
    """And nothing for what it does not hold: it is saved with each reply."""
    assert rule in reply_bundle(Reply(text))["text/html"].partition("</style>")[0]
    assert rule not in reply_bundle(Reply("Only words."))["text/html"].partition("</style>")[0]
    assert rule in style_bundle()["text/html"]
