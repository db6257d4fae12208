"""The test's side of the model server: it starts as a child process, is told what to answer, tells what it got."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from support.deadline import DEADLINE
from support.servers.scripting import Answer

PROGRAM = Path(__file__).parent / "chat_server.py"


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
    """Control of the server of ``chat_server.py``. Without a script it answers as a plausible model.

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


@contextmanager
def running_chat_server() -> Iterator[ChatServer]:
    """A server in a child process. It ends with its standard input."""
    with subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield ChatServer(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(DEADLINE) == 0, "the test server ended by a fault of its own; see its traceback"
