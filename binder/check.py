"""Open the image's server as Binder would, run the quickstart in it on one core, and measure its memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

MOST_MEMORY = 2_000_000_000
"""Bytes; what Binder gives."""


def memory_of(process: psutil.Process) -> int:
    """Bytes of a process and all that it started. Shared pages count for each, so this is rather too much."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def landing_page() -> str:
    """Start JupyterLab, and say where its front door leads."""
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
                    with urllib.request.urlopen(address, timeout=60) as answer:
                        return answer.url.removeprefix(address)
                except urllib.error.URLError:
                    time.sleep(0.2)
        finally:
            process.terminate()
    raise SystemExit("JupyterLab did not start")


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    page = landing_page()
    if page != "/lab/tree/notebooks/quickstart.ipynb":
        raise SystemExit(f"JupyterLab opens on {page}, not on the quickstart")
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.2):
            most = max(most, memory_of(psutil.Process()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        notebook = nbformat.read(Path("notebooks/quickstart.ipynb"), as_version=4)
        NotebookClient(notebook, timeout=300, km=KernelManager(kernel_name="python3")).execute()
    finally:
        over.set()
        watcher.join()
    print(f"The quickstart ran on one core; it and all its processes took {most / 1e6:.0f} MB.")
    if most > MOST_MEMORY:
        raise SystemExit(f"that is more than {MOST_MEMORY / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
