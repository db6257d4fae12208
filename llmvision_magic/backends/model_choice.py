"""The model of a server where nobody has chosen one: its only one, once it has refused the name that was sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError, ContextTooLong, KeyRefused, RequestRefused, ServerBusy

if TYPE_CHECKING:
    from llmvision_magic.backends.wire import Client, Request
    from llmvision_magic.backends.wire.retries import Retrying
    from llmvision_magic.messages import Delta, Reply
    from llmvision_magic.stop import Stop

_NO_MODEL = (
    r"(?i)\bmodels?\b.{0,60}\b(not (found|exist|available|loaded|supported)|unknown|invalid|required|missing)\b"
    r"|\b(unknown|invalid|no such|missing|unsupported)\b.{0,20}\bmodel\b"
)
"""How servers say that they want the name of another model."""

MOST_NAMED = 8
"""Models that a sentence names."""


class ModelChoosingClient:
    """A client of one server that helps with the model's name: a `ModelClient`.

    Most servers with one model answer whatever name they are sent, so none is asked beforehand. Where a request is
    refused that may be for its model, the server's list is looked at: if nobody had chosen a model and there is one,
    the request is sent again with it; else the sentence names those there are.

    Args:
        client: Sends.
        is_default: Whether nobody has chosen the model.
        chosen: Takes the model's name that the server has taken in place of the default.
    """

    def __init__(self, client: Client, *, is_default: bool, chosen: Callable[[str], None]) -> None:
        self._client = client
        self._is_default = is_default
        self._chosen = chosen

    @property
    def address(self) -> str:
        """The server's address, as it may be shown."""
        return self._client.address

    def stream(
        self, request: Request, stop: Stop | None = None, *, before_reading: Callable[[], None] | None = None
    ) -> Generator[Delta | Retrying, None, None]:
        """Send a request and yield its reply as it arrives; see `Client.stream`.

        Raises:
            ChatError: As `Client.stream`.
        """
        try:
            yield from self._client.stream(request, stop, before_reading=before_reading)
            return
        except RequestRefused as error:  # nothing of the reply has come
            name = self._only_other(request.model, error, stop)
        yield from self._client.stream(replace(request, model=name), stop, before_reading=before_reading)
        self._chosen(name)

    def complete(self, request: Request, stop: Stop | None = None) -> Reply:
        """Send a request and wait for the whole reply; see `Client.complete`."""
        from llmvision_magic.backends.wire.whole_reply import whole_reply

        return whole_reply(self.stream(request, stop), stop)

    def models(self, stop: Stop | None = None) -> list[str]:
        """Names of the models that the server offers."""
        return self._client.models(stop)

    def _only_other(self, model: str, error: RequestRefused, stop: Stop | None) -> str:
        """The server's only model, where the request may be sent again with it.

        Raises:
            RequestRefused: It may not; the error as it was, or one that names the models there are.
        """
        names = self._offered(model, error, stop)
        if not names:
            raise error
        if self._is_default and len(names) == 1:
            return names[0]
        from llmvision_magic.settings.suggestions import closest

        first = None if self._is_default else closest(model, names, 0.6)
        ordered = sorted(names, key=lambda name: name != first)
        listed = ", ".join(f"`{name}`" for name in ordered[:MOST_NAMED])
        more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
        what = "wants a model's name, and none was chosen" if self._is_default else f"has no model `{model}`"
        status = f" ({error.status})" if error.status else ""
        said = f": {error.server_message.rstrip('.')}" if error.server_message else ""
        raise RequestRefused(
            f"The server at {self._client.address} {what}{status}{said}. It has {listed}{more}: choose one with "
            "`-m NAME` or `%chat set model NAME`; `%chat models` lists them.",
            status=error.status,
            server_message=error.server_message,
        ) from error

    def _offered(self, model: str, error: RequestRefused, stop: Stop | None) -> list[str]:
        """What the server lists, where the model may be what it objects to and is not among these."""
        if isinstance(error, KeyRefused | ServerBusy | ContextTooLong) or error.status not in (None, 400, 404, 422):
            return []
        if error.status != 404 and not (model in error.server_message or re.search(_NO_MODEL, error.server_message)):
            return []
        try:
            names = list(dict.fromkeys(self._client.models(stop)))
        except ChatError:
            return []
        return [] if model in names else names
