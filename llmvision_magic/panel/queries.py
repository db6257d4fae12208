"""What the page asks that changes nothing: answered at once, also while a cell runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.threads import in_thread

if TYPE_CHECKING:
    from llmvision_magic.panel.host import PanelHost
    from llmvision_magic.panel.request_queue import RequestQueue
    from llmvision_magic.panel.requests import Request
    from llmvision_magic.panel.transcript_sync import TranscriptSync

MODELS_SECONDS = 10.0
"""Longest wait for a server to say what models it has."""


class Queries:
    """The answers of one panel.

    Args:
        send: Sends a message to the page.
        tell_state: Sends all values anew.
        tell_models: Takes the names of the models that the server has.
    """

    def __init__(
        self,
        host: PanelHost,
        sync: TranscriptSync,
        queue: RequestQueue,
        send: Callable[[dict[str, object]], None],
        tell_state: Callable[[], None],
        tell_models: Callable[[list[str]], None],
    ) -> None:
        self._host = host
        self._sync = sync
        self._queue = queue
        self._send = send
        self._tell_state = tell_state
        self._tell_models = tell_models
        self._answers = {
            "show": self._show,
            "stop": self._stop,
            "text": self._text,
            "source": self._source,
            "names": self._names,
            "models": self._models,
        }

    def try_answer(self, request: Request) -> bool:
        """Answer a request; False where it is none of these."""
        answer = self._answers.get(request.do)
        if answer is not None:
            answer(request)
        return answer is not None

    def _show(self, request: Request) -> None:
        if request.again:  # its connection was away, and so it may know old values
            self._tell_state()
        self._sync.show(request.before, request.count)

    def _stop(self, request: Request) -> None:
        self._queue.take_back()
        self._sync.stop()
        self._send({"kind": "done", "key": request.key})

    def _text(self, request: Request) -> None:
        turn = self._sync.conversation.turns.get(request.turn)
        self._send({"kind": "text", "turn": request.turn, "text": turn.text if turn else ""})

    def _source(self, request: Request) -> None:
        self._send({"kind": "source", "turn": request.turn, **self._sync.source(request.turn)})

    def _names(self, request: Request) -> None:
        self._send({"kind": "names", "key": request.key, "names": self._host.names(request.text)})

    def _models(self, request: Request) -> None:
        def fetch() -> None:
            settings = self._host.settings(self._sync.conversation)
            self._tell_models(self._host.session.model_list.offered(settings, MODELS_SECONDS))
            self._send({"kind": "done", "key": request.key})

        in_thread(fetch, "llmvision-panel-models").start()
