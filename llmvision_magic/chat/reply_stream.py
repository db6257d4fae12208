"""One reply while it arrives: collects it, keeps the view going, and says how it ended."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from llmvision_magic.errors import BadResponse, Interrupted, ReplyCut
from llmvision_magic.finish_reasons import empty_words, ending_of
from llmvision_magic.messages import Delta, Reply, Status
from llmvision_magic.reply_builder import ReplyBuilder

if TYPE_CHECKING:
    from llmvision_magic.backends.model_client import ReplayInfo
    from llmvision_magic.backends.target import Target
    from llmvision_magic.backends.wire import Retrying
    from llmvision_magic.chat.continuation import ContinuationJoiner
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.pacing import Frame
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.stop import Stop

STALL = 2.0
"""Seconds of silence in the middle of a reply before the reader is told."""

QUIET = 0.6
"""Seconds without a word before the reader is told what is waited for; a fast reply shows nothing of it."""


class RequestSent(NamedTuple):
    """An event: the request goes out now.

    Attributes:
        left_out: How many of the oldest turns are not sent, for the model's context is too small.
        asked: A reply that goes on was asked for in words, for the server does not go on by itself.
        recorded: What is known of the reply, for it is replayed; None when the model is asked.
    """

    left_out: int
    asked: bool = False
    recorded: ReplayInfo | None = None


Event: TypeAlias = "Delta | Retrying | RequestSent | str"
"""What the reading thread tells; a str is a line for the reader about the embedded model."""


class ReplyStream:
    """Takes the frames of one reply.

    Args:
        begun: What there is already of the reply; new text is joined to it.
        quiet: Show nothing before the end, for nobody looks on: tools that run notebooks as tests see each output that
            ever was.

    Attributes:
        error: What ended the reply, when it did not end by itself.
        left_out: How many of the oldest turns were not sent.
        recorded: What is known of a reply that is replayed.
        has_words: Whether something to be read was shown: the mark of a heading is nothing.
    """

    def __init__(self, target: Target, view: ReplyView, begun: str = "", *, quiet: bool = False) -> None:
        self._view = view
        self._quiet = quiet
        self._builder = ReplyBuilder()
        self._begun = begun
        self._joiner = _joiner(begun)
        self._model = target.model or "the embedded model"
        self._line = ""
        self._line_until: float | None = None
        self._began = time.monotonic()
        self._ended: float | None = None
        self._has_text = False
        self._is_prepared = False
        self._view_error: Exception | None = None
        self._status: Status = "interrupted"  # until `end` says otherwise: what only an exception from outside leaves
        self.error: BaseException | None = None
        self.left_out = 0
        self.recorded: ReplayInfo | None = None
        self.has_words = False

    def begin(self) -> None:
        """Show what there is already."""
        if self._begun:
            self._prepare()
            self._builder.add(Delta(self._begun))
            if not self._quiet:
                self._view.add(self._begun)
                self._has_text = True

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._is_prepared = True
            self._view.prepare()

    def take(self, frame: Frame[Event]) -> None:
        """Collect a frame's events and show them."""
        text = self._collect(frame.items)
        if self._view_error is not None or self._quiet or (self.recorded is not None and self.recorded.at_once):
            return
        try:
            # Not before the first frame: both threads would import at once, and the request go out so much later.
            self._prepare()
            if text:
                self._view.add(text)
                self._has_text = True
                self.has_words = self.has_words or any(character.isalnum() for character in text)
            elif line := self._stalled_line(frame.silent) if self._has_text else self._waiting_line():
                self._view.wait(line)
        except Exception as error:  # showing must not end the reading: the reply goes on and is kept
            self._view_error = error

    def _collect(self, items: list[Event]) -> str:
        texts = []
        for item in items:
            if isinstance(item, Delta):
                if self._joiner is not None and item.index == 0:
                    item = replace(item, text=self._joiner.feed(item.text))
                self._builder.add(item)
                if item.index == 0:
                    texts.append(item.text)
            elif isinstance(item, RequestSent):
                self.left_out, self.recorded = item.left_out, item.recorded
                if self._joiner is not None:
                    self._joiner.asked = item.asked
                self._line = ""
                self._began = time.monotonic()
            elif isinstance(item, str):
                self._line, self._line_until = item, None
            else:
                self._line, self._line_until = item.reason, time.monotonic() + item.seconds
        return "".join(texts)

    def _stalled_line(self, silent: float) -> str:
        """How long the server has been silent in the middle of the reply; "" while that is no stall."""
        return f"nothing from the server for {silent:.0f} s" if silent >= STALL else ""

    def _waiting_line(self) -> str:
        """What is waited for, in words; "" while the wait is too short to be worth a word."""
        now = time.monotonic()
        if self._line_until is not None and now < self._line_until:
            return f"{self._line}, retrying in {self._line_until - now:.0f} s"
        if self._line and self._line_until is None:
            return f"{self._line} …"
        if now - self._began < QUIET:
            return ""
        return f"waiting for {self._model}, {now - self._began:.0f} s"

    @property
    def length(self) -> int:
        """How many pieces of text have arrived."""
        return len(self._builder.parts.get(self._builder.first, ()))

    @property
    def text(self) -> str:
        """The text so far."""
        return self._builder.text

    def end(self, rest: list[Event], error: BaseException | None, stop: Stop) -> None:
        """Collect what arrived after the last frame, and settle how the reply ended."""
        self._collect(rest)
        if self._joiner is not None:
            self._builder.add(Delta(self._joiner.end()))
        self._ended = time.monotonic()
        if stop.is_set:
            # A stop that came after the last event stops what would run next, not this reply.
            is_whole = self._builder.has_ended and not self._builder.is_blank
            self._status = "complete" if is_whole else "interrupted"
            self.error = Interrupted("Interrupted.")
        elif error is not None:
            self._status = "cut" if isinstance(error, ReplyCut) else "failed"
            self.error = error
        elif self._builder.is_blank:
            self._status = "failed"
            reason = self._builder.finish_reasons.get(self._builder.first)
            self.error = BadResponse(f"{empty_words(reason)} Ask again, or ask otherwise.")
        else:
            self._status = "complete"

    def reply(self, max_tokens: int | None) -> Reply:
        """The reply with its status and, when it did not end by itself, the reason."""
        seconds = (self._ended or time.monotonic()) - self._began
        if self.recorded is not None and self._status == "complete":
            seconds = self.recorded.seconds  # what the model took, however fast it is replayed
        reply = self._builder.reply(self._status, seconds=seconds)
        if reply.text == self._begun and self._status != "complete":
            reply = replace(reply, text="")  # nothing came: the turn that was to go on stands as it is
        return replace(reply, notice=" ".join(filter(None, (self._notice(reply, max_tokens), reply.notice))))

    def _notice(self, reply: Reply, max_tokens: int | None) -> str:
        if self._status == "interrupted":
            has_text = reply.text and not reply.text.isspace()
            return "Interrupted; what had arrived is kept." if has_text else "Interrupted before any text arrived."
        if self.error is not None and self._status != "complete":
            return str(self.error)
        ending = ending_of(reply.finish_reason)
        if ending == "length":
            limit = f"max_tokens, {max_tokens:,}" if max_tokens else "the server's own or the model's context"
            return f"Ended at the limit of tokens ({limit})."
        if ending == "filtered":
            return "Ended by the server's content filter."
        if self._begun and reply.text == self._begun:
            return "The model added nothing: it takes the reply to be whole."
        return ""

    def show(self, outcome: Outcome) -> None:
        """Show the final output, or take away the waiting line when an error message says it all."""
        if outcome.is_shown:
            self._view.finish(outcome)
        else:
            self._view.clear()


def _joiner(begun: str) -> ContinuationJoiner | None:
    """What joins new text to a reply that goes on; None for one that begins, as nearly all do."""
    if not begun:
        return None
    from llmvision_magic.chat.continuation import ContinuationJoiner

    return ContinuationJoiner(begun)
