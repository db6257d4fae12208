"""The child process: llama.cpp's server around one model. It is run by its path and imports nothing of ours.

The parent writes one line of JSON to standard input and then keeps that pipe open; this process writes one line of
JSON to standard output when it listens (``{"port": 40123}``) or when the engine cannot be loaded
(``{"failure": "ImportError: …"}``). Everything else goes to standard error, which is the log.

It ends with its parent, even one that was killed: the pipe's other end is then closed by the operating system, and
should a copy of that end live on in another process, the parent's number no longer being that of the starter says the
same. While the engine loads a model it holds Python's lock, so during that time the end waits for the load.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

_LOG_BYTES = 4 << 20
_PARENT_SECONDS = 1.0


def main() -> None:
    options = json.loads(sys.stdin.buffer.readline())
    report = os.dup(1)
    os.dup2(2, 1)  # what the engine prints is log, not report
    _bound_log()
    threading.Thread(target=_end_with_pipe, daemon=True).start()
    if sys.platform != "win32":  # there a process keeps its parent's number for good
        threading.Thread(target=_end_with_parent, args=(options["parent"],), daemon=True).start()
    # Waiting threads sleep instead of spinning: where the kernel or a browser also wants a processor, spinning makes
    # each layer of the model wait for the scheduler (measured on two cores: start 5 s instead of 1 s). Read at import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Behind this interpreter's own folders: where the parent found its packages, yet what is installed wins.
    sys.path.extend(folder for folder in options["search_path"] if folder not in sys.path)
    try:
        import xllamacpp
    except (ImportError, OSError) as error:
        _tell(report, {"failure": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, options))
    except RuntimeError as error:  # the log says why
        sys.exit(str(error))
    _tell(report, {"port": int(server.listening_address.rsplit(":", 1)[1])})
    threading.Event().wait()


def _parameters(xllamacpp: Any, options: dict[str, Any]) -> Any:
    """The engine's settings. It publishes no types."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options["model"]
    parameters.model_alias = {options["name"]}  # replies name the model, not a path of this machine
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [options["key"]]
    # Only programs that know the key are meant; a web page in a browser of this machine is none of them.
    parameters.cors_origins = ""
    parameters.cors_credentials = False
    parameters.ui = False
    parameters.endpoint_slots = False  # would show other requests
    parameters.n_ctx = options["context_tokens"]
    parameters.fit_params = False  # the parent has fitted the context
    parameters.n_predict = options["most_tokens"]  # where a request has no max_tokens
    for name, value in options["sampling"].items():
        setattr(parameters.sampling, name, value)
    parameters.ctx_shift = False  # a conversation that is too long is an error to be told, not to be cut silently
    parameters.n_parallel = 1
    # Whether a client has left is looked at between two batches: a long prompt nobody waits for ends with the next.
    parameters.n_batch = parameters.n_ubatch = 256
    parameters.cpuparams.n_threads = options["threads"]
    parameters.cpuparams_batch.n_threads = options["threads"]
    parameters.n_threads_http = 4
    parameters.cache_ram_mib = options["prompt_cache_mib"]  # 8 GiB by default
    parameters.cache_idle_slots = options["prompt_cache_mib"] > 0
    parameters.sse_ping_interval = 10  # seconds; a long prompt takes a minute until its first token
    parameters.verbosity = 2  # errors and warnings: no prompt and no reply is logged
    return parameters


def _bound_log() -> None:
    """Let no file grow beyond `_LOG_BYTES`: the log is the only file written, and what is beyond is dropped."""
    try:
        import resource
        import signal
    except ImportError:  # Windows
        return
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if hard == resource.RLIM_INFINITY or hard > _LOG_BYTES:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG_BYTES, hard))


def _tell(report: int, line: dict[str, object]) -> None:
    os.write(report, json.dumps(line).encode() + b"\n")
    os.close(report)


def _end_with_pipe() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would turn an orderly exit into an abort
        pass
    os._exit(0)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
