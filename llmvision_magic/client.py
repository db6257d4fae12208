"""`ChatClient`: the Chat Completion API from Python, with the same settings as the magics."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from llmvision_magic.backends.connections import Connections, shared
from llmvision_magic.backends.wire import Parameters, Request
from llmvision_magic.chat.plan import parameters_from
from llmvision_magic.errors import ChatError, InvalidInput
from llmvision_magic.messages import Delta, Message, Reply
from llmvision_magic.settings.declarations import BY_NAME
from llmvision_magic.settings.keys import Key, checked_key
from llmvision_magic.settings.layers import Settings
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.settings.suggestions import nearest
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.backends.backend import Backend

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
        replay: A recording that answers in place of a model (`%chat record` or ``LLMVISION_RECORD`` makes one).
        replay_speed: How many times as fast as recorded; 0 at once. None: as recorded where somebody looks on.
        **settings: Values for all requests: ``model``, ``temperature``, ``connect_timeout`` (seconds), …

    Raises:
        InvalidInput: An unknown setting (the nearest is named), a value out of its range, or no such recording.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        replay: str | Path | None = None,
        replay_speed: float | None = None,
        **settings: object,
    ) -> None:
        self._settings = _checked({"base_url": base_url, **settings})
        self._key = Key(checked_key(api_key), "argument") if api_key else None
        # Without a key of its own it shares the process's connections, and with them the embedded model.
        self._own = Connections(recording_mode_of=shared()) if self._key else None
        if replay is not None:
            self._own = Connections()
            self._own.recording_mode.replay(str(replay), speed=replay_speed)
        parameters_from(self._resolve({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        connections = self._own or shared()
        try:
            return f"<ChatClient of {connections.target(self._resolve({}), self._key).shown_url}>"
        except ChatError as error:  # what stands in the environment cannot be used; asking will say so too
            return f"<ChatClient: {error}>"

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
        prompt = self._prompt(said, system, parameters)
        line = self._open(prompt.settings)
        reply = line.client.complete(Request(line.model, prompt.messages, prompt.parameters, stream=False))
        self._warn()
        return reply

    def stream(self, said: Said, *, system: str | None = None, **parameters: object) -> Generator[Delta, None, None]:
        """Ask, and get the reply piece by piece.

        The arguments are those of `complete`, and checked at once. Nothing is sent before the first piece is asked for;
        leaving the loop early closes the connection.

        Yields:
            Pieces with `Delta.text`; the last ones carry the finish reason and the usage.

        Raises:
            InvalidInput: A parameter is unknown or out of its range; nothing was sent.
            ReplyCut: The reply did not come to its end; what was yielded before is all there is.
            ChatError: As `complete`.
        """
        return self._deltas(self._prompt(said, system, parameters))

    def _deltas(self, prompt: _Prompt) -> Generator[Delta, None, None]:
        line = self._open(prompt.settings)
        request = Request(line.model, prompt.messages, prompt.parameters, stream=True)
        with closing(line.client.stream(request)) as events:
            for event in events:
                if isinstance(event, Delta):
                    yield event
        self._warn()

    def _warn(self) -> None:
        """Say that what was to be recorded is not; the reply is here all the same."""
        complaint = (self._own or shared()).complaint()
        if complaint:
            warnings.warn(complaint, stacklevel=3)

    def models(self) -> list[str]:
        """Names of the models that the server offers."""
        settings = self._resolve({})
        return self._open(settings).client.models()

    def close(self) -> None:
        """Close this client's connections. Those it shares with the magics stay open."""
        if self._own is not None:
            self._own.close()

    def _prompt(self, said: Said, system: str | None, given: Mapping[str, object]) -> _Prompt:
        settings = self._resolve(_checked(given))
        messages = _messages(said)
        if not messages:
            raise InvalidInput("Nothing is asked: expected a text or at least one message, got none.")
        if system:
            messages = (Message("system", system), *messages)
        connections = self._own or shared()
        parameters = parameters_from(settings, lambda: connections.takes_any_temperature(settings, self._key))
        return _Prompt(settings, messages, parameters)

    def _resolve(self, given: Mapping[str, object]) -> Settings:
        return Settings([("argument", given), ("client", self._settings)])

    def _open(self, settings: Settings) -> Backend:
        connections = self._own or shared()
        target = connections.target(settings, self._key)
        return connections.open(
            target, settings, lambda line: None, Stop(), connections.cell_context(settings.environment)
        )


class _Prompt(NamedTuple):
    """What is asked, checked; nothing is opened yet."""

    settings: Settings
    messages: tuple[Message, ...]
    parameters: Parameters


_KNOWN = {name: setting for name, setting in BY_NAME.items() if name != "stream"}


def _checked(given: Mapping[str, object]) -> dict[str, object]:
    """The values of their settings' kinds; those that are None are not given."""
    for name in given:
        if name == "stream":
            raise InvalidInput(
                "`stream` is no setting here: `complete` waits for the reply, `stream` gives its pieces."
            )
        if name not in _KNOWN:
            hint = nearest(name, _KNOWN) or " Any other request parameter goes through `param={…}`."
            raise InvalidInput(f"There is no setting `{name}`.{hint}")
    return {name: parse_value(_KNOWN[name], value) for name, value in given.items() if value is not None}


def _messages(said: Said) -> tuple[Message, ...]:
    if isinstance(said, str):
        return (Message("user", said),)
    if not isinstance(said, Iterable):
        raise InvalidInput(f"Expected a text or messages to send, got {_shown(said)}.")
    return tuple(item if isinstance(item, Message) else _message(item) for item in said)


def _message(item: object) -> Message:
    """A message from the API's own object."""
    if isinstance(item, Mapping) and set(item) == {"role", "content"}:
        match (item["role"], item["content"]):
            case (str(role), str(content)):
                return Message(role, content)
            case (str(role), [*parts]) if all(isinstance(part, Mapping) for part in parts):
                return Message(role, tuple(parts))
    raise InvalidInput(
        "A message is expected as {'role': text, 'content': text or list of parts}, "
        f"with these two fields alone; got {_shown(item)}."
    )


def _shown(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 100 else f"{text[:99]}…"
