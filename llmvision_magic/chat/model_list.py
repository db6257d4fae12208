"""Which models servers offer, as far as they say so in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.settings.layers import Settings


class ModelList:
    """What servers offer, by address; each is asked once.

    Args:
        connections: Gives the open ways to models.
    """

    def __init__(self, connections: Callable[[], Connections]) -> None:
        self._connections = connections
        self._known: dict[str, list[str]] = {}

    def offered(self, settings: Settings, seconds: float) -> list[str]:
        """What the server offers, as far as it says so within `seconds`. Starts no embedded model."""
        connections = self._connections()
        target = connections.target(settings)
        address, recorded = target.shown_url, dict[str, list[str]]()
        if target.is_embedded or connections.unagreed(settings) is not None:
            return []
        if address not in self._known:

            def fetch() -> None:
                try:
                    backend = connections.open(target, settings, lambda text: None, Stop())
                    # Those of a recording are read anew: they are not what the address offers.
                    names = recorded if backend.recorded else self._known
                    names[address] = backend.client.models()
                except ChatError:
                    self._known.pop(address, None)  # a later Tab asks again

            thread = threading.Thread(target=fetch, name="llmvision-models", daemon=True)
            thread.start()
            thread.join(seconds)
        return recorded.get(address) or self._known.get(address, [])
