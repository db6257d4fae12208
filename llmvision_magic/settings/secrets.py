"""Values that look like secrets, and what is sent in their place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

MASK = "•••"

SHORTEST = 8
"""Characters from which on the value of an environment variable counts as a secret: shorter ones are in every text."""

_SHAPES = re.compile(
    "|".join(
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
)

_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?$|SECRET|PASSWORD", re.IGNORECASE)


def secret_values(variables: Mapping[str, str]) -> list[str]:
    """The values of the environment variables that are named like keys."""
    return [value.strip() for name, value in variables.items() if _NAME.search(name)]


class Masker:
    """Masks secrets, and counts them.

    Args:
        known: Texts that are secrets whatever they look like; those shorter than `SHORTEST` are left out.

    Attributes:
        count: How many were masked so far.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        # The longest first: one may be the beginning of another.
        forms = {form for text in known if len(text) >= SHORTEST for form in _written(text)}
        values = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None
        self.count = 0

    def __call__(self, text: str) -> str:
        """The text with each secret replaced by `MASK`."""
        # Both look at the text as it is: a known secret may be a part of what only as a whole has a key's shape.
        patterns = [pattern for pattern in (self._known, _SHAPES) if pattern is not None]
        found = sorted(match.span() for pattern in patterns for match in pattern.finditer(text))
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
