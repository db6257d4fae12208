"""The same replies in the chat panel: what its messages cost, against the floor of the same run."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

from measures import WARM_UP, Document, ModelServer, NotMeasured, cpu_time, fresh_kernel
from meter import size
from panels import PanelPage, shown_text
from systems import PRODUCT

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
