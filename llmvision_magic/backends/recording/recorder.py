"""Recording: the reply goes on its way, and what came of the request into the file."""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmvision_magic.backends.recording.cassette import Cassette, CassetteLine, line_for
from llmvision_magic.backends.recording.cassette_format import Entry, Timed
from llmvision_magic.backends.recording.masking import as_recorded
from llmvision_magic.backends.recording.normalized import NormalizedRequest, normalize
from llmvision_magic.backends.recording.occurrences import OccurrenceCounter
from llmvision_magic.errors import ContextTooLong, InvalidInput, KeyRefused, RequestRefused, ServerBusy
from llmvision_magic.messages import Delta, Reply
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.backends.model_choice import ModelChoosingClient
    from llmvision_magic.backends.wire import Client, Request
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.cell_context import CellContext

OF_THE_MOMENT = frozenset({408, 425})
"""Error statuses that say nothing of the request, besides those with an error of their own (401, 403, 429, 5xx)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a request in the file, known when it is sent.

    Attributes:
        place: Which of the equal requests it is, from 0.
        cell_context: Who asked.
    """

    asked: NormalizedRequest
    place: int
    cell_context: CellContext

    @property
    def key(self) -> tuple[tuple[str, str], int]:
        return self.asked.whole_key, self.place


class Recorder:
    """Keeps each request and its reply in a file. Any thread may use it.

    The file is written after each reply, as a whole or not at all. What could not be written is written with the next.

    Args:
        given: Path of the file, as the user gave it.

    Attributes:
        verb: Tells it from a `Player`.
        file: The file.
        source: What made it record, for the reader.
        trouble: Why the last reply could not be written, as a sentence; "" when it could.

    Raises:
        InvalidInput: The file is none that could be written to, or no recording; it is as it was.
    """

    verb: Literal["record"] = "record"

    def __init__(self, given: str, source: str = "") -> None:
        self.source = source
        self.trouble = ""
        self._lock = threading.Lock()
        self._turns = OccurrenceCounter()
        self._order: list[Slot] = []
        self._masked: dict[tuple[tuple[str, str], int], Slot] = {}
        # By request: which of the equal ones are in the file, in the order of its lines.
        self._present: dict[tuple[str, str], list[int]] = {}
        self._owed: dict[tuple[tuple[str, str], int], tuple[Slot, CassetteLine]] = {}
        self.file = Cassette.at(given)
        with self.file.alone():
            self.file.read()
            self.file.begin()

    def not_asked(self) -> list[int]:
        """Numbers of the lines whose request did not come since the recording began."""
        with self._lock:
            found = [self._find(slot) for slot in self._order]
            return [number + 2 for number, line in enumerate(self.file.lines) if line.entry and number not in found]

    def masked(self) -> list[int]:
        """Numbers of the lines from which a secret was taken out since the recording began."""
        with self._lock:
            found = [self._find(slot) for slot in self._masked.values()]
            return sorted(number + 2 for number in found if number is not None)

    def ask(self, asked: NormalizedRequest, cell_context: CellContext, secrets: Iterable[str] = ()) -> Slot:
        """Reserve a place for a request that is being sent.

        Args:
            secrets: What may not come into the file. The request's place is that of what will stand there.
        """
        asked = as_recorded(asked, secrets)
        slot = Slot(asked, self._turns.take(asked.whole_key, cell_context), cell_context)
        with self._lock:
            if all(other.key != slot.key for other in self._order):
                self._order.insert(self._number_of(cell_context), slot)
        return slot

    def _number_of(self, cell_context: CellContext) -> int:
        """Where a new request goes among those that were asked: the columns of one run have their own order."""
        number = len(self._order)
        while number and cell_context.column is not None:
            before = self._order[number - 1].cell_context
            if (
                before.execution != cell_context.execution
                or before.column is None
                or before.column < cell_context.column
            ):
                break
            number -= 1
        return number

    def keep(self, slot: Slot, entry: Entry, secrets: Iterable[str]) -> None:
        """Bring what came of a request into the file. Never raises for a file: `trouble` says why it did not go."""
        line, is_masked = line_for(entry, secrets)
        with self._lock:
            if is_masked:
                self._masked[slot.key] = slot
            else:
                self._masked.pop(slot.key, None)
            self._owed[slot.key] = (slot, line)
            try:
                with self.file.alone():
                    self.file.read()  # another kernel, or an editor, may have written it
                    changed = [self._put(slot, line) for slot, line in self._owed.values()]
                    if any(changed) or not self.file.exists:
                        self.file.write()
            except InvalidInput as error:
                self.trouble = f"Not recorded: {error}"
            else:
                self._owed.clear()
                self.trouble = ""

    def _put(self, slot: Slot, line: CassetteLine) -> bool:
        """Put a line where it belongs; False when the same answer stands there already."""
        lines = self.file.lines
        index = self._find(slot)
        if index is not None:
            before = lines[index].entry
            if before is not None and line.entry is not None and before.answers_as(line.entry):
                return False
            lines[index] = line
        else:
            index = self._place_among(slot)
            places = self._places(slot.asked.whole_key)
            lines.insert(index, line)
            insort(places, slot.place)
        return True

    def _find(self, slot: Slot) -> int | None:
        """The index of the line that holds the slot's request, if there is one."""
        key = slot.asked.whole_key
        places = self._places(key)
        return self._lines_of(key)[places.index(slot.place)] if slot.place in places else None

    def _lines_of(self, key: tuple[str, str]) -> list[int]:
        lines = self.file.lines
        return [n for n, line in enumerate(lines) if line.entry is not None and line.entry.asked.whole_key == key]

    def _places(self, key: tuple[str, str]) -> list[int]:
        """Which of the equal requests are in the file; those of a file that others have written are the first ones."""
        count = len(self._lines_of(key))
        if len(self._present.get(key, [])) != count:
            self._present[key] = list(range(count))
        return self._present.setdefault(key, [])

    def _place_among(self, slot: Slot) -> int:
        """Where a new line goes: in the order of asking, else at the end; equal ones have an order of their own."""
        key = slot.asked.whole_key
        equal = list(zip(self._places(key), self._lines_of(key), strict=True))
        least = max((index + 1 for place, index in equal if place < slot.place), default=0)
        most = min((index for place, index in equal if place > slot.place), default=len(self.file.lines))
        return min(max(self._place_by_order(slot), least), most)

    def _place_by_order(self, slot: Slot) -> int:
        number = next((n for n, other in enumerate(self._order) if other.key == slot.key), len(self._order))
        for before in reversed(self._order[:number]):
            if (index := self._find(before)) is not None:
                return index + 1
        for after in self._order[number + 1 :]:
            if (index := self._find(after)) is not None:
                return index
        return len(self.file.lines)


