"""The API's completion objects, whole or in chunks: JSON in, deltas out. Whatever stands in a field, nothing breaks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire import server_errors
from llmvision_magic.backends.wire.event_stream import is_whole
from llmvision_magic.backends.wire.response_body import json_object
from llmvision_magic.backends.wire.server_messages import Server, first_words, mapping
from llmvision_magic.backends.wire.usage_counts import UsageCounter, usage_from
from llmvision_magic.errors import ChatError
from llmvision_magic.finish_reasons import ending_of
from llmvision_magic.messages import Delta, as_name

if TYPE_CHECKING:
    from llmvision_magic.messages import Usage

CompletionHead = tuple[str | None, str | None, int | None, str | None]
"""What all pieces of a reply have in common: id, object, created, model."""

REFUSED = "The model refused; these are the words of its refusal."


class StreamedCompletion:
    """One completion that comes in chunks. Dies with its stream.

    Args:
        choices: How many choices were asked for.

    Attributes:
        has_text: Some text has come.
        seen: Indices of the choices that have come.
        halves: For each choice the half of a character that waits for the next piece.
        id: Of the last chunk that was read as a whole, as it came.
        origin: What all deltas of this completion carry.
        error: An error object that came inside a choice.
        remarks: What is odd about it, as sentences.
    """

    def __init__(self, choices: int) -> None:
        self.has_text = False
        self.seen: set[int] = set()
        self.halves: dict[int, str] = {}
        self.id: object = None
        self.origin: CompletionHead = (None, None, None, None)
        self.error: object = None
        self.remarks: list[str] = []
        self._raw_origin: tuple[object, ...] = (None,)
        self._choices = choices
        self._usage = UsageCounter(choices)
        self._done: dict[int, str] = {}

    @property
    def finished(self) -> bool:
        """Whether every choice has told why it ended."""
        return len(self._done) >= max(self._choices, len(self.seen))

    @property
    def has_ended(self) -> bool:
        """Whether every choice that came has told so; some servers send fewer than were asked for."""
        return bool(self._done) and len(self._done) == len(self.seen)

    @property
    def is_broken(self) -> bool:
        """Whether a choice has told that it broke off; why may follow."""
        return any(ending_of(reason) == "broken" for reason in self._done.values())

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
        get = choice.get
        if get("logprobs") or get("error") or get("usage") or piece.get("refusal") or piece.get("error"):
            return None
        self.has_text = True
        return Delta(text, index, None, None, None, *self.origin)

    def deltas(self, value: Mapping[str, object]) -> list[Delta]:
        """The deltas of any chunk: one for each choice that says something, the usage in the last."""
        get = value.get
        raw = (get("id"), get("object"), get("created"), get("model"))
        if raw != self._raw_origin:
            self._raw_origin, self.origin, self.id = raw, _origin(*raw), raw[0]
        choices = get("choices")
        listed = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        deltas = []
        for position, choice in enumerate(listed):
            index = _index(choice.get("index"), position)
            self.seen.add(index)
            piece = choice.get("delta")
            if not isinstance(piece, dict):
                piece = mapping(choice.get("message"))  # some servers send this even in a stream
            text = self._text(index, piece)
            role = _string(piece.get("role"))
            finish = _string(choice.get("finish_reason"))
            logprobs = None
            if told := choice.get("logprobs"):
                # Not for the many chats that do not ask for them.
                from llmvision_magic.backends.wire.token_logprobs import logprobs_from

                logprobs = logprobs_from(told)
            if text:
                self.has_text = True
            if finish:
                self._done[index] = finish
            self.error = self.error or choice.get("error") or piece.get("error")
            if text or role or finish or logprobs:
                deltas.append(Delta(text, index, role, finish, None, *self.origin, logprobs))
        usage = self._counted(get("usage"), listed)
        if usage is not None:
            if not deltas:
                deltas.append(Delta("", 0, None, None, None, *self.origin))
            deltas[-1].usage = usage
        return deltas

    def _text(self, index: int, piece: Mapping[str, object]) -> str:
        """The text of a piece, that of a refusal too."""
        text = piece.get("content")
        if not isinstance(text, str):
            text = _text_in(text)
        refusal = piece.get("refusal")
        if isinstance(refusal, str) and refusal:
            self.remark(REFUSED)
            text = text if text == refusal else text + refusal
        return text if text.isascii() and not self.halves else self._whole(index, text)

    def _counted(self, value: object, choices: list[dict[str, object]]) -> Usage | None:
        """The usage so far, where this chunk tells any: beside its choices, or in one of them."""
        alone = _index(choices[0].get("index"), 0) if len(choices) == 1 else None
        told = usage_from(value)
        total = None if told is None else self._usage.add(told, alone)
        for position, choice in enumerate(choices):
            own = usage_from(choice.get("usage"))
            if own is not None and told is None:
                total = self._usage.add(own, _index(choice.get("index"), position))
        return total

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

    def remark(self, sentence: str) -> None:
        """Note what is odd, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def end(self, server: Server) -> Iterator[Delta]:
        """What there is to say when nothing more comes and no choice was left unfinished.

        Raises:
            ReplyCut: The finish reason says that the reply broke off.
            RequestRefused: So it does, and no text had come.
        """
        for index in list(self.halves):
            yield Delta(_mended(self.halves.pop(index)), index, None, None, None, *self.origin)
        if 0 < len(self.seen) < self._choices:
            self.remark(f"Of the choices asked for {len(self.seen)} of {self._choices} came.")
        first = min(self._done, default=0)
        broken = [index for index in sorted(self._done) if index != first and ending_of(self._done[index]) == "broken"]
        if broken:
            which = f"Choice {broken[0] + 1}" + (f" and {len(broken) - 1:,} more" if len(broken) > 1 else "")
            self.remark(f"{which} broke off (“{server.quoted(self._done[broken[0]], 40)}”).")
        for sentence in self.remarks:
            yield Delta("", 0, None, None, None, *self.origin, None, sentence)
        if ending_of(self._done.get(first)) == "broken":
            raise server_errors.from_finish_reason(self._done[first], server, after_text=self.has_text)


