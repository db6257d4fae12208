"""The connections to one server, and what every request that goes over them carries."""

from __future__ import annotations

import re
import ssl
import threading
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from llmvision_magic.backends.wire.endpoint import is_azure
from llmvision_magic.backends.wire.transport import watch
from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.headers import Headers
from llmvision_magic.version import __version__

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.request import Timeouts

# A pooled connection is closed after so many seconds without use. Servers close theirs after some time too, and a
# request sent into a connection that is just being closed is lost: chat requests are not sent twice.
IDLE = 4.0


class ConnectionPool:
    """The HTTP library's client for one server, made when first needed. Usable from several threads at once.

    Args:
        base_url: Address of the API; user and password in it are sent where there is no key.
        api_key: Sent as a bearer token; None or empty: no Authorization header.
        headers: Sent besides our own, and in the place of those with the same name.
        timeouts: How long the server may stay silent.
        trust_env: Whether proxies and certificates are taken from the environment.

    Raises:
        InvalidInput: The key holds characters that no header can carry.
    """

    def __init__(
        self, base_url: httpx.URL, api_key: str | None, headers: Headers, timeouts: Timeouts, *, trust_env: bool
    ) -> None:
        own = {
            "Accept": "text/event-stream, application/json",
            # Compressed events are held back until enough of them have come together.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": f"llmvision-magic/{__version__}",
        }
        self._auth = None
        if api_key:
            own["Authorization"] = f"Bearer {_checked_key(api_key)}"
            if is_azure(str(base_url)):
                own["api-key"] = api_key
        elif base_url.userinfo and "authorization" not in map(str.lower, headers):
            self._auth = httpx.BasicAuth(base_url.username, base_url.password)
        self._headers = Headers(own) | headers
        self._has_tls = base_url.scheme == "https"
        self._timeouts = timeouts
        self._trust_env = trust_env
        self._http: httpx.Client | None = None
        self._closed = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections for good; replies that still arrive are cut."""
        with self._lock:
            self._closed = True
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def http_client(self) -> httpx.Client:
        """The library's client. Reading the certificates for it takes tens of milliseconds.

        Raises:
            RuntimeError: The pool is closed.
            InvalidInput: The proxy that the environment names cannot be used.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._http is None:
                self._http = self._made()
            return self._http

    def _made(self) -> httpx.Client:
        limit = max(self._timeouts.first_event, self._timeouts.between_events)
        try:
            http = httpx.Client(
                headers=self._headers,
                auth=self._auth,
                # The nearer limits are kept by the watched connections.
                timeout=httpx.Timeout(limit, connect=self._timeouts.connect, pool=self._timeouts.connect),
                follow_redirects=False,
                trust_env=self._trust_env,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=IDLE),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                # Without TLS no certificates are read; this context trusts none.
                verify=True if self._has_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise InvalidInput(
                f"The proxy that the environment names cannot be used ({type(error).__name__}): "
                "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."
            ) from error
        watch(http)
        return http


def _checked_key(api_key: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", api_key):
        raise InvalidInput(
            "The key holds a character that no header can carry (a blank, a line end, or one outside ASCII): "
            "set it again, copied whole and alone."
        )
    return api_key
