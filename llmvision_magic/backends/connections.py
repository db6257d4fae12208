"""The open connections to servers, the embedded model's process, and what records or replays in their place."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmvision_magic.backends.backend import Backend
from llmvision_magic.backends.embedded_model import EmbeddedModel
from llmvision_magic.backends.sent_headers import sent_headers
from llmvision_magic.backends.target import PLATFORM_MODEL, PLATFORM_URL, Target, check_address, shown_address
from llmvision_magic.cell_context import NO_CELL, CellContext
from llmvision_magic.errors import InvalidInput
from llmvision_magic.hooks import HOOKS
from llmvision_magic.settings.environment import DOTENV, Environment, Value
from llmvision_magic.settings.keys import Key, Keys, remember_secret

if TYPE_CHECKING:
    from llmvision_magic.backends.local import LocalServer
    from llmvision_magic.backends.model_choice import ModelChoosingClient
    from llmvision_magic.backends.recording import Player, Recorder, RecordingMode
    from llmvision_magic.backends.server_consent import ServerConsent
    from llmvision_magic.backends.wire import Client, Timeouts
    from llmvision_magic.settings.headers import Headers
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

TAPE_VARIABLES = ("LLMVISION_RECORD", "LLMVISION_REPLAY")
"""Variables that have requests recorded or replayed."""

EMBEDDED_FIRST_EVENT = 600.0
"""Longest wait for the embedded model's first token, in seconds, where the user set none."""


