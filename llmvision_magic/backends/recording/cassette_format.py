"""The file of a recording: JSON Lines, UTF-8.

The first line says what it is, each other line is one request with its reply (here broken for reading)::

    {"format": "llmvision-magic recording", "version": 1}

    {"request": {"model": "some-model", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5},
     "default_model": true,
     "reply": {"text": "Good morning.", "model": "some-model-7b", "id": "chatcmpl-1", "object": "chat.completion.chunk",
               "created": 1700000000, "seconds": 0.52},
     "events": [[0.31, 0, {"role": "assistant"}], [0.31, 4], [0.35, 9], [0.35, 0, {"finish_reason": "stop"}],
                [0.52, 0, {"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}]]}

``request``
    What was asked, in normal form (`normal_form`): without ``stream`` and ``stream_options``, numbers in their
    shortest spelling, keys in one order. Of an image there is ``data:image/png;sha256,…`` in place of its bytes. The
    number of a cell (``In[7]``) and the address of an object (``0x7f3a5c``) in a text make no difference.
``default_model``
    true where nobody chose the model: a replay then asks for no particular one. Else absent.
``left_out``
    How many turns of the conversation were not sent, because the context was full. Else absent: then the request
    answers no conversation that has more turns.
``reply``
    ``text`` is the text of the first choice; ``texts`` has those of further ones, by their number ("1", …). ``model``,
    ``id``, ``object`` and ``created`` are the server's; what it did not say is absent. ``seconds`` is the time from
    sending the request to the end, in seconds.
``events``
    How it arrived: seconds since sending, in hundredths; how many characters of the text came; and, where there is
    anything else in that event, an object with it: ``index`` of the choice if it is not 0, ``role``,
    ``finish_reason``, ``usage``, ``remark`` (what was odd about the reply), ``logprobs`` (each a token and its
    logarithm, and where there are alternatives a list of such), and ``model``, ``id``, ``object``, ``created`` where
    they are not those of ``reply``. The last piece of a text takes all that is left of it, so that a text may be
    edited. Without ``events`` the text comes at once and ends with "stop", so that an answer may be written by hand.
``error``
    In place of ``reply`` and ``events``: the server refused. ``type`` is the name of our error, with ``message``,
    ``status``, ``server_message`` and, where it said so, ``prompt_tokens`` and ``context_tokens``.

The same request may stand there several times: it was asked several times, and is answered in this order. Neither
keys nor headers nor addresses are in the file: where the key stood in a text there is ``•••``, and any one word that is
asked in that place will do. A higher version is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmvision_magic.backends.recording.normalized import NormalizedRequest, normal_form
from llmvision_magic.errors import ContextTooLong, RequestRefused
from llmvision_magic.messages import Delta, TokenLogprob, Usage, as_name
from llmvision_magic.schemas import admitted, parsed

FORMAT = "llmvision-magic recording"
VERSION = 1
HEADER = json.dumps({"format": FORMAT, "version": VERSION})

HEAD = ("model", "id", "object", "created")
"""Fields that are mostly the same in all events of a reply."""

WORDS = frozenset(
    (
        *("default_model", "messages", "max_tokens", "temperature", "presence_penalty", "frequency_penalty"),
        *("image_url", "assistant", "finish_reason", "content_filter", "chat.completion", "chat.completion.chunk"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "context_tokens", "server_message", "logprobs"),
        *("RequestRefused", "ContextTooLong"),
    )
)
"""Words of the format, and of the interface, that are long enough to be a key. Whoever gives one as a key has none."""

LONGEST = 1_000_000
"""Seconds that anything in a recording may take: no reply takes days, and waiting has its limits."""

Timed = tuple[float, Delta]
"""Seconds since the request was sent, and what came then."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request with what came of it.

    Attributes:
        events: The reply; empty where there is an error.
        seconds: From sending the request to the end.
        error: The server's refusal; None where it replied.
        left_out: How many turns of the conversation were not sent, because the context was full.
    """

    asked: NormalizedRequest
    events: tuple[Timed, ...] = ()
    seconds: float = 0.0
    error: RequestRefused | None = None
    left_out: int = 0

    def texts(self) -> dict[int, str]:
        """The text of each choice."""
        parts: dict[int, list[str]] = {}
        for _, delta in self.events:
            parts.setdefault(delta.index, []).append(delta.text)
        return {index: "".join(texts) for index, texts in parts.items()}

    def answers_as(self, other: Entry) -> bool:
        """Whether both say the same: a recording is not changed for other times, ids and counts."""
        if self.error is not None or other.error is not None:
            return _told(self.error) == _told(other.error)
        return self.texts() == other.texts() and self._ends() == other._ends() and self.left_out == other.left_out

    def _ends(self) -> dict[int, str]:
        return {delta.index: delta.finish_reason for _, delta in self.events if delta.finish_reason}


def _told(error: RequestRefused | None) -> object:
    return None if error is None else (type(error), error.status, error.server_message)


class _OutOfTime(ValueError):
    """A time that no reply takes."""


def line_of(entry: Entry) -> str:
    """An entry as its line, without the line end."""
    record: dict[str, object] = {"request": entry.asked.body}
    if entry.asked.is_default_model:
        record["default_model"] = True
    if entry.left_out:
        record["left_out"] = entry.left_out
    if entry.error is not None:
        record["error"] = _error_record(entry.error)
    else:
        deltas = [delta for _, delta in entry.events]
        head = {name: next(filter(None, (getattr(delta, name) for delta in deltas)), None) for name in HEAD}
        texts = entry.texts()
        further = {str(index): text for index, text in sorted(texts.items()) if index != 0}
        reply: dict[str, object] = {"text": texts.get(0, "")}
        reply |= {"texts": further} if further else {}
        reply |= {name: value for name, value in head.items() if value is not None}
        record["reply"] = reply | {"seconds": round(entry.seconds, 2)}
        record["events"] = [_event_record(seconds, delta, head) for seconds, delta in entry.events]
    return json.dumps(record, ensure_ascii=False)


def _event_record(seconds: float, delta: Delta, head: Mapping[str, object]) -> list[object]:
    more: dict[str, object] = {"index": delta.index} if delta.index else {}
    for name in ("role", "finish_reason", "remark"):
        if getattr(delta, name) is not None:
            more[name] = getattr(delta, name)
    if delta.usage is not None:
        more["usage"] = delta.usage._asdict()
    if delta.logprobs is not None:
        more["logprobs"] = [_logprob_record(one) for one in delta.logprobs]
    more |= {name: getattr(delta, name) for name in HEAD if getattr(delta, name) != head[name]}
    return [round(seconds, 2), len(delta.text), *([more] if more else [])]


def _logprob_record(one: TokenLogprob) -> list[object]:
    others = [[list(other[:2]) for other in one.alternatives]] if one.alternatives else []
    return [one.token, one.logprob, *others]


def _error_record(error: RequestRefused) -> dict[str, object]:
    record: dict[str, object] = {"type": type(error).__name__, "message": str(error)}
    for name in ("status", "server_message", "prompt_tokens", "context_tokens"):
        if (value := getattr(error, name, None)) is not None:
            record[name] = value
    return record


def entry_from(line: str) -> Entry:
    """The entry that a line holds.

    Raises:
        ValueError: It holds none; the message says why, as the end of a sentence.
    """
    record = parsed(line)
    request = record.get("request") if isinstance(record, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("model"), str) or not request.get("messages"):
        raise ValueError("it has no `request` with a model and messages")
    try:
        asked = NormalizedRequest(normal_form(request), record.get("default_model") is True)
        if "error" in record:
            return Entry(asked, error=_error_from(admitted(record, "recorded refusal")["error"]))
        reply = admitted(record, "recorded reply")["reply"]
        return Entry(
            asked,
            _events_from(reply, record.get("events")),
            _seconds(reply.get("seconds", 0.0)),
            left_out=int(record.get("left_out") or 0),
        )
    except _OutOfTime:
        raise ValueError(f"a time in it is not from 0 to {LONGEST:,} seconds") from None
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("its `reply`, `events` or `error` are not as they should be") from None


def _events_from(reply: Mapping[str, Any], records: Sequence[Sequence[Any]] | None) -> tuple[Timed, ...]:
    texts = {0: reply["text"]}
    texts |= {int(index): text for index, text in reply.get("texts", {}).items()}
    head = {name: reply.get(name) for name in HEAD}
    if not records:
        return tuple((0.0, _delta(text, head, {"index": i, "finish_reason": "stop"})) for i, text in texts.items())
    pieces = [(_seconds(one[0]), int(one[1]), one[2] if len(one) > 2 else {}) for one in records]
    last = {more.get("index", 0): number for number, (_, count, more) in enumerate(pieces) if count}
    for number, (_, _, more) in enumerate(pieces):
        if more.get("index", 0) in texts:
            last.setdefault(more.get("index", 0), number)  # what was written into an empty reply comes with its first
    events, taken = [], dict.fromkeys(texts, 0)
    for number, (seconds, count, more) in enumerate(pieces):
        index = more.get("index", 0)
        begin = taken.setdefault(index, 0)
        taken[index] = len(texts[index]) if last.get(index) == number else begin + count
        events.append((seconds, _delta(texts.get(index, "")[begin : taken[index]], head, more)))
    return tuple(events)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (OverflowError, TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise _OutOfTime
    return seconds


def _delta(text: str, head: Mapping[str, Any], more: Mapping[str, Any]) -> Delta:
    fields = {**head, **more}
    usage = fields.pop("usage", None)
    logprobs = fields.pop("logprobs", None)
    for name, value in fields.items():
        fields[name] = as_name(value) if isinstance(value, str) and name != "remark" else _whole(value)
    counts = {} if usage is None else {name: _whole(count) for name, count in usage.items()}
    return Delta(
        text,
        usage=None if usage is None else Usage(**counts),
        logprobs=None if logprobs is None else tuple(_logprob(*record) for record in logprobs),
        **fields,
    )


def _logprob(token: str, logprob: float, alternatives: Sequence[Any] = ()) -> TokenLogprob:
    return TokenLogprob(token, float(logprob), tuple(_logprob(*other) for other in alternatives))


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)  # the number 5.0 is a whole one in JSON


def _error_from(record: Mapping[str, Any]) -> RequestRefused:
    message, said = record["message"], record.get("server_message", "")
    counts = {name: _whole(record.get(name)) for name in ("status", "prompt_tokens", "context_tokens")}
    if record["type"] == "ContextTooLong":
        return ContextTooLong(message, server_message=said, **counts)
    return RequestRefused(message, server_message=said, status=counts["status"])
