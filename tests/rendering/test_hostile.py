"""rendering: nothing in a reply runs, loads from the network or moves the page, in any output."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.hostile_fragments import FRAGMENTS, Elements
from support.rendering_examples import read_examples

from llmvision_magic.messages import Reply
from llmvision_magic.rendering import Blocks, render, reply_bundle, safe_markdown

HOSTILE = [pytest.param(text, id=name) for name, text in read_examples("hostile.txt", 2)]

# fmt: off
TEXT_TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins",
    "li", "ol", "p", "pre", "s", "strong", "sup", "table", "tbody", "td", "th", "thead", "tr", "tt", "ul", "var",
}
MATH_TAGS = {
    "math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow", "mspace", "msqrt",
    "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
}
MATH_ATTRIBUTES = {
    "accent", "class", "depth", "display", "displaystyle", "fence", "form", "height", "largeop", "linethickness",
    "lspace", "mathcolor", "mathvariant", "maxsize", "minsize", "movablelimits", "rspace", "scriptlevel", "separator",
    "stretchy", "symmetric", "voffset", "width",
}
CLASSES = {"wide", "notes", "task", "right", "left", "mid", "box"}
# fmt: on
ALLOWED_URL = re.compile(r"(https?://|mailto:)[^\s\"<>\\`]+\Z", re.IGNORECASE)


def complaints_about(html: str) -> list[str]:
    """What in a fragment of ours is not on the list."""
    elements = Elements(html)
    found = elements.complaints
    for tag, attributes in elements.found:
        if tag not in TEXT_TAGS | MATH_TAGS:
            found.append(f"tag: {tag}")
        for name, value in attributes.items():
            allowed = {
                "class": set((value or "").split()) <= CLASSES,
                "href": tag == "a" and ALLOWED_URL.match(value or "") is not None,
                "start": tag == "ol" and (value or "").isdigit(),
                "data-l": tag == "pre" and re.fullmatch(r"[\w+#.-]{1,20}", value or "") is not None,
                "rel": tag == "a" and value == "noopener noreferrer",
                "target": tag == "a" and value == "_blank",
                "referrerpolicy": tag == "a" and value == "no-referrer",
            }.get(name, tag in MATH_TAGS and name in MATH_ATTRIBUTES)
            if not allowed:
                found.append(f"{tag} {name}={value}")
        if tag == "a" and set(attributes) != {"href", "rel", "target", "referrerpolicy"}:
            found.append(f"link: {attributes}")
    return found


READERS = {
    "commonmark": MarkdownIt("commonmark", {"html": True}),
    "tables": MarkdownIt("default", {"html": True, "maxNesting": 100}),
}
for reader in READERS.values():
    # Other readers follow any address.
    reader.validateLink = lambda url: True  # type: ignore[method-assign]


def complaints_elsewhere(markdown: str) -> list[str]:
    """What becomes active when another reader, which runs raw HTML and follows any link, renders Markdown."""
    found: list[str] = []
    for name, reader in READERS.items():
        elements = Elements(reader.render(markdown))
        found += [f"{name}: {complaint}" for complaint in elements.complaints]
        for tag, attributes in elements.found:
            if tag not in TEXT_TAGS:
                found.append(f"{name}: tag {tag}")
            for attribute, value in attributes.items():
                allowed = {
                    "href": ALLOWED_URL.match(value or "") is not None,
                    "class": re.fullmatch(r"language-[\w+#.-]{1,20}", value or "") is not None,
                    "style": re.fullmatch(r"text-align:(left|right|center)", value or "") is not None,
                    "start": (value or "").isdigit(),
                }.get(attribute, False)
                if not allowed:
                    found.append(f"{name}: {tag} {attribute}={value}")
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_html_holds_only_what_is_on_the_list(text: str) -> None:
    """Every element, attribute, class and address in the HTML is one of ours, and every element is closed."""
    assert complaints_about(render(text)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_blocks_hold_only_what_is_on_the_list(text: str) -> None:
    """The same while the reply arrives, after each character."""
    blocks = Blocks()
    for character in text:
        update = blocks.feed(character)
        for block in update.finished:
            assert complaints_about(block.html) == []
    assert complaints_about(update.tail.html) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_reply_cannot_leave_its_wrapper(text: str) -> None:
    """The output is one style element and one div, whatever the reply, its model and its notice say."""
    html = reply_bundle(Reply(text, model=text, notice=text))["text/html"]
    style, _, rest = html.partition("</style>")
    assert style.startswith("<style>")
    assert style.count("<") == 1
    elements = Elements(rest)
    assert elements.complaints == []
    assert rest.startswith('<div class="llmvm')
    assert {tag for tag, _ in elements.found} <= TEXT_TAGS | MATH_TAGS | {"b"}


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_is_inert_for_other_readers(text: str) -> None:
    """What is handed on has no active part for readers that run HTML and follow any address."""
    assert complaints_elsewhere(safe_markdown(text)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_survives_maths_being_taken_out(text: str) -> None:
    """JupyterLab puts maths back unescaped after reading Markdown: no address may hold a sign of maths or a mark of it,
    and no formula a quotation mark."""
    markdown = safe_markdown(text)
    for address in re.findall(r"\]\(([^)]*)\)", markdown):
        assert re.search(r"[$\"'\\{}`]|@@", address) is None
    for formula in re.findall(r"(?<!\\)\$+[^$]+(?<!\\)\$+", re.sub(r"(?m)^```[^`]*^```$|`[^`\n]*`", "", markdown)):
        assert '"' not in formula


TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


@settings(max_examples=300)
@given(TEXTS)
def test_html_of_anything_holds_only_what_is_on_the_list(text: str) -> None:
    """The same for fragments of attacks put together at random."""
    assert complaints_about(render(text)) == []


@settings(max_examples=300)
@given(TEXTS)
def test_markdown_of_anything_is_inert(text: str) -> None:
    """The same for what is handed on."""
    assert complaints_elsewhere(safe_markdown(text)) == []


@settings(max_examples=200)
@given(TEXTS)
def test_tags_stand_in_code_at_the_margin_only(text: str) -> None:
    """Outside of fences at the margin nothing in what is handed on could begin a tag, for any reader at all."""
    outside = re.sub(r"(?ms)^(`{3,})[^`\n]*\n.*?^\1$", "", safe_markdown(text))
    assert re.search(r"<[A-Za-z/!?]", outside) is None
