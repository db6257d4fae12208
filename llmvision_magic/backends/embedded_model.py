"""The embedded model as a process has it: started when it is first needed, anew for another file or context."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from llmvision_magic.backends.local import LocalServer, Progress
    from llmvision_magic.settings.environment import Environment
    from llmvision_magic.stop import Stop

CONTEXT_TOKENS = 8192
"""The embedded model's context, in tokens, where the user set none and the machine's memory allows it."""


class EmbeddedModel:
    """The one server of the embedded model.

    Attributes:
        server: If it was needed so far.
    """

    def __init__(self) -> None:
        self.server: LocalServer | None = None
        self._made_of: tuple[Path, int] | None = None
        self._lock = threading.Lock()

    def running(self, environment: Environment, tell: Callable[[str], None], stop: Stop) -> LocalServer:
        """The server, fetched and started where that is needed.

        Args:
            tell: Called with a line for the reader meanwhile.
            stop: Ends fetching and starting.

        Raises:
            InvalidInput: The context's size is none.
            ModelNotStarted: It could not be fetched or started.
        """
        from llmvision_magic.backends.local import LocalServer, model_path

        def show(progress: Progress) -> None:
            share = f" {100 * progress.done // progress.total} %" if progress.total else ""
            tell(f"{progress.message}{share}")

        path = model_path(show, stop, environ=environment.variables())
        wanted = _context_tokens(environment)
        with self._lock:
            if self.server is not None and self._made_of != (path, wanted):
                self.server.stop()
                self.server = None
            if self.server is None:
                self.server, self._made_of = LocalServer(path, context_tokens=wanted), (path, wanted)
            server = self.server
        if not server.is_running:
            tell("starting the embedded model on this machine")
            server.start(stop)
        return server

    def stop(self) -> None:
        """End the server; the next use starts another one."""
        with self._lock:
            server, self.server = self.server, None
        if server is not None:
            server.stop()


def _context_tokens(environment: Environment) -> int:
    """The embedded model's context, in tokens: ``LLMVISION_LOCAL_CONTEXT``, else `CONTEXT_TOKENS`."""
    value = environment.find("LLMVISION_LOCAL_CONTEXT")
    if value is None:
        return CONTEXT_TOKENS
    text = str(value.value).strip()
    if not text.isdecimal() or int(text) < 256:
        raise InvalidInput(f"{value.source}: expected a whole number of at least 256, in tokens, got {text!r}.")
    return int(text)
