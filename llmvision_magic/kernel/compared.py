"""What ``--compare`` says: one request parameter, and the values it is asked with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings import BY_NAME, REQUEST_PARAMETERS, closest, parse_value, setting_named

MOST = 8
"""Columns that can still be read."""

KNOWN = ("model", *REQUEST_PARAMETERS)

EXAMPLE = "`--compare temperature=0,0.5,1`"


@dataclass(frozen=True, slots=True)
class Compared:
    """A parameter with several values.

    Attributes:
        name: The parameter; a setting, or any other request parameter.
        values: At least two, as they are sent.
    """

    name: str
    values: tuple[object, ...]

    def given(self, value: object, others: Mapping[str, object]) -> dict[str, object]:
        """The settings of one column.

        Args:
            others: What else was given.
        """
        if self.name not in KNOWN:
            extra = others.get("param")
            return {**others, "param": {**(extra if isinstance(extra, dict) else {}), self.name: value}}
        return {**others, self.name: (value,) if self.name == "stop" else value}

    def ordinals(self) -> list[int]:
        """For each value, how many equal ones stand before it: the same request may be made several times."""
        return [sum(other == value for other in self.values[:number]) for number, value in enumerate(self.values)]


def compared_from(text: str, others: Mapping[str, object]) -> Compared:
    """What follows ``--compare``.

    Args:
        text: ``NAME=VALUE,VALUE,…``, or ``NAME=[…]`` with a JSON list where a value holds a comma.
        others: What else was given on the line.

    Raises:
        InvalidInput: It is something else; the sentence says what was expected.
    """
    name, equals, written = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise InvalidInput(f"--compare: expected a request parameter and its values, like {EXAMPLE}; got {text!r}.")
    words = _split(written, name)
    if name.replace("-", "_") in KNOWN:
        name = name.replace("-", "_")
        values = tuple(_value(name, word) for word in words)
    elif close := closest(name, KNOWN, 0.75):
        raise InvalidInput(f"--compare: there is no request parameter `{name}`. Did you mean `{close}`?")
    elif name in BY_NAME:
        raise InvalidInput(
            f"--compare: `{name}` is no request parameter; it takes {', '.join(KNOWN)}, or any other one."
        )
    else:
        values = tuple(_json(word) for word in words)
    if not 2 <= len(values) <= MOST:
        raise InvalidInput(f"--compare: expected 2 to {MOST} values, like {EXAMPLE}; got {len(values)}.")
    extra = others.get("param")
    if name in others or (isinstance(extra, dict) and name in extra):
        raise InvalidInput(f"`{name}` is given twice, by --compare and by an option of its own: take one away.")
    return Compared(name, values)


def _split(written: str, name: str) -> list[object]:
    if written.lstrip().startswith("["):
        try:
            parsed = json.loads(written)
        except ValueError:
            raise InvalidInput(f'--compare: expected a JSON list like `{name}=["a","b"]`, got {written!r}.') from None
        return list(parsed)
    return [word.strip() for word in written.split(",") if word.strip()]


def _value(name: str, word: object) -> object:
    value = parse_value(setting_named(name), word)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # as it was most probably written, and reads best
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _json(word: object) -> object:
    """A value of a parameter that we do not know: JSON if it is, else a text, as with ``--param``."""
    if not isinstance(word, str):
        return word
    try:
        value: object = json.loads(word)
    except ValueError:
        return word
    return value
