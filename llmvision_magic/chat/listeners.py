"""Who looks on: a reply is shown where it was asked for, and wherever else its conversation is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from llmvision_magic.chat.pacing import INTERVAL

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.conversation import Conversation, Turn


class SessionListener(Protocol):
    """Somebody who sees what happens in a session. Called in whichever thread it happens; must be quick."""

    def changed(self) -> None:
        """Conversations, their branches or their settings may be others now."""

    def view_of(self, conversation: Conversation, turn: Turn) -> ReplyView | None:
        """Where to show the reply of a turn that is being asked; None when this one does not show it."""


class NullView:
    """The view of somebody who asks and is a listener too: the listener shows the reply."""

    interval = INTERVAL

    def prepare(self) -> None:
        """Nothing is shown here."""

    def wait(self, line: str) -> None:
        """Nothing is shown here."""

    def add(self, text: str) -> None:
        """Nothing is shown here."""

    def finish(self, outcome: Outcome) -> None:
        """Nothing is shown here."""

    def clear(self) -> None:
        """Nothing is shown here."""

    def leave(self) -> None:
        """Nothing is shown here."""


class BroadcastView:
    """One view made of that of who asks and those of the listeners. What fails at a listener is its own affair."""

    def __init__(self, view: ReplyView) -> None:
        self._view = view
        self._others: list[ReplyView] = []
        self._texts: list[str] = []
        self._line = ""
        self._ended = False
        self._lock = threading.RLock()

    def join(self, other: ReplyView) -> None:
        """Show it at a listener's too, from its beginning. Any thread may call."""
        with self._lock, suppress(Exception):
            if self._texts:
                other.add("".join(self._texts))
            if self._line:
                other.wait(self._line)
            if self._ended:
                other.leave()
            else:
                self._others.append(other)

    @property
    def interval(self) -> float:
        """Seconds from one frame to the next, as the view of who asks wants it."""
        return self._view.interval

    def _each(self, show: Callable[[ReplyView], None]) -> None:
        with self._lock:
            for other in self._others:
                with suppress(Exception):
                    show(other)

    def _end(self, show: Callable[[ReplyView], None]) -> None:
        with self._lock:
            self._each(show)
            self._others.clear()
            self._ended = True

    def leave_listeners(self) -> None:
        """Stop showing at the listeners'; they may have been told of the end already."""
        self._end(lambda view: view.leave())

    def prepare(self) -> None:
        """Get ready, everywhere."""
        self._view.prepare()
        self._each(lambda view: view.prepare())

    def wait(self, line: str) -> None:
        """Show a quiet line, everywhere."""
        self._view.wait(line)
        with self._lock:
            self._line = line
            self._each(lambda view: view.wait(line))

    def add(self, text: str) -> None:
        """Show text that has arrived, everywhere."""
        with self._lock:
            self._texts.append(text)
            self._line = ""
            self._each(lambda view: view.add(text))
        self._view.add(text)

    def finish(self, outcome: Outcome) -> None:
        """Show the final output, everywhere."""
        self._end(lambda view: view.finish(outcome))
        self._view.finish(outcome)

    def clear(self) -> None:
        """Take away what was shown, everywhere."""
        self._end(lambda view: view.clear())
        self._view.clear()

    def leave(self) -> None:
        """Stop showing, everywhere."""
        self.leave_listeners()
        self._view.leave()


class Listeners:
    """Those of one session."""

    def __init__(self) -> None:
        self._listeners: list[SessionListener] = []
        # By turn whose reply arrives: where it is shown.
        self._shown: dict[str, tuple[Conversation, BroadcastView]] = {}
        self._joining = threading.Lock()

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: SessionListener) -> None:
        """Have a listener see what happens from now on, and the replies that arrive."""
        with self._joining:
            self._listeners.append(listener)
            for turn_id, (conversation, shown) in self._shown.items():
                _join(shown, listener, conversation, conversation.turns[turn_id])

    def remove(self, listener: SessionListener) -> None:
        """Have a listener see no more."""
        self._listeners.remove(listener)

    def tell(self) -> None:
        """Say that conversations, their branches or their settings may be others now."""
        for listener in list(self._listeners):
            with suppress(Exception):  # what fails there must not end what happens here
                listener.changed()

    @contextmanager
    def shown(self, conversation: Conversation, turn: Turn, view: ReplyView) -> Iterator[ReplyView]:
        """A view joined with those of the listeners, while the reply of a turn arrives."""
        shown = BroadcastView(view)
        with self._joining:
            for listener in self._listeners:
                _join(shown, listener, conversation, turn)
            self._shown[turn.id] = conversation, shown
        try:
            yield shown
        finally:
            with self._joining:
                del self._shown[turn.id]
            shown.leave_listeners()


def _join(shown: BroadcastView, listener: SessionListener, conversation: Conversation, turn: Turn) -> None:
    """Show a reply at a listener's too, if it watches that conversation."""
    with suppress(Exception):
        if (other := listener.view_of(conversation, turn)) is not None:
            shown.join(other)
