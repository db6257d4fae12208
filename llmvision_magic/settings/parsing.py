"""A setting's value as it is used, from one that was typed, configured or found in the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.secrets import KEY_PLACE, is_like_key

if TYPE_CHECKING:
    from llmvision_magic.settings.declarations import Setting
    from llmvision_magic.settings.headers import Headers


def parse_value(setting: Setting, given: object) -> object:
    """A value as it is used, from what was written or configured.

    Raises:
        InvalidInput: The text is not of the setting's kind. Ranges are checked where the request is made.
    """
    try:
        value = _PARSERS[setting.kind](given)
        if setting.above is not None and not (isinstance(value, int | float) and setting.above < value < 1e6):
            raise ValueError
        if setting.words and value not in setting.words:
            raise ValueError
        if isinstance(value, str) and is_like_key(value):
            raise InvalidInput(
                f"{setting.name}: expected {setting.expected}, and what came looks like a key: {KEY_PLACE}."
            )
        return value
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidInput(f"{setting.name}: expected {setting.expected}, got {_shown(given)}.") from None


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _parse_text(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError
    return given.strip()


def _parse_integer(given: object) -> int:
    if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
        raise ValueError
    return int(given)  # type: ignore[call-overload, no-any-return]  # a str, int or whole float; else TypeError


def _parse_number(given: object) -> float:
    if isinstance(given, bool):
        raise ValueError
    number = float(given)  # type: ignore[arg-type]  # a str or a number; else TypeError
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _parse_texts(given: object) -> tuple[str, ...]:
    """One text, a JSON list of texts (as an environment variable holds it), or a sequence of texts."""
    if isinstance(given, str):
        parsed = json.loads(given) if given.lstrip().startswith("[") else [given]
    else:
        parsed = list(given)  # type: ignore[call-overload]  # any sequence; else TypeError
    if not all(isinstance(item, str) for item in parsed):
        raise ValueError
    return tuple(parsed)


def _parse_switch(given: object) -> bool:
    if isinstance(given, bool):
        return given
    words = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
    if not isinstance(given, str) or given.strip().lower() not in words:
        raise ValueError
    return words[given.strip().lower()]


_PYTHON = {"True": "true", "False": "false", "None": "null"}
"""Words of Python that JSON writes otherwise; sent as texts they would mean something else."""


def _parse_json(given: object) -> dict[str, object]:
    """``KEY=JSON``, several of them, a JSON object, or a mapping. A value that is not JSON is taken as text."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, str):
        if given.lstrip().startswith("{"):
            parsed = json.loads(given)
            if not isinstance(parsed, dict):
                raise ValueError
            return parsed
        given = [given]
    pairs: dict[str, object] = {}
    for item in given:  # type: ignore[attr-defined]  # a sequence of texts; else TypeError
        if not isinstance(item, str):
            raise ValueError
        key, equals, text = item.partition("=")
        if not key.strip() or not equals:
            raise ValueError
        try:
            pairs[key.strip()] = json.loads(text)
        except ValueError:
            if text.strip() in _PYTHON:
                raise InvalidInput(
                    f"param: JSON writes `{key.strip()}={_PYTHON[text.strip()]}`, got {item!r}; "
                    f'as a text it is `{key.strip()}="{text.strip()}"`.'
                ) from None
            if text.lstrip()[:1] in ("[", "{", '"'):
                raise  # it was to be JSON
            pairs[key.strip()] = text
    return pairs


def _parse_headers(given: object) -> Headers:
    from llmvision_magic.settings.headers import parse_headers  # few requests have any

    return parse_headers(given)


_PARSERS = {
    "text": _parse_text,
    "integer": _parse_integer,
    "number": _parse_number,
    "texts": _parse_texts,
    "switch": _parse_switch,
    "json": _parse_json,
    "headers": _parse_headers,
}
