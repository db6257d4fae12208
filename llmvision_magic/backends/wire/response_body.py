"""The body of an answer: what it is, and its JSON where it should be that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from llmvision_magic.backends.wire import server_errors
from llmvision_magic.backends.wire.server_messages import Server, first_words, parsed, unlisted

if TYPE_CHECKING:
    from llmvision_magic.errors import BadResponse

Kind = Literal["events", "json", "other"]


_FIRST_FIELD = re.compile(rb"(?:data|event|id|retry|error)?:")


def kind_of(content_type: str, head: bytes) -> Kind:
    """What an answer is, by how it begins, then by its declared type.

    Servers that do not stream answer JSON to a request for a stream, some declare events as plain text, JSON or a page,
    and some put a JSON error under the type of an event stream.

    Args:
        content_type: The header's value; may be empty.
        head: The body's first bytes, from the first one that is not blank; see `tells_kind`.
    """
    if head[:1] in (b"{", b"["):
        return "json"
    if _FIRST_FIELD.match(head):
        return "events"
    if head[:1] == b"<" or "html" in content_type:
        return "other"
    if "text/event-stream" in content_type:
        return "events"
    return "json" if "json" in content_type else "other"


def tells_kind(head: bytes) -> bool:
    """Whether so much of a body is enough to tell what it is: its first field's name and the colon, if it has one."""
    return head[:1] in (b"{", b"[", b"<") or len(head) >= len(b"event:") or b":" in head or b"\n" in head


def json_object(body: bytes, server: Server) -> dict[str, object]:
    """The JSON object that the body is.

    Raises:
        BadResponse: It is something else.
    """
    try:
        value = unlisted(parsed(body))
    except ValueError as error:
        raise not_json(body, server) from error
    if not isinstance(value, dict):
        raise server_errors.not_a_reply("JSON of another kind", first_words(body[:1000]), server)
    return value


def not_json(body: bytes, server: Server) -> BadResponse:
    """The error for an answer that should be JSON and is not."""
    if not body.strip():
        return server_errors.not_a_reply("nothing", "", server)
    page = body.lstrip()[:1] == b"<"
    return server_errors.not_a_reply("a web page" if page else "something else", first_words(body), server)
