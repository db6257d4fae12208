"""Measures one reply that streams into a real kernel, a fresh one for each measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil
from documents import tokens
from jupyter_client.manager import KernelManager
from markdown_it import MarkdownIt
from meter import Meter, size
from support.kernels import Cell, Kernel, Output
from systems import System

WARM_UP = "mixed-50"
TIMED = """
import time
_began = time.process_time()
{}
print((time.process_time() - _began) * 1000)
"""
PEAK = """
import os, resource, sys
if os.path.exists("/proc/self/status"):  # ru_maxrss would count what the parent process had before the exec
    print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024))
"""


class NotMeasured(Exception):
    """Why there is no number."""


@dataclass(frozen=True)
class Document:
    """A reply of the model server; the model's name says which."""

    model: str

    @property
    def kind(self) -> str:
        return self.model.partition("-")[0]

    @property
    def text(self) -> str:
        count = self.model.partition("@")[0].partition("-")[2]
        return _text(self.kind, int(count))

    @property
    def blocks(self) -> int:
        """Top-level Markdown blocks."""
        parsed = MarkdownIt("commonmark").enable("table").parse(self.text)
        return sum(token.level == 0 and token.nesting >= 0 for token in parsed)


@cache
def _text(kind: str, count: int) -> str:
    return "".join(tokens(kind, count))


@dataclass(frozen=True)
class Measured:
    """One reply in one kernel. Times in ms, sizes in bytes, memory in MB.

    Attributes:
        empty_cpu: CPU time of the kernel process for a cell that does nothing.
        load_cpu: CPU time that loading the system takes inside its cell.
        first_cpu: CPU time of the kernel process for two cells: loading, and the first short chat.
        cpu: CPU time of the kernel process for the cell of this reply.
        seconds: From the server's first event to the last output message.
        messages: Messages with output, as they came over iopub.
        content_bytes: JSON of their contents.
        whole_bytes: JSON of the whole messages.
        first_paint: From the server's first event to the arrival of the first message with some of the reply.
        first_word: The same for the first message with a word to read: a mixed document begins with a heading's mark.
        largest_gap: Longest time between the arrivals of two such messages.
        lag: From the server's last event, the finish reason, to the arrival of the last such message.
        by_header: First paint, largest gap and lag by the date in the messages' headers, when the kernel made them.
        saved_bytes: JSON of the data of the outputs that are left.
        peak: Largest resident memory the kernel had.
        ended: Whether the cell ended within its time; otherwise the numbers tell how far it came.
    """

    system: str
    model: str
    empty_cpu: float
    load_cpu: float
    first_cpu: float
    cpu: float
    seconds: float
    messages: int
    content_bytes: int
    whole_bytes: int
    reply_bytes: int
    first_paint: float | None
    first_word: float | None
    largest_gap: float | None
    lag: float | None
    by_header: tuple[float, float, float] | None
    outputs: int
    saved_bytes: int
    peak: float
    ended: bool


class ModelServer:
    """The server process of ``server.py``, and what it noted."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        self._notes: SimpleQueue[dict[str, Any]] = SimpleQueue()
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._notes.put(json.loads(line))

    def prepare(self, model: str) -> None:
        """Have the reply made, so that the first who asks for it waits no longer than the next."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{model}\n")
        self._process.stdin.flush()

    def times(self, model: str, wait: float = 10.0) -> tuple[float, float | None]:
        """When the first and the last event of that reply were sent, by time.time(); the last may not have been."""
        while True:
            try:
                note = self._notes.get(timeout=wait)
            except Empty:
                raise NotMeasured(f"the model server sent no {model}") from None
            if note["model"] == model:
                return note["first"], note["last"]


