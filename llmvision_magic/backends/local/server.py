"""The embedded model's server: started when needed, restarted when it crashed, gone with this process."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from llmvision_magic.backends.local.download import INSTEAD
from llmvision_magic.backends.local.gguf import ModelFacts, read_facts
from llmvision_magic.backends.local.logs import log_tail, new_log
from llmvision_magic.backends.local.machine_limits import (
    LEAST_CONTEXT,
    fitting_context,
    needed_memory,
    usable_memory,
    usable_threads,
)
from llmvision_magic.backends.local.process import ServerProcess
from llmvision_magic.backends.local.weights import SMOLLM2, cache_folder, name_of
from llmvision_magic.errors import Interrupted, ModelNotStarted

if TYPE_CHECKING:
    from llmvision_magic.stop import Stop

_PROGRAM = Path(__file__).with_name("llama_server.py")
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 5.0
_PROMPT_CACHE_MIB = 256
"""For conversations taken up again: reading a long one anew takes a minute on two cores."""
REPLY_SHARE = 4
"""A reply that nobody limits ends at this share of the context, a quarter: a small model may never end by itself."""
_SAMPLING = {"temp": 0.5, "top_p": 0.9, "penalty_repeat": 1.1, "penalty_last_n": 256}
"""What a request that says nothing gets from our own model: with the engine's defaults it repeats itself endlessly."""


