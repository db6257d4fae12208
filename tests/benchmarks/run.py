"""The benchmark: replies that stream into a real kernel, against the least a cell can do and against other ways.

`make bench` runs it. All systems take their turns within a run and ratios are formed within a run, so that what else
the machine does falls on all of them alike. Quoted are medians, and from where to where the runs go.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
from browser import MainThread, traced
from measures import Document, Measured, ModelServer, NotMeasured, measure, running_server
from panel import REPLIES, PanelMeasured, measure_panel, panel_rows
from promptness import Promptness, measure_promptness, promptness_rows
from rows import FAST, FAST_SHORT, GIANTS, MIDDLE, MIXED, SLOW, STEADY, THOUGHTFUL, Row, Runs, Table, browser_rows
from support.browser_setup import browser_path
from systems import FLOOR, OTHERS, OURS, PRODUCT, System
from tables import compared, comparison, judged

import llmvision_magic

LIMIT = 60.0
"""Seconds a reply may take before its cell is interrupted; the longest takes 5 s to be sent."""

ALONE = (*GIANTS, THOUGHTFUL)
"""Replies that are measured with this package only."""

ALL = (FAST_SHORT, *MIXED, *ALONE)

COMPARED = (SLOW, MIDDLE, FAST)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one run of the shortest part: no numbers to quote")
    parser.add_argument("--only", nargs="+", metavar="REPLY", choices=ALL, help=f"these replies: {', '.join(ALL)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there too")
    flag = argparse.BooleanOptionalAction
    parser.add_argument(
        "--lab", action=flag, help="measure JupyterLab in Chromium (default: if there is a Chromium and all is run)"
    )
    parser.add_argument("--others", action=flag, help="measure other systems (default: if all is run)")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs takes a number from 1")
    if options.quick:
        options.runs = 1
    is_whole = not options.quick and options.only is None
    if options.others is None:
        options.others = is_whole
    if options.lab is None:
        options.lab = is_whole and browser_path() is not None
    return options


class Benchmark:
    """One run of everything.

    Attributes:
        runs: What was measured in cells.
        panels: What was measured in the panel, by model name, for each run.
        promptness: How soon the kernel was there again, for each run.
        failures: Why something was not, by system and model name.
    """

    def __init__(self, options: argparse.Namespace, server: ModelServer, folder: Path) -> None:
        self.options = options
        self.server = server
        self.folder = folder
        self.runs: Runs = [{} for _ in range(options.runs)]
        self.panels: list[dict[str, PanelMeasured]] = [{} for _ in range(options.runs)]
        self.promptness: list[Promptness] = []
        self.failures: dict[tuple[str, str], str] = {}
        self.others = self._prepared() if options.others else []

    def _prepared(self) -> list[System]:
        ready = []
        for system in OTHERS:
            try:
                system.prepare()
                ready.append(system)
            except (subprocess.SubprocessError, OSError) as error:
                lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
                for model in COMPARED:
                    self.failures[system.name, model] = f"pip could not install it: {lines[-1]}"
        return ready

    def plan(self) -> Iterator[tuple[str, System]]:
        """What is measured in a run, in order."""
        for model in self.options.only or ((FAST_SHORT, FAST, SLOW) if self.options.quick else ALL):
            for system in OURS if model not in ALONE else (PRODUCT,):
                yield model, system
            if model in COMPARED:
                for system in self.others:
                    yield model, system

    def measure(self) -> None:
        for number, run in enumerate(self.runs):
            for model, system in self.plan():
                print(f"run {number + 1}: {model}, {system.name} … ", end="", file=sys.stderr, flush=True)
                began = time.monotonic()
                try:
                    run[system.name, model] = measure(system, Document(model), self.server, self.folder, LIMIT)
                    said = f"{run[system.name, model].cpu:.0f} ms CPU"
                except NotMeasured as error:
                    self.failures[system.name, model] = said = str(error)
                print(f"{said} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
            for model in dict.fromkeys(name for name, _ in self.plan() if name in REPLIES):
                print(f"run {number + 1}: {model}, panel … ", end="", file=sys.stderr, flush=True)
                try:
                    self.panels[number][model] = measure_panel(model, self.server, self.folder)
                    print(f"{self.panels[number][model].cpu:.0f} ms CPU", file=sys.stderr)
                except (NotMeasured, AssertionError) as error:
                    print(str(error).splitlines()[0], file=sys.stderr)
            try:
                self.promptness.append(measure_promptness(self.server, self.folder))
            except (NotMeasured, AssertionError) as error:
                print(f"run {number + 1}: {str(error).splitlines()[0]}", file=sys.stderr)

    def missing(self, system: str, model: str) -> str:
        """Why there is no measurement."""
        return self.failures.get((system, model)) or self.failures.get((FLOOR.name, model)) or "left out by the options"

    def lab(self, *, panel: bool = False) -> tuple[list[MainThread], str]:
        """JupyterLab's main thread, or why not; with the reply in the panel instead of a cell's output."""
        if not self.options.lab:
            return [], "no Chromium" if browser_path() is None else "left out by the options"
        print(f"{STEADY} in {'the panel' if panel else 'JupyterLab'}, {self.options.runs} times …", file=sys.stderr)
        try:
            where = self.folder / ("panel" if panel else "cell")
            return traced(STEADY, self.server, where, str(browser_path()), self.options.runs, panel=panel), ""
        except (NotMeasured, AssertionError) as error:
            return [], str(error).splitlines()[0]


def load() -> str:
    return ", ".join(f"{number:.2f}" for number in os.getloadavg())


def main() -> None:
    options = arguments()
    before, began = load(), time.monotonic()
    # As an installer does; an editable package that Python may not write beside would be compiled in every kernel.
    compileall.compile_dir(Path(llmvision_magic.__file__).parent, quiet=1)
    with running_server() as server, tempfile.TemporaryDirectory(prefix="llmvision-bench-") as folder:
        benchmark = Benchmark(options, server, Path(folder))
        benchmark.measure()
        rows = [*Table(benchmark.runs, benchmark.missing).rows(), *panel_rows(benchmark.runs, benchmark.panels)]
        rows += promptness_rows(benchmark.promptness)
        rows += [*browser_rows(*benchmark.lab()), *browser_rows(*benchmark.lab(panel=True), "the panel in ")]
    empty = [one.empty_cpu for run in benchmark.runs for one in run.values()]
    facts = [
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        f"load average (1, 5, 15 min): {before} before, {load()} after; runs: {options.runs}",
        "versions: " + "; ".join(f"{system.name}: {system.versions()}" for system in (*OURS, *benchmark.others)),
        f"CPU time of an empty cell: {median(empty):.1f} ms" if empty else "nothing measured",
        f"took {time.monotonic() - began:.0f} s",
    ]
    print("\n".join(["", *facts, "", judged(rows)]))
    if options.others:
        shown = comparison(benchmark.runs, (PRODUCT, FLOOR, *OTHERS), COMPARED, benchmark.missing)
        print("\n" + compared(shown))
    if options.json:
        options.json.write_text(json.dumps(_record(facts, benchmark.runs, rows), indent=1))


def _record(facts: list[str], runs: Runs, rows: list[Row]) -> dict[str, object]:
    measured: list[list[Measured]] = [list(run.values()) for run in runs]
    return {
        "facts": facts,
        "rows": [{**asdict(row), "value": row.value, "mark": row.mark} for row in rows],
        "runs": [[asdict(one) for one in run] for run in measured],
    }


if __name__ == "__main__":
    main()
