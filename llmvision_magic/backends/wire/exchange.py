"""One request and its answer on one connection, with the library's exceptions turned into ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, cast

import httpx

from llmvision_magic.backends.wire import error_mapping, retries, server_errors
from llmvision_magic.backends.wire.response_body import tells_kind
from llmvision_magic.backends.wire.server_messages import Server, first_words, message_of, parsed
from llmvision_magic.backends.wire.stream_decoder import LARGEST_EVENT
from llmvision_magic.backends.wire.transport import Call, WatchedStream
from llmvision_magic.errors import BadResponse, ChatError, RequestRefused

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.request import Timeouts

LARGEST_REFUSAL = 64 * 1024  # bytes read of an answer that is only going to be quoted
DRAIN = 0.05  # seconds


class Exchange:
    """Iterating gives the body's bytes as they arrive, decoded from their content encoding.

    Iterating raises `ChatError`; `send` lets the library's exceptions through, for who sends again has to see them.

    Attributes:
        before_reading: Called before each read after the first; the time it takes is not the server's.
    """

    def __init__(self, call: Call, server: Server, timeouts: Timeouts) -> None:
        self._call = call
        self._server = server
        self._timeouts = timeouts
        self._began = False
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._head = b""
        self.before_reading: Callable[[], None] = nothing_to_do

    def send(self, client: httpx.Client, method: str, url: str, content: bytes | None) -> None:
        """Send, and wait for status and headers."""
        # The time that an earlier try took does not count.
        self._call.heard()
        request = client.build_request(method, url, content=content)
        self._call.wait()
        try:
            self._response = client.send(request, stream=True)
        finally:
            self._call.go_on()
        if "content-encoding" in self._response.headers:
            self._chunks = self._response.iter_bytes()
            return
        # Decoding what is not encoded costs as much as all the rest of the reading.
        self._chunks = iter(cast(httpx.SyncByteStream, self._response.stream))
        connection = self._response.extensions.get("network_stream")
        if isinstance(connection, WatchedStream):
            # As far as it is in plain chunks the body comes straight from the connection; the library reads the rest.
            self._chunks = chain(iter(connection.take, b""), self._chunks)

    def close(self) -> None:
        """Close the answer, and the connection if the answer is not over."""
        if self._response is not None:
            self._response.close()

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def content_type(self) -> str:
        value: str = self._answer.headers.get("content-type", "")
        return value.lower()

    def asked_pause(self) -> float | None:
        """Seconds the server asks to wait."""
        return retries.asked_pause(self._answer.headers)

    def heard(self, limit: float) -> None:
        """An event has come; the next may take `limit` seconds."""
        self._began = True
        self._call.limit = limit
        self._call.heard()

    def failure(self, error: Exception) -> ChatError:
        """What an exception of the library means at this point, with its cause."""
        failure = error_mapping.from_exception(error, self._server, self._timeouts, began=self._began)
        for cause in error_mapping.causes(error):  # who logs the whole of it shall find no key in what they quote
            cause.args = tuple(self._server.masked(one) if isinstance(one, str) else one for one in cause.args)
        failure.__cause__ = error
        return failure

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            head, self._head = self._head, b""
            yield head
        call = self._call
        try:
            call.wait()
            for chunk in self._chunks:
                call.go_on()
                yield chunk
                self.before_reading()
                call.wait()
        except error_mapping.HTTP_EXCEPTIONS as error:
            raise self.failure(error) from error
        finally:
            call.go_on()

    def head(self) -> bytes:
        """The body from its first character that is not blank, until it tells its kind; iterating begins there."""
        head = b""
        for chunk in self:
            head = (head + chunk).removeprefix(b"\xef\xbb\xbf").lstrip()
            if tells_kind(head):
                break
        self._head = head
        return head

    def body(self, limit: int = LARGEST_EVENT) -> bytes:
        """The rest of the body.

        Raises:
            BadResponse: It is longer than `limit` bytes.
        """
        body = bytearray()
        for chunk in self:
            body += chunk
            if len(body) > limit:
                raise server_errors.not_a_reply(f"an answer of more than {limit // 1024**2} MiB", "", self._server)
        return bytes(body)

    def refusal(self, model: str) -> RequestRefused | BadResponse:
        """The error that an answer without a reply is. Closes the answer."""
        body = bytearray()
        try:
            for chunk in self:
                body += chunk
                if len(body) > LARGEST_REFUSAL:
                    break
        except ChatError:
            pass  # the status alone says enough
        finally:
            self.close()
        if self.status < 300:
            return server_errors.not_a_reply("something else", first_words(bytes(body)), self._server)
        try:
            answer = parsed(bytes(body))
        except ValueError:
            answer = None
        return server_errors.from_status(
            self.status,
            message_of(bytes(body)),
            answer,
            self._server,
            model=model,
            location=_without_userinfo(self._answer.headers.get("location", "")),
            asked_pause=self.asked_pause(),
        )

    def drain(self) -> None:
        """Read what follows the end mark, a moment long, so that the connection can serve the next request."""
        self._call.limit = DRAIN
        self._call.heard()
        try:
            for _ in self:
                pass
        except ChatError:
            pass  # then the connection is closed

    @property
    def _answer(self) -> httpx.Response:
        if self._response is None:
            raise RuntimeError("nothing was sent")
        return self._response


def nothing_to_do() -> None:
    """Before a read."""


def _without_userinfo(location: str) -> str:
    try:
        url = httpx.URL(location)
    except httpx.InvalidURL:
        return ""
    return str(url.copy_with(userinfo=b"")) if url.userinfo else location
