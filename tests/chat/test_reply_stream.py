"""One reply while it arrives, with a view that notes what it is told."""

from __future__ import annotations

from llmvision_magic.backends.target import Target
from llmvision_magic.chat.outcome import Outcome
from llmvision_magic.chat.pacing import Frame
from llmvision_magic.chat.reply_stream import ReplyStream, RequestSent
from llmvision_magic.messages import Delta

TARGET = Target("http://host/v1", "test", None, "m", "test")


class Notes:
    """A view that notes what it is told."""

    interval = 0.1

    def __init__(self) -> None:
        self.told: list[str] = []

    def prepare(self) -> None:
        self.told.append("prepare")

    def add(self, text: str) -> None:
        self.told.append(text)

    def wait(self, line: str) -> None:
        self.told.append(line)

    def finish(self, outcome: Outcome) -> None:
        self.told.append("finish")

    def clear(self) -> None:
        self.told.append("clear")

    def leave(self) -> None:
        self.told.append("leave")


def test_view_gets_ready_once_the_request_goes_out():
    """What it loads does not hold up the request: in a first chat that was 30 ms."""
    view = Notes()
    arrival = ReplyStream(TARGET, view)
    arrival.begin()
    assert view.told == []
    arrival.take(Frame([RequestSent(0)], 0.0))
    assert view.told == ["prepare"]
    arrival.take(Frame([Delta("Hel"), Delta("lo")], 0.0))
    assert view.told == ["prepare", "Hello"]


def test_what_there_is_already_is_shown_at_once():
    """A reply that goes on stands there while more of it is waited for."""
    view = Notes()
    arrival = ReplyStream(TARGET, view, "Hel")
    arrival.begin()
    assert view.told == ["prepare", "Hel"]
    arrival.take(Frame([RequestSent(0), Delta("lo")], 0.0))
    assert view.told == ["prepare", "Hel", "lo"]