class RecordingClient:
    """Asks another client, and records what came of it.

    A reply that was interrupted, cut, or never began is not kept, and neither is what a server says of the moment (it
    is busy, it does not know the key): what was recorded before stays. A refusal of the request itself is kept.

    Args:
        secrets: What may not come into the file.
    """

    def __init__(
        self,
        recorder: Recorder,
        client: Client | ModelChoosingClient,
        cell_context: CellContext,
        *,
        is_default_model: bool,
        secrets: Sequence[str],
    ) -> None:
        self._recorder = recorder
        self._client = client
        self._cell_context = cell_context
        self._is_default_model = is_default_model
        self._secrets = secrets

    def stream(
        self, request: Request, stop: Stop | None = None, *, before_reading: Callable[[], None] | None = None
    ) -> Generator[Delta | Retrying, None, None]:
        """As of the client that is asked."""
        stop = stop or Stop()
        asked = normalize(request, is_default_model=self._is_default_model)
        slot = self._recorder.ask(asked, self._cell_context, self._secrets)
        events: list[Timed] = []
        sent = time.monotonic()
        try:
            for event in self._client.stream(request, stop, before_reading=before_reading):
                if isinstance(event, Delta):
                    events.append((time.monotonic() - sent, event))
                else:
                    sent = time.monotonic() + event.seconds  # the waits for a busy server are no part of the lesson
                yield event
        except RequestRefused as error:
            if _is_of_the_request(error):
                self._recorder.keep(slot, Entry(asked, error=self._without_address(error)), self._secrets)
            raise
        if not stop.is_set:
            entry = Entry(asked, tuple(events), time.monotonic() - sent, left_out=request.left_out)
            self._recorder.keep(slot, entry, self._secrets)

    def _without_address(self, error: RequestRefused) -> RequestRefused:
        """The error without the server's address, which differs from place to place."""
        message = str(error).replace(self._client.address, "the place of the recording")
        said = error.server_message
        if isinstance(error, ContextTooLong):
            prompt, context = error.prompt_tokens, error.context_tokens
            return ContextTooLong(
                message, status=error.status, server_message=said, prompt_tokens=prompt, context_tokens=context
            )
        return RequestRefused(message, status=error.status, server_message=said)

    def complete(self, request: Request, stop: Stop | None = None) -> Reply:
        """As of the client that is asked."""
        from llmvision_magic.backends.wire.whole_reply import whole_reply

        return whole_reply(self.stream(request, stop), stop)

    def models(self, stop: Stop | None = None) -> list[str]:
        """As of the client that is asked."""
        return self._client.models(stop)


def _is_of_the_request(error: RequestRefused) -> bool:
    """Whether the server would say the same again."""
    if isinstance(error, KeyRefused | ServerBusy):
        return False
    status = error.status
    return status is None or (status >= 400 and status not in OF_THE_MOMENT)
