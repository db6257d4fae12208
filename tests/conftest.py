"""Fixtures for all tests. `chat_server` is the one to know: a real model server in a child process, under control.

::

    from servers.scripting import done, failure, sse, stream, wait

    def test_text_before_the_pause_is_shown(chat_server):
        chat_server.script(stream(sse("Hel"), wait(), sse("lo"), sse(finish="stop"), done()))
        ...                        # start the request, in a thread or by stepping a generator
        chat_server.holding()      # returns once the server has sent "Hel" and waits
        ...                        # look
        chat_server.release()      # the rest is sent
        assert chat_server.requests()[0].json["model"] == "test-model"
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from deadline import DEADLINE
from hypothesis import HealthCheck, settings
from kernels import Kernel
from servers.scripting import Answer

# Hypothesis has limits of its own, in fractions of a second, for an example and for the making of one.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@dataclass(frozen=True)
class Received:
    """One request as the server got it.

    Attributes:
        path: With the query.
        headers: Names in lower case.
        body: As text; `json` parses it.
        connection: Number of the TCP connection: equal for two requests that shared one.
        ended: "complete", "client gone" (the client closed the connection before the answer was over), or None while
            the answer is still going on.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str
    connection: int
    ended: str | None

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class ChatServer:
    """Control of the server of ``servers/chat_server.py``. Without a script it answers as a plausible model.

    Attributes:
        root: ``http://127.0.0.1:PORT``.
        url: The base URL for a client: `root` and ``/v1``.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/v1"

    def script(self, *answers: Answer) -> None:
        """Queue what the next requests get, in order; afterwards the default behaviour is back."""
        assert all("steps" in item for item in answers), "script() takes answers (`stream(…)`, `answer(…)`), not steps"
        self._call("POST", "/_script", json.dumps(answers))

    def release(self, name: str = "", count: int = 1) -> None:
        """Let `count` `wait(name)` steps go on: those reached, or the next to be reached."""
        self._call("POST", f"/_release?name={quote(name)}&count={count}")

    def holding(self, name: str = "", count: int = 1) -> None:
        """Return once `count` `wait(name)` steps have been reached (in all, in this test): what precedes is sent."""
        self._call("GET", f"/_holding?name={quote(name)}&count={count}")

    def requests(self, count: int = 0) -> list[Received]:
        """The requests of this test so far; with a count, waits until there are so many."""
        return self._received(f"/_requests?count={count}")

    def ended(self, count: int = 1) -> list[Received]:
        """The requests of this test, once `count` of them have ended (answered, or the client left)."""
        return self._received(f"/_ended?count={count}")

    def reset(self) -> None:
        """Forget scripts and requests, drop what is being held. Done before and after each test."""
        self._call("POST", "/_reset")

    def _received(self, path: str) -> list[Received]:
        return [Received(**record) for record in json.loads(self._call("GET", path))]

    def _call(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read()
        except TimeoutError:
            raise AssertionError(f"the test server waited in vain: {method} {path}") from None
        finally:
            connection.close()
        assert response.status == 200, f"{response.status}: {method} {path}"
        return content


@pytest.fixture(scope="session")
def chat_server_process() -> Iterator[ChatServer]:
    """The child process, one for all tests. It ends with its standard input."""
    script = Path(__file__).parent / "servers" / "chat_server.py"
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield ChatServer(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(DEADLINE) == 0, "the test server ended by a fault of its own; see its traceback"


@pytest.fixture
def chat_server(chat_server_process: ChatServer) -> Iterator[ChatServer]:
    """A model server with nothing scripted and nothing received; see `ChatServer`."""
    chat_server_process.reset()
    yield chat_server_process
    chat_server_process.reset()


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer) -> Iterator[Kernel]:
    """The file's own `kernel_process` with the extension freshly loaded."""
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()


@pytest.fixture
def refused_url() -> str:
    """A base URL where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    for name in os.environ:
        if name.startswith("LLMVISION_"):
            monkeypatch.delenv(name)
