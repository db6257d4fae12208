"""Values that look like secrets, those that are known to be, and what is sent or shown in their place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache

from llmvision_magic.settings.keys import remembered_secrets

MASK = "•••"

KEY_PLACE = "`%chat key` asks for one, with hidden input"

SHORTEST = 8
"""Characters from which on the value of an environment variable counts as a secret: shorter ones are in every text."""

PLACEHOLDERS = frozenset({"lm-studio", "sk-no-key-required", "no-key-required", "not-needed", "placeholder"})
"""What documentation says to give as a key where a server wants none: words that replies may use."""

# As a text: compiled when the first text is looked at.
_SHAPES = "|".join(
    (
        # Cut at the end of what is looked at, a key is one all the same.
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"(?<![A-Za-z0-9])sk-(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{16,}",  # OpenAI and those like it
        r"(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
        r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
        r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{22,}",
        r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,}",  # GitLab
        r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}",  # Google
        r"(?<![A-Za-z0-9])xox[a-z]-[A-Za-z0-9-]{10,}",  # Slack
        r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}",  # Hugging Face
        r"(?<![A-Za-z0-9])(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
        r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JWT
        r"(?<=://)[^/\s:@]*:[^/\s:@]+(?=@)",  # user and password in an address
    )
)

_BEGINNINGS = (
    "-----BEGIN ",
    "sk-",
    "sk_",
    "rk_",
    "AKIA",
    "ASIA",
    "gh",
    "glpat-",
    "AIza",
    "xox",
    "hf_",
    "npm_",
    "pypi-",
    "eyJ",
)
"""Of all shapes but an address's: what begins otherwise need not be looked at by them."""

_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?$|SECRET|PASSWORD", re.IGNORECASE)


def secret_values(variables: Mapping[str, str]) -> list[str]:
    """The values of the environment variables that are named like keys."""
    return [value.strip() for name, value in variables.items() if _NAME.search(name)]


class Masker:
    """Masks secrets, and counts them.

    Args:
        known: Texts that are secrets whatever they look like; those shorter than `SHORTEST` are left out.
        shapes: Whether what only looks like a key counts too.

    Attributes:
        count: How many were masked so far.
    """

    def __init__(self, known: Iterable[str] = (), *, shapes: bool = True) -> None:
        # The longest first: one may be the beginning of another.
        forms = {form for text in known if len(text) >= SHORTEST for form in _written(text)}
        values = sorted(forms, key=len, reverse=True)
        # Both look at the text as it is: a known secret may be a part of what only as a whole has a key's shape.
        self._patterns = [re.compile("|".join(map(re.escape, values)))] if values else []
        if shapes:
            self._patterns.append(_shapes())
        self.count = 0

    def __call__(self, text: str) -> str:
        """The text with each secret replaced by `MASK`."""
        found = sorted(match.span() for pattern in self._patterns for match in pattern.finditer(text))
        parts, done = [], 0
        for begin, end in found:
            if begin >= done:
                parts += [text[done:begin], MASK]
                self.count += 1
            done = max(done, end)
        return "".join([*parts, text[done:]])


def _written(text: str) -> set[str]:
    """A text as it stands in prompts: as it is, and inside the `repr` or the JSON of what holds it."""
    in_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {text, repr(text)[1:-1], ascii(text)[1:-1], repr(text.encode(errors="replace"))[2:-1], *in_json}


@cache
def _shapes() -> re.Pattern[str]:
    return re.compile(_SHAPES)


def known_secrets() -> set[str]:
    """The secrets of this process, and of the environment as it is now; what is too short to be told apart is none."""
    found = {*remembered_secrets(), *secret_values(os.environ)}
    return set(worth_masking(found))


def worth_masking(secrets: Iterable[str]) -> list[str]:
    """Those that can be told from words, the longest first: one may be the beginning of another."""
    found = {text for text in secrets if len(text) >= SHORTEST and text not in PLACEHOLDERS}
    return sorted(found, key=len, reverse=True)


def without_secrets(text: str) -> str:
    """A text of ours as it may be shown, logged or kept: neither a known secret in it nor what looks like a key."""
    return Masker(known_secrets())(text)


def without_known_secrets(text: str) -> str:
    """The same, where what only looks like a key may be what is meant."""
    known = [secret for secret in known_secrets() if secret in text]
    return Masker(known, shapes=False)(text) if known else text


def is_like_key(text: str) -> bool:
    """Whether somebody has typed a key where something else was expected."""
    if text in PLACEHOLDERS:
        return False
    if text.startswith(_BEGINNINGS) and _shapes().fullmatch(text):
        return True
    return text in known_secrets()
