"""What is asked, as a recording holds it: the same for two requests that mean the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmvision_magic.sets import sets_sorted

if TYPE_CHECKING:
    from llmvision_magic.backends.wire import Request

FIRST = (
    *("model", "messages", "temperature", "top_p", "max_tokens", "stop"),
    *("presence_penalty", "frequency_penalty"),
)
"""Keys of a request in the order they are written; all others follow by name."""

HOW_IT_ARRIVES = frozenset({"stream", "stream_options"})
"""Keys that change nothing of what is answered."""

_DATA = ";base64,"

BY_CHANCE = re.compile(r"\bIn\[\d+\]|\b0x[0-9a-f]{6,}\b")
"""What differs from run to run: the number of a cell in a traceback, the address of an object in what it prints."""


@dataclass(frozen=True, slots=True)
class NormalizedRequest:
    """A request, normalised.

    Attributes:
        body: The request's JSON in normal form; see `normal_form`.
        is_default_model: Nobody chose the model: it is that of wherever the request went. Such a request is the same
            whatever the model is called there.
        key: The same for two requests that differ in nothing but the model, the numbers of cells (``In[7]``), the
            addresses of objects (``0x7f3a5c``) and the order in which sets are written.
    """

    body: Mapping[str, object]
    is_default_model: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        rest = {name: value for name, value in self.body.items() if name != "model"}
        text = json.dumps(_with_sets_sorted(rest), sort_keys=True, ensure_ascii=False)
        object.__setattr__(self, "key", BY_CHANCE.sub("", text))

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def whole_key(self) -> tuple[str, str]:
        """The same for two requests that are the same."""
        return self.key, "" if self.is_default_model else self.model


def normalize(request: Request, *, is_default_model: bool) -> NormalizedRequest:
    """A request as it is recorded and looked for."""
    return NormalizedRequest(normal_form(request.body()), is_default_model)


def normal_form(body: Mapping[str, object]) -> dict[str, object]:
    """A request's JSON without what makes no difference.

    How the reply is to arrive is left out, whole numbers lose their point (``1.0`` is ``1``), keys have one order, and
    of an image only its kind and the SHA-256 of its bytes as they are sent stay. The normal form of a normal form is
    itself.
    """
    kept = {name: value for name, value in body.items() if name not in HOW_IT_ARRIVES}
    names = [name for name in FIRST if name in kept] + sorted(kept.keys() - set(FIRST))
    return {name: _messages(kept[name]) if name == "messages" else _normal(kept[name]) for name in names}


def _messages(value: object) -> object:
    """Messages with the role before the content, as everybody writes them."""
    if not isinstance(value, list | tuple):
        return _normal(value)
    return [
        {"role": one["role"], **{name: _normal(part) for name, part in one.items() if name != "role"}}
        if isinstance(one, Mapping) and "role" in one
        else _normal(one)
        for one in value
    ]


def _with_sets_sorted(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _with_sets_sorted(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_sets_sorted(one) for one in value]
    return sets_sorted(value) if isinstance(value, str) else value


def _normal(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _normal(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.startswith("data:") and _DATA in value[:100]:
        kind, _, data = value.partition(_DATA)
        return f"{kind};sha256,{hashlib.sha256(data.encode()).hexdigest()}"
    return value
