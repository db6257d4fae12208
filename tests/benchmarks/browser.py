"""How busy a reply keeps the main thread of JupyterLab's page, from Chromium's own trace."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from measures import WARM_UP, ModelServer, NotMeasured
from support.lab import Notebook, chromium, running_lab, write_notebook

CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"]
AFTERWARDS = 2.0
"""Seconds after the server's last event that are still traced: the final output is drawn there."""


@dataclass(frozen=True)
class MainThread:
    """One reply in JupyterLab. Times in ms.

    Attributes:
        longest: The longest task from the server's first event until `AFTERWARDS` after its last.
        longest_while: The longest task that began before the server's last event.
        busy: Share of the time between the server's first and last event in which a task ran, 0 to 1.
    """

    longest: float
    longest_while: float
    busy: float


@dataclass(frozen=True)
class Task:
    """A task of the thread, in seconds of time.monotonic()."""

    begin: float
    end: float


def traced(
    model: str, server: ModelServer, home: Path, browser: str, runs: int, *, panel: bool = False
) -> list[MainThread]:
    """Run the chat in a real JupyterLab, a fresh one each time, for a second page would open what the first had open.

    Args:
        panel: Ask in the panel and not in a cell.

    Raises:
        NotMeasured: The trace does not show the page's main thread.
    """
    run_one = _run_panel if panel else _run
    return [run_one(model, server, browser, home / f"lab-{run}") for run in range(runs)]


def _run(model: str, server: ModelServer, browser: str, home: Path) -> MainThread:
    work = home / "notebooks"
    work.mkdir(parents=True)
    cells = "%load_ext llmvision_magic", f"%%chat -m {WARM_UP}\nHello", f"%%chat -m {model}\nHello"
    write_notebook(work / "benchmark.ipynb", *cells)
    with running_lab(home, work, LLMVISION_BASE_URL=server.url) as address, chromium(browser) as page:
        notebook = Notebook(page, address, "benchmark.ipynb")
        tracer = page.context.browser
        # The trace's clock is the monotonic one; the server's notes are in time.time().
        shift = time.monotonic() - time.time()
        tracer.start_tracing(page=page, categories=CATEGORIES)
        notebook.command("notebook:run-all-cells")
        # Nothing is asked of the page meanwhile: each question would be a task on the thread that is measured.
        first, last = server.times(model, wait=60.0)
        time.sleep(AFTERWARDS)
        trace = tracer.stop_tracing()
        notebook.wait_idle()
        outputs = notebook.outputs()
    if outputs != [0, 1, 1]:
        raise NotMeasured(f"the cells show {outputs} outputs")
    if last is None:
        raise NotMeasured("the chat ended before the reply did")
    tasks = _tasks(json.loads(trace)["traceEvents"])
    return _summary(tasks, first + shift, last + shift)


def _run_panel(model: str, server: ModelServer, browser: str, home: Path) -> MainThread:
    work = home / "notebooks"
    work.mkdir(parents=True)
    cells = "%load_ext llmvision_magic", f"%chat set model {WARM_UP}", "%chat panel", f"%chat set model {model}"
    write_notebook(work / "benchmark.ipynb", *cells)
    with running_lab(home, work, LLMVISION_BASE_URL=server.url) as address, chromium(browser) as page:
        notebook = Notebook(page, address, "benchmark.ipynb")
        notebook.command("notebook:run-all-cells")
        notebook.wait_idle()
        prompt = page.locator(".llmvm-panel .lp-input").first
        tracer = page.context.browser
        shift = time.monotonic() - time.time()
        prompt.fill("Hello")
        tracer.start_tracing(page=page, categories=CATEGORIES)
        prompt.press("Enter")
        first, last = server.times(model, wait=60.0)
        time.sleep(AFTERWARDS)
        trace = tracer.stop_tracing()
        if page.locator(".llmvm-panel .lp-turn[data-status=complete]").count() != 1:
            raise NotMeasured("the panel shows no complete reply")
    if last is None:
        raise NotMeasured("the chat ended before the reply did")
    return _summary(_tasks(json.loads(trace)["traceEvents"]), first + shift, last + shift)


def _summary(tasks: list[Task], first: float, last: float) -> MainThread:
    during = [task for task in tasks if first <= task.begin < last]
    afterwards = [task for task in tasks if last <= task.begin < last + AFTERWARDS]
    if not during:
        raise NotMeasured("the trace has no task of the page's main thread in that time")
    busy = sum(min(task.end, last) - task.begin for task in during)
    longest_while = max(task.end - task.begin for task in during) * 1000
    longest = max([longest_while, *((task.end - task.begin) * 1000 for task in afterwards)])
    return MainThread(longest, longest_while, busy / (last - first))


def _tasks(events: list[dict[str, Any]]) -> list[Task]:
    """The top-level tasks of the page's main thread, none inside another."""
    process = _page_process(events)
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain" and event["pid"] == process
    }
    found = sorted(
        (event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6)
        for event in events
        if event["name"] == "RunTask" and event.get("dur") and (event["pid"], event["tid"]) in main
    )
    assert all(former[1] <= later[0] + 1e-6 for former, later in pairwise(found)), "tasks overlap"
    return [Task(*times) for times in found]


def _page_process(events: list[dict[str, Any]]) -> int:
    for event in events:
        if event["name"] == "TracingStartedInBrowser":
            for frame in event["args"]["data"]["frames"]:
                if "/lab" in frame.get("url", ""):
                    return frame["processId"]
    raise NotMeasured("the trace names no process of the page")
