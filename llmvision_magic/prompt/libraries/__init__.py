"""Values of libraries that say little by their `repr`, or leave out silently what is in them.

The libraries are the user's. None is imported: a value says by the module of its class which it is of.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from llmvision_magic.prompt.value_text import ValueText
    from llmvision_magic.settings.secrets import Masker

MODULES = {
    "PIL": "figures",
    "altair": "figures",
    "matplotlib": "figures",
    "networkx": "networkx_values",
    "numpy": "numpy_values",
    "pandas": "pandas_values",
    "plotly": "figures",
    "polars": "polars_values",
    "pyarrow": "pyarrow_values",
    "xarray": "xarray_values",
}
"""The module here that knows the values of a library."""


class _Library(Protocol):
    def try_shown(self, value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None: ...

    def line(self, value: Any, kinds: tuple[str, ...]) -> str | None: ...


def try_shown(value: object, limit: int, mask: Masker) -> ValueText | None:
    """A value as text, `limit` characters of it or somewhat more; None where its `repr` says what it is."""
    library, kinds = _library_of(value)
    return library.try_shown(value, kinds, limit, mask) if library is not None else None


def line(value: object) -> str | None:
    """What a value is, as it stands inside another one; None where its `repr` shows all of it."""
    library, kinds = _library_of(value)
    return library.line(value, kinds) if library is not None else None


def _library_of(value: object) -> tuple[_Library | None, tuple[str, ...]]:
    """What knows a value, and the names of the classes of its library that it is of: its own may be the user's."""
    if isinstance(value, type):
        return None, ()
    for kind in type(value).__mro__:
        root = kind.__module__.partition(".")[0] if isinstance(kind.__module__, str) else ""
        if root in MODULES:
            kinds = tuple(one.__name__ for one in type(value).__mro__)
            module: Any = importlib.import_module(f"llmvision_magic.prompt.libraries.{MODULES[root]}")
            return module, kinds
    return None, ()
