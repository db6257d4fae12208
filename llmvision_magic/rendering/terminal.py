"""A reply's text for a terminal, where some characters are commands."""

from __future__ import annotations

import re

# C0 and C1 control characters except newline and tab; the controls that reorder what is seen
# (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters); surrogates, which cannot be written.
# A text: a notebook does not need it compiled.
_ACTIVE = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"


def plain_for_terminal(text: str) -> str:
    """Text that a terminal shows and does not obey.

    Line ends become ``\\n``. Other control characters are replaced by their picture (``␛``), those without one, and
    bidirectional overrides, by their number (``⟨U+202E⟩``), lone surrogates by U+FFFD.
    """
    return re.sub(_ACTIVE, _visible, text.replace("\r\n", "\n").replace("\r", "\n"))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"⟨U+{code:04X}⟩"
