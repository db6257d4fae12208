"""How a turn was asked: the options of its line, as they are kept with it, used again by verbs, and written anew."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import get_args

from llmvision_magic.settings.declarations import BY_NAME, Format
from llmvision_magic.settings.parsing import parse_value

Options = Mapping[str, object]
"""Options by their long names, a setting's under the setting's name; what was not said is not in it."""

_TEXTS, _SWITCHES, _LISTS = ("system", "out", "format"), ("raw", "background"), ("attach", "image")

FILES, FILES_LENGTH = "files", "beside"
"""Options of a prompt with files, which no line can give: their names, and how many characters at the end of what was
sent are of them."""

LONGEST_NAME = 200
"""Characters of a variable's name that is read from a file."""

LINE_SETTINGS = {name: setting for name, setting in BY_NAME.items() if setting.flags and not setting.is_secret}
"""The settings that a line can give and that are kept with its turn. Of others, the server's address among them, a file
says nothing."""

_FLAGS = {"system": "-s", "out": "-o", "format": "-f", "raw": "--raw", "background": "--background"}
_FLAGS |= {"attach": "-a", "image": "-i"}


def merge_options(before: Options, said: Options) -> dict[str, object]:
    """Options with others that are stronger; further parameters are joined one by one."""
    options = {**before, **said}
    if isinstance(old := before.get("param"), Mapping) and isinstance(new := said.get("param"), Mapping):
        options["param"] = {**old, **new}
    return options


def options_again(options: Options | None, *, from_file: bool) -> dict[str, object]:
    """Options with which a turn is asked again: what a file says binds no variable, for nobody here has typed it."""
    return {name: value for name, value in (options or {}).items() if not (from_file and name == "out")}


def options_from(value: object) -> dict[str, object] | None:
    """Options from their JSON value; those that this version does not know are left out. None where they are not known.

    Raises:
        ValueError: It is something else.
        InvalidInput: A setting's value is not of its kind.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError("the options of a turn are expected as an object")
    options: dict[str, object] = {}
    for name, one in value.items():
        if name in LINE_SETTINGS:
            options[name] = parse_value(LINE_SETTINGS[name], one)
        elif name in _FLAGS and not _is_of_its_kind(name, one):
            raise ValueError(f"the option {name!r} of a turn is not of its kind")
        elif (
            name in _FLAGS
            or (name == FILES and _is_of_its_kind(name, one))
            or (name == FILES_LENGTH and type(one) is int and one >= 0)
        ):
            options[name] = one
    return options


def files_text(options: Options, sent: str) -> str:
    """The text of files in what was sent."""
    length = options.get(FILES_LENGTH)
    return sent[-length:] if isinstance(length, int) and length > 0 else ""


def is_raw(options: Options, typed: str | None, sent: str) -> bool:
    """Whether double braces of a prompt are text: it was sent so, or nothing was put in, also where nobody typed it.

    Args:
        typed: The prompt as it was typed, where that is known and another than what was sent.
    """
    return bool(options.get("raw")) or (typed is None and "{{" in sent)


def attached_expressions(options: Options) -> str:
    """The options whose expressions are evaluated when it is asked anew, as they are typed."""
    return options_line({name: options[name] for name in _LISTS if options.get(name)}).strip()


def _is_of_its_kind(name: str, value: object) -> bool:
    if name in _SWITCHES:
        return isinstance(value, bool)
    if name in (*_LISTS, FILES):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if name == "out":
        return isinstance(value, str) and value.isidentifier() and len(value) <= LONGEST_NAME
    return isinstance(value, str) and (name != "format" or value in get_args(Format))


def options_line(options: Options) -> str:
    """The options as they are typed on a line, each with a space before it."""
    words: list[str] = []
    for name, value in options.items():
        if name in (FILES, FILES_LENGTH):
            continue
        if name == "stream":
            words += [] if value else ["--no-stream"]
        elif name in _SWITCHES:
            words += [_FLAGS[name]] if value else []
        elif name in _LISTS and isinstance(value, list):
            words += [_word(_FLAGS[name], one, _in_quotes) for one in value]
        elif name == "format":
            # A correction is asked for by a verb; of the formats of a cell this one is the nearest.
            words.append(f"-f {'code' if value == 'correction' else value}")
        elif name == "param" and isinstance(value, Mapping):
            words += [_word("--param", f"{key}={json.dumps(one, ensure_ascii=False)}") for key, one in value.items()]
        else:
            flag = _FLAGS[name] if name in _FLAGS else LINE_SETTINGS[name].flags[0]
            words += [_word(flag, one) for one in (value if isinstance(value, list | tuple) else [value])]
    return "".join(f" {word}" for word in words)


def _word(flag: str, value: object, quote: Callable[[str], str] = shlex.quote) -> str:
    whole = isinstance(value, float) and value.is_integer()
    text = re.sub(r"[\r\n]+", " ", f"{value:.0f}" if whole else str(value))  # an option ends with its line
    return f"{flag}{'=' if text.startswith('-') else ' '}{quote(text)}"


def _in_quotes(source: str) -> str:
    """An expression as a word of a line, where its own quotes are Python's: quoted only as a whole, and if need be."""
    if source and not any(character.isspace() for character in source):
        return source
    if "'" not in source:
        return f"'{source}'"
    escaped = source.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
