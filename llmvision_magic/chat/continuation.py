"""A reply that goes on after it broke off: the new text joined to the old one, so that no seam is seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from llmvision_magic.chat.plan import TurnRequest

LEAST_OVERLAP = 12
"""Characters that a repetition has at least, unless it is two words: less may be meant, as in "1, 1, 1"."""

# As texts: few replies go on.
_WORDS = r"[^\W\d_]+\W+[^\W\d_]+"
_SENTENCE_ENDS = r"\w[.!?:;,]\Z"


class UnfinishedReply(NamedTuple):
    """A reply that is not whole and stands in no history.

    Attributes:
        ask: What was asked.
        text: What there is of it.
        place: Where the session stood then: a conversation, and the turn that was asked last in it.
    """

    ask: TurnRequest
    text: str
    place: tuple[str, str | None]


class ContinuationJoiner:
    """Joins pieces of new text to an old text.

    Some servers go on exactly after the last character; there the texts are joined as they are. Others begin a new
    message: it may repeat the last words, or all of the old text, and what is repeated exactly is dropped once. Text is
    held back only while it can still turn out to be such a repetition.

    Args:
        old: What there is.

    Attributes:
        asked: The server was asked in words to go on: where a letter would meet a letter, a space is missing.
    """

    def __init__(self, old: str) -> None:
        self._old = old
        self._held = ""
        self._open = bool(old)
        self._in_code = (old.count("```") + old.count("~~~")) % 2 == 1
        self.asked = False

    def feed(self, text: str) -> str:
        """What can be shown of the new text."""
        if not self._open:
            return text
        self._held += text
        if not self._held.strip() or self._held.lstrip() in self._old:
            return ""
        return self.end()

    def end(self) -> str:
        """What was held back: nothing more comes, or it is clear what it is."""
        held, self._held = self._held, ""
        if not self._open or not held:
            return ""
        self._open = False
        for new in (held, held.lstrip()):
            if length := _overlap(self._old, new):
                return new[length:]
        return self._spaced(held)

    def _spaced(self, new: str) -> str:
        """The new text with one space between it and the old one, where it is sure that one belongs there."""
        old = self._old
        if self._in_code:
            return new
        if old.endswith(" ") and new.startswith(" "):
            return new.lstrip(" ")
        after_sentence = re.search(_SENTENCE_ENDS, old) and new[0].isupper()
        if after_sentence or (self.asked and old[-1].isalnum() and new[0].isalnum()):
            return " " + new
        return new


def _overlap(old: str, new: str) -> int:
    """How many characters at the beginning of `new` repeat the end of `old`, from the beginning of a word on."""
    for length in range(min(len(old), len(new)), 0, -1):
        repeated = new[:length]
        if not old.endswith(repeated):
            continue
        starts_inside_a_word = length < len(old) and old[-length - 1].isalnum() and repeated[0].isalnum()
        long_enough = re.search(_WORDS, repeated) or (length >= LEAST_OVERLAP and any(map(str.isalpha, repeated)))
        if long_enough and not starts_inside_a_word:
            return length
    return 0
