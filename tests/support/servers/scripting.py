"""The vocabulary of `chat_server` scripts: pure functions that build events, steps and answers as plain JSON values.

An *event* is the text of one server-sent event (`sse`, `done`, `event`).
A *step* is one thing the server does on the connection (`send`, `wait`, `tokens`, `silent`, …); a plain string is sent.
An *answer* is what one request gets (`stream`, `reply`, `failure`, `answer`); a script is a list of answers.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence

Step = str | bytes | Mapping[str, object]
Answer = dict[str, object]

MODEL = "test-model"
CREATED = 1_700_000_000
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


# --- events ---------------------------------------------------------------------------------------------------------


def event(value: object) -> str:
    """One event whose data is `value` as JSON."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def sse(
    text: str | None = None,
    *,
    finish: str | None = None,
    role: str | None = None,
    index: int = 0,
    usage: Mapping[str, int] | None = None,
    **extra: object,
) -> str:
    """One chunk of a streamed reply: `sse("Hel")`, `sse(role="assistant")`, `sse(finish="stop")`."""
    delta: dict[str, object] = {}
    if role is not None:
        delta["role"] = role
    if text is not None:
        delta["content"] = text
    return event(_chunk([{"index": index, "delta": delta, "finish_reason": finish}], usage, extra))


def sse_usage(prompt: int, completion: int) -> str:
    """The last chunk of a stream that was asked for its usage: no choices, only counts."""
    return event(_chunk([], usage_of(prompt, completion), {}))


def done() -> str:
    """The end mark."""
    return "data: [DONE]\n\n"


def usage_of(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _chunk(
    choices: list[dict[str, object]], usage: Mapping[str, int] | None, extra: Mapping[str, object]
) -> dict[str, object]:
    chunk: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "choices": choices,
    }
    if usage is not None:
        chunk["usage"] = dict(usage)
    return chunk | dict(extra)


# --- steps ----------------------------------------------------------------------------------------------------------


def send(data: str | bytes) -> Step:
    """Send these bytes at once, as one chunk of the body. A plain str or bytes among the steps means the same."""
    raw = data.encode() if isinstance(data, str) else data
    return {"send": base64.b64encode(raw).decode()}


def raw(data: str | bytes) -> Step:
    """Send these bytes without HTTP chunk framing: to break HTTP itself."""
    data = data.encode() if isinstance(data, str) else data
    return {"raw": base64.b64encode(data).decode()}


def wait(name: str = "") -> Step:
    """Hold here until the test calls `release(name)`. Put it first to hold back even the status line and headers."""
    return {"wait": name}


def delay(seconds: float) -> Step:
    """Do nothing for so many seconds. Prefer `wait`: it needs no luck."""
    return {"delay": seconds}


def tokens(text: str, rate: float | None = None) -> Step:
    """Stream `text` word by word as chunks, `rate` words a second (None: as fast as it goes)."""
    return {"tokens": text, "rate": rate}


def silent() -> Step:
    """Send nothing more and keep the connection open until the client leaves."""
    return {"silent": True}


def repeated(data: str | bytes, count: int) -> Step:
    """Send these bytes `count` times, each time as a chunk of the body: a giant reply by a small script."""
    raw = data.encode() if isinstance(data, str) else data
    return {"repeated": {"data": base64.b64encode(raw).decode(), "count": count}}


def pings(rate: float) -> Step:
    """Send nothing but comment lines, `rate` a second, until the client leaves."""
    return {"pings": rate}


def close() -> Step:
    """Close the connection here, in the middle of whatever was being sent; as the first step: before the headers."""
    return {"close": True}


def reset() -> Step:
    """Reset the connection here (TCP RST)."""
    return {"reset": True}


def words(text: str) -> list[str]:
    """`text` in pieces as `tokens` sends them; joined they give `text`."""
    return re.findall(r"\s*\S+|\s+$", text)


# --- answers --------------------------------------------------------------------------------------------------------


def answer(
    *steps: Step,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    path: str | None = None,
    contains: str | None = None,
    repeat: bool = False,
    chunked: bool = True,
) -> Answer:
    """What one request gets.

    Args:
        steps: Done in order. Status line and headers go out before the first step that sends something.
        status: HTTP status.
        headers: Response headers.
        path: Only for requests to this path ("/v1/models"); None: for any.
        contains: Only for requests whose body contains this text: to serve several conversations at once.
        repeat: Stays for further requests instead of being used up.
        chunked: Frame the body in HTTP chunks; else the body ends with the connection, unless `headers` has a
            Content-Length.
    """
    return {
        "steps": [send(step) if isinstance(step, (str, bytes)) else dict(step) for step in steps],
        "status": status,
        "headers": dict(headers or {}),
        "path": path,
        "contains": contains,
        "repeat": repeat,
        "chunked": chunked,
    }


def stream(*steps: Step, headers: Mapping[str, str] | None = None, **options: object) -> Answer:
    """An event stream: `stream(sse("Hi"), wait(), sse(finish="stop"), done())`. Options as of `answer`."""
    return answer(*steps, headers=EVENT_STREAM | dict(headers or {}), **options)  # type: ignore[arg-type]


def text_stream(text: str, *, rate: float | None = None, finish: str = "stop", **options: object) -> Answer:
    """A whole well-formed streamed reply."""
    return stream(tokens(text, rate), sse(finish=finish), done(), **options)


def json_answer(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None, **options: object
) -> Answer:
    """Any JSON value as the body."""
    return answer(
        json.dumps(value),
        status=status,
        headers=JSON | dict(headers or {}),
        **options,  # type: ignore[arg-type]
    )


def reply(
    text: str | None = "Hello.",
    *,
    finish: str = "stop",
    usage: Mapping[str, int] | None = None,
    choices: Sequence[Mapping[str, object]] | None = None,
    **options: object,
) -> Answer:
    """A whole reply as one JSON object (not streamed)."""
    return json_answer(completion(text, finish=finish, usage=usage, choices=choices), **options)  # type: ignore[arg-type]


def completion(
    text: str | None = "Hello.",
    *,
    finish: str = "stop",
    usage: Mapping[str, int] | None = None,
    choices: Sequence[Mapping[str, object]] | None = None,
) -> dict[str, object]:
    """The body of `reply`."""
    if choices is None:
        choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}]
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [dict(choice) for choice in choices],
    }
    if usage is not None:
        body["usage"] = dict(usage)
    return body


def failure(status: int, message: str = "", *, headers: Mapping[str, str] | None = None, **error: object) -> Answer:
    """An error status with `{"error": {"message": …}}`: `failure(429, "slow down", headers={"Retry-After": "1"})`.

    Further keywords become fields of the error object (`code=…`, `type=…`, `n_ctx=…`); `repeat=True` is the option.
    """
    repeat = bool(error.pop("repeat", False))
    return json_answer({"error": {"message": message, **error}}, status=status, headers=headers, repeat=repeat)