def whole_deltas(body: bytes, server: Server, *, choices: int = 1) -> Iterable[Delta]:
    """The deltas of a reply that came as one JSON object: one for each choice, the usage in the last.

    Args:
        choices: How many completions were asked for.

    Raises:
        BadResponse: It is not a reply.
        RequestRefused: It is an error object; a subclass if it fits one.
        ReplyCut: Raised behind the deltas: a choice says that it broke off.
    """
    value = json_object(body, server)
    if server_errors.is_error(value):
        raise server_errors.from_error_object(value, server, after_text=False)
    completion = StreamedCompletion(choices)
    deltas = completion.deltas(value)
    if not completion.seen:
        raise server_errors.not_a_reply("JSON without any choice", first_words(body[:1000]), server)
    failure: ChatError | None = None
    if completion.error:
        failure = server_errors.from_error_object(completion.error, server, after_text=completion.has_text)
    else:
        try:
            deltas.extend(completion.end(server))  # what came before an exception stays there
        except ChatError as error:
            failure = error
    if failure is not None and not completion.has_text:
        raise failure
    return deltas if failure is None else _followed_by(deltas, failure)


def _followed_by(deltas: list[Delta], failure: ChatError) -> Iterator[Delta]:
    yield from deltas
    raise failure


def _origin(identity: object, kind: object, created: object, model: object) -> CompletionHead:
    return _string(identity), _string(kind), _integer(created), _string(model)


def _text_in(content: object) -> str:
    """A piece's text where it is no string: the text parts of a list of parts; anything else has none."""
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _text_of(mapping(part).get("text")) for part in content)
    return ""


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else _text_in(value)


def _mended(text: str) -> str:
    """`text` with surrogate pairs joined and stray halves replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


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
