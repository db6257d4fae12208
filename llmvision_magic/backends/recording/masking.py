"""What nobody may read, taken out of a recording; and requests that are the same but for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from llmvision_magic.backends.recording.cassette_format import WORDS
from llmvision_magic.backends.recording.normalized import BY_CHANCE, NormalizedRequest
from llmvision_magic.sets import sets_sorted
from llmvision_magic.settings.secrets import MASK, SHORTEST


def known_in(secrets: Iterable[str]) -> list[str]:
    """The secrets that are masked; shorter ones are in every text."""
    return [secret for secret in secrets if len(secret) >= SHORTEST]


def masked(value: object, secrets: Sequence[str]) -> object:
    """A JSON value without the secrets. Never done to its JSON as a whole: the format's own words are no secrets."""
    if isinstance(value, str) and value not in WORDS:
        for secret in secrets:
            value = value.replace(secret, MASK)
    elif isinstance(value, dict):
        return {masked(name, secrets): masked(one, secrets) for name, one in value.items()}
    elif isinstance(value, list):
        return [masked(one, secrets) for one in value]
    return value


def as_recorded(asked: NormalizedRequest, secrets: Iterable[str]) -> NormalizedRequest:
    """A request as it stands in a file that was recorded with these secrets."""
    known = known_in(secrets)
    body = masked(asked.body, known) if known else asked.body
    return replace(asked, body=body) if isinstance(body, dict) and body != asked.body else asked


def answers(recorded: NormalizedRequest, asked: NormalizedRequest) -> bool:
    """Whether two requests are the same but for their model and for what was masked in the recorded one.

    Who replays has not the key of who recorded, and cannot mask it in what is asked.
    """
    if MASK not in recorded.key:
        return recorded.key == asked.key
    before, now = ({**one.body, "model": ""} for one in (recorded, asked))
    return _same(before, now)


def _same(recorded: object, asked: object) -> bool:
    if isinstance(recorded, str) and isinstance(asked, str):
        return same_text(*(BY_CHANCE.sub("", sets_sorted(text)) for text in (recorded, asked)))
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        return recorded.keys() == asked.keys() and all(_same(recorded[name], asked[name]) for name in recorded)
    if isinstance(recorded, list) and isinstance(asked, list):
        return len(recorded) == len(asked) and all(map(_same, recorded, asked))
    return type(recorded) is type(asked) and recorded == asked


def same_text(recorded: str, asked: str) -> bool:
    """Whether two texts are the same but for what was masked: a key is one word, of at least one character.

    What stands between two masks is looked for from the left, once; a pattern could take very long for a text with
    many masks, and a recording may be a stranger's.
    """
    first, *others = recorded.split(MASK)
    if not others:
        return recorded == asked
    if not asked.startswith(first):
        return False
    done = len(first)
    for part in others[:-1]:
        found = asked.find(part, done + 1)
        if found < 0 or not _is_word(asked[done:found]):
            return False
        done = found + len(part)
    end = len(asked) - len(others[-1])
    return asked.endswith(others[-1]) and end > done and _is_word(asked[done:end])


def _is_word(text: str) -> bool:
    return re.search(r"\s", text) is None
