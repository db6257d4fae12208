"""What ``--compare`` says: one request parameter, and the values it is asked with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.options import OPTIONS
from llmvision_magic.settings.declarations import BY_NAME, REQUEST_PARAMETERS, setting_named
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.settings.suggestions import closest

MOST = 8
"""Columns that can still be read."""

KNOWN = ("model", *REQUEST_PARAMETERS)

PARAMETERS_TOO = ("n",)
"""Request parameters that are called as an option of the cell is."""

EXAMPLE = "`--compare temperature=0,0.5,1`"


@dataclass(frozen=True, slots=True)
class ComparedParameter:
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


def parse_compare(text: str, others: Mapping[str, object]) -> ComparedParameter:
    """What follows ``--compare``.

    Args:
        text: ``NAME=VALUE,VALUE,…``, or ``NAME=[…]`` with a JSON list; a value that holds a comma is JSON itself.
        others: What else was given on the line.

    Raises:
        InvalidInput: It is something else; the sentence says what was expected.
    """
    name, equals, written = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise InvalidInput(f"--compare: expected a request parameter and its values, like {EXAMPLE}; got {text!r}.")
    name = _parameter(name)
    words = _split(written, name)
    values = tuple(_value(name, word) if name in KNOWN else _json(word) for word in words)
    if not 2 <= len(values) <= MOST:
        raise InvalidInput(f"--compare: expected 2 to {MOST} values, like {EXAMPLE}; got {len(values)}.")
    extra = others.get("param")
    if name in others or (isinstance(extra, dict) and name in extra):
        raise InvalidInput(f"`{name}` is given twice, by --compare and by an option of its own: take one away.")
    return ComparedParameter(name, values)


def _parameter(given: str) -> str:
    """The request parameter that is meant: under its name, or as the option of the cell that sets it is written.

    Raises:
        InvalidInput: It is none.
    """
    flag = given if given.startswith("-") else f"-{given}" if len(given) == 1 else f"--{given.replace('_', '-')}"
    option = next((option for option in OPTIONS if flag in option.flags), None)
    if option is not None and option.setting in KNOWN:
        return option.setting
    if given in PARAMETERS_TOO:
        return given
    if option is not None or given.replace("-", "_") in BY_NAME:
        what = "an option of the cell" if option is not None else "a setting"
        raise InvalidInput(
            f"--compare: `{given}` is {what} and no request parameter; it takes {', '.join(KNOWN)}, or any other one."
        )
    if close := closest(given, KNOWN, 0.75):
        raise InvalidInput(f"--compare: there is no request parameter `{given}`. Did you mean `{close}`?")
    return given


def _split(written: str, name: str) -> list[object]:
    """The values, as texts where they were not a JSON list. A comma inside a value that is JSON does not end it."""
    if written.lstrip().startswith("["):
        try:
            return list(json.loads(written))
        except (ValueError, RecursionError):
            if name in KNOWN:
                raise _no_json(name, written, "a JSON list") from None
    words, rest = [], written.lstrip()
    while rest:
        word = _first(rest)
        if not word and rest[0] in "[{" and name not in KNOWN:
            raise _no_json(name, written, "JSON values")
        word = word or rest.partition(",")[0]
        words.append(word.strip())
        rest = rest[len(word) :].lstrip()[1:].lstrip()
    return [word for word in words if word]


def _first(text: str) -> str:
    """The JSON object, list or text that stands at the beginning, before a comma or the end; "" where none does."""
    if text[0] not in '[{"':
        return ""
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return ""
    return text[:end] if text[end:].lstrip()[:1] in ("", ",") else ""


def _no_json(name: str, written: str, what: str) -> InvalidInput:
    return InvalidInput(f'--compare: expected {what} like `{name}=["a","b"]`, got {written!r}.')


def _value(name: str, word: object) -> object:
    if isinstance(word, str) and word.startswith('"') and _first(word) == word:
        word = json.loads(word)
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
