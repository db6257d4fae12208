"""The file of a recording, read and written as a whole; a line that cannot be read stays as it is."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from llmvision_magic.backends.recording.cassette_format import FORMAT, HEADER, VERSION, Entry, entry_from, line_of
from llmvision_magic.backends.recording.masking import known_in, masked
from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import as_name
from llmvision_magic.schemas import parsed
from llmvision_magic.settings.secrets import MASK
from llmvision_magic.text_files import kind_at, read_text, write_atomically

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # not POSIX

LONGEST_LOCK = 5.0
"""Seconds to wait for another kernel that is writing; one that was halted there must not halt the others."""


@dataclass(frozen=True, slots=True)
class CassetteLine:
    """A line of the file.

    Attributes:
        text: As it stands there.
        entry: What it holds; None for an empty or a damaged one.
        damage: Why nothing can be read from it, as the end of a sentence; "" when it is well or empty.
    """

    text: str
    entry: Entry | None = None
    damage: str = ""


@dataclass(slots=True)
class Cassette:
    """A recording as it is on disk.

    Attributes:
        path: Absolute.
        shown: The path as the user gave it.
        lines: All lines after the first.
    """

    path: Path
    shown: str
    header: str = HEADER
    lines: list[CassetteLine] = field(default_factory=list)
    _seen: tuple[int, int, int] | None = None

    @classmethod
    def at(cls, given: str) -> Cassette:
        """The file that a path of the user's means, relative to the working folder as it is now. Not read yet."""
        return cls(Path(os.path.abspath(os.path.expanduser(given))), given)

    @property
    def exists(self) -> bool:
        return bool(kind_at(self.path))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other kernels from writing between reading and writing.

        The folder is locked, for the file is another one after each writing, and one more file beside it would be
        handed out with the lesson. Where there are no such locks, as on Windows and on some network drives, or one is
        held for longer than any writing takes, it goes on without.
        """
        descriptor = None
        if fcntl is not None:
            with suppress(OSError, ValueError):
                descriptor = os.open(os.path.dirname(os.path.realpath(self.path)), os.O_RDONLY | os.O_DIRECTORY)
        try:
            if descriptor is not None:
                _lock(descriptor)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def read(self) -> None:
        """Take in the file if it has changed since it was last read or written; one that is gone has no lines.

        Raises:
            InvalidInput: It cannot be read, is no recording, or comes from a newer version.
        """
        seen = self._signature()
        if seen is not None and seen == self._seen:
            return
        header, *rest = self._text().removesuffix("\n").split("\n") if seen is not None else [""]
        if header or rest:
            self._check(header)
        self.header, self.lines, self._seen = header or HEADER, [_line(one) for one in rest], seen

    def _text(self) -> str:
        try:
            return read_text(self.path)
        except ValueError:
            raise self._refused("it is no text") from None

    def _check(self, line: str) -> None:
        try:
            header = parsed(line)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise self._refused(f"its first line is not {HEADER}")
        version = header.get("version")
        if type(version) is not int or version > VERSION:
            told = as_name(str(version))
            raise InvalidInput(
                f"{self.shown} was recorded by a newer llmvision-magic (version {told} of the format, this one "
                f"knows up to {VERSION}); upgrade to use it."
            )

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self.shown} is no recording ({why}); nothing is changed in it. Name another file.")

    def begin(self) -> None:
        """Make the file if there is none, so that a place where nothing can be written is known now.

        Raises:
            InvalidInput: Nothing could be written.
        """
        if not self.exists:
            self.write()
        elif not os.access(self.path, os.W_OK) or not os.access(self.path.parent, os.W_OK):
            raise InvalidInput(f"{self.shown} cannot be written: permission denied. Name another file.")

    def write(self) -> None:
        """Write the file as a whole or not at all.

        Raises:
            InvalidInput: It cannot be written.
        """
        write_atomically(self.path, "\n".join([self.header, *(line.text for line in self.lines)]) + "\n")
        self._seen = self._signature()

    def entries(self) -> list[Entry]:
        """All requests with what came of them, in order."""
        return [line.entry for line in self.lines if line.entry is not None]

    def damaged(self) -> str:
        """Which lines cannot be read, as a sentence; "" when all can."""
        found = [(number, line.damage) for number, line in enumerate(self.lines, 2) if line.damage]
        if not found:
            return ""
        (number, damage), *others = found
        more = f", and {len(others)} more" if others else ""
        return f"Line {number} of {self.shown} cannot be read ({damage}){more}; it is left as it is, the others count."

    def number_of(self, entry: Entry) -> int:
        """The number of an entry's line, from 1."""
        return next(number for number, line in enumerate(self.lines, 2) if line.entry is entry)

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except (OSError, ValueError):  # ValueError: NUL in the name
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size  # each writing makes a new file


def typed(path: str) -> str:
    """A path as it is typed after a verb, in quotes where it needs them."""
    for text in (path, f'"{path}"'):
        with suppress(ValueError):  # a quote in it is not closed
            if shlex.split(text) == [path]:
                return text
    return shlex.quote(path)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LONGEST_LOCK
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            return
        else:
            return


def line_for(entry: Entry, secrets: Iterable[str]) -> tuple[CassetteLine, bool]:
    """The line of an entry, with what nobody may read taken out; and whether anything was.

    Args:
        secrets: The key; a server may have repeated it, or the user may have typed it.
    """
    text = line_of(entry)
    known = known_in(secrets)
    before = json.loads(text) if any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in known) else None
    after = masked(before, known)
    if after == before:
        # What a server repeats of the key was masked on its way here.
        return _line(text), bool(known) and MASK in text
    return _line(json.dumps(after, ensure_ascii=False)), True


def _line(text: str) -> CassetteLine:
    if not text.strip():
        return CassetteLine(text)
    try:
        return CassetteLine(text, entry_from(text))
    except ValueError as error:
        return CassetteLine(text, damage=str(error))
