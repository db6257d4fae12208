"""What the page has asked for and the kernel has yet to do: each once, in the kernel's free time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError, Interrupted, InvalidInput
from llmvision_magic.prompt import ExpressionError
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.panel.host import PanelHost
    from llmvision_magic.panel.requests import Request
    from llmvision_magic.panel.turn_data import Json

MOST_KNOWN = 200
"""Requests whose answers are kept, for a page that has not heard them."""

PROMPTS = ("ask", "edit", "retry", "continue")
"""Requests that send something to a model."""

OF_CONVERSATION = (*PROMPTS, "branch", "exclude")
"""Requests that make no sense without the conversation that was shown when they were given."""

TAKEN_BACK = "Not asked: it was stopped before it was sent."


class RequestQueue:
    """The requests of one panel.

    Args:
        run: Does what a request asks for, in the conversation that was shown when it came; the stop ends its reply.
        send: Sends an answer to the page.
    """

    def __init__(
        self,
        host: PanelHost,
        run: Callable[[Request, Conversation, Stop], None],
        send: Callable[[dict[str, object]], None],
    ) -> None:
        self._host = host
        self._run = run
        self._send = send
        self._lock = threading.Lock()
        self._waiting: dict[int, Request] = {}
        self._begun: set[Stop] = set()
        self._answers: OrderedDict[str, Json | None] = OrderedDict()  # by key; None: it has none yet

    def take(self, request: Request, conversation: Conversation) -> None:
        """Do what is asked when no cell runs. What came already, by its key, is only answered: a page whose
        connection was away sends again what it has heard nothing of.
        """
        with self._lock:
            known = request.key in self._answers
            answer = self._answers.get(request.key)
            if not known:
                self._waiting[id(request)] = request
                if request.key:
                    self._answers[request.key] = None
                while len(self._answers) > MOST_KNOWN:
                    self._answers.popitem(last=False)
        if not known:
            self._host.when_free(lambda: self._do(request, conversation))
        elif answer is not None:
            self._send(answer)

    def take_back(self) -> None:
        """Refuse the prompts that still wait, or whose expressions are being evaluated."""
        with self._lock:
            refused = [one for one in self._waiting.values() if one.do in PROMPTS]
            for one in refused:
                del self._waiting[id(one)]
            for stop in self._begun:
                stop.set("interrupted")
        for one in refused:
            self._answer(one, {"kind": "sorry", "key": one.key, "text": TAKEN_BACK})

    def _do(self, request: Request, conversation: Conversation) -> None:
        stop = Stop()
        with self._lock:
            if self._waiting.pop(id(request), None) is None:
                return
            self._begun.add(stop)
        try:
            is_there = self._host.session.conversations.get(conversation.name) is conversation
            if request.do in OF_CONVERSATION and not is_there:
                raise InvalidInput(f"The conversation `{conversation.name}` is there no longer.")
            self._run(request, conversation, stop)
        # Of code in a prompt's braces comes anything, an interrupt and an exit too: the page must hear of it.
        except BaseException as error:
            text = TAKEN_BACK if isinstance(error, Interrupted) and stop.is_set else _sentence(error)
            braces = isinstance(error, ExpressionError)  # then the page offers to send them as text
            self._answer(request, {"kind": "sorry", "key": request.key, "text": text, "braces": braces})
        else:
            self._answer(request, {"kind": "done", "key": request.key})
        finally:
            with self._lock:
                self._begun.discard(stop)

    def _answer(self, request: Request, answer: Json) -> None:
        with self._lock:
            if request.key in self._answers:
                self._answers[request.key] = answer
        self._send(answer)


def _sentence(error: BaseException) -> str:
    if isinstance(error, ExpressionError):
        return error.sentence
    if isinstance(error, ChatError | Interrupted):
        return str(error)
    return "Interrupted." if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
