"""A small real server of the Chat Completion API, for tests. Standard library only.

Run as ``python tests/support/servers/chat_server.py``: it listens on a free port of 127.0.0.1, prints that port as its
first line, and ends when its standard input does (so also when its parent dies).

Without a script it is a plausible model: ``POST /v1/chat/completions`` answers with Markdown that begins with
``echo: `` and the last user message (streamed or not, as asked; `max_tokens` counts words), ``GET /v1/models`` lists
two models. A script (see `scripting`) says byte by byte what the next requests get instead.

Control, for `ChatServer` in ``control.py``:

======  ==========================  ================================================================
POST    ``/_script``                a JSON list of answers, queued; the first that matches is used
POST    ``/_release?name=&count=``  lets `wait` steps of that name go on
GET     ``/_holding?name=&count=``  answers once so many `wait` steps have been reached since the reset
GET     ``/_requests?count=``       what was received, once there are so many
GET     ``/_ended?count=``          the same, once so many have ended; see the field `ended`
POST    ``/_reset``                 forgets all the above and ends what is being held
======  ==========================  ================================================================
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from scripting import CREATED, MODEL, completion, done, sse, sse_usage, stream, tokens, usage_of, words

MODELS = [MODEL, "test-model-large"]


class ClientGone(Exception):
    """The client closed the connection while a step was going on."""


class Book:
    """All state of the server: scripts, requests, gates. One condition guards and announces it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.epoch = 0
        self.connections = 0
        self.clear()

    def clear(self) -> None:
        with self.changed:
            self.epoch += 1
            self.answers: list[dict] = []
            self.requests: list[dict] = []
            self.released: Counter[str] = Counter()
            self.reached: Counter[str] = Counter()
            self.changed.notify_all()

    def take(self, path: str, body: str) -> dict | None:
        """The first answer of the script that matches, used up unless it repeats."""
        with self.changed:
            for answer in self.answers:
                if answer["path"] not in (None, path) or (answer["contains"] or "") not in body:
                    continue
                if not answer["repeat"]:
                    self.answers.remove(answer)
                return answer
        return None

    def wait_for(self, condition) -> None:
        """Without end: whoever asks for a count knows how long to wait for it."""
        with self.changed:
            self.changed.wait_for(condition)


