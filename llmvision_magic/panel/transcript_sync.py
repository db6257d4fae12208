"""Keeps the page as its conversation is: watches the session, and sends what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.panel.reply_view import StreamedReplyView
from llmvision_magic.panel.turn_data import (
    Json,
    TurnRenderer,
    has_raw_braces,
    shown_turns,
    siblings,
    signature,
    typed_text,
)
from llmvision_magic.settings.turn_options import attached_expressions

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.conversation import Conversation, Turn

MANY = 5
"""Turns changed at once from which on the page gets a page anew."""

PAGE = 30
"""Turns of the newest page."""


class TranscriptSync:
    """What one panel shows. A `SessionListener` of the session; any thread may call.

    Args:
        pinned: Name of the conversation to stay with; None to go with the session's current one.
        send: Sends a message to the page.
        refresh: Called when what stands around the transcript may be another.

    Attributes:
        pages: Makes what is shown of turns.
    """

    def __init__(
        self, session: Session, pinned: str | None, send: Callable[[Json], None], refresh: Callable[[], None]
    ) -> None:
        self._session = session
        self._pinned = session.conversation(pinned) if pinned else None
        self._send = send
        self._refresh = refresh
        self._lock = threading.RLock()
        self.pages = TurnRenderer(session.footers)
        self._arriving: dict[str, StreamedReplyView] = {}
        self._sent_of: Conversation | None = None
        self._sent: dict[str, tuple[object, ...]] = {}

    @property
    def conversation(self) -> Conversation:
        """The conversation shown."""
        pinned = self._pinned
        if pinned is not None and self._session.conversations.get(pinned.name) is pinned:
            return pinned
        return self._session.conversation()

    def go_to(self, name: str) -> None:
        """Show another conversation. A panel that goes with the session takes it along, as ``%chat use`` does.

        Raises:
            InvalidInput: There is none of that name.
        """
        conversation = self._session.conversation(name)
        if self._pinned is None:
            self._session.use(name)
        else:
            self._pinned = conversation

    @property
    def busy(self) -> str:
        """Id of the turn shown whose reply arrives; "" for none."""
        arriving = self._session.arriving
        return next((turn.id for turn in reversed(shown_turns(self.conversation)) if turn.id in arriving), "")

    # -- as a listener ------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Send what is other than the page knows it."""
        with self._lock:
            self._send_changes()
        self._refresh()

    def _send_changes(self) -> None:
        conversation = self.conversation
        turns, groups = shown_turns(conversation), siblings(conversation)
        new = {turn.id: signature(turn, groups[turn.parent]) for turn in turns}
        before = list(self._sent)
        is_same_branch = conversation is self._sent_of and list(new)[: len(before)] == before
        changed = [number for number, turn in enumerate(turns, 1) if self._sent.get(turn.id) != new[turn.id]]
        if not is_same_branch or len(changed) > MANY:
            self.show(None, PAGE)
            return
        self._sent = new
        for number in changed:
            turn = turns[number - 1]
            self._send_turn(conversation, self._turn(turn, number, groups[turn.parent]))

    def view_of(self, conversation: Conversation, turn: Turn) -> ReplyView:
        """Where the reply of a turn is shown."""

        def more(news: Json) -> None:
            with self._lock:
                if self.conversation is conversation:
                    view.parts += 1
                    place = {"conversation": conversation.name, "turn": turn.id, "part": view.parts}
                    self._send({"kind": "more", **place, **news})

        def end(html: str | None) -> None:
            with self._lock:
                self._end(conversation, turn.id, html)

        view = StreamedReplyView(more, end)
        with self._lock:
            self._arriving[turn.id] = view
        return view

    def _end(self, conversation: Conversation, turn_id: str, html: str | None) -> None:
        """Tell the page that a reply has ended; its HTML goes along only where it is another than its blocks."""
        view = self._arriving.pop(turn_id)
        ended = conversation.turns[turn_id]
        whole = view.shown_html() if html is None else html
        self.pages.ended(turn_id, whole, len(ended.text))
        if self.conversation is not conversation:
            return
        turns, groups = shown_turns(conversation), siblings(conversation)
        number = next((number for number, turn in enumerate(turns, 1) if turn.id == turn_id), 0)
        if number:
            group = groups[ended.parent]
            self._sent[turn_id] = signature(ended, group)
            self._send_turn(conversation, {**self._turn(ended, number, group), "html": html, "parts": view.parts})

    # -- what the page asks for ---------------------------------------------------------------------------------------

    def show(self, before: str | None, count: int) -> None:
        """Send turns of the branch: the last ones, or those before one."""
        with self._lock:
            conversation = self.conversation
            turns, groups = shown_turns(conversation), siblings(conversation)
            end = len(turns)
            if before is not None:
                end = next((place for place, turn in enumerate(turns) if turn.id == before), 0)
            else:
                self._sent_of = conversation
                self._sent = {turn.id: signature(turn, groups[turn.parent]) for turn in turns}
            begin = max(end - count, 0)
            self._send(
                {
                    "kind": "turns",
                    "conversation": conversation.name,
                    "before": before,
                    "turns": [
                        self._turn(turn, number, groups[turn.parent])
                        for number, turn in enumerate(turns[begin:end], begin + 1)
                    ],
                    "more": begin > 0,
                    "total": len(turns),
                }
            )

    def stop(self) -> None:
        """End the replies that arrive in the conversation shown, whoever asked for them."""
        for turn in shown_turns(self.conversation):
            if (stop := self._session.stops.get(turn.id)) is not None:
                stop.set("interrupted")

    def source(self, turn_id: str) -> Json:
        """What an edit of a turn begins with: its prompt as it was typed, else as it was sent; whether braces in it are
        text; and what would be evaluated beside it.
        """
        turn = self.conversation.turns.get(turn_id)
        if turn is None:
            return {"text": "", "raw": False, "anew": ""}
        return {"text": typed_text(turn), "raw": has_raw_braces(turn), "anew": attached_expressions(turn.options or {})}

    def _turn(self, turn: Turn, number: int, group: list[str]) -> Json:
        view = self._arriving.get(turn.id)
        return self.pages.turn(turn, number, group, None if view is None else view.state())

    def _send_turn(self, conversation: Conversation, turn: Json) -> None:
        self._send({"kind": "turn", "conversation": conversation.name, "turn": turn})
