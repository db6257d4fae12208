"""Sets in one order: that of their iteration is another in each process, and what was asked must be known again."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable

_ORDERED = (int, str, bytes)
"""Types whose own order is total: a `float` may be NaN, and sets are ordered by what they contain."""

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")

_TEXT = re.compile(r"""(?<!\w)b?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""")
"""A text in quotes."""

_TOKEN = re.compile(rf"[{{}}]|{_TEXT.pattern}")
"""A brace, or a text in quotes: the braces in it are none."""

MOST_LOOKED_AT = 200_000
"""Characters of braces in a text that are looked at, those of nested ones counted each time."""


def in_order(items: Iterable[object], written: Callable[[object], str] = repr) -> list[object]:
    """The items of a set, in an order that is the same in each process.

    Args:
        written: Gives the text by which those are ordered that are neither numbers nor of one type that has an order.
    """
    known = list(items)
    kinds = {type(item) for item in known}
    if len(kinds) == 1 and kinds <= {*_ORDERED}:
        return sorted(known)  # type: ignore[type-var]  # of one type that has an order
    return sorted(known, key=lambda item: _key(item, written(item)))


def _key(item: object, text: str) -> tuple[int, float, str]:
    if isinstance(item, int | float) and abs(item) < 2**53:  # no NaN is
        return 0, item, type(item).__name__
    return 1, 0, _ADDRESS.sub("", text)


def sets_sorted(text: str) -> str:
    """A text in which the items of each set stand in one order, where it holds sets as Python writes them.

    Those inside other values too: ``Point(tags={'b', 'a'})``. What is no set stays as it is.
    """
    opened: list[int] = []
    at, seen = text.find("{"), 0
    if at < 0:
        return text
    parts = list(text)
    while at >= 0:
        token = _TOKEN.search(text, at)
        if token is None:
            break
        at = token.end()
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}":
            begin = opened.pop()
            seen += at - begin
            if seen > MOST_LOOKED_AT:
                break
            parts[begin:at] = [_sorted_display("".join(parts[begin:at])), *[""] * (at - begin - 1)]
        if not opened:  # outside of braces a quote may be an apostrophe, or stand around it all
            at = text.find("{", at)
    return "".join(parts)


def _sorted_display(display: str) -> str:
    """A text in braces, sorted if it is a set. Sets inside it are sorted already: they have closed before."""
    if (
        ", " not in display or "\n" in display or ":" in _TEXT.sub("", display)
    ):  # a dict: not to be parsed, which is slow
        return display
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\d" and the like: it may be no Python at all
            node = ast.parse(display, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return display
    if not isinstance(node, ast.Set):
        return display
    line = display.encode()  # the offsets are those of bytes
    items = [line[item.col_offset : item.end_col_offset].decode() for item in node.elts]
    if "{" + ", ".join(items) + "}" != display:  # not as Python writes it
        return display
    keyed = [(_key(_value(item), text), text) for item, text in zip(node.elts, items, strict=True)]
    return "{" + ", ".join(text for _, text in sorted(keyed)) + "}"


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
