"""Headers that a gateway asks for: sent with each request, never shown and never kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from llmvision_magic.errors import InvalidInput

EXPECTED = "NAME=VALUE, for example X-Team=7B"

_OURS = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "content-type", "expect", "keep-alive", "te", "trailer"),
        *("host", "transfer-encoding", "upgrade"),
    }
)
"""Those that say how a request is written: with another value it could not be read."""

SHORTEST_WORD = 8
"""Characters from which on a single word of a value, as the token after ``Bearer``, is a secret of its own."""

SHORTEST_VALUE = 4
"""Characters from which on a value is taken out of what a server says; shorter ones are in every text."""


class Headers(dict[str, str]):
    """Headers by name. No representation shows their values."""

    def __repr__(self) -> str:
        return f"Headers({', '.join(f'{name}=•••' for name in self)})"

    __str__ = __repr__

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is taken out of all that is shown or kept: the values, and the words in them; the longest first."""
        words = {word for value in self.values() for word in value.split() if len(word) >= SHORTEST_WORD}
        values = {value for value in self.values() if len(value) >= SHORTEST_VALUE}
        return tuple(sorted(words | values, key=len, reverse=True))

    def __or__(self, stronger: Mapping[str, str]) -> Headers:  # type: ignore[override]  # of two dicts a dict comes
        """These with others, which take the place of those with the same name in whatever case."""
        names = {name.lower() for name in stronger}
        return Headers({name: value for name, value in self.items() if name.lower() not in names} | dict(stronger))


def parse_headers(given: object) -> Headers:
    """Headers from ``NAME=VALUE``, several of them, a JSON object, or a mapping.

    Raises:
        InvalidInput: They are none. The sentence shows no value, and nothing of which it is not sure that it is none.
    """
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = json.loads(given, object_pairs_hook=list)
        except (ValueError, RecursionError):
            raise _refused("what came is no JSON object") from None
        pairs = given if isinstance(given, list) else []
    elif isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        items = [given] if isinstance(given, str) else given
        if not isinstance(items, Iterable):
            raise _refused(f"{type(given).__name__} came")
        pairs = [_pair(item) for item in items]
    headers = Headers()
    for pair in pairs:
        name, value = _checked(*pair)
        if name.lower() in {one.lower() for one in headers}:
            raise InvalidInput(f"The header {name} is given twice: leave one of them.")
        headers[name] = value
    return headers


def _pair(item: object) -> tuple[object, object]:
    name, equals, value = item.partition("=") if isinstance(item, str) else ("", "", "")
    if not equals:
        raise _refused("what came has no `=` after the name")
    return name.strip(), value


def _checked(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^`|~\w-]{1,100}", name, re.ASCII):
        raise _refused("what came has no name that a header can have (letters, digits and -)")
    if name.lower() in _OURS:
        raise InvalidInput(f"The header {name} says how the request is written and cannot be set; leave it out.")
    if not isinstance(value, str):
        raise InvalidInput(f"The header {name} has a text as its value, and {type(value).__name__} came.")
    value = value.strip()
    if not re.fullmatch(r"[\x20-\x7e]+", value):
        raise InvalidInput(
            f"The header {name} has a value of ASCII characters on one line, and what came is empty or holds another."
        )
    return name, value


def _refused(what: str) -> InvalidInput:
    return InvalidInput(f"headers: expected {EXPECTED}, and {what}. It is not shown, for it may hold a secret.")
