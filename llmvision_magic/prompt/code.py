"""Functions, classes and modules as text."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import textwrap
from types import ModuleType

from llmvision_magic.prompt.value_text import ValueText, more

DOC_LINES = 10
"""Lines of a module's documentation."""


def is_code(value: object) -> bool:
    """Whether a value is a function, a method or a class."""
    return inspect.isroutine(value) or isinstance(value, type)


def code_shown(value: object) -> ValueText:
    """A function or class: its source; where there is none, its signature and documentation."""
    what = "a class" if isinstance(value, type) else "a function"
    source = _try_source(value)
    if source is None:
        return ValueText(what, _described(value), fence="python")
    return ValueText(what, inspect.cleandoc("\n" + source) if source[:1].isspace() else source.rstrip(), fence="python")


def _try_source(value: object) -> str | None:
    try:
        return inspect.getsource(value)  # type: ignore[arg-type]  # a routine or a class; else TypeError
    except (OSError, TypeError, IndexError, SyntaxError):
        return _try_source_by_methods(value) if isinstance(value, type) else None


def _try_source_by_methods(cls: type) -> str | None:
    """The source of a class that was made in a cell: before Python 3.13 only its methods know where that was.

    One without methods is looked for in the cells, the newest first.
    """
    codes = [getattr(one, "__code__", None) for one in map(_unwrapped, vars(cls).values())]
    known = [(code.co_filename, code.co_firstlineno) for code in codes if code is not None]
    if not known and cls.__module__ == "__main__":
        known = [(name, 0) for name in reversed(linecache.cache) if not os.path.isabs(name) or "ipykernel" in name]
    for filename, line in known:
        lines = linecache.getlines(filename)
        for node in _classes_of("".join(lines), cls.__name__):
            begin = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if not line or begin <= line <= (node.end_lineno or 0):
                return "".join(lines[begin - 1 : node.end_lineno])
    return None


def _unwrapped(member: object) -> object:
    return inspect.unwrap(member) if callable(member) else None


def _classes_of(source: str, name: str) -> list[ast.ClassDef]:
    if f"class {name}" not in source:
        return []
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name]


def _described(value: object) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or repr(value)
    try:
        signature = str(inspect.signature(value))  # type: ignore[arg-type]  # else TypeError
    except (ValueError, TypeError):
        signature = "(…)"
    doc = inspect.getdoc(value)
    head = f"{'class' if isinstance(value, type) else 'def'} {name}{signature}"
    return head + ":\n" + textwrap.indent(f'"""{doc}"""', "    ") if doc else head


def module_shown(module: ModuleType) -> ValueText:
    """A module: its name, how its documentation begins, its public names."""
    lines = (inspect.getdoc(module) or "").splitlines()
    doc = "\n".join(lines[:DOC_LINES])
    if len(lines) > DOC_LINES:
        doc += f"\n… {more(len(lines) - DOC_LINES, 'line')}"
    listed = getattr(module, "__all__", None)
    names = sorted(listed if listed is not None else (name for name in vars(module) if not name.startswith("_")))
    version = getattr(module, "__version__", None)
    title = f"module {module.__name__}{f' {version}' if isinstance(version, str) else ''}"
    parts = [title, doc, f"names: {', '.join(map(str, names))}" if names else ""]
    return ValueText("a module", "\n\n".join(filter(None, parts)))
