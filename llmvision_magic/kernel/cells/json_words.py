"""JSON as it is typed on a line: its quotes and blanks are its own, and none of a shell's."""

from __future__ import annotations

import json
import re
import shlex

from llmvision_magic.errors import InvalidInput

_WORD = r"""(?:[^\s"'\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")+"""
_FLAG = r"""(--param|--compare)(?:\s+|=)([^\s="'\\]+)=(?=[\[{"])"""

LONGEST_QUOTE = 60
"""Characters quoted of what is no JSON."""


def with_json_quoted(line: str) -> str:
    """The line with each JSON value of a request parameter in quotes, so that a shell's rules find one word there.

    Raises:
        InvalidInput: What begins as an object or a list is no JSON, and neither by a shell's rules.
    """
    if not re.search(_FLAG, line):
        return line
    parts, at = [], 0
    while at < len(line):
        found = re.compile(_FLAG).match(line, at)
        end = found and _end(line, found.end(), several=found[1] == "--compare")
        if found and end:
            parts.append(f"{found[1]} {shlex.quote(line[found.start(2) : end])}")
            at = end
            continue
        if found:
            _check_quoted(line, found[1], found[2], found.end())
        word = re.compile(_WORD).match(line, at)
        if word is None and not line[at].isspace():
            break  # a quote that is not closed; who splits the line says so
        end = word.end() if word else at + 1
        parts.append(line[at:end])
        at = end
    return "".join([*parts, line[at:]])


def _end(line: str, at: int, *, several: bool) -> int:
    """Where the JSON that begins there ends as a word of the line does; 0 where it does not.

    Args:
        several: Whether more values may follow, each after a comma.
    """
    while True:
        try:
            at = json.JSONDecoder().raw_decode(line, at)[1]
        except (ValueError, RecursionError):
            word = re.compile(r"[^\s,\[{\"']+").match(line, at)
            if word is None:
                return 0
            at = word.end()
        comma = re.compile(r"\s*,\s*").match(line, at)
        if not (several and comma):
            return 0 if line[at : at + 1].strip() else at
        at = comma.end()


def _check_quoted(line: str, flag: str, name: str, at: int) -> None:
    """Check what is no JSON as it stands: it may be JSON by a shell's rules, or a text in quotes."""
    if line[at] == '"' or flag != "--param":
        return
    word = re.compile(_WORD).match(line, at)
    try:
        json.loads("".join(shlex.split(word[0])) if word else line[at:])
    except (ValueError, RecursionError):
        came = re.split(r"\s--?[a-z]", line[at:])[0]  # other options may hold what is not shown
        came = came if len(came) <= LONGEST_QUOTE else f"{came[:LONGEST_QUOTE]}…"
        raise InvalidInput(
            f"--param: expected KEY=JSON with the JSON as it is, its texts in double quotes, for example "
            f'`--param {name}={{"key": ["text", 7, true]}}`; what came after `{name}=` is no JSON: {came}'
        ) from None
