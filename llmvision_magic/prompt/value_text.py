"""A value as it is shown to a model, and how a text is kept short without hiding that it was."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueText:
    """A value as text.

    Attributes:
        what: What it is, for the line above an attached value: "a DataFrame".
        text: The value. May still be longer than what is sent.
        more: What was left out of `text` already: "1,203 more rows"; empty when it has everything.
        length: Characters the text would have in full, where `text` is only the beginning of a longer one.
        fence: Language of the code block it is attached in; None where it is Markdown itself.
        keep_end: Cut it in the middle: its end says the most.
        picture: Whether it is a picture, which a text can only name.
    """

    what: str
    text: str
    more: str = ""
    length: int | None = None
    fence: str | None = ""
    keep_end: bool = False
    picture: bool = False


def more(count: int, what: str) -> str:
    """ "… 1,203 more rows" without its dots; "" for none."""
    return counted(count, f"more {what}") if count > 0 else ""


def counted(count: int, what: str) -> str:
    """ "1 row", "1,203 rows"."""
    return f"{count:,} {what if count == 1 else what + 's'}"


def cut(text: str, limit: int, length: int | None = None, *, keep_end: bool = False) -> str:
    """A text of at most `limit` characters, and a mark that says how many more there were.

    Args:
        length: Characters of the full text; None for those of `text`.
    """
    length = len(text) if length is None else length
    if length <= limit:
        return text
    mark = f"… {more(length - limit, 'character')}"
    if not keep_end:
        return f"{text[:limit]}\n{mark}" if "\n" in text[:limit] else text[:limit] + mark
    head = limit // 3
    return f"{text[:head]}\n{mark} …\n{text[len(text) - (limit - head) :]}"


def article(noun: str) -> str:
    """ "a DataFrame", "an int"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def in_line(text: str, limit: int = 60) -> str:
    """A text as a part of a sentence: on one line, of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def told(error: BaseException) -> str:
    """An exception as a part of a sentence."""
    text = in_line(str(error), 300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def fenced(text: str, language: str = "") -> str:
    """A text as a Markdown code block that it cannot end."""
    ticks = "`" * (max((len(run) for run in re.findall("`{3,}", text)), default=2) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"
