"""JupyterLab in headless Chromium, under control."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, expect, sync_playwright

from support.deadline import DEADLINE

TOKEN = "test-token"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # All cells stay in the page, so that what is looked for is there to be found.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}

expect.set_options(timeout=DEADLINE * 1000)


@contextmanager
def running_lab(home: Path, notebooks: Path, *, dark: bool = False, **environment: str) -> Iterator[str]:
    """A JupyterLab server of its own.

    Args:
        home: An empty folder for everything it writes.
        notebooks: Its root folder.
        environment: Variables for its kernels.

    Yields:
        Its address, without a slash at the end.
    """
    settings = home / "lab-settings"
    chosen = {
        **SETTINGS,
        "@jupyterlab/apputils-extension/themes": {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"},
    }
    for name, values in chosen.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    runtime = home / "runtime"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LLMVISION_")}
    cache = {"LLMVISION_CACHE": os.environ["LLMVISION_CACHE"]} if "LLMVISION_CACHE" in os.environ else {}
    folders = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "LLMVISION_JOURNAL": str(home / "journal.sqlite3"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={notebooks}", "--ServerApp.port=0"),
        *("--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--JupyterNotebookApp.expose_app_in_browser=True"),
    ]
    with (home / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**inherited, **cache, **folders, **environment},
        )
    try:
        yield _address(process, runtime, home / "lab.log")
    finally:
        process.terminate()
        try:
            process.wait(15)  # a server that is stopped while a page connects to its kernel does not end by itself
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        for path in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(path.read_text())["url"].rstrip("/")
                urllib.request.urlopen(f"{url}/api", timeout=DEADLINE).close()
                return url
            except (ValueError, OSError):
                continue  # half written, or not listening yet
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.05)
    raise AssertionError(f"JupyterLab did not start within {DEADLINE} s:\n{log.read_text()[-3000:]}")


@contextmanager
def chromium(path: str, *, scale: float = 1) -> Iterator[Page]:
    """A fresh page in headless Chromium, of so many pixels of the screen to one of the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1180, "height": 900}, device_scale_factor=scale)
        page.set_default_timeout(DEADLINE * 1000)
        try:
            yield page
        finally:
            browser.close()


WATCH = """
() => {
  window.grown = [];
  const note = () => {
    const cells = [...document.querySelectorAll('.jp-CodeCell')];
    const lengths = cells.map(cell => (cell.querySelector('.jp-OutputArea')?.textContent ?? '').length);
    const last = window.grown.at(-1);
    if (!last || lengths.some((length, index) => length !== last[index])) window.grown.push(lengths);
  };
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""

CONNECTED = """
() => {
  const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}
"""


class Notebook:
    """One open notebook in JupyterLab, or with `app` "notebook" in Notebook 7."""

    def __init__(self, page: Page, address: str, name: str, *, app: str = "lab") -> None:
        self.page = page
        # A workspace of its own: JupyterLab would open again what the last page had open.
        where = "notebooks" if app == "notebook" else f"lab/workspaces/{Path(name).stem}/tree"
        self._open(f"{address}/{where}/{name}?token={TOKEN}")

    @classmethod
    def opened(cls, page: Page, address: str) -> Notebook:
        """The notebook that a whole address opens, with whatever else it says."""
        notebook = cls.__new__(cls)
        notebook.page = page
        notebook._open(address)
        return notebook

    def _open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        # Before its kernel is connected, running a cell asks the user to select one.
        self.page.wait_for_function(CONNECTED)

    def command(self, name: str) -> None:
        """Run one of JupyterLab's commands, without waiting for its end."""
        self.page.evaluate("name => { void window.jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> None:
        """Run all cells, and note how the text of each cell's output grows."""
        self.page.evaluate(WATCH)
        self.command("notebook:run-all-cells")

    def wait_idle(self) -> None:
        """Wait until the kernel has answered all that it was sent.

        What JupyterLab shows does not tell. With the first error, also one that is tagged as meant, its *Run All* is
        over and the star is gone from the cells that wait, though the kernel goes on to run them; and between any two
        cells the kernel is idle. But it takes what it is sent in its order, and all cells are sent at once.
        """
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestKernelInfo()"
        )

    def grown(self) -> list[list[int]]:
        """Lengths of the text of all cells' outputs, one row a change."""
        return self.page.evaluate("() => window.grown")

    def outputs(self) -> list[int]:
        """How many outputs each code cell shows."""
        return self.page.evaluate(
            "() => [...document.querySelectorAll('.jp-CodeCell')]"
            ".map(cell => cell.querySelectorAll('.jp-OutputArea-child').length)"
        )

    def output_text(self, cell: int) -> str:
        """What the output of a code cell reads."""
        return self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea").first.inner_text()

    def executed(self) -> list[bool]:
        """Which code cells have run."""
        prompts = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        return [any(character.isdigit() for character in prompt) for prompt in prompts]

    def save(self) -> None:
        """Save, and wait until it is saved."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells."""
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(notebook, path)
