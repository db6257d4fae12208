"""The base URL: the address of the API, as it is given."""

from __future__ import annotations

import httpx

from llmvision_magic.backends.wire.endpoint import trimmed
from llmvision_magic.errors import InvalidInput


def checked_url(base_url: str) -> httpx.URL:
    """A base URL, read: without the name of an endpoint, without a final slash, with its query.

    Raises:
        InvalidInput: It is no http(s) address; no password in it is shown.
    """
    expected = "The base URL is an http or https address with a host, like https://host/v1"
    try:
        url = httpx.URL(base_url.strip())
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        # What came is not shown, and the cause neither: where the address cannot be taken apart, a password in it
        # cannot be found.
        raise InvalidInput(f"{expected}; what came cannot be read as an address.") from None
    if url.scheme not in ("http", "https") or not url.host or not 0 < (1 if url.port is None else url.port) < 65536:
        shown = str(url.copy_with(userinfo=b"")) if url.host else "an address without a host"
        raise InvalidInput(f"{expected}; {shown} came.")
    if url.fragment:
        raise InvalidInput("The base URL has no fragment: remove what follows #.")
    path, query = trimmed(url.raw_path.partition(b"?")[0].decode("ascii")), url.query.decode("ascii")
    return url.copy_with(raw_path=f"{path or '/'}{f'?{query}' if query else ''}".encode("ascii"))
