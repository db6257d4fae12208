"""The benchmark's model server: a process of its own that streams a document, one token an event.

The model's name says what: ``mixed-10000`` at full speed, ``mixed-10000@2000`` at 2,000 tokens a second,
``mixed-50@100+30`` after 30 ms of thought. It prints its port, makes the replies ready that standard input names, one
a line, and ends with it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).parent))
from documents import tokens

HEADERS = ("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "", "")
HEAD = "\r\n".join(HEADERS).encode()


def _event(delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
    choices = [] if more.get("usage") else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "benchmark",
        "choices": choices,
        **more,
    }
    return _chunk(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@lru_cache
def events(kind: str, count: int) -> list[bytes]:
    """The HTTP chunks of a reply, one an event."""
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    return [
        *(_event({"content": token}) for token in tokens(kind, count)),
        _event({}, "stop"),
        _event({}, usage=usage),
        _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    ]


def _read_request(connection: socket.socket) -> dict[str, object] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return json.loads(body)


def _reply(model: str) -> list[bytes]:
    kind, _, count = model.partition("@")[0].partition("-")
    return events(kind, int(count))


def _answer(connection: socket.socket, model: str) -> None:
    parts = _reply(model)
    rate, _, thought = model.partition("@")[2].partition("+")
    if thought:
        time.sleep(float(thought) / 1000)
    connection.sendall(HEAD)
    begin = time.monotonic()
    # The times of the first and the last event, by the clock that all processes of the machine share.
    first, last = time.time(), None
    try:
        for number, part in enumerate(parts):
            if rate:
                due = begin + min(number, len(parts) - 3) / float(rate)
                while (left := due - time.monotonic()) > 0:
                    time.sleep(left)
            if number == len(parts) - 3:
                last = time.time()  # the finish reason; usage and end mark follow at once
            connection.sendall(part)
    finally:  # some clients leave after the finish reason
        _note(model, first, last)


def _note(model: str, first: float, last: float | None) -> None:
    sys.stdout.write(json.dumps({"model": model, "first": first, "last": last}) + "\n")
    sys.stdout.flush()


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        try:
            while (request := _read_request(connection)) is not None:
                _answer(connection, str(request["model"]))
        except OSError:
            return  # the client has left


def _follow(lines: TextIO) -> None:
    for model in lines:
        _reply(model.strip())
    os._exit(0)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_follow, args=(sys.stdin,), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
