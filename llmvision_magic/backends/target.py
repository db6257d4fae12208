"""Where a request goes: the platform, another server, or the embedded model. Nothing is opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from llmvision_magic.backends.wire.endpoint import shown_address as shown_address
from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.environment import DOTENV
from llmvision_magic.settings.headers import Headers
from llmvision_magic.settings.keys import origin_of
from llmvision_magic.settings.layers import with_source

if TYPE_CHECKING:
    from llmvision_magic.settings.keys import Key

PLATFORM_URL = "https://platform.llmprovider.ai/v1"
PLATFORM_MODEL = "SenseCharacter-20250124-01"
PLATFORM_TEMPERATURE = 1.0
"""The highest that the platform takes."""

NO_HEADERS = Headers()


class Target(NamedTuple):
    """Where a request goes, before anything is opened.

    Attributes:
        base_url: The server's address; None for the embedded model.
        url_source: Which place gave the address.
        key: The key that is sent; None for none.
        model: The model asked for; None for the embedded model's own.
        model_source: Which place gave the model.
        headers: Those that are sent besides our own.
    """

    base_url: str | None
    url_source: str
    key: Key | None
    model: str | None
    model_source: str
    headers: Headers = NO_HEADERS

    @property
    def secrets(self) -> list[str]:
        """What may be neither shown nor kept: the key, and the values of headers."""
        return [*([self.key.secret] if self.key else []), *self.headers.secrets]

    @property
    def is_embedded(self) -> bool:
        return self.base_url is None

    @property
    def is_named_by_dotenv(self) -> bool:
        """Whether the address is the one of the ``.env`` file beside the notebook."""
        return self.base_url is not None and self.url_source.endswith(f"({DOTENV})")

    @property
    def host(self) -> str:
        """The server's name and port, for a footer."""
        return urlsplit(self.shown_url).netloc or self.shown_url

    @property
    def is_platform(self) -> bool:
        return self.base_url is not None and origin_of(self.base_url) == origin_of(PLATFORM_URL)

    @property
    def shown_url(self) -> str:
        """The address without what may be a secret."""
        return "the embedded model, on this machine" if self.base_url is None else shown_address(self.base_url)


def check_address(target: Target) -> None:
    """Check that a target's address can be used.

    Raises:
        InvalidInput: It cannot; the sentence names the place that gave it.
    """
    if target.base_url in (None, PLATFORM_URL):
        return
    from llmvision_magic.backends.wire import checked_url

    try:
        checked_url(str(target.base_url))
    except InvalidInput as error:
        raise with_source(error, target.url_source) from None
