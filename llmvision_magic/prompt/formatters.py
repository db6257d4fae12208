"""A Python value as text: what it is, and as much of it as helps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.code import code_shown, is_code, module_shown
from llmvision_magic.prompt.tables import array_shown, frame_shown, is_of, series_shown
from llmvision_magic.prompt.tracebacks import CellNamer, ErrorHistory, Traceback, traceback_text
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
    if is_of(value, "pandas", "DataFrame"):
        return frame_shown(value, limit, mask)
    if is_of(value, "pandas", "Series"):
        return series_shown(value, limit, mask)
    if is_of(value, "numpy", "ndarray"):
        return array_shown(value)
    if is_of(value, "numpy", "generic"):  # `2.5`, where the repr says np.float64(2.5)
        return _text(str(value), article(type(value).__name__), limit)
    if is_of(value, "matplotlib.figure", "Figure"):
        return _figure_shown(value)
    if is_of(value, "PIL.Image", "Image"):
        width, height = value.size
        return ValueText("an image", f"<image, {width:,} × {height:,} pixels, mode {value.mode}>", picture=True)
    if isinstance(value, ErrorHistory):
        return _text(repr(value), "the last traceback", limit, keep_end=True)
    if isinstance(value, BaseException):
        return _text(traceback_text(value, name_cell), article(type(value).__name__), limit, keep_end=True)
    if isinstance(value, ModuleType):
        return module_shown(value)
    if is_code(value):
        return code_shown(value)
    what = article(type(value).__name__)
    if type(value) in _BRACKETS and len(value) > MANY_ITEMS:
        return _container_shown(value, what, limit)
    return _text(repr(value), what, limit)


def _text(text: str, what: str, limit: int, *, keep_end: bool = False) -> ValueText:
    if keep_end:
        return ValueText(what, text, keep_end=True)
    return ValueText(what, text[: limit + SLACK], length=len(text))


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    dict: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def _container_shown(value: Any, what: str, limit: int) -> ValueText:
    """A long container: as many whole items as fit, and how many more there are."""
    opening, closing = _BRACKETS[type(value)]
    taken: list[str] = []
    size = 0
    for item in _items(value):
        size += len(item) + 2
        if size > limit - 8 and taken:  # room for the brackets
            break
        taken.append(item)
    left_out = more(len(value) - len(taken), "item")
    body = ", ".join(taken)
    return ValueText(what, f"{opening}{body}{', …' if left_out else ''}{closing}", left_out)


def _items(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        return (f"{key!r}: {item!r}" for key, item in value.items())
    items: Iterable[object] = value
    return map(repr, items)


def _figure_shown(figure: Any) -> ValueText:
    width, height = figure.get_size_inches() * figure.dpi
    axes = [
        f"{one.get_title() or 'untitled'} (x: {one.get_xlabel() or '–'}, y: {one.get_ylabel() or '–'})"
        for one in figure.axes
    ]
    parts = [f"matplotlib figure, {width:,.0f} × {height:,.0f} pixels", *axes]
    return ValueText("a figure", f"<{'; '.join(parts)}>", picture=True)
