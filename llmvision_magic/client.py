"""`ChatClient`: the Chat Completion API from Python, with the same settings as the magics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from llmvision_magic.connections import Connections, Line, shared
from llmvision_magic.errors import InvalidInput
from llmvision_magic.keys import Key
from llmvision_magic.messages import Delta, Message, Reply
from llmvision_magic.session import parameters_from
from llmvision_magic.settings import BY_NAME, Settings, nearest, parse_value
from llmvision_magic.stop import Stop
from llmvision_magic.wire import Request

Said = str | Iterable[Message | Mapping[str, object]]
"""What is asked: a text, or the messages of a conversation as `Message` or as the API's own objects."""


class ChatClient:
    """Asks a model: the platform, another server, or the embedded model.

    ::

        with ChatClient() as client:
            reply = client.complete("Tell me a joke.", temperature=0.7)
            for delta in client.stream([{"role": "user", "content": "Hello!"}]):
                print(delta.text, end="")

    Where requests go is settled as for the magics: arguments here, else ``LLMVISION_BASE_URL`` and
    ``LLMVISION_API_KEY`` (a ``.env`` file included), else the embedded model on this machine.

    Args:
        base_url: Address of the server.
        api_key: Its key.
        **settings: Values for all requests: ``model``, ``temperature``, ``connect_timeout`` (seconds), …

    Raises:
        InvalidInput: An unknown setting (the nearest is named) or a value out of its range.
    """

    def __init__(self, *, base_url: str | None = None, api_key: str | None = None, **settings: object) -> None:
        self._settings = _checked({"base_url": base_url, **settings})
        self._key = Key(api_key, "argument") if api_key else None
        # Without a key of its own it shares the process's connections, and with them the embedded model.
        self._own = Connections() if self._key else None
        parameters_from(self._resolve({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        connections = self._own or shared()
        return f"<ChatClient of {connections.target(self._resolve({})).shown_url}>"

    def complete(self, said: Said, *, system: str | None = None, **parameters: object) -> Reply:
        """Ask, and wait for the whole reply.

        Args:
            said: A text, or messages, oldest first.
            system: System prompt, put before the messages.
            **parameters: Settings for this request alone; ``param={…}`` sends any other request parameter.

        Raises:
            InvalidInput: A parameter is unknown or out of its range; nothing was sent.
            ChatError: Its other children say what went wrong on the way.
        """
        line, request = self._prepare(said, system, {**parameters, "stream": False})
        return line.client.complete(request)

    def stream(self, said: Said, *, system: str | None = None, **parameters: object) -> Iterator[Delta]:
        """Ask, and get the reply piece by piece.

        The arguments are those of `complete`. Nothing is sent before the first piece is asked for; leaving the loop
        early closes the connection.

        Yields:
            Pieces with `Delta.text`; the last ones carry the finish reason and the usage.

        Raises:
            ReplyCut: The reply did not come to its end; what was yielded before is all there is.
        """
        line, request = self._prepare(said, system, {**parameters, "stream": True})
        for event in line.client.stream(request):
            if isinstance(event, Delta):
                yield event

    def models(self) -> list[str]:
        """Names of the models that the server offers."""
        settings = self._resolve({})
        return self._open(settings).client.models()

    def close(self) -> None:
        """Close this client's connections. Those it shares with the magics stay open."""
        if self._own is not None:
            self._own.close()

    def _prepare(self, said: Said, system: str | None, given: dict[str, object]) -> tuple[Line, Request]:
        settings = self._resolve(_checked(given))
        parameters = parameters_from(settings)
        messages = _messages(said)
        if system:
            messages = (Message("system", system), *messages)
        line = self._open(settings)
        return line, Request(line.model, messages, parameters, stream=bool(settings.get("stream")))

    def _resolve(self, given: Mapping[str, object]) -> Settings:
        return Settings([("argument", given), ("client", self._settings)])

    def _open(self, settings: Settings) -> Line:
        connections = self._own or shared()
        target = connections.target(settings, self._key)
        return connections.open(target, settings, lambda line: None, Stop())


def _checked(given: Mapping[str, object]) -> dict[str, object]:
    for name in given:
        if name not in BY_NAME:
            hint = nearest(name, BY_NAME) or " Any other request parameter goes through `param={…}`."
            raise InvalidInput(f"There is no setting `{name}`.{hint}")
    return {name: parse_value(BY_NAME[name], value) for name, value in given.items() if value is not None}


def _messages(said: Said) -> tuple[Message, ...]:
    if isinstance(said, str):
        return (Message("user", said),)
    messages = []
    for item in said:
        if isinstance(item, Message):
            messages.append(item)
            continue
        role = item.get("role") if isinstance(item, Mapping) else None
        content = item.get("content") if isinstance(item, Mapping) else None
        if not isinstance(role, str) or not isinstance(content, str | list | tuple):
            raise InvalidInput(f"A message is expected as {{'role': …, 'content': …}}, got {item!r}.")
        messages.append(Message(role, content if isinstance(content, str) else tuple(content)))
    return tuple(messages)
