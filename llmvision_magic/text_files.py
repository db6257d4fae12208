"""Files that are read and written as wholes, and their paths as a reader is shown them.

What is no regular file is left alone: a named pipe would be waited for, a device has no end or does something when it
is opened, and in place of either a file would stand afterwards.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from llmvision_magic.errors import InvalidInput
from llmvision_magic.hooks import HOOKS

LARGEST = 500_000_000
"""Bytes of a file that is read as a whole, at most."""

_PIECE = 1 << 20

FILE = "a file"
"""What `kind_at` calls a regular file."""

_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# Not waiting, should it have become a pipe since it was looked at; never the process's terminal; bytes as they are.
_OPENING = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


class IrregularFile(OSError):
    """What stands at a path is no regular file."""

    def __init__(self, kind: str) -> None:
        super().__init__(None, f"it is {kind} and no file")


def kind_at(path: Path) -> str:
    """What stands at a path, links followed: `FILE`, other things in words; "" for nothing that can be seen."""
    try:
        return _kind(path.stat())
    except (OSError, ValueError):  # ValueError: NUL in the name
        return ""


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")


def check_regular(path: Path) -> None:
    """Refuse a path at which something stands that is no regular file.

    Raises:
        IrregularFile: There is such a thing.
    """
    if (kind := kind_at(path)) not in ("", FILE):
        raise IrregularFile(kind)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; nothing else is opened, and nothing is waited for.

    Args:
        flags: As of `os.open`.

    Raises:
        OSError: It cannot be opened; `IrregularFile` if it is no file.
    """
    check_regular(path)  # opening alone may do something: a device rewinds, the writer of a pipe goes on
    descriptor = os.open(path, flags | _OPENING, 0o600)
    try:
        # The path may mean another thing by now; what is open does not change.
        if (kind := _kind(os.fstat(descriptor))) != FILE:
            raise IrregularFile(kind)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def reader(path: Path) -> BinaryIO:
    """A regular file, open for reading. Raises as `open_regular`."""
    return os.fdopen(open_regular(path), "rb")


def read_bytes(path: Path, *, most: int = LARGEST) -> bytes:
    """The bytes of a file.

    Args:
        most: How many there may be.

    Raises:
        InvalidInput: It cannot be read, is no regular file, or has more bytes.
    """
    try:
        with reader(path) as stream:
            data = bytearray()
            while len(data) <= most and (piece := stream.read(_PIECE)):  # what grows, or lies about its size, too
                data += piece
    except OSError as error:
        raise InvalidInput(f"{shown_path(path)} cannot be read: {error.strerror or error}.") from error
    except ValueError:  # NUL
        raise InvalidInput(f"{shown_path(path)!r} is no path of a file.") from None
    if len(data) > most:
        raise InvalidInput(f"{shown_path(path)} is larger than the {most:,} bytes that are read here.")
    return bytes(data)


def read_text(path: Path, *, most: int = LARGEST) -> str:
    """The text of a file, with ``\\n`` as line end.

    Args:
        most: How many bytes there may be.

    Raises:
        InvalidInput: As `read_bytes`.
        ValueError: It is no text.
    """
    return read_bytes(path, most=most).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file as a whole or not at all: whoever reads it meets the old one or the new one.

    Raises:
        InvalidInput: It cannot be written, or what stands there is no regular file; it is as it was.
    """
    given = path
    try:
        check_regular(given)
        path = Path(os.path.realpath(given))  # behind a link the file it leads to is meant
        beside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:8]}")
        try:
            beside.write_text(without_lone_surrogates(text), encoding="utf-8", newline="\n")
            if path.exists():
                beside.chmod(path.stat().st_mode & 0o777)
            check_regular(path)  # it may have come meanwhile
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise InvalidInput(f"{shown_path(given)} cannot be written: {error.strerror or error}.") from error
    except ValueError:  # NUL
        raise InvalidInput(f"{shown_path(given)!r} is no path of a file.") from None


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
