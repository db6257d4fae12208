"""The name that ``-o`` binds: a variable of the user's, never one that the notebook itself lives on."""

from __future__ import annotations

import builtins
import keyword
import unicodedata

from llmvision_magic.errors import InvalidInput

OF_IPYTHON = frozenset({"In", "Out", "get_ipython", "exit", "quit", "display"})
"""Names that IPython puts into the user's namespace, besides those that begin with ``_``."""


def checked_out(given: str) -> str:
    """The name to bind, as Python reads it.

    Raises:
        InvalidInput: It is no name of a variable, or one of IPython's or Python's own.
    """
    name = unicodedata.normalize("NFKC", given)  # so Python does: bound otherwise, it could not be read in a cell
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidInput(f"--out: expected the name of a variable, got {_short(given)}.")
    owner = ""
    if name.startswith("_") or name in OF_IPYTHON:
        owner = "IPython's own"
    elif hasattr(builtins, name):
        owner = "a builtin of Python"
    if owner:
        raise InvalidInput(f"--out: `{name[:60]}` is {owner}, and cells need it; give another name, such as `reply`.")
    return name


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}…"