@contextmanager
def running_server() -> Iterator[ModelServer]:
    """A model server; it ends with its standard input."""
    command = [sys.executable, str(Path(__file__).parent / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ModelServer(process)
        finally:
            process.stdin.close()


@contextmanager
def fresh_kernel(python: Path, folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel of that interpreter which sees no settings of whoever runs the benchmark."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LLMVISION_", "OPENAI_"))}
    manager = KernelManager()
    manager.kernel_spec.argv[0] = str(python)
    with (folder / "kernel.log").open("ab") as log:
        kept = {"IPYTHONDIR": str(folder / "ipython"), "LLMVISION_JOURNAL": str(folder / "journal.sqlite3")}
        settings = {**inherited, **kept, **environment}
        manager.start_kernel(env=settings, cwd=str(folder), stdout=log, stderr=log)
    kernel = None
    try:
        kernel = Kernel(manager)
        yield kernel
    finally:
        if kernel is not None:
            kernel.client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def measure(system: System, document: Document, server: ModelServer, folder: Path, limit: float) -> Measured:
    """Load the system in a fresh kernel, hold a first short chat, then measure the reply.

    Args:
        folder: Where the kernel works.
        limit: Seconds after which the cell is interrupted.

    Raises:
        NotMeasured: A cell failed, or what it left is not the reply.
    """
    text = document.text
    server.prepare(document.model)
    with fresh_kernel(system.python, folder, LLMVISION_BASE_URL=server.url) as kernel:
        try:
            kernel.ok("pass")  # the first cell of all costs more, whatever it is
            start = cpu_time(kernel.pid)
            kernel.ok("pass")
            loading = cpu_time(kernel.pid)
            load_cpu = printed(kernel, TIMED.format(system.load))
            kernel.ok(system.first_chat(WARM_UP, server.url))
            before = cpu_time(kernel.pid)
            meter = Meter(kernel, text, limit)
            cell = kernel.run(system.chat(document.model), on_output=meter)
            after = cpu_time(kernel.pid)
            peak = printed(kernel, PEAK)
        except (AssertionError, Empty) as error:
            raise NotMeasured(_last_line(error)) from error
    if meter.in_time and saved_text(system, cell.outputs) != text:
        raise NotMeasured(f"the cell left {_ending(cell)} and not the reply")
    first, last = server.times(document.model)
    return Measured(
        system=system.name,
        model=document.model,
        empty_cpu=loading - start,
        load_cpu=load_cpu,
        first_cpu=before - loading,
        cpu=after - before,
        seconds=meter.last - first,
        messages=meter.messages,
        content_bytes=meter.content_bytes,
        whole_bytes=meter.whole_bytes,
        reply_bytes=len(text.encode()),
        first_paint=_delay(meter.arrived[:1], first),
        first_word=_delay(meter.word, first),
        largest_gap=_largest_gap(meter.arrived),
        lag=_delay(meter.arrived[-1:], last),
        by_header=_times(meter.made, first, last),
        outputs=len(cell.outputs),
        saved_bytes=sum(size(output.data or output.text) for output in cell.outputs),
        peak=peak,
        ended=meter.in_time,
    )


def cpu_time(pid: int) -> float:
    """CPU time of a process so far, user and system, all its threads, in ms."""
    if sys.platform == "linux":
        # The process's CPU clock, as clock_getcpuclockid(3) makes its number; it counts nanoseconds.
        return time.clock_gettime(~pid << 3 | 2) * 1000
    times = psutil.Process(pid).cpu_times()
    return (times.user + times.system) * 1000


def printed(kernel: Kernel, code: str) -> float:
    """The number that a cell prints."""
    return float("".join(output.text for output in kernel.ok(code).outputs))


def saved_text(system: System, outputs: list[Output]) -> str:
    """The reply as the outputs hold it."""
    if system.saved_as is None:
        return "".join(output.text for output in outputs).removesuffix("\n")
    return "".join(output.data.get(system.saved_as, "") for output in outputs)


def _delay(times: list[float], since: float | None) -> float | None:
    return (times[0] - since) * 1000 if times and since is not None else None


def _largest_gap(times: list[float]) -> float | None:
    gaps = [(later - earlier) * 1000 for earlier, later in pairwise(times)]
    return max(gaps, default=None)


def _times(made: list[float], first: float, last: float | None) -> tuple[float, float, float] | None:
    times = _delay(made[:1], first), _largest_gap(made), _delay(made[-1:], last)
    return None if None in times else times


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else f"no answer of the kernel ({type(error).__name__})"


def _ending(cell: Cell) -> str:
    text = cell.plain.strip()
    return repr(text[-80:]) if text else "nothing"
