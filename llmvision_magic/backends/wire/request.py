"""A chat request as a value: what exactly is sent, and how long an answer may take."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire.parameters import Parameters
from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from llmvision_magic.messages import Message


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request.

    Attributes:
        model: Name of the model.
        messages: At least one.
        parameters: What the user set.
        stream: Whether the reply is to arrive in pieces.
        left_out: How many turns of the conversation are not among the messages. Not sent; a recording keeps it.

    Raises:
        InvalidInput: No model or no message.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Parameters = field(default_factory=Parameters)
    stream: bool = True
    left_out: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(self.messages))
        if not isinstance(self.model, str) or not self.model.strip():
            raise InvalidInput("A request needs the name of a model; none came.")
        if not self.messages:
            raise InvalidInput("A request needs at least one message; none came.")

    def body(self, *, ask_usage: bool = True) -> dict[str, object]:
        """Exactly the JSON that is sent; what was not set is absent.

        Args:
            ask_usage: Ask for the token counts of a stream. Off only for servers that refuse to be asked.
        """
        body: dict[str, object] = {"model": self.model, "messages": messages_json(self.messages)}
        body["stream"] = self.stream
        if self.stream and ask_usage:
            body["stream_options"] = {"include_usage": True}
        # Last, so that a `stream_options` of the user's own stands.
        return body | self.parameters.body()

    @property
    def asks_usage(self) -> bool:
        """Whether it is we who ask for the usage, so that we may also leave it out."""
        return self.stream and "stream_options" not in self.parameters.extra


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the server may stay silent, in seconds, each more than 0.

    Attributes:
        connect: To make the connection.
        first_event: From sending the request to the first event of the reply; for a reply that is not streamed, to
            the whole of it.
        between_events: From one event to the next. Comment lines, which some servers send to keep a line open, are
            no events.
    """

    connect: float = 5.0
    first_event: float = 120.0
    between_events: float = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise InvalidInput(f"The time limit {item.name} is a number of seconds above 0; {value!r} came.")


def messages_json(messages: tuple[Message, ...]) -> list[dict[str, object]]:
    """Messages in the form the API takes."""
    return [
        {
            "role": message.role,
            "content": message.content
            if isinstance(message.content, str)
            else [dict(part) for part in message.content],
        }
        for message in messages
    ]


def encoded(body: object) -> bytes:
    """JSON as it goes over the wire.

    Raises:
        InvalidInput: Something in it has no JSON, or a text holds half of a surrogate pair.
    """
    try:
        # Not escaped: text outside ASCII is half as long this way, and every server reads UTF-8.
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"The text holds a broken character ({error.object[error.start]!a}, half of a pair), which cannot be sent: "
            "remove it, or use text.encode('utf-8', 'replace').decode()."
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The request has to be JSON, and this is not: {error}.") from error
