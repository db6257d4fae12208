"""A Python value as text: what it is, and as much of it as helps."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt import libraries
from llmvision_magic.prompt.code import code_shown, is_code, module_shown
from llmvision_magic.prompt.tracebacks import CellNamer, ErrorHistory, Traceback, traceback_text
from llmvision_magic.prompt.value_repr import BRACKETS, items_written, written
from llmvision_magic.prompt.value_text import ValueText, article, cut, in_line, more, told

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker

SLACK = 10_000
"""Characters looked at beyond those sent: a secret that the cut would halve is known only by its whole."""

MANY_ITEMS = 200
"""Items of a container from which on it is written item by item, as far as it is sent: it may have millions."""


def shown(
    value: object, name: str, limit: int, mask: Masker, name_cell: CellNamer = lambda filename: None
) -> ValueText:
    """A value as text, `limit` characters of it or somewhat more.

    Args:
        name: The expression that gave it, for the sentence.
        limit: How many characters will be sent.
        mask: For what is cut here already.
        name_cell: Names cells in tracebacks.

    Raises:
        InvalidInput: It cannot be written as text: its own code for that fails.
    """
    try:
        return _shown(value, limit, mask, name_cell)
    except Exception as error:  # the code of anybody's class
        raise InvalidInput(
            f"`{in_line(name)}` cannot be written as text: {mask(told(error))}. Nothing was sent."
        ) from error


def bounded(one: ValueText, limit: int, mask: Masker) -> tuple[str, bool]:
    """The text that is sent for a value, and whether it is less than all of it."""
    text = mask(one.text)
    unseen = 0 if one.length is None else one.length - len(one.text)
    length = len(text) + unseen
    short = cut(text, limit, length, keep_end=one.keep_end)
    if one.more:
        short += f"\n\n… {one.more}" if one.fence is None else f"\n… {one.more}"
    return short, bool(one.more) or length > limit


def _shown(value: Any, limit: int, mask: Masker, name_cell: CellNamer) -> ValueText:
    if isinstance(value, str):
        keep_end = isinstance(value, Traceback)
        return _text(value, "a traceback" if keep_end else "a text", limit, keep_end=keep_end)
    if isinstance(value, ErrorHistory):
        return _text(repr(value), "the last traceback", limit, keep_end=True)
    if isinstance(value, BaseException):
        return _text(traceback_text(value, name_cell), article(type(value).__name__), limit, keep_end=True)
    if isinstance(value, ModuleType):
        return module_shown(value)
    if is_code(value):
        return code_shown(value)
    what, left_out = article(type(value).__name__), ""
    try:
        known = libraries.try_shown(value, limit, mask)
    except Exception:  # a library in a version that is not known here, or a class of somebody's that is derived from it
        known, left_out = None, "what its own text leaves out"
    if known is not None:
        return known
    if type(value) in BRACKETS and len(value) > MANY_ITEMS:
        return _container_shown(value, what, limit)
    if left_out:
        return ValueText(what, repr(value), left_out)
    return _text(_shape_of(value) + written(value, libraries.line), what, limit)


def _shape_of(value: Any) -> str:
    """A line with the shape and the type of what is like an array: its `repr` may leave most of it out."""
    try:
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    except Exception:  # of a file that was closed, and the like
        return ""
    if not isinstance(shape, tuple) or dtype is None:
        return ""
    return f"{type(value).__name__} of shape {tuple(shape)}, dtype {dtype}\n"


def _text(text: str, what: str, limit: int, *, keep_end: bool = False) -> ValueText:
    if keep_end:
        return ValueText(what, text, keep_end=True)
    return ValueText(what, text[: limit + SLACK], length=len(text))


def _container_shown(value: Any, what: str, limit: int) -> ValueText:
    """A long container: as many whole items as fit, and how many more there are."""
    opening, closing = BRACKETS[type(value)]
    taken: list[str] = []
    size = 0
    for item in items_written(value, libraries.line):
        size += len(item) + 2
        if size > limit - 8 and taken:  # room for the brackets
            break
        taken.append(item)
    left_out = more(len(value) - len(taken), "item")
    body = ", ".join(taken)
    return ValueText(what, f"{opening}{body}{', …' if left_out else ''}{closing}", left_out)
