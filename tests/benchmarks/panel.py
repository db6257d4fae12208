"""The same replies in the chat panel: what its messages cost, against the floor of the same run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

from measures import WARM_UP, Document, ModelServer, NotMeasured, cpu_time, fresh_kernel
from meter import size
from rows import FAST, GIANTS, MIDDLE, MIXED, SLOW, STEADY, Row, Runs
from support.panels import PanelPage, shown_text
from systems import FLOOR, PRODUCT

REPLIES = (*MIXED, *GIANTS)

AFTERWARDS = 1.5
"""Seconds after the end that still count: the transcript that is saved with the notebook is sent there."""


@dataclass(frozen=True)
class PanelMeasured:
    """One reply in the panel of one kernel. Times in ms.

    Attributes:
        cpu: CPU time of the kernel process from asking until `AFTERWARDS` after the end.
        seconds: From the server's first event to the last message.
        content_bytes: JSON of the contents of all messages, the saved transcript included.
    """

    model: str
    cpu: float
    seconds: float
    messages: int
    content_bytes: int
    reply_bytes: int
    first_paint: float
    largest_gap: float
    lag: float


class _Ears:
    """Counts what the kernel says, and when."""

    def __init__(self) -> None:
        self.messages = self.content_bytes = 0
        self.shown: list[float] = []
        self.last = 0.0

    def __call__(self, message: dict[str, Any]) -> None:
        if message["msg_type"] not in ("comm_msg", "update_display_data"):
            return
        self.last = time.time()
        self.messages += 1
        self.content_bytes += size(message["content"])
        content = message["content"].get("data", {}).get("content", {})
        has_text = content.get("kind") == "more" and (content["blocks"] or content["tail"])
        if has_text or (content.get("kind") == "turn" and content["turn"]["status"] == "complete"):
            self.shown.append(self.last)


def measure_panel(model: str, server: ModelServer, folder: Path) -> PanelMeasured:
    """Ask in a panel, in a fresh kernel that has had a first short chat there.

    Raises:
        NotMeasured: What the panel shows in the end is not the reply.
    """
    document = Document(model)
    server.prepare(model)
    with fresh_kernel(Path(sys.executable), folder, LLMVISION_BASE_URL=server.url) as kernel:
        kernel.ok(PRODUCT.load)
        page = PanelPage(kernel)
        page.set(model=WARM_UP)
        page.ask("Hello")
        page.ended("Hello")
        page.set(model=model)
        page.until(lambda: page.state["model"] == model)
        _hear_for(page, AFTERWARDS)
        ears = _Ears()
        kernel.listeners.append(ears)
        begin, began = len(page.messages), cpu_time(kernel.pid)
        page.ask("Go on")
        turn = page.ended("Go on", after=begin)
        _hear_for(page, AFTERWARDS)
        cpu = cpu_time(kernel.pid) - began
    first, last = server.times(model)
    words = re.findall(r"\w+", unescape(re.sub("<[^>]*>", " ", shown_text(page, turn["id"]))))
    if last is None or len(words) < len(document.text.split()) / 2:
        raise NotMeasured(f"the panel shows {len(words)} words of the reply")
    return PanelMeasured(
        model=model,
        cpu=cpu,
        seconds=ears.last - first,
        messages=ears.messages,
        content_bytes=ears.content_bytes,
        reply_bytes=len(document.text.encode()),
        first_paint=(ears.shown[0] - first) * 1000,
        largest_gap=max((later - earlier) * 1000 for earlier, later in pairwise(ears.shown)),
        lag=(ears.shown[-1] - last) * 1000,
    )


def _hear_for(page: PanelPage, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.kernel.hear(end - time.monotonic())


def panel_rows(runs: Runs, panels: list[dict[str, PanelMeasured]]) -> Iterator[Row]:
    """The panel's rows: the goals are those of cells."""

    def row(
        label: str, model: str, value: Callable[[PanelMeasured], float], must: float, reach: float, digits: int = 1
    ) -> Row:
        values = [value(panel[model]) for panel in panels if model in panel]
        return Row(f"panel: {label}, {model}", values, must, reach, digits, "" if values else "left out by the options")

    for model, must, reach in ((FAST, 1.4, 1.0), (STEADY, 1.7, 1.2), (SLOW, 2.3, 1.7)):
        ratios = [
            panel[model].cpu / run[FLOOR.name, model].cpu
            for run, panel in zip(runs, panels, strict=True)
            if model in panel and (FLOOR.name, model) in run
        ]
        note = "with the transcript that is saved" if ratios else "left out by the options"
        yield Row(f"panel: kernel CPU ÷ floor, {model}", ratios, must, reach, 2, note)
    limits = ((FAST, 6, 4.5), (STEADY, 7.5, 6), (MIDDLE, 12, 9), (SLOW, 30, 22), *((name, 50, 30) for name in GIANTS))
    for model, must, reach in limits:
        yield row("content bytes ÷ reply", model, lambda one: one.content_bytes / one.reply_bytes, must, reach)
    yield row("first paint after first event, ms", SLOW, lambda one: one.first_paint, 10, 4)
    yield row("largest gap between updates, ms", SLOW, lambda one: one.largest_gap, 120, 70)
    yield row("last update after last event, ms", SLOW, lambda one: one.lag, 60, 30)
    yield row("last update after last event, ms", FAST, lambda one: one.lag, 250, 100)
