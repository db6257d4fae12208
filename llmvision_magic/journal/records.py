"""Turns and settings as JSON, for the journal and for saved files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from llmvision_magic.backends.target import shown_address
from llmvision_magic.conversation import Turn
from llmvision_magic.messages import Content, Status, Usage
from llmvision_magic.settings.declarations import BY_NAME
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.text_files import without_lone_surrogates

STATUSES: tuple[str, ...] = get_args(Status)

CUT = "The kernel ended while this reply arrived; what had been kept of it is here."

ELSEWHERE = "It arrives in another kernel."


def to_json(value: object) -> str:
    """A value as JSON, readable in its own script."""
    return without_lone_surrogates(json.dumps(value, ensure_ascii=False))


def content_from(value: object) -> Content:
    """A prompt from its JSON value.

    Raises:
        ValueError: It is neither text nor a list of parts.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return tuple(value)
    raise ValueError("a prompt is expected as text or a list of parts")


def usage_from(value: object) -> Usage | None:
    """Token counts from their JSON value; what is no count is left out."""
    if not isinstance(value, Mapping):
        return None
    counts = {name: value.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return Usage(**{name: count if isinstance(count, int) else None for name, count in counts.items()})


def settings_to_keep(settings: Mapping[str, object]) -> dict[str, object]:
    """A conversation's settings; an address without the password that may stand in it."""
    kept = dict(settings)
    if "base_url" in kept:
        kept["base_url"] = shown_address(str(kept["base_url"]))
    return kept


def settings_from(value: object) -> dict[str, object]:
    """A conversation's settings from their JSON value; those that this version does not know are left out.

    Raises:
        InvalidInput: A value is not of its setting's kind.
    """
    if not isinstance(value, Mapping):
        return {}
    return {name: parse_value(BY_NAME[name], given) for name, given in value.items() if name in BY_NAME}


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
        arrives: Whether one that was still arriving when it was kept still does so, in another kernel; else it was cut.

    Raises:
        ValueError: It is not what `turn_record` makes.
        KeyError: A field is missing.
    """
    from llmvision_magic.settings.turn_options import options_from  # what is only written needs none of it

    for name in ("id", "text", "status", "reason"):
        if not isinstance(record[name], str):
            raise ValueError(f"{name!r} of a turn is expected as text")
    texts = {name: record[name] for name in ("parent", "system", "model", "finish_reason", "cell", "execution")}
    texts["typed"] = record.get("typed")  # what is made by hand need not have it
    for name, text in texts.items():
        if not isinstance(text, str | None):
            raise ValueError(f"{name!r} of a turn is expected as text or null")
    if record["status"] not in STATUSES or isinstance(record["created"], bool):
        raise ValueError("a turn's status or date is not known")
    if not isinstance(record["left_out"], int):
        raise ValueError("'left_out' of a turn is expected as a number")
    status, reason = record["status"], record["reason"]
    if status == "partial":
        status, reason = ("partial", ELSEWHERE) if arrives else ("cut", CUT)
    return Turn(
        id=record["id"],
        parent=record["parent"],
        prompt=content_from(record["prompt"]),
        system=record["system"],
        text=record["text"],
        status=status,
        reason=reason,
        model=record["model"],
        finish_reason=record["finish_reason"],
        usage=usage_from(record["usage"]),
        cell=record["cell"],
        typed=record.get("typed"),
        options=options_from(record.get("options")),
        execution=record["execution"],
        left_out=record["left_out"],
        excluded=record.get("excluded") is True,  # version 1 did not know it
        created=float(record["created"]),
    )
