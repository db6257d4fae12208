"""rendering: replies as HTML and as Markdown for elsewhere, from examples in a file."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.rendering_examples import read_examples

from llmvision_magic.messages import CodeBlock, Reply
from llmvision_magic.rendering import code_blocks, render, safe_markdown

REPLIES = read_examples("replies.txt", 4)


@pytest.mark.parametrize(("text", "expected"), [pytest.param(t, h, id=name) for name, t, h, _ in REPLIES])
def test_reply_becomes_this_html(text: str, expected: str) -> None:
    """A reply is rendered exactly as the example says."""
    assert render(text).rstrip("\n") == expected


@pytest.mark.parametrize(("text", "expected"), [pytest.param(t, m, id=name) for name, t, _, m in REPLIES])
def test_reply_becomes_this_markdown(text: str, expected: str) -> None:
    """A reply is handed on exactly as the example says."""
    assert safe_markdown(text).rstrip("\n") == expected


# Footnotes are plain text in what is handed on, and a formula that holds a dollar is code.
OTHERWISE = ("footnotes", "a mark without", "an escaped dollar")


@pytest.mark.parametrize("text", [pytest.param(r[1], id=r[0]) for r in REPLIES if not r[0].startswith(OTHERWISE)])
def test_markdown_handed_on_reads_like_the_reply(text: str) -> None:
    """Rendering what is handed on gives what rendering the reply gives, but for white space."""

    def words(html: str) -> str:
        return " ".join(html.replace(' class="task"', "").replace("</code>", " </code>").split())

    assert words(render(safe_markdown(text))) == words(render(text))


def test_line_ends_do_not_matter() -> None:
    """CRLF and CR end a line as LF does."""
    text = "# a\n\n- b\n- c\n\n```\nd\n```\n"
    assert render(text.replace("\n", "\r\n")) == render(text.replace("\n", "\r")) == render(text)


def test_empty_text_is_nothing() -> None:
    """Nothing becomes nothing."""
    assert (render(""), safe_markdown(""), code_blocks("")) == ("", "", [])


def test_same_text_same_html_in_every_process() -> None:
    """What is saved in a notebook does not depend on the process's hash seed."""
    script = "from llmvision_magic.rendering import render; print(render('[a](https://example.org/) $x$ **b**'))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(seen) == 1


def test_code_blocks_are_the_fenced_ones_in_order() -> None:
    """Fences in lists and quotes count, the first word behind the fence is the language, indented code is none."""
    text = "```python title=x\na\n\nb\n```\n\n- one\n\n  ~~~\n  c\n  ~~~\n\n> ```R\n> d\n\n    indented\n\n"
    text += "````\n```\n````"
    assert code_blocks(text) == [
        CodeBlock("python", "a\n\nb"),
        CodeBlock("", "c"),
        CodeBlock("R", "d"),
        CodeBlock("", "```"),
    ]
    assert Reply(text).code_blocks == code_blocks(text)


def test_import_is_cheap() -> None:
    """The parser, the sanitiser, Pygments and the TeX converter are imported when first needed, each on its own."""
    script = """
import sys
from llmvision_magic.rendering import render, status_html
heavy = ("markdown_it", "nh3", "pygments", "latex2mathml", "IPython")
print([name for name in heavy if name in sys.modules])
render("a\\n\\n```\\nb\\n```")
print([name for name in heavy if name in sys.modules])
render("```python\\nb\\n```")
print([name for name in heavy if name in sys.modules])
render("$x$")
print([name for name in heavy if name in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == [
        "[]",
        "['markdown_it', 'nh3']",
        "['markdown_it', 'nh3', 'pygments']",
        "['markdown_it', 'nh3', 'pygments', 'latex2mathml']",
    ]
