"""Text files that are read and written as wholes, and their paths as a reader is shown them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from llmvision_magic.errors import InvalidInput
from llmvision_magic.hooks import HOOKS


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InvalidInput: It cannot be read.
        ValueError: It is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{shown_path(path)} cannot be read: {error.strerror or error}.") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a file as a whole or not at all: whoever reads it meets the old one or the new one.

    Raises:
        InvalidInput: It cannot be written.
    """
    path = Path(os.path.realpath(path))  # behind a link the file it leads to is meant
    beside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:8]}")
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        try:
            beside.write_text(without_lone_surrogates(text), encoding="utf-8", newline="\n")
            if path.exists():
                beside.chmod(path.stat().st_mode & 0o777)
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise InvalidInput(f"{shown_path(path)} cannot be written: {error.strerror or error}.") from error


def without_lone_surrogates(text: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair, which a broken reply may contain, becomes "�"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def shown_path(path: Path) -> str:
    """A path for the reader, short where it is in the home folder; secrets in it are masked."""
    home = os.path.expanduser("~")
    short = f"~{os.sep}{path.relative_to(home)}" if home != "~" and path.is_relative_to(home) else str(path)
    return HOOKS.without_secrets(short)
