"""The API's completion objects, whole or in chunks: JSON in, deltas out. Whatever stands in a field, nothing breaks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from llmvision_magic.backends.wire import server_errors
from llmvision_magic.backends.wire.event_stream import is_whole
from llmvision_magic.backends.wire.response_body import json_object
from llmvision_magic.backends.wire.server_messages import Server, first_words, mapping
from llmvision_magic.messages import Delta, Usage, as_name

CompletionHead = tuple[str | None, str | None, int | None, str | None]
"""What all pieces of a reply have in common: id, object, created, model."""


class StreamedCompletion:
    """One completion that comes in chunks. Dies with its stream.

    Args:
        choices: How many choices were asked for.

    Attributes:
        finished: Every choice has told why it ended.
        has_text: Some text has come.
        seen: Indices of the choices that have come.
        halves: For each choice the half of a character that waits for the next piece.
        id: Of the last chunk that was read as a whole, as it came.
        origin: What all deltas of this completion carry.
    """

    def __init__(self, choices: int) -> None:
        self.finished = False
        self.has_text = False
        self.seen: set[int] = set()
        self.halves: dict[int, str] = {}
        self.id: object = None
        self.origin: CompletionHead = (None, None, None, None)
        self._raw_origin: tuple[object, ...] = (None,)
        self._choices = choices
        self._done: set[int] = set()

    def try_plain(self, value: dict[str, object]) -> Delta | None:
        """The delta of nearly every chunk: one choice, a text, nothing else. None when it is anything more."""
        choices = value.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict or self.halves:
            return None
        choice = choices[0]
        piece, index = choice.get("delta"), choice.get("index")
        if type(piece) is not dict or type(index) is not int or choice.get("finish_reason") is not None:
            return None
        text = piece.get("content")
        if not text or type(text) is not str or index not in self.seen or "role" in piece:
            return None
        if not text.isascii() and not is_whole(text):
            return None
        if value.get("usage") is not None or value.get("id") != self.id:
            return None
        self.has_text = True
        return Delta(text, index, None, None, None, *self.origin)

    def deltas(self, value: Mapping[str, object]) -> Sequence[Delta]:
        """The deltas of any chunk: one for each choice that says something, the usage in the first."""
        get = value.get
        raw = (get("id"), get("object"), get("created"), get("model"))
        if raw != self._raw_origin:
            self._raw_origin, self.origin, self.id = raw, _origin(*raw), raw[0]
        usage = get("usage")
        counts = None if usage is None else _usage(usage)
        choices = get("choices")
        deltas = []
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = _index(choice.get("index"), position)
            self.seen.add(index)
            piece = choice.get("delta")
            if not isinstance(piece, dict):
                piece = mapping(choice.get("message"))  # some servers send this even in a stream
            text = piece.get("content")
            if not isinstance(text, str):
                text = _text(text)
            if self.halves or not text.isascii():
                text = self._whole(index, text)
            role = _string(piece.get("role"))
            finish = _string(choice.get("finish_reason"))
            if text:
                self.has_text = True
            if finish:
                self._done.add(index)
                self.finished = len(self._done) >= max(self._choices, len(self.seen))
            if text or role or finish:
                deltas.append(Delta(text, index, role, finish, counts, *self.origin))
                counts = None
        if counts is not None:
            deltas.append(Delta("", 0, None, None, counts, *self.origin))
        return deltas

    def _whole(self, index: int, text: str) -> str:
        """`text` without halves of surrogate pairs: a half waits for the next piece, a stray one is replaced.

        Servers that escape text as JSON and cut it by UTF-16 units send the two halves in two events.
        """
        joined = self.halves.pop(index, "") + text
        try:
            joined.encode()
        except UnicodeEncodeError:
            if text and "\ud800" <= joined[-1] <= "\udbff":
                self.halves[index] = joined[-1]
                joined = joined[:-1]
            return _mended(joined)
        return joined


def whole_deltas(body: bytes, server: Server) -> list[Delta]:
    """The deltas of a reply that came as one JSON object: one for each choice, the usage in the last.

    Raises:
        BadResponse: It is not a reply.
        RequestRefused: It is an error object; a subclass if it fits one.
    """
    value = json_object(body, server)
    if server_errors.is_error(value):
        raise server_errors.from_error_object(value, server, after_text=False)
    choices = value.get("choices")
    choices = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if not choices:
        raise server_errors.not_a_reply("JSON without any choice", first_words(body[:1000]), server)
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


def _origin(identity: object, kind: object, created: object, model: object) -> CompletionHead:
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
    counts = [count if count is not None and count >= 0 else None for count in counts]
    return None if counts == [None, None, None] else Usage(*counts)


def _string(value: object) -> str | None:
    return as_name(value) if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    # What counts or dates anything is smaller; digits by the thousand are some mistake, or a joke.
    return value if isinstance(value, int) and abs(value) < 2**53 else None


def _index(value: object, position: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else position
