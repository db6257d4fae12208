"""The exceptions of the HTTP library as our errors: which of them each is, and what the sentence says."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from llmvision_magic.backends.wire.server_errors import KEPT
from llmvision_magic.errors import (
    BadResponse,
    ChatError,
    InvalidInput,
    NoReply,
    NotConnected,
    ReplyCut,
)

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.request import Timeouts
    from llmvision_magic.backends.wire.server_messages import Server

# Which of our errors an exception is while no event of the reply has arrived. The entry nearest to the exception's own
# class counts. Once an event has arrived, all of them mean that the reply was cut.
BEFORE_REPLY: dict[type[Exception], type[ChatError]] = {
    httpx.HTTPError: NotConnected,
    httpx.TimeoutException: NoReply,
    httpx.ConnectTimeout: NotConnected,
    httpx.PoolTimeout: NotConnected,
    httpx.LocalProtocolError: InvalidInput,
    httpx.UnsupportedProtocol: InvalidInput,
    httpx.RemoteProtocolError: BadResponse,
    httpx.DecodingError: BadResponse,
    httpx.TooManyRedirects: BadResponse,
    httpx.HTTPStatusError: BadResponse,
    httpx.InvalidURL: InvalidInput,
    httpx.CookieConflict: BadResponse,
    httpx.StreamError: NotConnected,
}
HTTP_EXCEPTIONS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what lies behind it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def from_exception(error: Exception, server: Server, timeouts: Timeouts, *, began: bool) -> ChatError:
    """What an exception of the HTTP library means to the user.

    Args:
        error: One of `HTTP_EXCEPTIONS`.
        server: Whom we talked to.
        timeouts: The limits that held, for the sentence.
        began: Whether an event of the reply had arrived.
    """
    if began:
        if isinstance(error, httpx.TimeoutException):
            return ReplyCut(f"The reply was cut: nothing came for {timeouts.between_events:g} s. {KEPT}")
        return ReplyCut(f"The reply was cut: {_circumstance(error)}. {KEPT}")
    kind = next(BEFORE_REPLY[cls] for cls in type(error).__mro__ if cls in BEFORE_REPLY)
    if kind is BadResponse and isinstance(error, httpx.RemoteProtocolError) and _is_hangup(error):
        kind = NotConnected
    return kind(_sentence(kind, error, server, timeouts))


def _sentence(kind: type[ChatError], error: Exception, server: Server, timeouts: Timeouts) -> str:
    if kind is NoReply:
        return (
            f"The server at {server.address} took the request and sent nothing for {timeouts.first_event:g} s: "
            "try again, or allow more time."
        )
    if kind is InvalidInput:
        return f"No request can be made to {server.address}: {server.quoted(str(error))}. Check the base URL."
    if kind is BadResponse:
        return (
            f"The answer from {server.address} is not HTTP as it should be ({server.quoted(str(error), 120)}): "
            "check the base URL, also http against https."
        )
    if isinstance(error, httpx.ConnectTimeout):
        return f"No connection to {server.address} within {timeouts.connect:g} s: check the base URL and the network."
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError)):
        return f"No connection to {server.address}{_through(server.address)}: {_circumstance(error)}."
    return (
        f"The connection to {server.address} ended before the reply began ({_circumstance(error)}): "
        "the request may have been received and is not sent again by itself; ask again."
    )


def _through(address: str) -> str:
    """The proxy that the environment puts before this address, in words; it may be what cannot be reached."""
    parts = urlsplit(address)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return ""
    host = urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2]
    return f" through the proxy {host} (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)"


def _circumstance(error: Exception) -> str:
    """What happened to the connection, and if it could not be made what to try."""
    for cause in causes(error):
        if isinstance(cause, httpx.ProxyError):
            return "the proxy refused; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); SSL_CERT_FILE names further authorities"
        if isinstance(cause, ssl.SSLError) and isinstance(error, httpx.ConnectError):
            return "no TLS could be agreed on; check http against https in the base URL"
        if isinstance(cause, socket.gaierror):
            return "the host's name is not known; check the base URL and the network"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there (connection refused); start the server or check the base URL"
        if isinstance(cause, ConnectionResetError):
            return "the connection was reset"
        if isinstance(cause, httpx.DecodingError):
            return "its content encoding is broken"
    if isinstance(error, httpx.RemoteProtocolError) and not _is_hangup(error):
        return "what came was not HTTP as it should be"
    if isinstance(error, httpx.ConnectError):
        # Of the operating system, in its own words: no route, network unreachable, …
        return str(error) or "the connection failed"
    return "the server closed the connection"


def _is_hangup(error: httpx.RemoteProtocolError) -> bool:
    """Whether the peer went away, and not: spoke something else than HTTP. Only the wording tells."""
    return "disconnected" in str(error) or "closed connection" in str(error)
