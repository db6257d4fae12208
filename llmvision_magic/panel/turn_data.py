"""Turns as the page gets them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from llmvision_magic.finish_reasons import shown_reason
from llmvision_magic.messages import image_count, text_of
from llmvision_magic.rendering import Block, not_all_shown, reply_html
from llmvision_magic.settings.turn_options import FILES, is_raw

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn

Json = dict[str, object]

MOST_KEPT = 200
"""Turns whose HTML is kept."""


def shown_turns(conversation: Conversation) -> list[Turn]:
    """The current branch; after it the last prompt, if that failed without text and is so no part of it."""
    turns = conversation.path()
    asked = conversation.last_asked()
    if asked is not None and asked.id != conversation.head and asked.parent == conversation.head:
        turns.append(asked)
    return turns


def siblings(conversation: Conversation) -> dict[str | None, list[str]]:
    """Ids of all turns by the turn they follow, in order of their creation."""
    groups: dict[str | None, list[str]] = {}
    for turn in list(conversation.turns.values()):
        groups.setdefault(turn.parent, []).append(turn.id)
    return groups


def signature(turn: Turn, group: list[str]) -> tuple[object, ...]:
    """What of a turn may change when it has ended, or when other turns come."""
    return turn.status, turn.reason, len(turn.text), turn.excluded, len(group)


def typed_text(turn: Turn) -> str:
    """A prompt as it was typed, else as it was sent."""
    return text_of(turn.prompt) if turn.typed is None else turn.typed


def has_raw_braces(turn: Turn) -> bool:
    """Whether double braces in it are text."""
    return is_raw(turn.options or {}, turn.typed, text_of(turn.prompt))


def block_json(block: Block) -> list[object]:
    """A block of a reply that arrives: its HTML, and whether it stands close to the next."""
    return [safe_html(block), block.part_of is not None]


def safe_html(block: Block) -> str:
    """A block's HTML; where it cannot be made, its text."""
    try:
        return block.html
    except Exception:  # what was paid for is shown
        return f"<pre>{escape(block.source, quote=False)}</pre>"


class TurnRenderer:
    """Makes what the page gets of turns. What was made for a turn that has ended is kept.

    Args:
        footers: Facts about the replies that arrived in this kernel, by the id of their turn.
    """

    def __init__(self, footers: Mapping[str, list[str]]) -> None:
        self._replies: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._footers = footers

    def ended(self, turn_id: str, html: str, length: int) -> None:
        """Keep what a reply that has just ended is shown as.

        Args:
            length: Characters of its text.
        """
        self._keep(turn_id, length, html)

    def turn(self, turn: Turn, number: int, group: list[str], arriving: Json | None = None) -> Json:
        """A turn.

        Args:
            number: In its branch, from 1 on.
            group: Ids of its siblings, itself included.
            arriving: What there is of its reply while that arrives.
        """
        cut = not_all_shown(turn.text)
        notice = " ".join(part for part in (turn.reason, cut) if part)
        return {
            "id": turn.id,
            "parent": turn.parent,
            "number": number,
            "prompt": reply_html(typed_text(turn)),
            "raw": has_raw_braces(turn),
            "images": image_count(turn.prompt),
            "files": (turn.options or {}).get(FILES, []),
            "notes": [],
            "html": None if arriving else self.reply(turn),
            "blocks": [],
            "tail": None,
            "line": "",
            "parts": 0,
            **(arriving or {}),
            "status": turn.status,
            "notice": notice,
            "shortened": bool(cut),
            "facts": self._footers.get(turn.id) or facts_of(turn),
            "unfinished": turn.status != "partial" and not turn.is_blank and not turn.is_whole,
            "siblings": group,
            "excluded": turn.excluded,
            "asked_in": "cell" if turn.execution else "panel",
        }

    def reply(self, turn: Turn) -> str:
        """A turn's reply as safe HTML."""
        length, html = self._replies.get(turn.id, (-1, ""))
        if length == len(turn.text):
            return html
        html = reply_html(turn.text)
        self._keep(turn.id, len(turn.text), html)
        return html

    def _keep(self, turn_id: str, length: int, html: str) -> None:
        self._replies[turn_id] = length, html
        self._replies.move_to_end(turn_id)
        while len(self._replies) > MOST_KEPT:
            self._replies.popitem(last=False)


def facts_of(turn: Turn) -> list[str]:
    """The footer of a turn, as far as it is kept."""
    facts = [turn.model] if turn.model else []
    if turn.usage is not None and turn.usage.words:
        facts.append(turn.usage.words)
    if turn.status == "complete" and (reason := shown_reason(turn.finish_reason)):
        facts.append(f"finish reason {reason}")
    return facts
