"""The widget: traits that stand around the transcript, and the messages of its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from llmvision_magic.backends.target import PLATFORM_TEMPERATURE
from llmvision_magic.backends.wire.parameters import MOST_TEMPERATURE
from llmvision_magic.chat.conversation_settings import set_value, usable_value
from llmvision_magic.errors import ChatError, InvalidInput
from llmvision_magic.hooks import HOOKS
from llmvision_magic.panel import assets, requests
from llmvision_magic.panel.actions import Actions
from llmvision_magic.panel.queries import Queries
from llmvision_magic.panel.request_queue import RequestQueue
from llmvision_magic.panel.saved_transcript import SavedTranscript
from llmvision_magic.panel.transcript_sync import TranscriptSync
from llmvision_magic.rendering import stylesheet
from llmvision_magic.settings.declarations import REQUEST_PARAMETERS

if TYPE_CHECKING:
    from llmvision_magic.panel.host import PanelHost
    from llmvision_magic.settings.layers import Settings

PARAMETERS = ("model", *REQUEST_PARAMETERS)
"""Settings that the panel has controls for."""

WRITABLE = (*PARAMETERS, "system")
"""Traits that the page may change."""

CLOSED = "This panel is closed. `%chat panel`, or `ChatPanel()` in Python, shows another."


class ChatPanel(anywidget.AnyWidget):
    """A chat panel on a conversation of this kernel.

    Its parameters are those of the conversation, as ``%chat set`` has them: ``panel.temperature = 0.2`` sets one, None
    takes it back.

    Args:
        conversation: Name of the conversation to stay with; None to go with the kernel's current one.

    Attributes:
        conversation: Name of the conversation shown; setting it shows another.
        system: Its system prompt; None for none.
        model: Name of a model; None: not set here.
        temperature: 0 to 2, on the platform 0 to 1. top_p: 0 to 1. max_tokens: at least 1. stop: up to 4 texts.
            presence_penalty, frequency_penalty: numbers.

    Raises:
        InvalidInput: There is no kernel, or no conversation of that name.
    """

    _esm = assets.module()
    _css = stylesheet() + assets.stylesheet()

    conversation = traitlets.Unicode().tag(sync=True)
    conversations: traitlets.List[dict[str, object]] = traitlets.List().tag(sync=True)
    busy = traitlets.Unicode().tag(sync=True)
    where = traitlets.Dict().tag(sync=True)
    effective = traitlets.Dict().tag(sync=True)
    models = traitlets.List(traitlets.Unicode()).tag(sync=True)
    panel_id = traitlets.Unicode().tag(sync=True)
    revision = traitlets.Int().tag(sync=True)
    """Counts the changes of the others, so that the page notices values that are older than those it had: JupyterLab's
    widget manager sets what it asked for when the connection was there again, after what came meanwhile."""

    model = traitlets.Any(None, allow_none=True).tag(sync=True)
    temperature = traitlets.Any(None, allow_none=True).tag(sync=True)
    top_p = traitlets.Any(None, allow_none=True).tag(sync=True)
    max_tokens = traitlets.Any(None, allow_none=True).tag(sync=True)
    stop = traitlets.Any(None, allow_none=True).tag(sync=True)
    presence_penalty = traitlets.Any(None, allow_none=True).tag(sync=True)
    frequency_penalty = traitlets.Any(None, allow_none=True).tag(sync=True)
    system = traitlets.Any(None, allow_none=True).tag(sync=True)

    _is_open = False
    _own_layout: Any = None

    def __init__(self, conversation: str | None = None) -> None:
        host: PanelHost = HOOKS.panel_host()
        self._host = host
        self._sync = TranscriptSync(host.session, conversation, self._send_json, self._refresh)
        self._queue = RequestQueue(host, Actions(host, self._sync).run, self._send_json)
        self._refreshing = threading.RLock()
        self._refreshed_by: int | None = None
        self._counted: list[object] = []  # what the revision counts, as it was then
        self._saved = SavedTranscript(host, self._sync)
        self._undock: Callable[[], None] = lambda: None
        self._queries = Queries(host, self._sync, self._queue, self._send_json, self._tell_state, self._tell_models)
        super().__init__()
        self._own_layout = self.layout
        self.comm._reply_subshell_for = _as_it_came
        self.panel_id = self.model_id
        self._refresh()
        self.observe(self._parameter_set, list(WRITABLE))
        self.observe(self._conversation_set, "conversation")
        self.on_msg(self._on_message)
        host.session.listeners.add(self._sync)
        self._forget = host.on_close(self.close)
        self._is_open = True

    def close(self) -> None:
        """Take the panel away. The conversation stays, and a reply that arrives goes on arriving."""
        if self._is_open:
            self._is_open = False
            self._host.session.listeners.remove(self._sync)
            self._forget()
            self._saved.close()
            self.on_msg(self._on_message, remove=True)
            self.unobserve_all()
            self._undock()
        super().close()
        if self._own_layout is not None:  # a widget with a comm of its own, which nobody else would close
            self._own_layout.close()

    def _ipython_display_(self) -> None:
        self._saved.show()
        self.show_widget()

    def show_widget(self) -> None:
        """Show the panel in the running cell, without what is kept of it."""
        if not self._is_open:
            self._host.publish({"text/plain": CLOSED})
            return
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        self._host.publish({**data, "text/plain": ""}, metadata)

    def show_docked(self, undock: Callable[[], None]) -> None:
        """Show in the running cell what is kept of a panel that stands elsewhere.

        Args:
            undock: Called when the panel is closed, to take its place away.
        """
        self._undock = undock
        self._saved.show(folded=True)

    # -- traits -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _taking_over(self) -> Iterator[None]:
        """While inside, traits follow the session, and not the session the traits."""
        with self._refreshing:
            before, self._refreshed_by = self._refreshed_by, threading.get_ident()
            try:
                with self.hold_sync():
                    yield
            finally:
                self._refreshed_by = before

    @property
    def _is_refreshing(self) -> bool:
        """Whether this thread brings the traits up to date; what another one sets meanwhile is meant."""
        return self._refreshed_by == threading.get_ident()

    def _refresh(self) -> None:
        """Bring what stands around the transcript up to date."""
        session, conversation = self._host.session, self._sync.conversation
        with self._taking_over():
            self.conversation = conversation.name
            self.conversations = [
                {"name": one.name, "turns": len(one.path())} for one in list(session.conversations.values())
            ]
            self.busy = self._sync.busy
            self.system = conversation.system
            for name in PARAMETERS:
                value = conversation.settings.get(name)
                setattr(self, name, list(value) if isinstance(value, tuple) else value)
            try:
                settings = self._host.settings(conversation)
                target = session.connections.target(settings)
                self.where = {
                    "model": target.model or "the embedded model",
                    "server": target.shown_url,
                    "embedded": target.is_embedded,
                }
                effective = {name: _effective(settings, name) for name in REQUEST_PARAMETERS}
                effective["model"] = {"value": self.where["model"], "source": target.model_source}
                takes_any = session.connections.takes_any_temperature(settings)
                effective["temperature"]["high"] = MOST_TEMPERATURE if takes_any else PLATFORM_TEMPERATURE
                self.effective = effective
            except ChatError as error:  # a value of the environment that is none; asking says it too
                self.where = {"model": "", "server": "", "embedded": False, "trouble": str(error)}
            values = self._values()
            if values != self._counted:
                self._counted = values
                self.revision += 1
        self._saved.changed()

    def _values(self) -> list[object]:
        """What `_refresh` brings up to date."""
        return [
            getattr(self, name) for name in ("conversation", "conversations", "busy", "where", "effective", *WRITABLE)
        ]

    @traitlets.validate(*PARAMETERS)
    def _checked(self, proposal: Any) -> object:
        if self._is_refreshing or proposal["value"] is None:
            return proposal["value"]
        name, session, conversation = proposal["trait"].name, self._host.session, self._sync.conversation
        value = usable_value(session.connections, name, proposal["value"], lambda: self._host.settings(conversation))
        return list(value) if isinstance(value, tuple) else value

    @traitlets.validate("system")
    def _checked_system(self, proposal: Any) -> object:
        value = proposal["value"]
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"system: expected a text or None, got {type(value).__name__}.")
        return value or None

    @traitlets.validate("conversation")
    def _checked_conversation(self, proposal: Any) -> object:
        if not self._is_refreshing:
            self._host.session.conversation(str(proposal["value"]))
        return proposal["value"]

    def _parameter_set(self, change: Any) -> None:
        if self._is_refreshing:
            return
        conversation = self._sync.conversation
        if change["name"] == "system":
            conversation.system = change["new"]
        else:
            session, settings = self._host.session, self._host.settings
            set_value(session.connections, conversation, change["name"], change["new"], lambda: settings(conversation))
        self._host.session.note()

    def _conversation_set(self, change: Any) -> None:
        if not self._is_refreshing:
            self._sync.go_to(change["new"])
            self._host.session.note()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page has changed: parameters, each checked; anything else is not the page's to change."""
        for name in WRITABLE:
            if name in sync_data:
                try:
                    setattr(self, name, sync_data[name])
                except InvalidInput as error:
                    self._send_json({"kind": "sorry", "key": "", "text": str(error)})
                    self.send_state(name)

    # -- messages -----------------------------------------------------------------------------------------------------

    def _send_json(self, message: dict[str, object]) -> None:
        if self.comm is not None:
            self.send(message)

    def _tell_state(self) -> None:
        """Send all values anew, to a page that may know old ones."""
        with self._refreshing:  # else an old value could overtake what another thread changes meanwhile
            self.send_state([name for name in self.keys if not name.startswith("_") and name != "panel_id"])

    def _tell_models(self, models: list[str]) -> None:
        self.models = models

    def _on_message(self, _: object, content: object, buffers: Sequence[object]) -> None:
        key = requests.key_of(content)
        try:
            request = requests.parse(content, buffers)
            if not self._queries.try_answer(request):
                named = request.conversation
                shown = self._host.session.conversation(named) if named else self._sync.conversation
                self._queue.take(request, shown)
        except ChatError as error:
            self._send_json({"kind": "sorry", "key": key, "text": str(error)})


def _as_it_came(data: object, subshell: str | None) -> str | None:
    """Which thread of the kernel a message of the page goes to: the one that the page has named.

    The kernel would send it where the last message to the page came from: when a cell's reply is shown here that is the
    main thread, and Stop would wait for the very cell that it is to end. A private hook of ipykernel's is put aside
    for that; where there is none, messages go where the page says anyway.
    """
    return subshell


def _effective(settings: Settings, name: str) -> dict[str, object]:
    found = settings.find(name)
    return {"value": found.value, "source": found.source}
