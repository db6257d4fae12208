"""How soon one has the kernel back: from a reply that goes on in the background, and from one that is interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measures import WARM_UP, Document, ModelServer, NotMeasured, fresh_kernel
from rows import SLOW, Row
from support.kernels import Cell, Kernel
from systems import PRODUCT


@dataclass(frozen=True)
class Promptness:
    """Of one kernel. Times in ms.

    Attributes:
        background: How long a cell runs whose reply arrives in the background, by the kernel's own clock.
        interrupted: From an interrupt, when the first word is seen, to the end of the cell.
        compared: The same where three replies arrive side by side.
    """

    background: float
    interrupted: float
    compared: float


def measure_promptness(server: ModelServer, folder: Path) -> Promptness:
    """Ask in a fresh kernel that has had a first short chat.

    Raises:
        NotMeasured: A cell ended before it was interrupted.
    """
    server.prepare(SLOW)
    with fresh_kernel(Path(sys.executable), folder, LLMVISION_BASE_URL=server.url) as kernel:
        kernel.ok(PRODUCT.load)
        kernel.ok(f"%%chat --once --background -m {WARM_UP}\nHello", watched=True)
        kernel.ok(f"%%chat --once -m {WARM_UP}\nHello")
        messages = kernel.ok(f"%%chat --background --once -m {SLOW}\nHello", watched=True).messages
        running = messages[-1]["header"]["date"] - messages[0]["header"]["date"]
        kernel.ok("%chat stop")
        return Promptness(
            running.total_seconds() * 1000,
            _interrupted(kernel, f"%%chat --once -m {SLOW}\nHello"),
            _interrupted(kernel, f"%%chat --once -m {SLOW} --compare temperature=0,0.5,1\nHello"),
        )


def _interrupted(kernel: Kernel, code: str) -> float:
    word = next(word for word in Document(SLOW).text.split() if word.isalpha())
    pressed: list[float] = []

    def interrupt(cell: Cell) -> None:
        if word in cell.html and not pressed:
            pressed.append(time.monotonic())
            kernel.interrupt()

    cell = kernel.run(code, on_output=interrupt)
    ended = time.monotonic()
    if cell.status != "error" or not pressed:
        raise NotMeasured(f"the cell ended with {cell.status!r} and not by the interrupt")
    return (ended - pressed[0]) * 1000


def promptness_rows(found: list[Promptness]) -> Iterator[Row]:
    """What a reader feels as at once."""
    for label, values, must, reach in (
        ("a cell whose reply comes in the background", [one.background for one in found], 50, 25),
        ("end of a cell after an interrupt", [one.interrupted for one in found], 300, 150),
        ("the same with three replies", [one.compared for one in found], 300, 150),
    ):
        yield Row(f"{label}, {SLOW}, ms", values, must, reach, 1, "" if values else "see above")
