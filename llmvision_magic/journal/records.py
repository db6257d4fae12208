"""Turns and settings as JSON, for the journal and for saved files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmvision_magic.backends.wire.endpoint import kept_address
from llmvision_magic.conversation import Turn
from llmvision_magic.messages import Content, Usage, as_name
from llmvision_magic.settings.declarations import BY_NAME
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.text_files import without_lone_surrogates

LONGEST_REASON = 10_000
"""Characters that are read of why a reply ended."""

CUT = "The kernel ended while this reply arrived; what had been kept of it is here."

ELSEWHERE = "It arrives in another kernel."


def try_name(text: str | None) -> str | None:
    """What a server said about itself, fit to be shown; None where it said nothing."""
    return None if text is None else as_name(text)


def to_json(value: object) -> str:
    """A value as JSON, readable in its own script."""
    return without_lone_surrogates(json.dumps(value, ensure_ascii=False))


def content_from(value: object) -> Content:
    """A prompt from its JSON value.

    Raises:
        ValueError: It is neither text nor a list of parts.
    """
    from llmvision_magic.schemas import admitted, plain  # what is only written needs none of it

    prompt = admitted(plain(value), "prompt")
    return prompt if isinstance(prompt, str) else tuple(prompt)


def usage_from(value: object) -> Usage | None:
    """Token counts from their JSON value; what is no count is left out."""
    if not isinstance(value, Mapping):
        return None
    from llmvision_magic.schemas.forms import LARGEST

    counts = [value.get(name) for name in Usage._fields]
    return Usage(*(count if type(count) is int and 0 <= count < LARGEST else None for count in counts))


def settings_to_keep(settings: Mapping[str, object]) -> dict[str, object]:
    """A conversation's settings without secrets; an address without those that may stand in it."""
    kept = {name: value for name, value in settings.items() if not BY_NAME[name].is_secret}
    if "base_url" in kept:
        kept["base_url"] = kept_address(str(kept["base_url"]))
    return kept


def settings_from(value: object) -> dict[str, object]:
    """A conversation's settings from their JSON value; those that this version does not know are left out,
    and those that are never kept.

    Raises:
        InvalidInput: A value is not of its setting's kind.
    """
    if not isinstance(value, Mapping):
        return {}
    known = {name: given for name, given in value.items() if name in BY_NAME and not BY_NAME[name].is_secret}
    return {name: parse_value(BY_NAME[name], given) for name, given in known.items()}


def turn_record(turn: Turn) -> dict[str, object]:
    """A turn as a JSON object."""
    return {
        "id": turn.id,
        "parent": turn.parent,
        "prompt": turn.prompt,
        "system": turn.system,
        "text": turn.text,
        "status": turn.status,
        "reason": turn.reason,
        "model": turn.model,
        "finish_reason": turn.finish_reason,
        "usage": turn.usage._asdict() if turn.usage else None,
        "left_out": turn.left_out,
        "excluded": turn.excluded,
        "cell": turn.cell,
        "typed": turn.typed,
        "options": None if turn.options is None else dict(turn.options),
        "execution": turn.execution,
        "created": turn.created,
    }


def turn_from(record: Mapping[str, Any], *, arrives: bool = False) -> Turn:
    """A turn from its JSON object.

    Args:
        record: Of the form `TURN`, as the door admits it.
        arrives: Whether one that was still arriving when it was kept still does so, in another kernel; else it was cut.

    Raises:
        ValueError: Its options are not of their kinds.
        InvalidInput: As above.
    """
    from llmvision_magic.settings.turn_options import options_from  # what is only written needs none of it

    status, reason = record["status"], record["reason"][:LONGEST_REASON]
    if status == "partial":
        status, reason = ("partial", ELSEWHERE) if arrives else ("cut", CUT)
    return Turn(
        id=record["id"],
        parent=record["parent"],
        prompt=record["prompt"] if isinstance(record["prompt"], str) else tuple(record["prompt"]),
        system=record["system"],
        text=record["text"],
        status=status,
        reason=reason,
        model=try_name(record["model"]),
        finish_reason=try_name(record["finish_reason"]),
        usage=usage_from(record["usage"]),
        cell=record["cell"],
        typed=record.get("typed"),
        options=options_from(record.get("options")),
        execution=record["execution"],
        left_out=int(record["left_out"]),
        excluded=record.get("excluded") is True,  # version 1 did not know it
        created=float(record["created"]),
    )
