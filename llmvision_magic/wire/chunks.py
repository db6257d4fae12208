"""Many HTTP chunks made one, before the HTTP library looks at each.

Servers send every event of a stream as an HTTP chunk of its own, and for each of them h11 does the work of a whole
read: that was half of all the CPU time of a fast reply. So the chunks that one read brings are handed on as one chunk
with the same data. Nothing is judged here: what does not look as it mostly does is handed on as it came.

The framing: https://www.rfc-editor.org/rfc/rfc9112#section-7.1
"""

from __future__ import annotations

import re

_LONGEST_HEAD = 64 * 1024  # bytes

_BLANK_LINE = re.compile(rb"\n\r?\n")
_IS_CHUNKED = re.compile(
    rb"HTTP/1\.1 200[ \r].*\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n(?![ \t])", re.DOTALL | re.IGNORECASE
)
# The end of a chunk with the size of the next; the last chunk, of size 0, is none of these.
_NEXT = re.compile(rb"\r\n([1-9a-fA-F][0-9a-fA-F]{0,7})\r\n")
_BEGINNING_OF_NEXT = re.compile(rb"(?:\r(?:\n(?:[1-9a-fA-F][0-9a-fA-F]{0,7}\r?)?)?)?\Z")


class JoinedChunks:
    """The bytes of one response, its chunks joined. One per request; dies with it."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._as_it_comes = False
        self._left = 0  # bytes of the current chunk that are still to come
        self._held = b""  # the beginning of what stands between two chunks

    def feed(self, data: bytes) -> bytes:
        """What to hand on of the bytes that came next; empty when they are only the beginning of something."""
        if self._as_it_comes or not data:
            return data
        if self._head is None:
            return self._joined(data)
        before = len(self._head)
        self._head += data
        blank = _BLANK_LINE.search(self._head)
        if blank is None:
            self._as_it_comes = len(self._head) > _LONGEST_HEAD
            return data
        if not _IS_CHUNKED.match(self._head, 0, blank.end()):
            self._as_it_comes = True
            return data
        end = blank.end() - before
        # As if a chunk had just ended: then each size has the same before it.
        self._head, self._held = None, b"\r\n"
        return data[:end] + self._joined(data[end:])

    def _joined(self, data: bytes) -> bytes:
        parts = [data[: self._left]] if self._left else []
        data, place = self._held + data, self._left
        while (size := _NEXT.match(data, place)) is not None:
            begin = size.end()
            place = begin + int(size[1], 16)
            parts.append(data[begin:place])
        self._left = max(place - len(data), 0)
        self._held = data[place:]
        joined = b"".join(parts)
        joined = b"%x\r\n%b\r\n" % (len(joined), joined) if joined else b""
        if _BEGINNING_OF_NEXT.match(self._held):
            return joined
        # The end of the body, a chunk with an extension, or no chunk at all: from here on the library reads.
        self._as_it_comes = True
        # It knows a chunk as ended already; where the end is missing, it shall find something that is no size.
        return joined + (self._held[2:] if self._held.startswith(b"\r\n") else b"no end of a chunk\r\n")
