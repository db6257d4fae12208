"""The forms of what is read from files, as JSON schemas (draft 7).

What a later version may add is let through. Limits are those beyond which something else would break: a date has no
year 10,000, and JSON's numbers are exact up to 2**53.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from llmvision_magic.messages import Status

Form = Mapping[str, Any]

STATUSES: tuple[str, ...] = get_args(Status)

LATEST = 253_370_764_800
"""Unix time in seconds up to which there are dates, in every time zone: the year 9999."""

LARGEST = 2**53

LONGEST_ID = 200

_TEXT: Form = {"type": "string"}
_TEXT_OR_NULL: Form = {"type": ["string", "null"]}
_ID: Form = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
_ID_OR_NULL: Form = {"type": ["string", "null"], "maxLength": LONGEST_ID}
_COUNT: Form = {"type": "integer", "minimum": 0, "maximum": LARGEST}
_COUNT_OR_NULL: Form = {"type": ["integer", "null"], "minimum": 0, "maximum": LARGEST}
_DATE: Form = {"type": "number", "minimum": 0, "maximum": LATEST}
_DATE_OF_SERVER: Form = {"type": ["integer", "null"], "minimum": -LARGEST, "maximum": LARGEST}


def _object(required: Mapping[str, Form], optional: Mapping[str, Form] | None = None, **more: Any) -> Form:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": [*required], "properties": properties, **more}


_PART = _object({"type": _TEXT}, {"text": _TEXT, "image_url": _object({"url": _TEXT})})
PROMPT: Form = {
    "type": ["string", "array"],
    "items": _PART,
}

TURN = _object(
    {
        "id": _ID,
        "parent": _ID_OR_NULL,
        "prompt": PROMPT,
        "system": _TEXT_OR_NULL,
        "text": _TEXT,
        "status": {"type": "string", "enum": [*STATUSES]},
        "reason": _TEXT,
        "model": _TEXT_OR_NULL,
        "finish_reason": _TEXT_OR_NULL,
        "usage": {},  # what is no count in it is left out
        "left_out": _COUNT,
        "cell": _TEXT_OR_NULL,
        "execution": _TEXT_OR_NULL,
        "created": _DATE,
    },
    {"typed": _TEXT_OR_NULL, "options": {"type": ["object", "null"]}},
)

_FACTS = {"name": _TEXT, "system": _TEXT_OR_NULL, "settings": {"type": "object"}, "head": _ID_OR_NULL}

SAVED = _object({**_FACTS, "turns": {"type": "array", "items": TURN}})

# Rows of the journal: SQLite keeps values of any kind in any column.
KEPT = _object({**_FACTS, "kernel": _TEXT})
KEPT_TURN = _object({"record": TURN, "fallback": _ID_OR_NULL, "kernel": _TEXT_OR_NULL})
SUMMARY = _object(
    {"id": _ID, "name": _TEXT, "notebook": _TEXT_OR_NULL, "kernel": _TEXT, "updated": _DATE, "turns": _COUNT}
)
HIT = _object({"id": _ID, "name": _TEXT, "created": _DATE, "parent": _ID_OR_NULL, "prompt": _TEXT, "text": _TEXT})

_USAGE: Form = {
    "type": ["object", "null"],
    "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _COUNT_OR_NULL),
    "additionalProperties": False,
}
_HEAD = {"model": _TEXT_OR_NULL, "id": _TEXT_OR_NULL, "object": _TEXT_OR_NULL, "created": _DATE_OF_SERVER}
_LOGPROB: Form = {"type": "array", "minItems": 2, "maxItems": 2, "items": [_TEXT, {"type": "number"}]}
_LOGPROB_WITH_OTHERS: Form = {
    "type": "array",
    "minItems": 2,
    "maxItems": 3,
    "items": [_TEXT, {"type": "number"}, {"type": "array", "items": _LOGPROB}],
}
_ODDITIES = {"remark": _TEXT_OR_NULL, "logprobs": {"type": ["array", "null"], "items": _LOGPROB_WITH_OTHERS}}
_MORE = {"index": _COUNT, "role": _TEXT_OR_NULL, "finish_reason": _TEXT_OR_NULL, "usage": _USAGE, **_ODDITIES, **_HEAD}

_REPLY = _object({"text": _TEXT}, {"texts": {"type": "object", "additionalProperties": _TEXT}, "seconds": {}, **_HEAD})
_EVENT: Form = {
    "type": "array",
    "minItems": 2,
    # A field of a later version is not understood here, and the line is then no answer.
    "items": [{"type": "number"}, _COUNT, {"type": "object", "properties": _MORE, "additionalProperties": False}],
}
_REFUSAL = _object(
    {"type": _TEXT, "message": _TEXT},
    {"server_message": _TEXT, **dict.fromkeys(("status", "prompt_tokens", "context_tokens"), _COUNT_OR_NULL)},
)

RECORDED_REPLY = _object(
    {"reply": _REPLY}, {"events": {"type": ["array", "null"], "items": _EVENT}, "left_out": _COUNT_OR_NULL}
)
RECORDED_REFUSAL = _object({"error": _REFUSAL})

FORMS: Mapping[str, Form] = {
    "prompt": PROMPT,
    "turn": TURN,
    "saved conversation": SAVED,
    "kept conversation": KEPT,
    "kept turn": KEPT_TURN,
    "summary": SUMMARY,
    "hit": HIT,
    "recorded reply": RECORDED_REPLY,
    "recorded refusal": RECORDED_REFUSAL,
}
"""By their names at the door."""
