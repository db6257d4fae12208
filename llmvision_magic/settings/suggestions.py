"""Words that are mistyped: which one of those that there are was meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word that begins so, or is most like it: " Did you mean `x`?", or nothing."""
    known = list(known)
    close = starting_with(word, known) or closest(word, known, 0.5)
    return f" Did you mean `{close}`?" if close else ""


def starting_with(word: str, known: Iterable[str]) -> str:
    """The first known word that begins with `word`, of two letters at least; else ""."""
    return next((one for one in known if one.startswith(word)), "") if len(word) > 1 else ""


def closest(word: str, known: Iterable[str], likeness: float) -> str:
    """The known word most like `word`, if it is as like as that (0 to 1); else ""."""
    import difflib  # when somebody has mistyped; loading the extension stays cheap

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)), "")
