"""The tables as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from measures import Measured
from rows import Row, Runs
from systems import FLOOR, System

Cells = Sequence[str]

EXPLAINED = """\
Times are those at which a message arrived at the benchmark's own iopub client, by the clock that the model server
shares. CPU is user and system time of the kernel process, all its threads, for the whole cell; for %load_ext and the
import it is compared with, inside the cell. Bytes are UTF-8 JSON. A value is the median of all runs, and that is what
the limits are for."""

COMPARED = """\
"÷ floor" and "peak − floor" compare with raw_httpx in the same run. A last update below 0 came before the server's
last event, which is the finish reason: nothing is shown for that."""


def aligned(rows: Iterable[Cells], right: frozenset[int]) -> str:
    """Columns of equal width; those in `right` end flush."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def judged(rows: list[Row]) -> str:
    """The table with what must be reached."""
    head = ("measure", "value", "min–max", "must", "reach", "", "detail")
    found = [row for row in rows if row.mark in ("met", "reached")]
    limited = [row for row in rows if row.mark in ("met", "reached", "MISSED")]
    summary = f"{len(found)} of {len(limited)} limits met, {sum(row.mark == 'reached' for row in rows)} reached."
    return "\n".join([aligned([head, *map(_line, rows)], frozenset({1, 2, 3, 4})), "", summary, EXPLAINED])


def _line(row: Row) -> Cells:
    def text(number: float | None) -> str:
        return "–" if number is None else f"{number:,.{row.digits}f}"

    def limit(number: float | None) -> str:
        return "" if number is None else f"≤ {number:,.{row.digits}f}" if row.digits != 2 else f"≤ {number:g}"

    span = f"{text(min(row.values))}–{text(max(row.values))}" if len(row.values) > 1 else ""
    return row.label, text(row.value), span, limit(row.must), limit(row.reach), row.mark, row.note


def comparison(runs: Runs, systems: Iterable[System], models: Cells, missing: Callable[[str, str], str]) -> list[Cells]:
    """One line for each reply and system."""
    lines = []
    for model in models:
        for system in systems:
            found = [run[system.name, model] for run in runs if (system.name, model) in run]
            if not found:
                lines.append((model, system.name, *[""] * 12, f"not measured: {missing(system.name, model)}"))
                continue
            pairs = [
                (run[system.name, model], run[FLOOR.name, model])
                for run in runs
                if (system.name, model) in run and (FLOOR.name, model) in run
            ]
            remark = "" if all(one.ended for one in found) else "interrupted at the time limit, before its end"
            lines.append((model, system.name, *_numbers(found, pairs), remark))
    return lines


def _numbers(found: list[Measured], pairs: list[tuple[Measured, Measured]]) -> list[str]:
    def middle(value: Callable[[Measured], float | None], digits: int = 0) -> str:
        numbers = [number for one in found if (number := value(one)) is not None]
        return f"{median(numbers):,.{digits}f}" if numbers else "–"

    return [
        middle(lambda one: one.first_cpu),
        middle(lambda one: one.cpu),
        f"{median(one.cpu / floor.cpu for one, floor in pairs):.1f}" if pairs else "–",
        middle(lambda one: one.seconds, 2),
        middle(lambda one: one.messages),
        middle(lambda one: one.content_bytes / one.reply_bytes, 1),
        middle(lambda one: one.whole_bytes / one.reply_bytes, 1),
        middle(lambda one: one.first_paint, 1),
        middle(lambda one: one.first_word, 1),
        middle(lambda one: one.largest_gap, 1),
        middle(lambda one: one.lag, 1),
        f"{median(one.peak - floor.peak for one, floor in pairs):.1f}" if pairs else "–",
    ]


def compared(lines: list[Cells]) -> str:
    """The table of all systems."""
    head = (
        *("reply", "system", "load+first CPU, ms", "CPU, ms", "÷ floor", "seconds", "messages", "content ÷ reply"),
        *(
            "whole ÷ reply",
            "first paint, ms",
            "first word, ms",
            "largest gap, ms",
            "last update, ms",
            "peak − floor, MB",
            "",
        ),
    )
    return aligned([head, *lines], frozenset(range(2, 14))) + "\n\n" + COMPARED
