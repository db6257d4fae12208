"""What of a reply is Python for a cell: by the name of its language, without the prompts of a console, if it parses."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable

ToPython = Callable[[str], str]
"""What a cell comes to in Python, its magics and ``!`` resolved; raises `SyntaxError` where it cannot say."""

_NAME = re.compile(r"\{?\s*\.?(?:lang(?:uage)?-)?([a-z][\w+#.-]*)", re.IGNORECASE)

_PYTHON = re.compile(r"(?:i?python|i?py)(?:[23](?:\.\d+)*)?|(?:i?python|py)-?(?:repl|con|console)[23]?|code-cell")

PYTHON_MAGICS = frozenset({"capture", "prun", "time", "timeit"})
"""Cell magics whose body is the notebook's own language."""


def language_of(label: str) -> str:
    """The language that a fence names, whatever stands around it: ``{python}``, ``python:src/a.py``, ``lang-py``."""
    if re.fullmatch(r"[\w./\\-]+\.py", label):
        return "python"
    found = _NAME.match(label)
    return found[1].lower() if found else ""


def is_python(language: str) -> bool:
    """Whether models and editors call the notebook's language so."""
    return _PYTHON.fullmatch(language) is not None


def without_prompts(code: str) -> str:
    """What was typed in a console, without its ``>>>`` and without what it printed; other code as it is."""
    lines = code.splitlines()
    first = next((line.lstrip() for line in lines if line.strip()), "")
    if not re.match(r">>>(?: |$)", first):
        return code
    typed = [found[1] for line in lines if (found := re.match(r"\s*(?:>>>|\.\.\.)(?: (.*)|$)", line))]
    return "\n".join(line or "" for line in typed).strip("\n")


def trouble_with(cell: str, to_python: ToPython) -> str:
    """Why a cell cannot be run: "line 3: invalid syntax"; "" where it can be, as far as its syntax goes."""
    magic, body = cell_magic(cell)
    if magic and magic not in PYTHON_MAGICS:
        return ""  # of another language
    if (
        magic
    ):  # what it is about begins a cell again; else a line stands for the magic's, so that lines keep their numbers
        return trouble_with(body if cell_magic(body)[0] else f"#\n{body}", to_python)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\d" and the like: what runs the cell says it
            python = to_python(cell)
            compile(python, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            tree = ast.parse(python)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else str(error.msg)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or type(error).__name__
    stray = next(filter(None, map(_stray_magic, ast.walk(tree))), "")
    return f"`%%{stray}` stands only in the first line of a cell" if stray else ""


def cell_magic(cell: str) -> tuple[str, str]:
    """The name of the cell magic that a cell begins with, and what it is about; "" for none."""
    first, _, body = cell.lstrip("\n").partition("\n")
    found = re.match(r"%%(\w+)", first)
    return (found[1], body) if found else ("", cell)


def _stray_magic(node: ast.AST) -> str:
    """The name of a cell magic that was taken for a line magic, as it stands in the middle of a cell."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run_line_magic"
        and node.args
        and isinstance(name := node.args[0], ast.Constant)
        and isinstance(name.value, str)
        and name.value.startswith("%")
    ):
        return name.value[1:]
    return ""
