"""The body of a response out of its HTTP chunks, before the HTTP library looks at each.

Servers send every event of a stream as an HTTP chunk of its own, and for each of them h11 does the work of a whole
read: that was half of all the CPU time of a fast reply. So the body is taken from the connection, and the library sees
the head and the end; or, if it wants to read the body itself, one chunk for all that one read brought. Nothing is
judged here: what does not look as it mostly does is handed on to the library as it came.

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


class ChunkedBody:
    """Sorts the bytes of one response. One per request; dies with it.

    Attributes:
        is_open: Whether more of the body may come that can be taken.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._read_head: bytes | None = b""
        self._left = 0  # bytes of the current chunk that are still to come
        self._held = b""  # the beginning of what stands between two chunks
        # What has come and was not asked for: as it came, the body, as it came.
        self._head = self._body = self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the bytes that came next."""
        if self.is_open:
            self._sort(data)
        elif self._read_head is None:
            self._rest += data
        else:
            self._begin(data, len(self._read_head))

    def _begin(self, data: bytes, before: int) -> None:
        self._read_head = head = (self._read_head or b"") + data
        self._head += data
        blank = _BLANK_LINE.search(head)
        if blank is None and len(head) <= _LONGEST_HEAD:
            return
        self._read_head = None
        if blank is not None and _IS_CHUNKED.match(head, 0, blank.end()):
            self.is_open = True
            end = blank.end() - before
            self._head = self._head[: len(self._head) - len(data) + end]
            # As if a chunk had just ended: then each size has the same before it.
            self._held = b"\r\n"
            self._sort(data[end:])

    def _sort(self, data: bytes) -> None:
        parts = [self._body, data[: self._left]]
        data, place = self._held + data, self._left
        while (size := _NEXT.match(data, place)) is not None:
            begin = size.end()
            place = begin + int(size[1], 16)
            parts.append(data[begin:place])
        self._body = b"".join(parts)
        self._left = max(place - len(data), 0)
        self._held = data[place:]
        if not _BEGINNING_OF_NEXT.match(self._held):
            # The end of the body, a chunk with an extension, or no chunk at all: from here on the library reads.
            self.is_open = False
            # It knows a chunk as ended already; where the end is missing, it shall find something that is no size.
            self._rest = self._held[2:] if self._held.startswith(b"\r\n") else b"no end of a chunk\r\n"

    def take(self) -> bytes:
        """What has come of the body; empty if nothing has, or if the library has to read it."""
        body, self._body = self._body, b""
        return body

    def hand_on(self) -> bytes:
        """What the library is to read next; empty if nothing has come."""
        if self._head:
            # Alone: the body behind it can still be taken.
            head, self._head = self._head, b""
            return head
        body = self.take()
        rest, self._rest = self._rest, b""
        return (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + rest
