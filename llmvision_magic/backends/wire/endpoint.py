"""Where below a base URL a request goes, and how an address is shown: as text, without the HTTP library."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from llmvision_magic.settings.secrets import without_known_secrets

ENDPOINT = "/chat/completions"

NO_ENDPOINT = b"nexpected endpoint"
"""With these words and a good status some servers say that there is nothing."""

API_VERSION = "api-version"
"""The parameter by which Azure's addresses are known. It is no secret; any other one may be."""

_ENDPOINTS = rf"({ENDPOINT}|(?<=/v1)/(chat|completions|models|responses))?/*$"
"""What is often copied with a base URL."""

_AZURE_VERSION = "2024-10-21"


def trimmed(path: str) -> str:
    """The path of a base URL without the name of an endpoint and without a final slash."""
    return re.sub(_ENDPOINTS, "", path.rstrip("/"))


def shown_address(base_url: str) -> str:
    """An address without user name and password, without what its query may hold of secrets, and without what is a
    secret elsewhere in the environment.
    """
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return "an address that cannot be read"
    shown = [
        one if one.startswith(f"{API_VERSION}=") else f"{one.partition('=')[0]}=•••" for one in _pairs(parts.query)
    ]
    fragment = "•••" if parts.fragment else ""
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="&".join(shown), fragment=fragment).geturl()
    return without_known_secrets(bare)


def shown_endpoint(base_url: str) -> str:
    """The address that a request goes to, shown as `shown_address` shows it."""
    parts = urlsplit(shown_address(base_url))
    return parts._replace(path=trimmed(parts.path) + ENDPOINT).geturl()


def kept_address(base_url: str) -> str:
    """An address without what may be a secret, so that what is left can be used."""
    shown = shown_address(base_url)
    return shown.partition("?")[0] if "•••" in shown else shown


def query_secrets(query: str) -> tuple[str, ...]:
    """The values of a query that may be secrets, as they are meant and as they are written."""
    written = {one.partition("=")[2] for one in _pairs(query) if not one.startswith(f"{API_VERSION}=")}
    meant = {value for name, value in parse_qsl(query) if name != API_VERSION}
    return tuple(value for value in written | meant if len(value) > 3)


def is_azure(base_url: str) -> bool:
    """Whether the server takes the key in a header of its own, as Azure does."""
    return any(one.startswith(f"{API_VERSION}=") for one in _pairs(urlsplit(base_url).query))


def with_version(base_url: str) -> str:
    """The address one deeper, where most servers have their API; "" where it names a version already.

    Args:
        base_url: Without query.
    """
    path = urlsplit(base_url).path
    return "" if re.search(r"/v\d|/deployments/", path) else f"{base_url.rstrip('/')}/v1"


def advice(base_url: str, *, has_api_version: bool) -> str:
    """What to set where an address has no API, as a sentence with a space before it; "" where nobody can know.

    Args:
        base_url: Without query.
    """
    parts = urlsplit(base_url)
    root = f"{parts.scheme}://{parts.netloc}"
    if "/deployments/" in parts.path and not has_api_version:
        return f" An address with a deployment ends in its API's version: {base_url}?{API_VERSION}={_AZURE_VERSION}."
    if (parts.hostname or "").endswith(".azure.com"):
        deployment = f"{root}/openai/deployments/NAME?{API_VERSION}={_AZURE_VERSION}"
        return f" On Azure the base URL is {root}/openai/v1, or {deployment}."
    return "" if re.search(r"/v\d+$", parts.path) else f" A base URL mostly ends in /v1: {root}/v1."


def _pairs(query: str) -> list[str]:
    return [one for one in query.split("&") if one]
