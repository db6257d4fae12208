"""Replaying: replies from a file, as they were recorded. No connection is made."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from llmvision_magic.backends.model_client import ReplayInfo
from llmvision_magic.backends.recording.cassette import Cassette, typed
from llmvision_magic.backends.recording.masking import answers, as_recorded, same_text
from llmvision_magic.backends.recording.normalized import NormalizedRequest, normalize
from llmvision_magic.backends.recording.occurrences import OccurrenceCounter
from llmvision_magic.errors import InvalidInput, NotRecorded
from llmvision_magic.messages import as_name
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.backends.backend import Backend
    from llmvision_magic.backends.recording.cassette_format import Entry
    from llmvision_magic.backends.wire import Request
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.cell_context import CellContext
    from llmvision_magic.messages import Delta, Reply


class Player:
    """Answers from a file. Any thread may use it.

    Args:
        given: Path of the file, as the user gave it.
        speed: How many times as fast as recorded; 0 for at once. None: as recorded where somebody looks on, else at
            once.
        else_live: The model is asked what is not in the file.

    Attributes:
        verb: Tells it from a `Recorder`.
        file: The file.
        source: What made it replay, for the reader.

    Raises:
        InvalidInput: There is no such file, or it is no recording.
    """

    verb: Literal["replay"] = "replay"

    def __init__(self, given: str, *, speed: float | None = None, else_live: bool = False, source: str = "") -> None:
        self.speed = speed
        self.else_live = else_live
        self.source = source
        self._lock = threading.Lock()
        self._turns = OccurrenceCounter()
        self.file = Cassette.at(given)
        if not self.file.exists:
            raise InvalidInput(
                f"There is no recording {given} (in {self.file.path.parent}); `%chat record {typed(given)}` makes one."
            )
        self.file.read()

    def speed_for(self, cell_context: CellContext) -> float:
        """How many times as fast as recorded; 0 for at once."""
        if self.speed is not None:
            return self.speed
        return 1.0 if cell_context.interactive else 0.0

    def take(
        self, asked: NormalizedRequest, cell_context: CellContext, left_out: int = 0, secrets: Sequence[str] = ()
    ) -> Entry | None:
        """The answer to a request: of several equal ones the next; None when there is none.

        Args:
            secrets: What was taken out of the file where it was recorded with the same key.
            left_out: How many turns of the conversation it leaves out; so many must have been when it was recorded.
        """
        with self._lock:
            if self.file.exists:
                self.file.read()
            entries = self.file.entries()
            entries = [one for one in entries if one.left_out == left_out] if left_out else entries
            found = _found(entries, asked) or _found(entries, as_recorded(asked, secrets))
        if not found:
            return None
        # Who asks more often than was recorded begins again.
        return found[self._turns.take(asked.whole_key, cell_context) % len(found)]

    def models(self) -> list[str]:
        """The models that were asked, in the order of the file."""
        return list(dict.fromkeys(as_name(entry.asked.model) for entry in self.file.entries()))

    def not_recorded(self, asked: NormalizedRequest, secrets: Sequence[str] = ()) -> NotRecorded:
        """The error for a request that is not in the file.

        Args:
            secrets: What may not be shown.
        """
        from llmvision_magic.backends.recording.differences import differences, nearest

        shown, entries = self.file.shown, self.file.entries()
        path = typed(shown)
        if not entries:
            advice = f"{shown} holds no requests yet; `%chat record {path}` records them."
            return NotRecorded(" ".join(filter(None, (advice, self.file.damaged()))))
        asked = as_recorded(asked, secrets)
        entry = nearest(entries, asked)
        lines = [f"    {line}" for line in differences(entry.asked, asked)]
        advice = f"`%chat record {path}` records it; `%chat replay {path} --else live` asks the model."
        number = self.file.number_of(entry)
        first = f"{shown} has no answer to this request. The nearest one, in line {number}, differs:"
        return NotRecorded("\n".join([first, *lines, " ".join(filter(None, (advice, self.file.damaged())))]))


def _found(entries: list[Entry], asked: NormalizedRequest) -> list[Entry]:
    """The answers to a request, in order.

    Where nobody chose a model, any model's answer will do: a lesson is recorded with one and replayed where there is
    another, or none. First those that were asked so too, else those of the model that was asked first.
    """
    same = [entry for entry in entries if entry.asked.key == asked.key]
    if not same:  # what was masked may be anything, so that several may fit: the first of them does
        key = next((entry.asked.key for entry in entries if answers(entry.asked, asked)), None)
        same = [entry for entry in entries if entry.asked.key == key]
    if not asked.is_default_model:
        return [entry for entry in same if same_text(entry.asked.model, asked.model)]
    by_default = [entry for entry in same if entry.asked.is_default_model]
    return by_default or [entry for entry in same if entry.asked.model == same[0].asked.model]


class ReplayingClient:
    """Answers requests of one cell from a file.

    Args:
        live: Opens the way to the model, for what is not in the file.
        secrets: What does not stand in a file that was recorded with the same key.
    """

    def __init__(
        self,
        player: Player,
        cell_context: CellContext,
        live: Callable[[], Backend],
        *,
        is_default_model: bool,
        secrets: Sequence[str] = (),
    ) -> None:
        self._player = player
        self._cell_context = cell_context
        self._live = live
        self._is_default_model = is_default_model
        self._secrets = secrets
        self._taken: dict[str, Entry] = {}

    def recorded(self, request: Request) -> ReplayInfo | None:
        """What is known of the reply to a request; None when it is not in the file."""
        entry = self._entry(normalize(request, is_default_model=self._is_default_model), request.left_out)
        return None if entry is None else ReplayInfo(entry.seconds, self._player.speed_for(self._cell_context) == 0)

    def _entry(self, asked: NormalizedRequest, left_out: int) -> Entry | None:
        """The answer to a request, the same until it is given."""
        if asked.key not in self._taken:
            entry = self._player.take(asked, self._cell_context, left_out, self._secrets)
            if entry is None:
                return None
            self._taken[asked.key] = entry
        return self._taken[asked.key]

    def stream(
        self, request: Request, stop: Stop | None = None, *, before_reading: Callable[[], None] | None = None
    ) -> Generator[Delta | Retrying, None, None]:
        """Yield a reply as it was recorded.

        Raises:
            NotRecorded: It is not in the file.
            RequestRefused: So it was recorded.
        """
        stop = stop or Stop()
        asked = normalize(request, is_default_model=self._is_default_model)
        entry = self._entry(asked, request.left_out)
        if entry is None:
            if not self._player.else_live:
                raise self._player.not_recorded(asked, self._secrets)
            line = self._live()
            yield from line.client.stream(replace(request, model=line.model), stop, before_reading=before_reading)
            return
        del self._taken[asked.key]
        speed = self._player.speed_for(self._cell_context)
        begin = time.monotonic()
        for seconds, delta in entry.events:
            due = begin + seconds / speed if speed else begin
            ahead = min(due - time.monotonic(), threading.TIMEOUT_MAX)  # the slowest speed has no end
            if stop.is_set or (ahead > 0 and not stop.wait(ahead)):
                return
            yield delta
        if entry.error is not None:
            raise copy.copy(entry.error)  # what is raised gets marks of its own

    def complete(self, request: Request, stop: Stop | None = None) -> Reply:
        """A reply as a whole, with the seconds it took when it was recorded. Raises as `stream`."""
        from llmvision_magic.backends.wire.whole_reply import whole_reply

        recorded = self.recorded(request)
        reply = whole_reply(self.stream(request, stop), stop)
        return reply if recorded is None or reply.status != "complete" else replace(reply, seconds=recorded.seconds)

    def models(self, stop: Stop | None = None) -> list[str]:
        """The models that were asked when it was recorded."""
        return self._player.models()
