"""Bytes of a streamed reply in, deltas out. No socket, no clock; whatever comes, the only errors are ours."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire import server_errors
from llmvision_magic.backends.wire.chat_completion import StreamedCompletion
from llmvision_magic.backends.wire.event_stream import Shape, end_of_event, is_crowded, read_events, whole_events
from llmvision_magic.errors import ChatError, ReplyCut
from llmvision_magic.messages import Delta

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.server_messages import Server

LARGEST_EVENT = 16 * 1024 * 1024  # bytes
END_MARK = "[DONE]"
_SHORTEST_CHUNK = 32  # characters; what is shorter may be the end mark
_DECODER = json.JSONDecoder()

LESSONS = 16
"""Events that are looked at one by one to learn their shape, until as many were read by it: some servers put something
new into each."""

_SAMPLE = "a text that is not in an event"

_SIGNS_OF_LIFE = frozenset({"ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat"})

CROWDED = "The server sends no blank lines between its events, as it should; each line was taken for one."


class StreamDecoder:
    """Decodes one streamed reply. Dies with it.

    Attributes:
        ended: The end mark was read.
    """

    def __init__(
        self, chunks: Iterable[bytes], server: Server, *, choices: int = 1, on_event: Callable[[], None] | None = None
    ) -> None:
        """
        Args:
            chunks: The body, cut anywhere.
            server: Who sends it; for messages.
            choices: How many completions were asked for.
            on_event: Called after events have come, before their deltas are handed out.
        """
        self.ended = False
        self._chunks = chunks
        self._server = server
        self._completion = StreamedCompletion(choices)
        self._on_event = on_event or _unheard
        self._pending = 0
        self._exhausted = False
        self._shape: Shape | None = None
        self._shape_of: tuple[int, object] = (0, None)  # its index and its id
        self._lessons = LESSONS

    @property
    def finished(self) -> bool:
        """Whether every choice has told why it ended: nothing more is needed, the usage and the end mark may follow."""
        return self._completion.finished

    def deltas(self) -> Iterator[Delta]:
        """The deltas that say something, in order.

        Raises:
            ReplyCut: The stream ended without end mark and without finish reason, or broke after text.
            BadResponse: Something came that is no reply, before any text.
            RequestRefused: An error object came before any text; a subclass if it fits one.
        """
        completion = self._completion
        try:
            yield from self._pieces()
        except ChatError as error:
            # All choices had ended: what broke or stayed silent then was only the way to the end mark.
            if completion.error or not completion.has_ended:
                raise
            if not completion.finished and isinstance(error, ReplyCut):
                completion.remark(str(error).removesuffix(f" {server_errors.KEPT}"))
        else:
            self._check_end()
        yield from completion.end(self._server)

    def _pieces(self) -> Iterator[Delta]:
        completion = self._completion
        for text in whole_events(self._guarded(), self._crowded):
            place = 0
            while place < len(text) and not self.ended:
                if self._shape is not None and not completion.halves and self._shape_of[1] == completion.id:
                    pieces, place = self._shape.read(text, place)
                    if pieces:
                        self._heard()
                        self._lessons = min(self._lessons + len(pieces), LESSONS)
                        index, origin = self._shape_of[0], completion.origin
                        for piece in pieces:
                            if piece:
                                yield Delta(piece, index, None, None, None, *origin)
                        continue
                end = len(text)
                if self._lessons:
                    self._lessons -= 1
                    end = end_of_event(text, place)
                yield from self._decoded_events(text[place:end])
                place = end
            if self.ended:
                break

    def _decoded_events(self, text: str) -> Iterator[Delta]:
        """The deltas of these events, each of which is parsed."""
        completion = self._completion
        for event in read_events(text):
            data = event.data
            if len(data) < _SHORTEST_CHUNK or data.isspace():
                if not data or data.isspace():
                    continue  # not an event by the specification: there is nothing in it
                if data.strip() == END_MARK:
                    self.ended = True
                    self._heard()
                    return
            try:
                value = _json(data)
            except (ValueError, RecursionError) as error:
                yield from self._without_json(event.event, data, error)
                continue
            if event.event and "error" in event.event.lower():
                raise self._error(value)
            if not isinstance(value, dict):
                yield from self._without_object(value)
            elif event.event not in ("", "message") and not value.get("choices") and not value.get("error"):
                self._heard()  # the state of a queue, a measure: nothing of the reply
            elif not server_errors.is_error(value) and (delta := completion.try_plain(value)) is not None:
                if self._lessons:
                    self._learn(text, delta)
                self._heard()
                yield delta
            else:
                yield from self._chunk(value)

    def _chunk(self, value: dict[str, object]) -> Iterator[Delta]:
        """The deltas of any chunk, and the error that it is or that stands in it."""
        completion = self._completion
        is_error, had_ended = server_errors.is_error(value), completion.has_ended and not completion.is_broken
        deltas = completion.deltas(value)
        if is_error and not had_ended:  # else nothing of the reply is missing
            completion.error = value
        self._heard()
        yield from deltas  # an end or some text may stand beside an error
        if is_error or completion.error:
            raise self._error(value if is_error else {"error": completion.error})

    def _without_object(self, value: object) -> Iterator[Delta]:
        """What an event is whose JSON is no object: a list of chunks, an error in words, a sign of life."""
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                yield from self._chunk(one)
            elif isinstance(one, str) and (words := server_errors.error_words(one)):
                raise self._error(words)
            else:
                self._heard()

    def _without_json(self, name: str, data: str, error: Exception) -> Iterator[Delta]:
        """What an event is whose data is no JSON: an error in words, several events, a sign of life, or broken."""
        if "error" in name.lower():
            raise self._error(data) from None
        if words := server_errors.error_words(data):
            try:
                value = _json(words)
            except (ValueError, RecursionError):
                value = None
            raise self._error(value if isinstance(value, dict) else words) from None
        if "\n" in data and is_crowded(f"data:{data}".replace("\n", "\ndata:")):
            self._crowded()
            yield from self._decoded_events("".join(f"data:{line}\n\n" for line in data.split("\n")))
        elif self._exhausted:
            return  # the line was cut in the middle of this event
        elif data.strip().lower() in _SIGNS_OF_LIFE or (name not in ("", "message") and '"choices"' not in data):
            self._heard()
        else:
            raise self._broken("an event that is not JSON", data) from error

    def _learn(self, text: str, delta: Delta) -> None:
        """Take the shape of an event that was read, so that the next ones need not be parsed.

        Where another text in the same place is what the parser then finds, and nothing else has changed, any text is:
        a string that ends where it should cannot change how the rest is read.
        """
        self._shape = None
        for quoted in {json.dumps(delta.text), json.dumps(delta.text, ensure_ascii=False)}:
            before, found, after = text.partition(quoted)
            if found and self._try_plain(f'{before}"{_SAMPLE}"{after}') == replace(delta, text=_SAMPLE):
                self._shape, self._shape_of = Shape(f'{before}"', f'"{after}'), (delta.index, self._completion.id)

    def _try_plain(self, text: str) -> Delta | None:
        """The delta of a text that is one plain event; None when it is anything else."""
        try:
            found = [(event.event, _json(event.data)) for event in read_events(text) if event.data]
        except (ValueError, RecursionError):
            return None
        name, value = found[0] if len(found) == 1 else ("error", None)
        return self._completion.try_plain(value) if "error" not in name.lower() and isinstance(value, dict) else None

    def _guarded(self) -> Iterator[str]:
        """The text; an event without end is refused, the last event is completed."""
        # What the specification says of every event stream: UTF-8, a byte order mark is skipped.
        decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        for chunk in self._chunks:
            self._pending += len(chunk)
            if self._pending > LARGEST_EVENT:
                raise self._broken(f"an event of more than {LARGEST_EVENT // 1024**2} MiB", "")
            if text := decode(chunk):
                yield text
        self._exhausted = True
        # Some servers leave out the blank line after the last event. A cut event is recognised by its broken JSON.
        yield decode(b"", final=True) + "\n\n"

    def _heard(self) -> None:
        self._pending = 0
        self._on_event()

    def _crowded(self) -> None:
        self._completion.remark(CROWDED)

    def _error(self, value: object) -> ChatError:
        return server_errors.from_error_object(value, self._server, after_text=self._completion.has_text)

    def _broken(self, what: str, data: str) -> ChatError:
        if self._completion.has_text:
            return ReplyCut(f"The reply was cut: the server sent {what}. {server_errors.KEPT}")
        return server_errors.not_a_reply(what, data[:1000], self._server)

    def _check_end(self) -> None:
        if self.ended and not self._completion.seen:
            raise server_errors.not_a_reply("an event stream without any choice", "", self._server)
        if not self.ended and not self._completion.has_ended:
            raise ReplyCut(
                f"The reply was cut: the stream ended without end mark and without finish reason. {server_errors.KEPT}"
            )


def _unheard() -> None:
    """Nobody wants to know of events."""


def _json(data: str) -> object:
    """`json.loads`, by its quicker half where nothing stands around the value.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    if data[0] == "{":
        value, end = _DECODER.raw_decode(data)
        if end == len(data):
            return value
    return json.loads(data)
