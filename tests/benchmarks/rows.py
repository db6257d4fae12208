"""The rows of the first table: what each is made of, what it must reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from browser import MainThread
from measures import Document, Measured
from systems import FLOOR, PRODUCT

FAST, FAST_SHORT = "mixed-10000", "mixed-2000"
STEADY, MIDDLE, SLOW = "mixed-10000@2000", "mixed-2000@400", "mixed-500@100"
THOUGHTFUL = "mixed-50@100+30"
"""The server takes 30 ms to its first event."""
MIXED = (FAST, STEADY, MIDDLE, SLOW)
GIANTS = ("fence-2000@400", "list-2000@400", "table-2000@400", "paragraph-2000@400")

Runs = list[dict[tuple[str, str], Measured]]
"""For each run, what was measured, by system and model name."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        values: One a run; None could not be measured in that run.
        must: The most it may be; None for a number that is only told.
        reach: The most it should be.
        digits: Decimal places.
        note: What else was measured, or why nothing was.
    """

    label: str
    values: list[float]
    must: float | None = None
    reach: float | None = None
    digits: int = 2
    note: str = ""

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def mark(self) -> str:
        """How far the median gets."""
        if self.value is None:
            return "not measured"
        if self.must is None:
            return ""
        if self.value > self.must:
            return "MISSED"
        return "reached" if self.reach is not None and self.value <= self.reach else "met"


class Table:
    """Makes the rows from the runs.

    Args:
        missing: Says of a system and a model name why there is no measurement.
    """

    def __init__(self, runs: Runs, missing: Callable[[str, str], str]) -> None:
        self._runs = runs
        self._missing = missing

    def _each(self, model: str, value: Callable[[Measured], float | None]) -> list[float]:
        found = [value(run[PRODUCT.name, model]) for run in self._runs if (PRODUCT.name, model) in run]
        return [number for number in found if number is not None]

    def _pairs(self, model: str) -> list[tuple[Measured, Measured]]:
        """This package and the floor, of one run each."""
        keys = (PRODUCT.name, model), (FLOOR.name, model)
        return [(run[keys[0]], run[keys[1]]) for run in self._runs if all(key in run for key in keys)]

    def _row(
        self,
        label: str,
        model: str,
        values: list[float],
        must: float | None,
        reach: float | None,
        digits: int,
        note: str,
    ) -> Row:
        return Row(label, values, must, reach, digits, note if values else self._missing(PRODUCT.name, model))

    def rows(self) -> Iterator[Row]:
        """All but those of the browser, in order."""
        yield from self._cpu()
        yield from self._bytes()
        yield from self._messages()
        yield from self._times()
        yield from self._loading()
        yield from self._saved()

    def _cpu(self) -> Iterator[Row]:
        for model, must, reach in ((FAST, 1.4, 1.0), (STEADY, 1.7, 1.2), (SLOW, 2.3, 1.7)):
            pairs = self._pairs(model)
            note = f"{_middle(one.cpu for one, _ in pairs)} ms ÷ {_middle(floor.cpu for _, floor in pairs)} ms"
            ratios = [one.cpu / floor.cpu for one, floor in pairs]
            yield self._row(f"kernel CPU ÷ floor, {model}", model, ratios, must, reach, 2, note)
        exponents: dict[str, list[float]] = {}
        for system in (PRODUCT.name, FLOOR.name):
            exponents[system] = [
                math.log(run[system, FAST].cpu / run[system, FAST_SHORT].cpu, 5)
                for run in self._runs
                if (system, FAST) in run and (system, FAST_SHORT) in run
            ]
        note = f"floor {_middle(exponents[FLOOR.name], 2)}"
        label = "CPU growth exponent, mixed-2000 → mixed-10000"
        yield self._row(label, FAST_SHORT, exponents[PRODUCT.name], 1.05, 1.0, 2, note)

    def _bytes(self) -> Iterator[Row]:
        limits = (
            (FAST, 6, 4.5),
            (STEADY, 7.5, 6),
            (MIDDLE, 12, 9),
            (SLOW, 30, 22),
            *((name, 50, 30) for name in GIANTS),
        )
        for model, must, reach in limits:
            values = self._each(model, lambda one: one.content_bytes / one.reply_bytes)
            whole = self._each(model, lambda one: one.whole_bytes / one.reply_bytes)
            note = f"whole messages {_middle(whole, 1)}"
            yield self._row(f"iopub content bytes ÷ reply, {model}", model, values, must, reach, 1, note)

    def _messages(self) -> Iterator[Row]:
        for model in (*MIXED, *GIANTS):
            blocks = Document(model).blocks
            values = self._each(model, lambda one: one.messages)
            seconds = self._each(model, lambda one: one.seconds)
            limit = 22 * median(seconds) + blocks + 4 if seconds else None
            note = f"22 · {_middle(seconds, 2)} s + {blocks} blocks + 4"
            yield self._row(f"messages, {model}", model, values, limit, None, 0, note)

    def _times(self) -> Iterator[Row]:
        parts = (
            ("first paint after first event", lambda one: one.first_paint, 10, 4),
            ("largest gap between updates", lambda one: one.largest_gap, 120, 70),
            ("last update after last event", lambda one: one.lag, 60, 30),
        )
        for number, (label, value, must, reach) in enumerate(parts):
            yield self._time(label, SLOW, value, number, must, reach)
        words = self._each(SLOW, lambda one: one.first_word)
        note = "a word is there with the second event, 10 ms later"
        yield self._row(f"first word after first event, {SLOW}, ms", SLOW, words, None, None, 1, note)
        yield self._time("first paint after first event", THOUGHTFUL, lambda one: one.first_paint, 0, 10, 4)
        yield self._time("last update after last event", FAST, lambda one: one.lag, 2, 250, 100)

    def _time(
        self, label: str, model: str, value: Callable[[Measured], float | None], number: int, must: float, reach: float
    ) -> Row:
        headers = self._each(model, lambda one: one.by_header and one.by_header[number])
        note = f"by the messages' dates {_middle(headers, 1)}"
        return self._row(f"{label}, {model}, ms", model, self._each(model, value), must, reach, 1, note)

    def _loading(self) -> Iterator[Row]:
        pairs = [pair for model in (FAST_SHORT, *MIXED) for pair in self._pairs(model)]
        loads = [one.load_cpu / floor.load_cpu for one, floor in pairs]
        firsts = [one.first_cpu / floor.first_cpu for one, floor in pairs]
        notes = [
            " ÷ ".join(f"{_middle(getattr(pair[place], name) for pair in pairs)} ms" for place in (0, 1))
            for name in ("load_cpu", "first_cpu")
        ]
        yield self._row("CPU of %load_ext ÷ import httpx, json", FAST, loads, 0.5, 0.25, 2, notes[0])
        yield self._row("CPU of load + first short chat ÷ floor", FAST, firsts, 1.5, 1.0, 2, notes[1])

    def _saved(self) -> Iterator[Row]:
        counts = [float(one.outputs) for run in self._runs for (name, _), one in run.items() if name == PRODUCT.name]
        yield self._row("outputs saved, most of all replies", FAST, [max(counts)] if counts else [], 1, None, 0, "")
        for model in (*MIXED, *GIANTS):
            values = [size / 1024 for size in self._each(model, lambda one: one.saved_bytes)]
            reply = len(Document(model).text.encode()) / 1024
            note = f"4 × {reply:.1f} KB + 1.5 KB"
            yield self._row(f"saved output, {model}, KB", model, values, 4 * reply + 1.5, None, 1, note)
        pairs = self._pairs(FAST)
        note = f"{_middle(one.peak for one, _ in pairs)} MB − {_middle(floor.peak for _, floor in pairs)} MB"
        more = [one.peak - floor.peak for one, floor in pairs]
        yield self._row(f"peak memory − floor, {FAST}, MB", FAST, more, None, None, 1, note)


def browser_rows(found: list[MainThread], why: str, where: str = "") -> Iterator[Row]:
    """JupyterLab's main thread; `why` says why nothing was found, `where` is put before the label."""
    during = f"{_middle(one.longest_while for one in found)} ms while it streams" if found else why
    label = f"{where}JupyterLab's main thread, {STEADY}"
    yield Row(f"{label}: longest task, ms", [one.longest for one in found], 100, 50, 0, during)
    yield Row(f"{label}: busy, %", [one.busy * 100 for one in found], 40, 20, 0, "" if found else why)


def _middle(values: Iterable[float], digits: int = 0) -> str:
    numbers = list(values)
    return f"{median(numbers):,.{digits}f}" if numbers else "–"
