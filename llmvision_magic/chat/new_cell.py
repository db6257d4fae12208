"""What of a reply becomes a cell of the notebook."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.settings.declarations import CODE_FORMATS

if TYPE_CHECKING:
    from llmvision_magic.messages import CodeBlock, Reply
    from llmvision_magic.settings.declarations import Format

PYTHON = frozenset({"python", "py", "python3", "ipython", "ipython3"})
"""What models call the notebook's language. Blocks without a name count too; beside named ones if they are code."""

SHELLS = {"bash": "bash", "sh": "sh", "shell": "bash"}
"""Languages that IPython runs by a magic, and which."""


class NewCell(NamedTuple):
    """A new cell.

    Attributes:
        cell: Its text; empty for none.
        note: What the reader must know, a few words for the footer.
    """

    cell: str
    note: str


def new_cell_from(reply: Reply, format: Format) -> NewCell | None:
    """The cell that a reply offers; None where none was asked for, or the reply did not come to its end."""
    if format not in CODE_FORMATS or reply.status != "complete":
        return None
    blocks = reply.code_blocks
    python = _python_blocks(blocks)
    if python:
        used = python[-1:] if format == "correction" else python
        others = len(blocks) - len(python)
        left = f"; {others} other block{'s' if others > 1 else ''} only here" if others else ""
        return NewCell("\n\n".join(block.code for block in used), f"the code is in a new cell below{left}")
    languages = {block.language.lower() for block in blocks}
    if len(languages) == 1 and (magic := SHELLS.get(*languages)):
        return NewCell(f"%%{magic}\n" + "\n\n".join(block.code for block in blocks), "the code is in a new cell below")
    if blocks:
        named = ", ".join(sorted(languages))
        return NewCell("", f"no new cell: the code is in {named}, which a cell here does not run")
    return NewCell("", "no new cell: the reply has no code block")


def _python_blocks(blocks: Sequence[CodeBlock]) -> list[CodeBlock]:
    any_named = any(block.language.lower() in PYTHON for block in blocks)
    return [
        block
        for block in blocks
        if block.code.strip()
        and (
            block.language.lower() in PYTHON or (not block.language and (not any_named or _does_something(block.code)))
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
