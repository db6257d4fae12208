"""Do as a reader on Binder would: open each lesson, run it on one core, ask something new; measure the memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

MOST_MEMORY = 2_000_000_000
"""Bytes; what Binder gives."""

FRONT_DOOR = "/lab/tree/notebooks/quickstart.ipynb"

NOTEBOOKS = Path("notebooks")

ANOTHER_PROMPT = "%%chat --once --max-tokens 20 -o another\nSay something that stands in no recording."


def memory_of(process: psutil.Process) -> int:
    """Bytes of a process and all that it started. Shared pages count for each, so this is rather too much."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def most_memory() -> Iterator[list[int]]:
    """The most bytes that this process and all below it have taken so far, in a list of one."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            most[0] = max(most[0], memory_of(psutil.Process()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


@contextmanager
def running_server() -> Iterator[str]:
    """JupyterLab, as the image starts it; its address, without a slash at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
    ]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=60).close()
                except urllib.error.URLError:
                    time.sleep(0.2)
                else:
                    yield address
                    return
        finally:
            process.terminate()
    raise SystemExit("JupyterLab did not start")


def check_pages(address: str, lessons: list[Path]) -> None:
    """The front door leads to the quickstart, and the address in a badge to its lesson."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        page = answer.url.removeprefix(address)
    if page != FRONT_DOOR:
        raise SystemExit(f"JupyterLab opens on {page}, not on {FRONT_DOOR}")
    badges = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    for lesson in lessons:
        page = f"lab/tree/{lesson.as_posix()}"
        if f"?urlpath={page})" not in badges:
            raise SystemExit(f"{NOTEBOOKS / 'README.md'} has no badge for {lesson}")
        with urllib.request.urlopen(f"{address}/{page}", timeout=60) as answer:
            if f'"treePath": "{lesson.as_posix()}"' not in answer.read().decode():
                raise SystemExit(f"/{page} does not open {lesson}")


def run(lesson: Path) -> float:
    """Run a lesson to its end as it is, and then one more prompt; the seconds that took.

    The model on this machine must answer what is not recorded.
    """
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in (ANOTHER_PROMPT, "print(another.model)")]
    kernel = KernelManager(kernel_name="python3")
    begin = time.monotonic()
    try:
        folder = {"metadata": {"path": str(lesson.parent)}}
        NotebookClient(notebook, timeout=300, km=kernel, resources=folder).execute()
    finally:
        kernel.shutdown_kernel(now=True)
    *_, reply, model = notebook.cells
    if "embedded model" not in reply.outputs[0]["data"]["text/html"]:
        raise SystemExit(f"{lesson}: another prompt was not answered by the embedded model, but by {model.outputs}")
    return time.monotonic() - begin


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    lessons = sorted(NOTEBOOKS.glob("*.ipynb"))
    with most_memory() as most, running_server() as address:
        check_pages(address, lessons)
        for lesson in lessons:
            print(f"{lesson}: {run(lesson):.0f} s on one core", flush=True)
    print(f"JupyterLab, a lesson and the model took at most {most[0] / 1e6:.0f} MB.")
    if most[0] > MOST_MEMORY:
        raise SystemExit(f"that is more than {MOST_MEMORY / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
