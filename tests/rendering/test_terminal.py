"""rendering: a reply's text for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.rendering import plain_for_terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
        ("\0\x08\x7f", "␀␈␡"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\u202eb\u2069", "a⟨U+202E⟩b⟨U+2069⟩"),
        ("שלום\u200f é 😀", "שלום\u200f é 😀"),
        ("\ud800", "\ufffd"),
    ],
)
def test_commands_become_visible(text: str, shown: str) -> None:
    """What a terminal would obey is shown; letters, tabs and line ends stay."""
    assert plain_for_terminal(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_active_is_left(text: str) -> None:
    """No control character but tab and newline is left in any text, and it can be written."""
    shown = plain_for_terminal(text)
    shown.encode()
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in shown if character not in "\n\t")
