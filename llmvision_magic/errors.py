"""Everything that can go wrong, in one tree.

::

    ChatError                       base: one sentence for the notebook, the traceback stays for %tb
    ├── InvalidInput                an option, a verb, a name or a value that cannot be used; nothing was sent
    ├── NotConnected                no connection to the server: refused, unknown host, TLS, connect time limit
    ├── NoReply                     the server took the request and stayed silent for the time allowed
    ├── RequestRefused              the server answered with an error status and (mostly) its own words
    │   ├── KeyRefused              401 and 403
    │   ├── ServerBusy              429 and 5xx, after the retries
    │   └── ContextTooLong          the messages do not fit into the model's context
    ├── BadResponse                 an answer that is not the Chat Completion API: not JSON, an HTML page, no choices
    ├── NotRecorded                 a replay has no answer to the request; no model was asked
    ├── ReplyCut                    the reply began and did not end: line lost, time limit, an error inside the stream
    └── ModelNotStarted             the embedded model could not be fetched or started
    Interrupted (KeyboardInterrupt) the reader stopped the reply

A message says what was expected, what came and what to try. It never carries a key.
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from llmvision_magic.hooks import HOOKS

if TYPE_CHECKING:
    from llmvision_magic.messages import Reply


class ChatError(Exception):
    """Base of all errors of this package.

    Attributes:
        shown: Whether the cell's output says it already, as the notice under a reply that was cut short.
    """

    shown = False
    _told = False

    def __str__(self) -> str:
        """The sentence. A key that somebody has typed at a wrong place, or that a server repeats, is not in it."""
        return HOOKS.without_secrets(super().__str__())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the sentence the first time, all frames when asked again (``%tb``)."""
        if self._told:
            # What other people's code says of its errors may hold what it was given. The cell's own line is left out:
            # it stands above, and what was typed there may be a secret.
            frames = HOOKS.without_secrets("".join(traceback.format_exception(self))).splitlines()
            return [re.sub(r"(\brun_\w+_magic)\(.*", r"\1(…)", line) for line in frames]
        self._told = True
        return [f"{type(self).__name__}: {self}"]


class InvalidInput(ChatError):
    """An option, verb, name or value that cannot be used. Nothing was sent."""


class NotConnected(ChatError):
    """No connection to the server could be made."""


class NoReply(ChatError):
    """The server accepted the request and sent nothing within the time allowed."""


class RequestRefused(ChatError):
    """The server answered with an error status.

    Attributes:
        status: HTTP status, or None when the error came as an object in place of a reply.
        server_message: The server's own words, shortened; empty when it had none.
    """

    def __init__(self, message: str, *, status: int | None = None, server_message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message


class KeyRefused(RequestRefused):
    """The server does not accept the key (401) or does not allow this with it (403)."""


class ServerBusy(RequestRefused):
    """The server is overloaded or limits the rate, still so after the retries."""


class ContextTooLong(RequestRefused):
    """The messages do not fit into the model's context.

    Attributes:
        prompt_tokens: Size of what was sent, in tokens, if the server said it.
        context_tokens: Size of the model's context, in tokens, if the server said it.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        server_message: str = "",
        prompt_tokens: int | None = None,
        context_tokens: int | None = None,
    ) -> None:
        super().__init__(message, status=status, server_message=server_message)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class BadResponse(ChatError):
    """The answer is not the Chat Completion API."""


class NotRecorded(ChatError):
    """What is replayed has no answer to the request. No model was asked."""


class ReplyCut(ChatError):
    """The reply began and did not come to its end. What had arrived is kept.

    Attributes:
        reply: What had arrived, where nobody else keeps it: set by `ChatClient.complete`.
    """

    reply: Reply | None = None


class ModelNotStarted(ChatError):
    """The embedded model could not be fetched or started; carries the last lines of its log."""


class Interrupted(KeyboardInterrupt):
    """The reader stopped the reply.

    A KeyboardInterrupt, so that *Run All* stops and `except Exception` does not swallow it.

    Attributes:
        shown: As of `ChatError`.
    """

    shown = False

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