class LocalServer:
    """A server of the Chat Completion API on the loopback address, in a process of its own.

    ``start()`` may be called before each request: it costs nothing while the server runs, and starts it anew when it
    has crashed. `stop` ends it, as does leaving the ``with`` block and the end of this process, even by ``kill -9``. In
    a process forked from this one the server counts as not running, and `start` makes another.

    Attributes:
        api_key: Made at random for this object; the server refuses requests without it.
        model: The model's name, as in requests and replies.
        context_tokens: Size of the context in tokens: as asked for until started, then as in use.
    """

    def __init__(
        self,
        model: Path,
        *,
        context_tokens: int = 8192,
        start_seconds: float = 60.0,
        program: Path = _PROGRAM,
    ) -> None:
        """Prepare; nothing is started or read yet.

        Args:
            model: The model's file.
            context_tokens: Longest context wanted, in tokens. Less is used where the model or the memory allow less.
            start_seconds: Longest wait for the server to answer, in seconds; loading the model counts.
            program: What the child runs: a Python file that keeps the agreement described in `llama_server`.
        """
        self.api_key = secrets.token_urlsafe(32)
        self.model = name_of(model)
        self.context_tokens = context_tokens
        self._wanted_tokens = context_tokens
        self._model_path = model
        self._start_seconds = start_seconds
        self._program = program
        self._log_path: Path | None = None
        self._process: ServerProcess | None = None
        self._deadline = 0.0
        self._port = 0
        self._owner = os.getpid()
        self._starting = threading.Lock()

    def __enter__(self) -> LocalServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Address of the API: ``http://127.0.0.1:PORT/v1``. A restart changes the port.

        Raises:
            RuntimeError: It was never started.
        """
        if not self._port:
            raise RuntimeError("LocalServer has no address before start() has returned")
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def is_running(self) -> bool:
        """Whether the server was ready and its process still runs."""
        return self._port != 0 and self._process is not None and not self._process.has_ended

    @property
    def pid(self) -> int | None:
        """The child's process number; None while none runs."""
        return self._process.pid if self._process is not None and not self._process.has_ended else None

    @property
    def log_path(self) -> Path | None:
        """The log of the last start; None before the first."""
        return self._log_path

    def start(self, stop: Stop | None = None) -> None:
        """Start the server unless it runs, and wait until it answers. Any thread may call it, also several at once.

        A start that is stopped goes on by itself; the next call waits for the rest of it.

        Args:
            stop: Ends the waiting within 0.3 seconds.

        Raises:
            ModelNotStarted: The server could not be started, ended early, or did not answer in time; carries the last
                lines of its log.
            Interrupted: `stop` was set.
        """
        if os.getpid() != self._owner:  # the lock may have been held by a thread that the fork did not bring along
            self._owner, self._starting, self._process = os.getpid(), threading.Lock(), None
        while not self._starting.acquire(timeout=_POLL_SECONDS):
            _check(stop)
        try:
            if self.is_running:
                return
            _check(stop)
            if self._process is None or self._process.has_ended:
                self._port = 0
                self._process = self._launch()
                self._deadline = time.monotonic() + self._start_seconds
            self._wait_until_ready(self._process, stop)
        finally:
            self._starting.release()

    def stop(self) -> None:
        """End the server, if it runs: TERM, two seconds, KILL. It can be started again."""
        if self._process is not None and os.getpid() == self._owner:
            self._process.end()

    def _launch(self) -> ServerProcess:
        """Start the child with what this machine allows now."""
        try:
            facts = read_facts(self._model_path)
        except OSError as error:
            raise ModelNotStarted(
                f"The embedded model's file {self._model_path} cannot be read ({error.strerror}); "
                "run `python -m llmvision_magic model` to fetch it again."
            ) from error
        memory = usable_memory()
        context = fitting_context(self._wanted_tokens, facts, memory)
        if context is None:
            raise ModelNotStarted(_memory_failure(self._model_path, facts, memory or 0))
        self.context_tokens = context
        options = {
            "model": str(self._model_path.absolute()),
            "name": self.model,
            "key": self.api_key,
            "context_tokens": context,
            "threads": usable_threads(),
            "most_tokens": context // REPLY_SHARE,
            "sampling": _SAMPLING if self._model_path.name == SMOLLM2.file_name else {},
            "prompt_cache_mib": _prompt_cache(needed_memory(facts, context), memory),
        }
        try:
            if self._log_path is not None:
                self._log_path.unlink(missing_ok=True)
            self._log_path = new_log(cache_folder() / "logs")
            return ServerProcess(self._program, options, self._log_path)
        except OSError as error:
            raise ModelNotStarted(
                f"The embedded model's server could not be started ({error}); free memory, disk space or processes and "
                f"try again, or {INSTEAD}."
            ) from error

    def _wait_until_ready(self, process: ServerProcess, stop: Stop | None) -> None:
        port = 0
        while True:
            _check(stop)
            if process.has_ended:
                raise ModelNotStarted(self._early_end(process))
            if time.monotonic() > self._deadline:
                process.end()
                raise ModelNotStarted(
                    f"The embedded model's server was to answer within {self._start_seconds:g} s and did not; try "
                    f"again when the machine is less busy, or {INSTEAD}.{self._quoted_log()}"
                )
            report = process.report(_POLL_SECONDS)
            if report is None:
                continue
            told = report.get("port")
            port = told if isinstance(told, int) else 0
            if port and self._is_healthy(port):
                break
            time.sleep(_POLL_SECONDS)
        self.context_tokens = self._context_in_use(port) or self.context_tokens
        self._port = port

    def _is_healthy(self, port: int) -> bool:
        status, _ = _get(port, "/health", self.api_key)
        return status == http.client.OK

    def _context_in_use(self, port: int) -> int | None:
        """The context as the server says it, in tokens: it may round, and it knows models whose file says nothing."""
        _, answer = _get(port, "/props", self.api_key)
        settings = answer.get("default_generation_settings")
        tokens = settings.get("n_ctx") if isinstance(settings, dict) else None
        return tokens if isinstance(tokens, int) and tokens > 0 else None

    def _early_end(self, process: ServerProcess) -> str:
        """Why the child ended before it was ready."""
        failure = (process.report(0) or {}).get("failure")
        code = process.exit_code
        if failure:
            why = f"its engine cannot be loaded ({failure}); try `pip install --force-reinstall xllamacpp`"
        elif code in (-4, 0xC000001D):  # SIGILL, and the same on Windows
            why = "this processor lacks instructions that its engine xllamacpp was built for; use another machine"
        elif code == -9:
            why = "it was killed, mostly for lack of memory; free some memory and try again"
        else:
            why = f"it ended with exit code {code}; look at the log"
        return f"The embedded model's server was to start, but {why}, or {INSTEAD}.{self._quoted_log()}"

    def _quoted_log(self) -> str:
        if self._log_path is None:
            return ""
        tail = log_tail(self._log_path).replace(self.api_key, "****")
        return f" Its log {self._log_path} ends:\n{tail}" if tail else f" Its log {self._log_path} is empty."


def _check(stop: Stop | None) -> None:
    if stop is not None and stop.is_set:
        raise Interrupted("Stopped while the embedded model was starting; run it again to use it.")


def _get(port: int, path: str, key: str) -> tuple[int, dict[str, object]]:
    """Ask the server; status 0 if it does not answer. The standard library: `wire` alone has the HTTP library."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()
    return response.status, answer if isinstance(answer, dict) else {}


def _prompt_cache(needed: int, memory: int | None) -> int:
    """MiB for prompts read before: only where they, and as much again, are left over."""
    room = 2 * (_PROMPT_CACHE_MIB << 20)
    return _PROMPT_CACHE_MIB if memory is None or memory - needed >= room else 0


def _memory_failure(path: Path, facts: ModelFacts, memory: int) -> str:
    needed = needed_memory(facts, LEAST_CONTEXT)
    return (
        f"The model {path.name} needs about {needed / 1e6:.0f} MB of memory, but {memory / 1e6:.0f} MB are free; "
        f"free some memory, take a smaller model, or {INSTEAD}."
    )
