"""A cell that did not end well, and the prompt that asks for its correction."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType, ModuleType, TracebackType

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.code import is_code
from llmvision_magic.prompt.composition import ComposedPrompt, NotebookValues
from llmvision_magic.prompt.tracebacks import Traceback, traceback_text
from llmvision_magic.prompt.value_text import fenced, more

SOURCE_LIMIT = 50_000
"""Characters of the cell: what is asked for is all of it, corrected."""

MOST_VARIABLES = 20
VARIABLE_LIMIT = 500
"""Characters of one variable; a correction seldom needs more of it."""

ASKED = (
    "This cell of a Python notebook failed. Explain the cause in a few sentences, then give the whole corrected "
    "cell in one Python code block."
)

ASKED_INTERRUPTED = (
    "This cell of a Python notebook was interrupted by its user while it ran, where the end of the traceback tells. "
    "Explain in a few sentences what it was doing there and why that may take long or not end, then give the whole "
    "cell, changed so that it does, in one Python code block."
)


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A cell that failed, or was interrupted.

    Attributes:
        error: What it raised.
        source: The cell's source as typed; empty when it is not known.
        python: The same as Python, without magics.
        cell: Its execution count; None when it is not known.
    """

    error: BaseException
    source: str
    python: str
    cell: int | None = None


def fix_prompt(failure: FailedCell, values: NotebookValues) -> ComposedPrompt:
    """What is asked to have a cell corrected: its source, the traceback, and the values of the variables it names."""
    parts = [ASKED_INTERRUPTED if isinstance(failure.error, KeyboardInterrupt) else ASKED]
    if failure.source:
        title = f"Cell In[{failure.cell}]" if failure.cell is not None else "The cell"
        source = values.text(failure.source.rstrip(), "the cell's source", SOURCE_LIMIT)
        parts.append(f"{title}:\n\n{fenced(source, 'python')}")
    told = values.text(Traceback(traceback_text(failure.error, values.name_cell)), "the traceback")
    parts.append(f"The traceback:\n\n{fenced(told)}")
    variables = _variables(failure, values.namespace)
    written = [_variable(name, variables[name], values) for name in list(variables)[:MOST_VARIABLES]]
    if written:
        left_out = more(len(variables) - len(written), "variable")
        parts.append("\n\n".join(["The variables it names:", *written, *([f"… {left_out}"] if left_out else [])]))
    return ComposedPrompt("\n\n".join(parts), (f"about {_place(failure)}", *values.notes()))


def _place(failure: FailedCell) -> str:
    """Which cell it is, for whoever reads the reply: other cells may have run since."""
    if failure.cell is not None:
        return f"cell In[{failure.cell}]"
    return "the cell that failed last" if failure.source else "the error that was shown last"


def _variable(name: str, value: object, values: NotebookValues) -> str:
    try:
        return values.attached(value, name, VARIABLE_LIMIT)
    except InvalidInput as error:  # that it cannot be written may be the very cause
        return values.mask(str(error).removesuffix(" Nothing was sent."))


def _variables(failure: FailedCell, namespace: Mapping[str, object]) -> dict[str, object]:
    """The variables that the failing code names: those of the function it failed in, then the notebook's."""
    found: dict[str, object] = {}
    frame = _innermost(failure.error.__traceback__)
    if frame is not None and frame.f_code.co_name != "<module>":
        found.update(frame.f_locals)
    for name in _names(failure.python):
        if name in namespace:
            found.setdefault(name, namespace[name])
    return {name: value for name, value in found.items() if not _is_known(name, value)}


def _innermost(frames: TracebackType | None) -> FrameType | None:
    """The last frame of a notebook's own code: one whose globals are the notebook's."""
    last = None
    while frames is not None:
        if frames.tb_frame.f_globals.get("__name__") == "__main__":
            last = frames.tb_frame
        frames = frames.tb_next
    return last


def _names(python: str) -> list[str]:
    """The names that code uses, in order; none where it does not parse."""
    try:
        tree = ast.parse(python)
    except (SyntaxError, ValueError):
        return []
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


def _is_known(name: str, value: object) -> bool:
    """Whether its name alone tells what it is: a module, what a library defines, and the notebook's own names."""
    if name.startswith("_") or name in ("In", "Out", "get_ipython") or isinstance(value, ModuleType):
        return True
    return is_code(value) and getattr(value, "__module__", None) != "__main__"