BOOK = Book()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0

    def setup(self) -> None:
        super().setup()
        with BOOK.changed:
            BOOK.connections += 1
            self.connection_number = BOOK.connections

    def log_message(self, *args: object) -> None:
        """Silent: standard output carries the port and nothing else."""

    def do_GET(self) -> None:
        self.handle_any()

    def do_POST(self) -> None:
        self.handle_any()

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        address = urlsplit(self.path)
        if address.path.startswith("/_"):
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            self.control(address.path, query.get("name", ""), int(query.get("count", 1)), body)
            return
        with BOOK.changed:
            epoch = BOOK.epoch
            record = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body,
                "connection": self.connection_number,
                "ended": None,
            }
            BOOK.requests.append(record)
            BOOK.changed.notify_all()
        answer = BOOK.take(address.path, body) or default_answer(self.command, address.path, body)
        ended = "complete"
        try:
            Performance(self, answer, epoch).run()
        except (ClientGone, OSError):
            ended = "client gone"
            self.close_connection = True
        finally:
            with BOOK.changed:
                record["ended"] = ended
                BOOK.changed.notify_all()

    def control(self, path: str, name: str, count: int, body: str) -> None:
        result: object = None
        ok = True
        if path == "/_script":
            with BOOK.changed:
                BOOK.answers.extend(json.loads(body))
        elif path == "/_release":
            with BOOK.changed:
                BOOK.released[name] += count
                BOOK.changed.notify_all()
        elif path == "/_reset":
            BOOK.clear()
        elif path == "/_holding":
            BOOK.wait_for(lambda: BOOK.reached[name] >= count)
        elif path == "/_requests":
            BOOK.wait_for(lambda: len(BOOK.requests) >= count)
            result = BOOK.requests
        elif path == "/_ended":
            BOOK.wait_for(lambda: sum(record["ended"] is not None for record in BOOK.requests) >= count)
            result = BOOK.requests
        else:
            ok = False
        with BOOK.changed:
            content = json.dumps(result).encode()
        self.send_response(200 if ok else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Performance:
    """Carries out one answer on one connection."""

    def __init__(self, handler: Handler, answer: dict, epoch: int) -> None:
        self.handler = handler
        self.answer = answer
        self.epoch = epoch
        self.socket: socket.socket = handler.connection
        self.headed = False
        self.chunked = answer["chunked"]

    def run(self) -> None:
        for step in self.answer["steps"]:
            [kind] = [key for key in step if key != "rate"]
            if getattr(self, "do_" + kind)(step[kind], step) is False:
                self.handler.close_connection = True
                return
        self.head()
        if self.chunked:
            self.socket.sendall(b"0\r\n\r\n")
        elif "Content-Length" not in self.answer["headers"]:
            self.handler.close_connection = True

    def head(self) -> None:
        """Status line and headers, once."""
        if self.headed:
            return
        self.headed = True
        self.handler.send_response(self.answer["status"])
        for name, value in self.answer["headers"].items():
            self.handler.send_header(name, value)
        if self.chunked:
            self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()

    def write(self, data: bytes) -> None:
        self.head()
        if data:
            self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def pause(self, seconds: float | None) -> None:
        """Wait, watching the client; None: until the reset."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            self.watch()
            time.sleep(0.01 if deadline is None else max(0.0, min(0.01, deadline - time.monotonic())))

    def watch(self) -> None:
        """Raise ClientGone when there is nobody left to send to."""
        if BOOK.epoch != self.epoch:
            raise ClientGone
        readable, _, _ = select.select([self.socket], [], [], 0)
        if readable and not self.socket.recv(1, socket.MSG_PEEK):
            raise ClientGone

    def do_send(self, data: str, step: dict) -> None:
        self.write(base64.b64decode(data))

    def do_raw(self, data: str, step: dict) -> None:
        self.head()
        self.socket.sendall(base64.b64decode(data))

    def do_wait(self, name: str, step: dict) -> None:
        # At the very beginning the headers are held back too; later they have to be out before the wait.
        if step is not self.answer["steps"][0]:
            self.head()
        with BOOK.changed:
            BOOK.reached[name] += 1
            BOOK.changed.notify_all()
        while True:
            with BOOK.changed:
                if BOOK.epoch == self.epoch and BOOK.released[name]:
                    BOOK.released[name] -= 1
                    return
                BOOK.changed.wait(0.01)
            self.watch()

    def do_delay(self, seconds: float, step: dict) -> None:
        self.pause(seconds)

    def do_tokens(self, text: str, step: dict) -> None:
        start = time.monotonic()
        for number, word in enumerate(words(text)):
            if step["rate"]:
                self.pause(start + number / step["rate"] - time.monotonic())
            self.write(sse(word).encode())

    def do_silent(self, _: bool, step: dict) -> None:
        if step is not self.answer["steps"][0]:
            self.head()
        self.pause(None)

    def do_repeated(self, what: dict, step: dict) -> None:
        data = base64.b64decode(what["data"])
        for _ in range(what["count"]):
            self.watch()
            self.write(data)

    def do_pings(self, rate: float, step: dict) -> None:
        while True:
            self.write(b": ping\n\n")
            self.pause(1 / rate)

    def do_close(self, _: bool, step: dict) -> bool:
        if step is not self.answer["steps"][0]:
            self.head()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        return False

    def do_reset(self, _: bool, step: dict) -> bool:
        # Closing with a linger time of zero sends RST instead of FIN (socket(7)). The reading file object holds the
        # descriptor open, hence the detour over it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.rfile.close()
        self.socket.close()
        return False


def default_answer(method: str, path: str, body: str) -> dict:
    """What a plausible model would say."""
    if (method, path) == ("GET", "/v1/models"):
        return plain(
            {"object": "list", "data": [{"id": name, "object": "model", "created": CREATED} for name in MODELS]}
        )
    if (method, path) != ("POST", "/v1/chat/completions"):
        return plain({"error": {"message": f"{method} {path} is not known here", "type": "not_found_error"}}, 404)
    try:
        request = json.loads(body)
        messages = request["messages"]
        last = [text_of(message["content"]) for message in messages if message["role"] == "user"][-1]
    except (ValueError, LookupError, TypeError) as error:
        return plain({"error": {"message": f"not a chat request: {error!r}", "type": "invalid_request_error"}}, 400)
    text = f"echo: {last}\n\nThat was **message {len(messages)}** for `{request.get('model')}`.\n"
    pieces = words(text)
    limit = request.get("max_tokens")
    finish = "length" if limit and limit < len(pieces) else "stop"
    text = "".join(pieces[:limit])
    counts = sum(len(words(text_of(message["content"]))) for message in messages), len(words(text))
    if not request.get("stream"):
        return plain(completion(text, finish=finish, usage=usage_of(*counts)))
    ending = [sse(finish=finish)]
    if (request.get("stream_options") or {}).get("include_usage"):
        ending.append(sse_usage(*counts))
    return stream(sse("", role="assistant"), tokens(text), *ending, done())


def plain(value: object, status: int = 200) -> dict:
    content = json.dumps(value).encode()
    return {
        "steps": [{"send": base64.b64encode(content).decode()}],
        "status": status,
        "headers": {"Content-Type": "application/json", "Content-Length": str(len(content))},
        "chunked": False,
    }


def text_of(content: object) -> str:
    """A message's text; of parts, the text ones, and `[type]` for the others."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is part of the tests; anything else is a fault of the server and ends it, visibly."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)
            os._exit(1)

    def shutdown_request(self, request: socket.socket) -> None:
        if request.fileno() != -1:
            super().shutdown_request(request)


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
