"""The text of an event stream: where its events end, what they are, and the shape that most of them share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import cast

import httpx
import httpx_sse

_END = re.compile(r"\n\n|[\n\r]\r\n?")
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_ERROR_FIELD = re.compile(r"(^|[\n\r])error:")
_MOST_PIECES = 64


def read_events(text: str) -> Iterator[httpx_sse.ServerSentEvent]:
    """The events of a text that ends with an event."""
    if "error:" in text:
        # A field that no specification knows: llama.cpp's server had it for an error in the middle of a reply.
        text = _ERROR_FIELD.sub(r"\1event: error\ndata:", text)
    # The decoding library reads a response's text and looks at its content type; it gets just these two.
    return httpx_sse.EventSource(cast(httpx.Response, _Body(text))).iter_sse()


class _Body:
    """What the decoding library needs of a response."""

    headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    def __init__(self, text: str) -> None:
        self._text = text

    def iter_text(self) -> Iterator[str]:
        yield self._text


def whole_events(texts: Iterable[str], on_crowded: Callable[[], None] | None = None) -> Iterator[str]:
    """A stream's text, cut anywhere, as pieces that begin and end with an event; the last may end within one.

    Args:
        on_crowded: Called when the stream turns out to have no blank lines between its events; from there on each line
            of data is taken for an event.
    """
    texts = iter(texts)
    held: list[str] = []  # the beginning of an event
    last = ""  # its last character, or that of the event before
    is_spaced = False  # whether there are blank lines
    for text in texts:
        if not held and last == "\r" and text:
            text, last = text.removeprefix("\n"), ""  # the second half of a line end
        end = _last_end(last + text) - len(last) if held else _last_end(text)
        if end > 0:
            held.append(text[:end])
            is_spaced = is_spaced or "data:" in text[:end]
            yield "".join(held)
            held, last, text = [], text[end - 1], text[end:]
        if text:
            held.append(text)
            last = text[-1]
            if not is_spaced and ("\n" in text or "\r" in text or text.startswith("data:")):
                begun = "".join(held)
                if is_crowded(begun):
                    if on_crowded is not None:
                        on_crowded()
                    yield from whole_events(_spaced(chain([begun], texts)))
                    return
                is_spaced = len(begun) > _MOST_LOOKED_AT
    if held:
        yield "".join(held)


_MOST_LOOKED_AT = 16 * 1024
"""Characters of a first event in which a second one is looked for."""

_TWO_LINES = re.compile(r"(?:^|[\r\n])data:([^\r\n]*)(?:\r\n?|\n)(?:(?:event|id|retry):[^\r\n]*(?:\r\n?|\n))*data:")


def is_crowded(text: str) -> bool:
    """Whether two lines of data follow each other that are two events: the first of them is a whole one."""
    found = _TWO_LINES.search(text)
    if found is None:
        return False
    try:
        return isinstance(json.loads(found[1]), dict)
    except (ValueError, RecursionError):
        return False


def _spaced(texts: Iterable[str]) -> Iterator[str]:
    """Text whose lines of data are an event each, with the blank lines that it lacks."""
    held: list[str] = []
    for text in texts:
        held.append(text)
        if "\n" in text or "\r" in text:
            *lines, rest = re.split(r"\r\n?|\n", "".join(held))
            held = [rest]
            yield "".join(f"{line}\n\n" if line.startswith("data:") else f"{line}\n" for line in lines if line)
    yield "".join(held)


def _last_end(text: str) -> int:
    """Where the last event ends, with its blank line; 0 when none does.

    A line ends with CR LF, LF or CR (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
    """
    end = text.rfind("\n\n")
    if "\r" in text:
        end = max(end, text.rfind("\n\r"), text.rfind("\r\r"))
        return end + 2 + (text[end + 1 : end + 3] == "\r\n") if end >= 0 else 0
    return end + 2 if end >= 0 else 0


def end_of_event(text: str, place: int) -> int:
    """Where the event that begins at `place` ends, with its blank line."""
    end = _END.search(text, place)
    return len(text) if end is None else end.end()


class Shape:
    """What stands around the words in nearly every event of a reply, learned from one of them.

    Those events differ in nothing but a piece of text, so that finding the pieces tells all that parsing would, in a
    fifth of the time.

    Args:
        before: An event up to the first character of its text, from its very beginning.
        after: The rest of the event, from the quote after the text, its blank line included.
    """

    def __init__(self, before: str, after: str) -> None:
        self._before = before
        self._after = after

    def read(self, text: str, place: int) -> tuple[list[str], int]:
        """The pieces of text of the events at `place`, as many as have this shape, and where the next event begins."""
        pieces: list[str] = []
        before, after = self._before, self._after
        while text.startswith(before, place):
            found = text[place + len(before) :].split(after + before, _MOST_PIECES)
            found[-1], is_whole, _ = found[-1].partition(after)
            if not is_whole:
                found.pop()
            for raw in found:
                piece = _unescaped(raw) if _SPECIAL.search(raw) else raw
                if piece is None:
                    return pieces, place
                pieces.append(piece)
                place += len(before) + len(raw) + len(after)
            if not is_whole:
                break
        return pieces, place


def _unescaped(raw: str) -> str | None:
    """What stands between the quotes of a JSON string; None if that is no whole string, or holds half a character."""
    try:
        piece: str = json.loads(f'"{raw}"')
    except ValueError:
        return None
    return piece if is_whole(piece) else None


def is_whole(text: str) -> bool:
    """Whether no character is half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
