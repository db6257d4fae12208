"""What is shown of a reply's choices after its first: of a server that sends them by the thousand, the first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from llmvision_magic.messages import Reply

MOST_CHOICES_SHOWN = 100
"""Choices of one reply that are shown."""

MOST_OF_CHOICES = 100_000
"""Characters that are shown of all choices after the first together."""


class FurtherChoices(NamedTuple):
    """The choices of a reply after its first, as they are shown.

    Attributes:
        texts: Each with its number and the number of all: "2 of 2".
        note: A sentence that says what is not shown; "" where all is.
    """

    texts: list[tuple[str, str]]
    note: str


def further_choices(reply: Reply) -> FurtherChoices:
    """What is shown of a reply's choices after its first."""
    others = [choice.message.content for choice in reply.choices[1:] if isinstance(choice.message.content, str)]
    count, room = len(others) + 1, MOST_OF_CHOICES
    texts = []
    for number, text in enumerate(others[: MOST_CHOICES_SHOWN - 1], 2):
        if not room:
            break
        texts.append((f"{number:,} of {count:,}", text[:room]))
        room -= min(len(text), room)
    note = ""
    if len(texts) < len(others) or (texts and texts[-1][1] != others[len(texts) - 1]):
        what = f"Only the first {len(texts) + 1:,} of {count:,} choices are shown"
        if len(texts) == len(others):
            what = "Of the last choice only the beginning is shown"
        note = f"{what}; `Reply.choices` has them."
    return FurtherChoices(texts, note)
