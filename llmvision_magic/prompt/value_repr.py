"""What `repr` says of a value, but the same in each process: with the items of sets in one order."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llmvision_magic.sets import in_order, sets_sorted

BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    dict: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}

_ATOMS = frozenset({bool, int, float, complex, str, bytes, type(None)})

Writer = Callable[[object], "str | None"]
"""Writes values whose own `repr` says too little; None for all others."""


def written(value: object, write: Writer = lambda value: None) -> str:
    """A value as its `repr` writes it, with the items of each set sorted, however deep it stands.

    Args:
        write: Asked first, for the value and for what is inside it.
    """
    try:
        return _written(value, write, ())
    except RecursionError:  # C goes deeper
        return sets_sorted(repr(value))


def items_written(value: Any, write: Writer) -> Iterator[str]:
    """The items of a container of `BRACKETS`, one after the other."""
    return _items(value, write, (id(value),))


def _written(value: Any, write: Writer, within: tuple[int, ...]) -> str:
    kind = type(value)
    if kind in _ATOMS:
        return repr(value)
    text = write(value)
    if text is not None:
        return text
    if id(value) in within:  # as `repr` writes what holds itself
        return "..." if kind not in BRACKETS else "...".join(BRACKETS[kind])
    within = (*within, id(value))
    if kind in BRACKETS and value:
        if kind in (list, tuple) and all(type(item) in _ATOMS for item in value):
            return repr(value)  # C is faster
        opening, closing = BRACKETS[kind]
        if kind is deque and value.maxlen is not None:
            closing = f"], maxlen={value.maxlen})"
        comma = "," if kind is tuple and len(value) == 1 else ""
        return f"{opening}{', '.join(_items(value, write, within))}{comma}{closing}"
    if kind is defaultdict or kind is OrderedDict:
        factory = f"{value.default_factory!r}, " if kind is defaultdict else ""
        return f"{kind.__name__}({factory}{{{', '.join(_pairs(value, write, within))}}})"
    if isinstance(value, set | frozenset) and value and _repr_of(kind) in (_repr_of(set), _repr_of(frozenset)):
        return f"{kind.__name__}({{{', '.join(_items(value, write, within))}}})"
    if _has_repr_of_dataclass(kind):
        fields = [one.name for one in dataclasses.fields(value) if one.repr]
        named = (f"{name}={_written(getattr(value, name), write, within)}" for name in fields)
        return f"{kind.__qualname__}({', '.join(named)})"
    return sets_sorted(repr(value))


def _items(value: Any, write: Writer, within: tuple[int, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        return _pairs(value, write, within)
    items: Iterable[object] = value
    if isinstance(value, set | frozenset):
        items = in_order(value, lambda item: _written(item, write, within))
    return (_written(item, write, within) for item in items)


def _pairs(value: Any, write: Writer, within: tuple[int, ...]) -> Iterator[str]:
    return (f"{_written(key, write, within)}: {_written(item, write, within)}" for key, item in value.items())


def _repr_of(kind: type) -> object:
    return kind.__repr__


def _has_repr_of_dataclass(kind: type) -> bool:
    """Whether its `repr` is the one that `dataclass` has made."""
    made = getattr(kind.__repr__, "__wrapped__", None)
    return dataclasses.is_dataclass(kind) and "__create_fn__" in getattr(made, "__qualname__", "")
