"""What of a reply becomes a cell of the notebook."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.chat.python_code import (
    PYTHON_MAGICS,
    ToPython,
    cell_magic,
    is_python,
    language_of,
    trouble_with,
    without_prompts,
)
from llmvision_magic.settings.declarations import CODE_FORMATS

if TYPE_CHECKING:
    from llmvision_magic.messages import CodeBlock, Reply
    from llmvision_magic.settings.declarations import Format

SHELLS = {"bash": "bash", "sh": "sh", "shell": "bash", "zsh": "bash"}
"""Languages that IPython runs by a magic, and which."""

BELOW = "the code is in a new cell below"


class NewCell(NamedTuple):
    """A new cell.

    Attributes:
        cell: Its text; empty for none.
        note: What the reader must know, a few words for the footer.
    """

    cell: str
    note: str


def new_cell_from(reply: Reply, format: Format, to_python: ToPython) -> NewCell | None:
    """The cell that a reply offers; None where none was asked for, or the reply did not come to its end.

    Args:
        to_python: Says what a cell comes to in Python.
    """
    if format not in CODE_FORMATS or reply.status != "complete":
        return None
    blocks = reply.code_blocks
    python = _python_blocks(blocks)
    if python and format == "correction":
        return _correction(python[-1], _only_here(len(blocks) - len(python)), to_python)
    if python:
        return _joined(python, len(blocks) - len(python), to_python)
    languages = {language_of(block.language) for block in blocks}
    if len(languages) == 1 and format == "code" and (magic := SHELLS.get(*languages)):
        return NewCell(f"%%{magic}\n" + "\n\n".join(block.code for block in blocks), BELOW)
    if blocks:
        named = ", ".join(sorted({block.language.lower() for block in blocks}))
        return NewCell("", f"no new cell: the code is in {named}, which a cell here does not run")
    return NewCell("", "no new cell: the reply has no code block")


def _correction(code: str, left: str, to_python: ToPython) -> NewCell:
    """The whole corrected cell. What does not parse corrects nothing."""
    trouble = trouble_with(code, to_python)
    if trouble:
        return NewCell("", f"no new cell: the corrected code does not parse ({trouble})")
    return NewCell(code, BELOW + left)


def _joined(python: Sequence[str], others: int, to_python: ToPython) -> NewCell:
    """All blocks as one cell, or as many from the first on as make a cell that parses."""
    used: list[str] = []
    if _is_cell(python, to_python):
        used = list(python)
    else:
        for code in python:
            if _is_cell([*used, code], to_python):
                used.append(code)
    if used:
        return NewCell("\n\n".join(used), BELOW + _only_here(others + len(python) - len(used)))
    first, *rest = python
    code = "\n\n".join([first, *(one for one in rest if not cell_magic(first)[0] and not cell_magic(one)[0])])
    trouble = trouble_with(_with_line(code, "#"), to_python)
    return NewCell(_with_line(code, f"# This does not parse ({trouble})."), f"{BELOW}, and does not parse ({trouble})")


def _is_cell(blocks: Sequence[str], to_python: ToPython) -> bool:
    """Whether blocks make one cell: nothing belongs under the magic of another language, no magic under other code."""
    first, *rest = blocks
    magic, _ = cell_magic(first)
    if rest and ((magic and magic not in PYTHON_MAGICS) or any(cell_magic(code)[0] for code in rest)):
        return False
    return not trouble_with("\n\n".join(blocks), to_python)


def _with_line(code: str, line: str) -> str:
    """The code under a line; under a cell magic's own, which has to be the first."""
    if not cell_magic(code)[0]:
        return f"{line}\n{code}"
    first, _, body = code.lstrip("\n").partition("\n")
    return f"{first}\n{line}\n{body}"


def _only_here(count: int) -> str:
    return f"; {count} other block{'s' if count > 1 else ''} only here" if count else ""


def _python_blocks(blocks: Sequence[CodeBlock]) -> list[str]:
    """Blocks without a name count too; beside named ones if they are code."""
    any_named = any(is_python(language_of(block.language)) for block in blocks)
    return [
        without_prompts(block.code)
        for block in blocks
        if block.code.strip()
        and (
            is_python(language_of(block.language))
            or (not block.language and (not any_named or _does_something(block.code)))
        )
    ]


def _does_something(code: str) -> bool:
    """Whether a block without a name is code, and not the output that the block before it gives."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(
        not isinstance(line, ast.Expr) or any(isinstance(node, ast.Call) for node in ast.walk(line))
        for line in tree.body
    )
