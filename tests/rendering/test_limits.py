"""rendering: any string is accepted, and what is out of proportion is shown plainly."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmvision_magic.rendering import Blocks, code_blocks, plain_for_terminal, render, safe_markdown
from llmvision_magic.rendering.highlighting import MAX_CODE, MAX_LINE

EXCESSIVE = {
    "quotes": ">" * 10_000 + "a",
    "quotes on lines": "> " * 200 + "a\n> b",
    "lists": "- " * 10_000 + "a",
    "lists on lines": "\n".join("  " * depth + "- a" for depth in range(300)),
    "notes": "".join("    " * depth + f"[^{depth}]: a\n" for depth in range(150)),
    "brackets": "[" * 10_000,
    "pairs of brackets": "[" * 5_000 + "]" * 5_000,
    "images": "![a" * 5_000,
    "stars": "*" * 20_000,
    "emphasis": "*a **b " * 4_000,
    "backticks": "`" * 20_000,
    "backticks of all lengths": " ".join("`" * length for length in range(1, 200)),
    "dollars": "$a " * 10_000,
    "parentheses": "\\(" * 10_000,
    "open maths": "$$\n" * 3_000,
    "tags": "<a" * 10_000,
    "entities": "&#" * 10_000,
    "definitions": "[a]:\n" * 3_000,
    "columns": "|" + "a|" * 2_000 + "\n|" + "-|" * 2_000 + "\n",
    "one line": "a" * 100_000,
    "white space": " \t" * 20_000,
    "line ends": "\r\n\r" * 10_000,
    "surrogates and null": "\ud800\0\udfff" * 100,
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in EXCESSIVE.items()])
def test_excess_is_shown(text: str) -> None:
    """Text without proportion is rendered, whole or by blocks, and handed on, without an error."""
    assert isinstance(render(text), str)
    assert isinstance(safe_markdown(text), str)
    assert "".join(block.code for block in code_blocks(text)) == ""
    update = Blocks().feed(text)
    assert "".join(block.source for block in update.finished) + update.tail.source == text
    assert isinstance(update.tail.html, str)


@pytest.mark.parametrize("name", ["quotes", "quotes on lines", "lists", "lists on lines", "notes"])
def test_what_is_nested_too_deep_is_shown_as_written(name: str) -> None:
    """Nothing is left out: where the structure is given up the text remains."""
    html = render(EXCESSIVE[name])
    assert unescape(re.sub("<[^>]*>", "", html)).strip() == EXCESSIVE[name].strip()
    assert EXCESSIVE[name].rstrip() in safe_markdown(EXCESSIVE[name])


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=())))
def test_any_string_is_accepted(text: str) -> None:
    """No string, with whatever characters, makes an error, and all output can be encoded."""
    for output in (render(text), safe_markdown(text), plain_for_terminal(text)):
        output.encode()
    code_blocks(text)


def test_halves_of_a_character_are_joined() -> None:
    """A surrogate pair is the character it stands for; a lone half is replaced."""
    assert render("\ud83d\ude00 \ud83d") == "<p>😀 \ufffd</p>\n"


@pytest.mark.parametrize(
    ("code", "coloured"),
    [
        ("x = 1\n", True),
        ("x = 1\n" * (MAX_CODE // 6 + 1), False),
        ("x = 1 " * (MAX_LINE // 6 + 1), False),
    ],
)
def test_only_code_in_proportion_is_coloured(code: str, coloured: bool) -> None:
    """A long block, or a block with a very long line, is shown plain and complete."""
    html = render(f"```python\n{code}\n```")
    assert ("<b>" in html) is coloured
    assert re.sub("<[^>]*>", "", html).strip() == code.strip()


@pytest.mark.parametrize("language", ["python", "html", "c++", "bash", "json", "diff", "pycon", "raw", "PYTHON"])
def test_colouring_changes_no_character(language: str) -> None:
    """What a fence holds is shown to the character, in any language, sensible in it or not."""
    code = '  <a href="x">&amp;</a>\n\n\t$ x = \'y\' # z\r\n>>> 1/0\n\n{"a": [1, 2}'
    html = render(f"```{language}\n{code}\n```")
    assert unescape(re.sub("<[^>]*>", "", html)) == code.replace("\r\n", "\n") + "\n\n"
