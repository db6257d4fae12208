"""Small servers in a thread of the test, for what is below or beside HTTP; kernels reach them over the loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from support.deadline import DEADLINE


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Calls `serve` with each connection, in a thread of its own, and closes it afterwards.

    Yields:
        Its port.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        connections: list[socket.socket] = []

        def run(connection: socket.socket) -> None:
            # What a client does to its connection is not the server's fault.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(DEADLINE)  # one that is silent for longer was forgotten
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # shut down
                connections.append(connection)
                threading.Thread(target=run, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        stack.callback(thread.join, 10)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)  # wakes `accept`; closing alone does not
        yield listener.getsockname()[1]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def full_listener() -> Iterator[int]:
    """A port that takes no further connection: its queue is full and nobody accepts.

    Yields:
        The port.
    """
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


class Proxy:
    """A proxy for plain http that notes what it is asked, and asks the same server whatever the host is.

    Args:
        port: Port of that server on this machine.

    Attributes:
        asked: Target of each request, as it came: proxies are asked by the whole address.
        heads: Request line and headers of each request.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []
        self.heads: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        """Pass one request on, and its answer back."""
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return
            head += received
        text, _, body = head.partition(b"\r\n\r\n")
        line, _, headers = text.decode("latin-1").partition("\r\n")
        method, target, version = line.split(" ")
        self.asked.append(target)
        self.heads.append(text.decode("latin-1"))
        path = urlsplit(target).path
        # One request a connection, so that nothing has to be counted.
        kept = [each for each in headers.split("\r\n") if not each.lower().startswith(("connection", "proxy-"))]
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            forwarded = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close"])
            server.sendall(forwarded.encode("latin-1") + b"\r\n\r\n" + body)
            threading.Thread(target=_pass_on, args=(connection, server), daemon=True).start()
            _pass_on(server, connection)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
