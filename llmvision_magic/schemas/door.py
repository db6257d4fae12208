"""The door: a value that was read from a file is checked here, once, before anything is made of it.

What comes through is JSON of a bearable depth with finite numbers and text that UTF-8 can hold, and of the form that
its schema says; nobody behind the door looks again.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from llmvision_magic.schemas.forms import FORMS
from llmvision_magic.text_files import without_lone_surrogates

if TYPE_CHECKING:
    from fastjsonschema import JsonSchemaValueException

DEEPEST = 100
"""Levels of lists and objects within each other. Whoever walks through a value does it by recursion."""

LONGEST_NUMBER = 1024
"""Binary digits of a whole number: those of the largest fraction."""

_KINDS = {"object": "an object", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number"}
_KINDS |= {"boolean": "true or false", "null": "null"}


def parsed(text: str) -> Any:
    """The value of a JSON text, as `plain`.

    Raises:
        ValueError: It is no JSON that can be used; the message is the end of a sentence.
    """
    try:
        value = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return plain(value)


_TOO_DEEP = f"its lists and objects are nested more than {DEEPEST} levels deep"


def plain(value: object, level: int = 0) -> Any:
    """A value as JSON can hold it; half a surrogate pair in a text becomes "�".

    Raises:
        ValueError: There is something in it that JSON has not, a number that is none, or it is nested too deeply; the
            message is the end of a sentence.
    """
    if level > DEEPEST:
        raise ValueError(_TOO_DEEP)
    match value:
        case str():
            return without_lone_surrogates(value)
        case int() if value.bit_length() > LONGEST_NUMBER:  # a longer one cannot even be written down
            raise ValueError(f"a number in it has more than {LONGEST_NUMBER} binary digits")
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else _no_number(value)
        case list() | tuple():
            return [plain(one, level + 1) for one in value]
        case dict():
            return {_name(name): plain(one, level + 1) for name, one in value.items()}
    raise ValueError(f"a value of the kind {type(value).__name__} is in it, which JSON has not")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise ValueError(f"a name in it is {type(name).__name__} and no text")
    return without_lone_surrogates(name)


def _no_number(value: object) -> NoReturn:
    raise ValueError(f"`{value}` in it is no number")


def admitted(value: object, form: str) -> Any:
    """A value, if it has the form.

    Args:
        value: As `plain` gives it.
        form: A name of `FORMS`.

    Raises:
        ValueError: It has not; the message says where and why, as the end of a sentence.
    """
    import fastjsonschema

    try:
        _check(form)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ValueError(_sentence(error)) from None
    except (OverflowError, RecursionError):
        raise ValueError("a number in it is beyond all measure, or it is nested too deeply") from None
    return value


@functools.cache
def _check(form: str) -> Callable[[object], object]:
    """The check of a form, compiled when it is first needed."""
    import fastjsonschema

    check: Callable[[object], object] = fastjsonschema.compile(dict(FORMS[form]), use_default=False)
    return check


def _sentence(error: JsonSchemaValueException) -> str:
    """Where a value is not as it should be, and how, in our words and never in those of the file."""
    where = str(error.name).removeprefix("data").lstrip(".")
    where = f"`{where}`" if where and len(where) <= 80 and where.isprintable() else "it"
    limit = error.rule_definition
    match error.rule:
        case "required":
            missing = next((name for name in limit if name not in error.value), "something")
            return f"`{missing}` is missing" + (f" in {where}" if where != "it" else "")
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            return f"{where} is expected as {' or '.join(_KINDS[kind] for kind in kinds)}"
        case "minimum" | "maximum":
            return f"{where} is out of range: {'at least' if error.rule == 'minimum' else 'at most'} {limit:,}"
        case "maxLength" | "maxItems":
            return f"{where} is longer than {limit:,}"
        case "enum":
            return f"{where} is none of {', '.join(map(str, limit))}"
    return f"{where} is not as it should be"
