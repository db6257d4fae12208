"""Files that Tab offers on a line of ``%chat``: those of the place that is typed, fitting ones first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_PLACE = re.compile(r"%(?:chat|llmvision)\s+(?P<verb>\w+)\s+(?P<rest>.*)", re.DOTALL)

_BEFORE = {"resume": r"--from\s+", "set": r"prices\s+", "replay": r"(?:--(?:speed|else)(?:=|\s+)\S+\s+)*"}
"""What stands between these verbs and their file."""

_BARE = re.compile(r"[^\s\"'\\]*")
"""A path that every verb reads without quotes."""


class TypedPath(NamedTuple):
    """A path whose beginning stands at the end of a line.

    Attributes:
        raw: As it stands there.
        quote: The quote it begins with; "" without.
        path: Without that.
        endings: Those of the files that fit.
    """

    raw: str
    quote: str
    path: str
    endings: tuple[str, ...]


def typed_path(line: str) -> TypedPath | None:
    """The path at the end of a line of ``%chat``; None where no file is named.

    Blanks belong to it, for most verbs take the rest of their line; what comes after the path is told from it by
    there being no such file.

    Args:
        line: Up to the cursor.
    """
    from llmvision_magic.kernel.verbs.declarations import BY_NAME

    found = _PLACE.fullmatch(line)
    verb = BY_NAME.get(found["verb"]) if found else None
    if found is None or verb is None or not verb.files:
        return None
    before = re.match(_BEFORE.get(verb.name, ""), found["rest"])
    if before is None:
        return None
    raw = found["rest"][before.end() :]
    quote = raw[:1] if raw[:1] in ("'", '"') else ""
    path = raw[len(quote) :]
    if raw.startswith("-") or (quote and quote in path):
        return None
    return TypedPath(raw, quote, path, verb.files)


def offered_paths(typed: TypedPath, after: str) -> list[str]:
    """What may stand in the place of `typed.raw`: files that fit, folders, other files.

    Args:
        after: The line from the cursor on: a quote there closes the path already.
    """
    start, name = os.path.split(typed.path)
    folders: list[str] = []
    files: list[str] = []
    for entry in sorted(_entries(os.path.expanduser(start) or os.curdir), key=lambda entry: entry.name.casefold()):
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            is_folder = _is_folder(entry)
            path = typed.path[: len(typed.path) - len(name)] + entry.name + ("/" if is_folder else "")
            written = _written(path, typed.quote, is_open=is_folder or after.startswith(typed.quote or "\n"))
            (folders if is_folder else files).append(written)
    fitting = [file for file in files if file.rstrip("\"'").endswith(typed.endings)]
    return [*fitting, *folders, *(file for file in files if file not in fitting)]


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _written(path: str, quote: str, *, is_open: bool) -> str:
    """A path as it stands on the line. Within single quotes a backslash is one to all verbs.

    Args:
        is_open: Whether a quote stays open: more of the path follows, or the closing one is there.
    """
    if not quote and _BARE.fullmatch(path):
        return path
    quote = quote or ("'" if '"' in path or "\\" in path else '"')
    return f"{quote}{path}{'' if is_open else quote}"
