"""What the page may ask of the kernel. A page is to be trusted no more than any network: each message is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from llmvision_magic.errors import InvalidInput

MOST_TEXT = 1_000_000
"""Characters of a text."""

MOST_WORD = 200
"""Characters of a name, an id or a key."""

MOST_TURNS = 50
"""Turns in one answer."""

MOST_FILES = 8
MOST_FILE = 10_000_000
"""Bytes of an attached file."""


@dataclass(frozen=True, slots=True)
class File:
    """An attached file.

    Attributes:
        kind: Its MIME type, as the page says.
    """

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One message of the page, checked.

    Attributes:
        do: What is asked for; one of `KINDS`.
        key: By which the page knows the answer; "" for none.
        turn: Id of a turn.
        before: Id of the turn before which turns are wanted; None for the newest.
        count: How many.
        name: Of a conversation.
        to: Its new name.
        conversation: Name of the conversation that the page showed then; "" where it does not say.
        again: Whether the page may have missed something, and wants all there is.
        raw: Whether double braces are text.
    """

    do: str
    key: str = ""
    text: str = ""
    turn: str = ""
    before: str | None = None
    count: int = MOST_TURNS
    name: str = ""
    to: str = ""
    excluded: bool = False
    conversation: str = ""
    again: bool = False
    raw: bool = False
    files: tuple[File, ...] = field(default=(), repr=False)


KINDS: Mapping[str, tuple[str, ...]] = {
    "show": ("before", "count"),
    "ask": ("key", "text", "files"),
    "stop": (),
    "retry": ("turn",),
    "continue": ("turn",),
    "edit": ("turn", "text"),
    "branch": ("turn",),
    "exclude": ("turn", "excluded"),
    "text": ("turn",),
    "source": ("turn",),
    "names": ("key", "text"),
    "new": ("name",),
    "use": ("name",),
    "rename": ("name", "to"),
    "drop": ("name",),
    "models": (),
}
"""What the page may ask for, and what must go with it; a `key` may always."""

ANYWHERE = ("conversation", "again", "raw")
"""What may go with it."""


def key_of(content: object) -> str:
    """The key of a message, also of one that is refused."""
    key = content.get("key") if isinstance(content, dict) else None
    return key if isinstance(key, str) and len(key) <= MOST_WORD else ""


def parse(content: object, buffers: Sequence[object]) -> Request:
    """A message of the page as a request.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(content, dict):
        raise InvalidInput(f"The panel's page sent {type(content).__name__}; expected an object.")
    do = content.get("do")
    if not isinstance(do, str) or do not in KINDS:
        raise InvalidInput("The panel's page asked for something that there is not; reload the page.")
    values: dict[str, object] = {"key": key_of(content)}
    for name in ANYWHERE:
        if name in content:
            values[name] = _CHECKS[name](name, content[name])
    for name in KINDS[do]:
        if name != "files":
            values[name] = _CHECKS[name](name, content.get(name))
    if "files" in KINDS[do]:
        values["files"] = _files(content.get("files", []), buffers)
    return Request(do, **values)  # type: ignore[arg-type]  # each checked by its name


def _text(name: str, value: object) -> str:
    return _bounded(name, value, MOST_TEXT)


def _word(name: str, value: object) -> str:
    return _bounded(name, value, MOST_WORD)


def _bounded(name: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"The panel's page sent no text as `{name}`; reload the page.")
    if len(value) > most:
        raise InvalidInput(f"`{name}` may have {most:,} characters, got {len(value):,}.")
    # A page can send half a surrogate pair, and no server takes one.
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _word_or_none(name: str, value: object) -> str | None:
    return None if value is None else _word(name, value)


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TURNS:
        raise InvalidInput(f"`{name}` is a whole number from 1 to {MOST_TURNS}.")
    return value


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"`{name}` is true or false.")
    return value


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "key": _word,
    "text": _text,
    "turn": _word,
    "before": _word_or_none,
    "count": _count,
    "name": _word,
    "to": _word,
    "excluded": _switch,
    "conversation": _word,
    "again": _switch,
    "raw": _switch,
}


def _files(described: object, buffers: Sequence[object]) -> tuple[File, ...]:
    if not isinstance(described, list) or len(described) != len(buffers):
        raise InvalidInput("What is attached did not arrive whole; attach it again.")
    if len(described) > MOST_FILES:
        raise InvalidInput(f"At most {MOST_FILES} files go with one prompt, got {len(described)}.")
    files = []
    for one, buffer in zip(described, buffers, strict=True):
        if not isinstance(one, dict) or not isinstance(buffer, bytes | bytearray | memoryview):
            raise InvalidInput("What is attached did not arrive whole; attach it again.")
        name, kind = _word("name", one.get("name")), _word("type", one.get("type"))
        data = bytes(buffer)
        if len(data) > MOST_FILE:
            raise InvalidInput(f"{name!r} has {len(data):,} bytes; at most {MOST_FILE:,} go with a prompt.")
        files.append(File(name, kind, data))
    return tuple(files)
