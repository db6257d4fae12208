"""Time limits and stopping, where the waiting happens: at the socket.

The HTTP library knows a limit for each read, and no way to end a read from elsewhere. Here each read asks the request
it is made for (a `Call`) how much time is left until its next event, and shows it the socket, so that a `Stop` can
wake the read by shutting the socket down.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import typing
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

import httpcore
import httpx

from llmvision_magic.backends.wire.chunked_body import ChunkedBody

if typing.TYPE_CHECKING:
    from llmvision_magic.stop import Stop

READ_SIZE = 64 * 1024  # bytes

# The request that this thread is waiting for. Set around each blocking step only: a generator between two steps may be
# resumed by another thread.
_waiting = threading.local()

# As the network backend's interface declares it; its alias is not exported.
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Call:
    """One request on its way.

    A context manager: while entered, `stop` wakes what blocks.

    Attributes:
        stop: Ends the call.
        limit: Longest silence until the next event, in seconds; counted from the first wait after the last event.
    """

    def __init__(self, stop: Stop, limit: float) -> None:
        self.stop = stop
        self.limit = limit
        self._deadline: float | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Call:
        self._forget = self.stop.wake(self._wake)
        return self

    def __exit__(self, *exception: object) -> None:
        self._forget()

    def wait(self) -> None:
        """Before each step of this call that may block. Not a context manager: it stands around each piece read."""
        _waiting.call = self

    def go_on(self) -> None:
        """After each step that may block."""
        _waiting.call = None

    def heard(self) -> None:
        """An event has come: the time until the next begins with the next wait."""
        self._deadline = None

    def time_left(self, limit: float | None) -> float:
        """Seconds that may still be waited, and no more than `limit`; not above 0 when they are over."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self.limit
        left = self._deadline - now
        return left if limit is None else min(left, limit)

    def show(self, connection: socket.socket | None) -> None:
        """Before a blocking use of the socket: what `stop` has to shut down. `hide` must follow it.

        Not a context manager, for it stands around each read.

        Raises:
            httpcore.ReadError: The stop is set already.
        """
        self._socket = connection
        # After the socket is shown: a stop set before this line is seen here, one set later sees the socket.
        if self.stop.is_set:
            self._socket = None
            raise httpcore.ReadError("stopped")

    def hide(self) -> None:
        """After the blocking use: from here on the connection may serve another request."""
        self._socket = None

    def _wake(self) -> None:
        """Called by `stop`, in any thread or in a signal handler: no lock, nothing that blocks."""
        connection = self._socket
        if connection is not None:
            # Not SSLSocket's own shutdown: that takes the TLS object away under the read that uses it. An error says
            # that the connection is closed already: nothing is left to be woken.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _current() -> Call | None:
    return getattr(_waiting, "call", None)


class WatchedStream(httpcore.NetworkStream):
    """A connection that asks the current call for its limit and can be woken."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._socket: socket.socket | None = inner.get_extra_info("socket")
        self._response = ChunkedBody()
        self._ending: Exception | Literal["end"] | None = None  # what the library has still to be told

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not (data := self._response.hand_on()):
            if isinstance(self._ending, Exception):
                raise self._ending
            if self._ending is not None or not (came := self._read(max_bytes, timeout)):
                return b""
            self._response.feed(came)
        return data

    def take(self) -> bytes:
        """The next bytes of a response's body, as soon as there are any; to be called after its head was read.

        Empty when the rest has to be read through the library: at the end, when there is an error to be told, and
        whenever it is no plain body in chunks.
        """
        while not (data := self._response.take()):
            if not self._response.is_open or self._ending is not None:
                return b""
            try:
                came = self._read(READ_SIZE, None)
            except Exception as error:
                self._ending = error
                return b""
            if came:
                self._response.feed(came)
            else:
                self._ending = "end"
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        call = _current()
        if call is None:
            return self._inner.read(max_bytes, timeout)
        call.show(self._socket)
        try:
            left = call.time_left(timeout)
            if left <= 0:
                raise httpcore.ReadTimeout("the time until the next event is over")
            return self._inner.read(max_bytes, left)
        finally:
            call.hide()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._response, self._ending = ChunkedBody(), None  # of the response to what is being sent
        call = _current()
        if call is None:
            self._inner.write(buffer, timeout)
            return
        call.show(self._socket)
        try:
            left = call.time_left(timeout)
            if left <= 0:
                raise httpcore.WriteTimeout("the time until the first event is over")
            self._inner.write(buffer, left)
        finally:
            call.hide()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        call = _current()
        if call is None or self._socket is None:
            return WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        # The handshake takes the descriptor out of this socket object; a duplicate reaches the same connection.
        with self._socket.dup() as duplicate:
            call.show(duplicate)
            try:
                return WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
            finally:
                call.hide()

    def get_extra_info(self, info: str) -> typing.Any:
        return self._inner.get_extra_info(info)


class WatchedBackend(httpcore.NetworkBackend):
    """Makes the connections of a pool, as `inner` would, and has them watched."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        call = _current()
        if call is not None and call.stop.is_set:
            # Connecting cannot be woken. Whoever waited has left, and nothing is to be sent any more.
            stream.close()
            raise httpcore.ConnectError("stopped")
        return WatchedStream(stream)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def watch(client: httpx.Client) -> int:
    """Have the connections of `client` watched, those through a proxy too.

    The pools' backend is settable only where the client's own handling of proxies and certificates would have to be
    written again; so a private attribute is replaced. Without it requests work all the same: limits then count from
    read to read, and a stop takes effect with the next byte.

    Returns:
        How many pools are watched.
    """
    watched = 0
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and isinstance(backend, httpcore.NetworkBackend):
            pool._network_backend = WatchedBackend(backend)
            watched += 1
    return watched