class Connections:
    """The open clients, one per server and key, and the embedded model's server. One per process is enough.

    Args:
        recording_mode_of: Whose recording and replaying counts here too.
    """

    def __init__(self, keys: Keys | None = None, *, recording_mode_of: Connections | None = None) -> None:
        self.keys = keys or Keys()
        self._recording_mode_of = recording_mode_of
        self._recording_mode: RecordingMode | None = None
        self._lock = threading.Lock()
        self._clients: dict[tuple[object, ...], Client] = {}
        self._embedded = EmbeddedModel()
        self._consent: ServerConsent | None = None
        self._only_models: dict[str, str] = {}  # by address, where a server has refused the default model's name

    @property
    def consent(self) -> ServerConsent:
        """Who has agreed to the servers that ``.env`` files name."""
        if self._consent is None:
            from llmvision_magic.backends.server_consent import ServerConsent

            self._consent = ServerConsent()
        return self._consent

    def unagreed(self, settings: Settings) -> Target | None:
        """Where a request would go, when somebody has to agree to that first; see `ServerConsent`. Opens nothing."""
        if not settings.find("base_url").is_from(DOTENV):
            return None
        tape = self.tape(settings.environment)
        if tape is not None and tape.verb == "replay" and not tape.else_live:
            return None  # nothing is sent
        target = self.target(settings)
        return target if self.consent.source(target, settings.environment) is None else None

    def target(self, settings: Settings, key: Key | None = None) -> Target:
        """Where a request with these settings would go. Opens nothing.

        Args:
            key: The key to use; None looks where keys are kept.
        """
        target = self._target(settings, key)
        for secret in target.secrets:
            remember_secret(secret)
        return target

    def _target(self, settings: Settings, key: Key | None) -> Target:
        url = settings.find("base_url")
        model = settings.find("model")
        headers = sent_headers(settings, url)
        if url.value is not None:
            base_url = str(url.value)
            environment, is_dotenv = settings.environment, url.is_from(DOTENV)
            found = (
                self.keys.find(base_url, environment.only(DOTENV) if is_dotenv else environment) if key is None else key
            )
            if is_dotenv and (key is not None or (found is None and environment.find("LLMVISION_API_KEY") is not None)):
                raise InvalidInput(
                    f"The .env file beside the notebook names the server {shown_address(base_url)}, and the key is "
                    "your own: it is not sent there, for such a file may be a stranger's. Put "
                    "LLMVISION_API_KEY into the .env file too, or LLMVISION_BASE_URL into the environment."
                )
            name, source = (model.value or PLATFORM_MODEL), model.source
            return Target(base_url, url.source, found, str(name), source, headers)
        key = key or self.keys.find(PLATFORM_URL, settings.environment)
        if key is not None:
            return Target(PLATFORM_URL, "default", key, str(model.value or PLATFORM_MODEL), model.source, headers)
        return Target(None, "default: no key and no base URL", None, _text(model), model.source, headers)

    def takes_any_temperature(self, settings: Settings, key: Key | None = None) -> bool:
        """Whether a request may have a temperature that the platform does not take: it goes elsewhere, or to nobody."""
        try:
            target, tape = self.target(settings, key), self.tape(settings.environment)
        except InvalidInput:  # it goes nowhere; asking says why
            return True
        return not target.is_platform or (tape is not None and tape.verb == "replay")

    @property
    def recording_mode(self) -> RecordingMode:
        """Whether requests are recorded or replayed; made when it is first needed."""
        if self._recording_mode_of is not None:
            return self._recording_mode_of.recording_mode
        if self._recording_mode is None:
            from llmvision_magic.backends.recording import RecordingMode

            self._recording_mode = RecordingMode()
        return self._recording_mode

    def tape(self, environment: Environment) -> Recorder | Player | None:
        """What records or replays; None when requests simply go to the model, as they mostly do.

        Raises:
            InvalidInput: What the environment says cannot be replayed.
        """
        switched = (self._recording_mode_of or self)._recording_mode is not None
        if not switched and not any(environment.find(variable) for variable in TAPE_VARIABLES):
            return None
        return self.recording_mode.tape(environment)

    def cell_context(self, environment: Environment) -> CellContext:
        """The cell that runs now, where that matters: equal requests are told apart by it."""
        return NO_CELL if self.tape(environment) is None else HOOKS.cell_context()

    def complaint(self) -> str:
        """What is wrong with the recording, as a sentence, said once; "" when nothing is."""
        recording_mode = (self._recording_mode_of or self)._recording_mode
        return "" if recording_mode is None else recording_mode.complaint()

    def open(
        self, target: Target, settings: Settings, tell: Callable[[str], None], stop: Stop, cell: CellContext = NO_CELL
    ) -> Backend:
        """Open the way to a target, or to a recording in its place.

        The embedded model is started where it is needed.

        Args:
            tell: Called with a line for the reader while the embedded model is fetched or starts.
            stop: Ends fetching and starting.
            cell: The cell that asks; see `cell_context`.

        Raises:
            InvalidInput: A time limit or the address cannot be used.
            ModelNotStarted: The embedded model could not be fetched or started.
        """

        def live() -> Backend:
            return self._open(target, settings, tell, stop)[1]

        tape = self.tape(settings.environment)
        if tape is None:
            return live()
        from llmvision_magic.backends.recording.player import ReplayingClient
        from llmvision_magic.backends.recording.recorder import RecordingClient

        is_default = target.model_source == "default"
        secrets = target.secrets
        if tape.verb == "record":
            client, line = self._open(target, settings, tell, stop)
            recording = RecordingClient(tape, client, cell, is_default_model=is_default, secrets=secrets)
            return line._replace(client=recording)
        from llmvision_magic.backends.local import model_name

        model = target.model or model_name(environ=settings.environment.variables())
        replaying = ReplayingClient(tape, cell, live, is_default_model=is_default, secrets=secrets)
        return Backend(replaying, model, recorded=replaying.recorded)

    def _open(
        self, target: Target, settings: Settings, tell: Callable[[str], None], stop: Stop
    ) -> tuple[Client | ModelChoosingClient, Backend]:
        from llmvision_magic.backends.wire import Timeouts

        timeouts = Timeouts(
            connect=settings.seconds("connect_timeout"),
            first_event=settings.seconds("first_event_timeout"),
            between_events=settings.seconds("between_events_timeout"),
        )
        retries = settings.whole("retries")
        if target.base_url is not None:
            check_address(target)
            secret = target.key.secret if target.key else None
            client = self._client(target.base_url, secret, target.headers, timeouts, retries)
            if target.is_platform:
                return client, Backend(client, str(target.model))
            return self._choosing(client, target, str(target.base_url))
        if settings.find("first_event_timeout").source == "default":
            # Nobody else is served meanwhile: a long prompt on a slow machine takes minutes, and is worth waiting for.
            timeouts = replace(timeouts, first_event=EMBEDDED_FIRST_EVENT)
        server = self._embedded.running(settings.environment, tell, stop)
        client = self._client(server.base_url, server.api_key, target.headers, timeouts, retries, trust_env=False)
        from llmvision_magic.backends.wire.token_count import count_tokens

        # The server has one model and ignores the name; what the user wrote is sent all the same.
        return client, Backend(
            client, target.model or server.model, server.context_tokens, partial(count_tokens, client)
        )

    def _choosing(self, client: Client, target: Target, base_url: str) -> tuple[ModelChoosingClient, Backend]:
        """The way to a server that may want the name of one of its own models."""
        from llmvision_magic.backends.model_choice import ModelChoosingClient

        def chosen(name: str) -> None:
            self._only_models[base_url] = name

        is_default = target.model_source == "default"
        choosing = ModelChoosingClient(client, is_default=is_default, chosen=chosen)
        model = self._only_models.get(base_url, target.model) if is_default else target.model
        return choosing, Backend(choosing, str(model))

    def _client(
        self,
        base_url: str,
        key: str | None,
        headers: Headers,
        timeouts: Timeouts,
        retries: int,
        *,
        trust_env: bool = True,
    ) -> Client:
        from llmvision_magic.backends.wire import Client
        from llmvision_magic.settings.secrets import known_secrets

        name = (base_url, key, tuple(headers.items()), timeouts, retries)
        with self._lock:
            if name not in self._clients:
                # On the way to this machine's own model there is none but the key.
                secrets = known_secrets() if trust_env else ()
                self._clients[name] = Client(
                    base_url,
                    key,
                    headers=headers,
                    timeouts=timeouts,
                    retries=retries,
                    trust_env=trust_env,
                    secrets=secrets,
                )
            return self._clients[name]

    @property
    def embedded(self) -> LocalServer | None:
        """The embedded model's server, if it was needed so far."""
        return self._embedded.server

    def close(self) -> None:
        """Close all connections and end the embedded model's server."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()
        self._embedded.stop()


def _text(value: Value) -> str | None:
    return None if value.value is None else str(value.value)


class _Shared:
    """The process's connections, made when they are first needed."""

    def __init__(self) -> None:
        self.connections: Connections | None = None
        self.lock = threading.Lock()


_SHARED = _Shared()


def shared() -> Connections:
    """The connections of this process: magics and `ChatClient` use one embedded model, not one each."""
    with _SHARED.lock:
        if _SHARED.connections is None:
            _SHARED.connections = Connections()
            atexit.register(close_shared)
        return _SHARED.connections


def close_shared() -> None:
    """Close the process's connections; the next use opens new ones."""
    with _SHARED.lock:
        connections, _SHARED.connections = _SHARED.connections, None
    if connections is not None:
        connections.close()
