"""All places of a JSON value, and the value with something else in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def places(value: object, way: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """All places of a JSON value."""
    yield way
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*way, name))


def put(value: Any, way: tuple[Any, ...], odd: object) -> Any:
    """The value with something else in that place."""
    if not way:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = put(copy[way[0]], way[1:], odd)
    return copy
