"""Bytes of a reply in, deltas out. No socket, no clock; whatever comes, the only errors are ours."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from llmvision_magic.backends.wire import error_mapping as failures
from llmvision_magic.backends.wire.event_stream import Shape, end_of_event, is_whole, read_events, whole_events
from llmvision_magic.backends.wire.server_messages import Server, first_words, mapping, parsed
from llmvision_magic.errors import BadResponse, ChatError, ReplyCut
from llmvision_magic.messages import Delta, Usage

LARGEST_EVENT = 16 * 1024 * 1024  # bytes
END_MARK = "[DONE]"
_SHORTEST_CHUNK = 32  # characters; what is shorter may be the end mark
_DECODER = json.JSONDecoder()

LESSONS = 16
"""Events that are looked at one by one to learn their shape, until as many were read by it: some servers put something
new into each."""

_SAMPLE = "a text that is not in an event"

KernelIdentity = tuple[str | None, str | None, int | None, str | None]
"""What all pieces of a reply have in common: id, object, created, model."""

Kind = Literal["events", "json", "other"]


def kind_of(content_type: str, head: bytes) -> Kind:
    """What an answer is, by its first character, then by its declared type.

    Servers that do not stream answer JSON to a request for a stream, some declare events as plain text, and some put
    a JSON error under the type of an event stream.

    Args:
        content_type: The header's value; may be empty.
        head: The body's first bytes, from the first one that is not blank.
    """
    if head[:1] in (b"{", b"["):
        return "json"
    if head[:1] == b"<" or "html" in content_type:
        return "other"
    if "text/event-stream" in content_type:
        return "events"
    if "json" in content_type:
        return "json"
    # The fields an event can begin with: data, event, id, retry, and a comment's colon.
    return "events" if head[:1] in (b"d", b"e", b"i", b"r", b":") else "other"


class StreamDecoder:
    """Decodes one streamed reply. Dies with it.

    Attributes:
        finished: Every choice has told why it ended; nothing more is needed, the usage and the end mark may follow.
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
        self.finished = False
        self.ended = False
        self._chunks = chunks
        self._server = server
        self._choices = choices
        self._on_event = on_event or _unheard
        self._seen: set[int] = set()
        self._done: set[int] = set()
        self._halves: dict[int, str] = {}
        self._raw_origin: tuple[object, ...] = (None,)
        self._origin: KernelIdentity = (None, None, None, None)
        self._has_text = False
        self._pending = 0
        self._exhausted = False
        self._shape: Shape | None = None
        self._shape_of: tuple[int, object] = (0, None)  # its index and its id
        self._lessons = LESSONS

    def deltas(self) -> Iterator[Delta]:
        """The deltas that say something, in order.

        Raises:
            ReplyCut: The stream ended without end mark and without finish reason, or broke after text.
            BadResponse: Something came that is no reply, before any text.
            RequestRefused: An error object came before any text; a subclass if it fits one.
        """
        for text in whole_events(self._guarded()):
            place = 0
            while place < len(text) and not self.ended:
                if self._shape is not None and not self._halves and self._shape_of[1] == self._raw_origin[0]:
                    pieces, place = self._shape.read(text, place)
                    if pieces:
                        self._heard()
                        self._lessons = min(self._lessons + len(pieces), LESSONS)
                        index, origin = self._shape_of[0], self._origin
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
        self._check_end()

    def _decoded_events(self, text: str) -> Iterator[Delta]:
        """The deltas of these events, each of which is parsed."""
        on_event = self._on_event
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
                if event.event == "error":
                    raise failures.from_error_object(data, self._server, after_text=self._has_text) from None
                if self._exhausted:
                    return  # the line was cut in the middle of this event
                raise self._broken("an event that is not JSON", data) from error
            if event.event == "error" or (isinstance(value, dict) and failures.is_error(value)):
                raise failures.from_error_object(value, self._server, after_text=self._has_text)
            if not isinstance(value, dict):
                raise self._broken("an event that is no JSON object", data)
            self._pending = 0
            if (delta := self._plain(value)) is not None:
                if self._lessons:
                    self._learn(text, delta)
                on_event()
                yield delta
                continue
            deltas = self._decoded(value)
            on_event()
            yield from deltas

    def _learn(self, text: str, delta: Delta) -> None:
        """Take the shape of an event that was read, so that the next ones need not be parsed.

        Where another text in the same place is what the parser then finds, and nothing else has changed, any text is:
        a string that ends where it should cannot change how the rest is read.
        """
        self._shape = None
        for quoted in {json.dumps(delta.text), json.dumps(delta.text, ensure_ascii=False)}:
            before, found, after = text.partition(quoted)
            if found and self._try_plain(f'{before}"{_SAMPLE}"{after}') == replace(delta, text=_SAMPLE):
                self._shape, self._shape_of = Shape(f'{before}"', f'"{after}'), (delta.index, self._raw_origin[0])

    def _try_plain(self, text: str) -> Delta | None:
        """The delta of a text that is one plain event; None when it is anything else."""
        try:
            found = [(event.event, _json(event.data)) for event in read_events(text) if event.data]
        except (ValueError, RecursionError):
            return None
        name, value = found[0] if len(found) == 1 else ("error", None)
        return self._plain(value) if name != "error" and isinstance(value, dict) else None

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

    def _plain(self, value: dict[str, object]) -> Delta | None:
        """The delta of nearly every event: one choice, a text, nothing else. None when it is anything more."""
        choices = value.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict or self._halves:
            return None
        choice = choices[0]
        piece, index = choice.get("delta"), choice.get("index")
        if type(piece) is not dict or type(index) is not int or choice.get("finish_reason") is not None:
            return None
        text = piece.get("content")
        if not text or type(text) is not str or index not in self._seen or "role" in piece:
            return None
        if not text.isascii() and not is_whole(text):
            return None
        if value.get("usage") is not None or value.get("id") != self._raw_origin[0]:
            return None
        self._has_text = True
        return Delta(text, index, None, None, None, *self._origin)

    def _decoded(self, value: Mapping[str, object]) -> Sequence[Delta]:
        get = value.get
        raw = (get("id"), get("object"), get("created"), get("model"))
        if raw != self._raw_origin:
            self._raw_origin, self._origin = raw, _origin(*raw)
        usage = get("usage")
        counts = None if usage is None else _usage(usage)
        choices = get("choices")
        deltas = []
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = _index(choice.get("index"), position)
            self._seen.add(index)
            piece = choice.get("delta")
            if not isinstance(piece, dict):
                piece = mapping(choice.get("message"))  # some servers send this even in a stream
            text = piece.get("content")
            if not isinstance(text, str):
                text = _text(text)
            if self._halves or not text.isascii():
                text = self._whole(index, text)
            role = _string(piece.get("role"))
            finish = _string(choice.get("finish_reason"))
            if text:
                self._has_text = True
            if finish:
                self._done.add(index)
                self.finished = len(self._done) >= max(self._choices, len(self._seen))
            if text or role or finish:
                deltas.append(Delta(text, index, role, finish, counts, *self._origin))
                counts = None
        if counts is not None:
            deltas.append(Delta("", 0, None, None, counts, *self._origin))
        return deltas

    def _whole(self, index: int, text: str) -> str:
        """`text` without halves of surrogate pairs: a half waits for the next piece, a stray one is replaced.

        Servers that escape text as JSON and cut it by UTF-16 units send the two halves in two events.
        """
        joined = self._halves.pop(index, "") + text
        try:
            joined.encode()
        except UnicodeEncodeError:
            if text and "\ud800" <= joined[-1] <= "\udbff":
                self._halves[index] = joined[-1]
                joined = joined[:-1]
            return _mended(joined)
        return joined

    def _broken(self, what: str, data: str) -> ChatError:
        if self._has_text:
            return ReplyCut(f"The reply was cut: the server sent {what}. {failures.KEPT}")
        return failures.not_a_reply(what, data[:1000], self._server)

    def _check_end(self) -> None:
        if self.ended and not self._seen:
            raise failures.not_a_reply("an event stream without any choice", "", self._server)
        if not self.ended and not self.finished:
            raise ReplyCut(
                f"The reply was cut: the stream ended without end mark and without finish reason. {failures.KEPT}"
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


def whole_deltas(body: bytes, server: Server) -> list[Delta]:
    """The deltas of a reply that came as one JSON object: one for each choice, the usage in the last.

    Raises:
        BadResponse: It is not a reply.
        RequestRefused: It is an error object; a subclass if it fits one.
    """
    value = json_object(body, server)
    if failures.is_error(value):
        raise failures.from_error_object(value, server, after_text=False)
    choices = value.get("choices")
    choices = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if not choices:
        raise failures.not_a_reply("JSON without any choice", first_words(body[:1000]), server)
    origin = _origin(value.get("id"), value.get("object"), value.get("created"), value.get("model"))
    deltas = []
    for position, choice in enumerate(choices):
        message = mapping(choice.get("message")) or mapping(choice.get("delta"))
        deltas.append(
            Delta(
                _mended(_text(message.get("content"))),
                _index(choice.get("index"), position),
                _string(message.get("role")) or "assistant",
                _string(choice.get("finish_reason")),
                _usage(value.get("usage")) if position == len(choices) - 1 else None,
                *origin,
            )
        )
    return deltas


def json_object(body: bytes, server: Server) -> dict[str, object]:
    """The JSON object that the body is.

    Raises:
        BadResponse: It is something else.
    """
    try:
        value = parsed(body)
    except ValueError as error:
        raise not_json(body, server) from error
    if not isinstance(value, dict):
        raise failures.not_a_reply("JSON of another kind", first_words(body[:1000]), server)
    return value


def not_json(body: bytes, server: Server) -> BadResponse:
    """The error for an answer that should be JSON and is not."""
    if not body.strip():
        return failures.not_a_reply("nothing", "", server)
    page = body.lstrip()[:1] == b"<"
    return failures.not_a_reply("a web page" if page else "something else", first_words(body), server)


def _origin(identity: object, kind: object, created: object, model: object) -> KernelIdentity:
    return _string(identity), _string(kind), _integer(created), _string(model)


def _text(content: object) -> str:
    """A piece's text: a string, or the text parts of a list of parts; anything else has none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _text(mapping(part).get("text")) for part in content)
    return ""


def _mended(text: str) -> str:
    """`text` with surrogate pairs joined and stray halves replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    counts = [_integer(value.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    return None if counts == [None, None, None] else Usage(*counts)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    # What counts or dates anything is smaller; digits by the thousand are some mistake, or a joke.
    return value if isinstance(value, int) and abs(value) < 2**53 else None


def _index(value: object, position: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else position
