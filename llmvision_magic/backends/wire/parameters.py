"""The parameters of a request, checked before anything is sent."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from llmvision_magic.errors import InvalidInput

MOST_STOPS = 4

MOST_TEMPERATURE = 2.0
"""The highest that a server of the protocol takes; some take less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What the user set; None means not given, and what was not given is not sent.

    Attributes:
        max_tokens: Most tokens to generate; an integer, at least 1.
        temperature: Sampling temperature, from 0 to 2; some servers take less.
        top_p: Nucleus sampling probability, from 0 to 1.
        stop: Up to 4 texts that end the reply; a single text is taken as one of them.
        presence_penalty: Any finite number.
        frequency_penalty: Any finite number.
        extra: Parameters outside the list, sent as they are.

    Raises:
        InvalidInput: A value is of the wrong type or out of range; names the parameter, the range and what came.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked = {
            "max_tokens": _checked_count("max_tokens", self.max_tokens),
            "temperature": _checked_number("temperature", self.temperature, 0, MOST_TEMPERATURE),
            "top_p": _checked_number("top_p", self.top_p, 0, 1),
            "stop": _checked_stops(self.stop),
            "presence_penalty": _checked_number("presence_penalty", self.presence_penalty),
            "frequency_penalty": _checked_number("frequency_penalty", self.frequency_penalty),
            "extra": _checked_extra(self.extra),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def body(self) -> dict[str, object]:
        """The part of the request's JSON that these parameters are."""
        given = {name: getattr(self, name) for name in NAMES}
        if self.stop is not None:
            given["stop"] = list(self.stop)
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra)


NAMES = tuple(item.name for item in fields(Parameters) if item.name != "extra")
_RESERVED = frozenset({"model", "messages", "stream", *NAMES})


def _checked_count(name: str, value: object) -> int | None:
    if value is None:
        return None
    # Integral takes NumPy's integers too; a bool is an int only for historical reasons.
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InvalidInput(f"{name} is an integer of at least 1; {_shown(value)} came.")
    return int(value)


def _checked_number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    if value is None:
        return None
    span = "a finite number" if math.isinf(low) else f"a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidInput(f"{name} is {span}; {_shown(value)} came.")
    # Sent as it was written: 1 stays 1. Other kinds (NumPy's, fractions) have no JSON of their own.
    try:
        number = value if isinstance(value, (int, float)) else float(value)
        valid = math.isfinite(number) and low <= number <= high
    except OverflowError:
        valid = False
    if not valid:
        raise InvalidInput(f"{name} is {span}; {_shown(value)} came.")
    return number


def _checked_stops(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    stops = (value,) if isinstance(value, str) else value
    if (
        not isinstance(stops, Sequence)
        or isinstance(stops, (bytes, bytearray))
        or len(stops) > MOST_STOPS
        or not all(isinstance(text, str) and text for text in stops)
    ):
        raise InvalidInput(f"stop is up to {MOST_STOPS} texts that are not empty; {_shown(value)} came.")
    return tuple(stops) or None


def _checked_extra(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"Further parameters are a mapping of names to values; {_shown(value)} came.")
    extra = dict(value)
    for name, content in extra.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"The name of a further parameter is a text that is not empty; {_shown(name)} came.")
        if name in _RESERVED:
            raise InvalidInput(
                f"{name} is a parameter of its own and cannot come as a further one; use its own option."
            )
        try:
            json.dumps(content, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(f"{name} needs a value that JSON can hold; {_shown(content)} came.") from error
    return extra


def _shown(value: object) -> str:
    """The value as it is quoted in a message, at most 60 characters of it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
