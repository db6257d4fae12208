"""Why a reply ended: the server's word, and what it comes to."""

from __future__ import annotations

import re
from typing import Literal

Ending = Literal["whole", "length", "filtered", "broken"]
"""How a reply ended: by itself, at a limit of tokens, by a filter, or in the middle of it."""

API_REASONS = frozenset({"stop", "length", "content_filter", "tool_calls"})
"""The words of the API; other servers have others."""

_LENGTH = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "max_new_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "sensitive", "blocklist", "prohibited_content", "recitation"})

# A text: compiled for the first word that is none of the API's.
_BROKEN = (
    "abort|broken|busy|cancel|crash|disconnect|error|evict|exception|fail|incomplete|insufficient|interrupt|kill|"
    r"max_time|network|out_of_memory|overload|preempt|shut_?down|time_?limit|timed?_?out|unavailable|(?<![a-z])oom(?![a-z])"
)

LONGEST_SHOWN = 40
"""Characters of a server's word that are shown."""


def ending_of(reason: str | None) -> Ending:
    """What a finish reason comes to. An unknown word is taken for an end by itself: each server has its own."""
    if reason is None or reason == "stop":
        return "whole"
    word = re.sub(r"[\s-]+", "_", reason.strip().lower()[:200])
    if word in _LENGTH:
        return "length"
    if word in _FILTERED:
        return "filtered"
    return "broken" if re.search(_BROKEN, word) else "whole"


def empty_words(reason: str | None) -> str:
    """That a reply has nothing to be read in it, and why, as a sentence."""
    ending = ending_of(reason)
    if ending == "length":
        return "The server sent an empty reply: the limit of tokens came before its first word."
    if ending == "filtered":
        return "The server sent an empty reply: its content filter took it away."
    told = "" if reason in (None, "stop") else f" (finish reason {shown_reason(reason) or reason})"
    return f"The server sent an empty reply{told}."


def shown_reason(reason: str | None) -> str:
    """A finish reason that is none of the API's words, fit to be shown; "" for the others."""
    if reason is None or reason in API_REASONS:
        return ""
    words = " ".join("".join(c if c.isprintable() else " " for c in reason[:200]).split())
    return words if len(words) <= LONGEST_SHOWN else f"{words[: LONGEST_SHOWN - 1]}…"
