"""Which of the headers that were given go to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmvision_magic.backends.target import shown_address
from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.environment import DOTENV, ENVIRONMENT, Value
from llmvision_magic.settings.headers import Headers, parse_headers

if TYPE_CHECKING:
    from llmvision_magic.settings.layers import Settings

OWN = ("configuration", f"({ENVIRONMENT})")
"""How places end that are the user's for all notebooks."""


WHO = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"})
"""Names of headers by which a server knows who asks, in small letters."""


def sent_headers(settings: Settings, url: Value) -> Headers:
    """The headers that go to a server.

    Args:
        url: The server's address, with the place that gave it.

    Raises:
        InvalidInput: They are none; or a ``.env`` file gave the address, and would so be sent what is not its own.
    """
    given = settings.given("headers")
    if not given:
        return Headers()
    found = settings.find("headers").value
    assert isinstance(found, Headers)  # noqa: S101  # what the setting's kind is
    own = [value.source for value in given if value.source.endswith(OWN)]
    if own and url.is_from(DOTENV):
        raise InvalidInput(
            f"The .env file beside the notebook names the server {shown_address(str(url.value))}, and headers are "
            f"given by: {', '.join(own)}; they are not sent there, for such a file may be a stranger's. Put "
            "LLMVISION_BASE_URL into the environment, or give them in the cell with --header."
        )
    if not url.is_from(DOTENV):
        _check_dotenv([value.value for value in given if value.is_from(DOTENV)])
    return found


def _check_dotenv(given: list[object]) -> None:
    """Refuse headers of a ``.env`` file by which a server that it does not name would take the user for another.

    Raises:
        InvalidInput: There is such a header.
    """
    names = [name for headers in given for name in parse_headers(headers) if name.lower() in WHO]
    if names:
        raise InvalidInput(
            f"The .env file beside the notebook gives the header {names[0]}, which says who asks, for a server that it "
            "does not name: such a file may be a stranger's. Put LLMVISION_HEADERS into the environment, or give it in "
            "the cell with --header."
        )
