"""How long messages are for a model, as its server counts: a service of llama.cpp's server, beside the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire.request import messages_json
from llmvision_magic.errors import BadResponse
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.client import Client
    from llmvision_magic.messages import Message


def count_tokens(client: Client, messages: Sequence[Message]) -> int:
    """How many tokens the messages are for the model.

    Raises:
        RequestRefused: The server has no such service.
        BadResponse: It answered something else.
        ChatError: As `Client.stream`; never sent twice.
    """
    root = client.base_url.removesuffix("/v1")
    stop = Stop()
    template = {"messages": messages_json(tuple(messages))}
    prompt = client.answer("POST", f"{root}/apply-template", template, stop).get("prompt")
    body = {"content": prompt, "add_special": True, "parse_special": True}
    tokens = client.answer("POST", f"{root}/tokenize", body, stop).get("tokens") if isinstance(prompt, str) else None
    if not isinstance(tokens, list):
        raise BadResponse(f"The server at {client.address} was asked to count tokens, and told no number.")
    return len(tokens)
