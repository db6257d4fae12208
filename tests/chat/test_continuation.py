"""A reply that goes on: where old and new text meet, nothing is doubled and nothing is lost."""

from __future__ import annotations

import pytest

from llmvision_magic.chat.continuation import ContinuationJoiner


def joined(old: str, new: str, *, asked: bool = False, size: int = 1) -> str:
    """The text after `new` has arrived in pieces."""
    seam = ContinuationJoiner(old)
    seam.asked = asked
    pieces = [seam.feed(new[start : start + size]) for start in range(0, len(new), size)]
    return old + "".join(pieces) + seam.end()


CASES = [
    ("exactly after the last character", "I went to", " the market.", "I went to the market."),
    ("in the middle of a word", "list compre", "hension", "list comprehension"),
    ("two words repeated", "I went to the", "to the market", "I went to the market"),
    ("a cut word repeated with its end", "Use a list compre", "a list comprehension.", "Use a list comprehension."),
    ("all repeated", "Here it is. One,", "Here it is. One, two, three.", "Here it is. One, two, three."),
    ("repeated after a blank", "I went to the", " to the market", "I went to the market"),
    ("numbers may come again", "1, 1,", " 1, 1, 1", "1, 1, 1, 1, 1"),
    ("a letter is no repetition", "a b a", "a c", "a b aa c"),
    ("two blanks", "I went ", " home.", "I went home."),
    ("no blank after a sentence", "It is so.", "Then it rains.", "It is so. Then it rains."),
    ("code is left alone", "```python\nnp.", "Array\n```", "```python\nnp.Array\n```"),
    ("indentation is left alone", "```python\nif x:\n", "    y\n", "```python\nif x:\n    y\n"),
    ("nothing new", "All.", "", "All."),
    ("only what there was", "All of this text.", "All of this text.", "All of this text."),
]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_seam_is_not_seen(old, new, expected, size):
    """The same, however the new text is cut into pieces."""
    assert joined(old, new, size=size) == expected


def test_server_that_was_asked_in_words_gets_its_space():
    """Such a server begins a message of its own, without the space before it."""
    assert joined("I went to", "the market", asked=True) == "I went to the market"


def test_text_is_shown_as_soon_as_it_is_no_repetition():
    """What cannot be a repetition any more is not held back."""
    seam = ContinuationJoiner("I went to the")
    assert seam.feed("to the") == ""
    assert seam.feed(" market") == " market"
    assert seam.feed(" to the") == " to the"
