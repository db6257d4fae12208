"""Values of xarray as text. The library is the user's: never imported here, only met. Therefore ``Any``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.libraries.numpy_values import array_shown
from llmvision_magic.prompt.libraries.tables import Cells, table
from llmvision_magic.prompt.value_text import ValueText, counted, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker


MOST_COMPUTED = 20_000_000
"""Values of a variable whose range is looked for."""


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """A value of xarray; None for one of no kind that is known here.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    if "Dataset" in kinds:
        return _dataset_shown(value, limit, mask)
    if "DataArray" in kinds:
        return _array_shown(value, limit, mask)
    return None


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a value is, as a part of a line; None for one that is best written by its `repr`."""
    if "Dataset" in kinds:
        return f"<xarray Dataset ({_sizes(value)}) with {', '.join(map(str, value.data_vars))}>"
    if "DataArray" in kinds:
        return f"<xarray DataArray ({_sizes(value)}), dtype {value.dtype}>"
    return None


def _dataset_shown(dataset: Any, limit: int, mask: Masker) -> ValueText:
    title = f"xarray Dataset of {counted(len(dataset.data_vars), 'variable')} ({_sizes(dataset)})"
    room = limit - len(title) - 60
    variables, count = _variables(dataset.data_vars, "variable", room, mask)
    coordinates, of_them = _variables(dataset.coords, "coordinate", room - len(variables), mask)
    parts = [title, variables, coordinates, _attributes(dataset.attrs, mask)]
    left_out = [more(len(dataset.data_vars) - count, "variable"), more(len(dataset.coords) - of_them, "coordinate")]
    text = "\n\n".join(filter(None, parts))
    return ValueText("an xarray Dataset", text, ", … ".join(filter(None, left_out)), fence=None)


def _array_shown(array: Any, limit: int, mask: Masker) -> ValueText:
    title = f"xarray DataArray{f' {array.name}' if array.name is not None else ''} ({_sizes(array)})"
    if _is_in_memory(array) and hasattr(array.values, "dtype"):
        values = array_shown(array.values)
        body, left_out = f"```\n{values.text}\n```", values.more
    else:
        body, left_out = f"dtype {array.dtype}, not computed: `.compute()` gives the values", ""
    coordinates, count = _variables(array.coords, "coordinate", limit - len(title) - len(body) - 60, mask)
    parts = [title, coordinates, body, _attributes(array.attrs, mask)]
    more_of = [left_out, more(len(array.coords) - count, "coordinate")]
    text = "\n\n".join(filter(None, parts))
    return ValueText("an xarray DataArray", text, ", … ".join(filter(None, more_of)), fence=None)


def _sizes(value: Any) -> str:
    return ", ".join(f"{name}: {size:,}" for name, size in value.sizes.items())


def _variables(variables: Any, what: str, limit: int, mask: Masker) -> tuple[str, int]:
    """A table of variables, and how many are in it."""
    if not len(variables):
        return "", 0
    names = [what, "dimensions", "dtype", "values", "from", "to", "missing"]
    rows = ([name, ", ".join(map(str, one.dims)), str(one.dtype), one.size, *_range(one)]
            for name, one in variables.items())  # fmt: skip
    return table(names, rows, limit, Cells(mask))


def _range(variable: Any) -> list[object]:
    """Its least and its greatest value, and how many are missing; of one that is not computed, that it is not."""
    if not _is_in_memory(variable) or variable.size > MOST_COMPUTED:
        return ["not computed", "", ""]
    if variable.size == 0 or variable.dtype.kind not in "iufbmM":
        return [_first(variable), _last(variable), ""]
    missing = int(variable.isnull().sum())
    if missing == variable.size:
        return ["", "", missing]
    return [_item(variable.min()), _item(variable.max()), missing]


def _first(variable: Any) -> object:
    return _item(variable.isel(dict.fromkeys(variable.dims, 0))) if variable.size else ""


def _last(variable: Any) -> object:
    return _item(variable.isel(dict.fromkeys(variable.dims, -1))) if variable.size else ""


def _item(variable: Any) -> object:
    return variable.values[()]


def _is_in_memory(variable: Any) -> bool:
    """Whether its values are there: else they would be read from a file or computed, however long that takes."""
    return variable.chunks is None and bool(getattr(variable.variable, "_in_memory", True))


def _attributes(attributes: Mapping[Any, Any], mask: Masker) -> str:
    cells = Cells(mask)
    return "\n".join(f"- {cells(str(name))}: {cells(value)}" for name, value in attributes.items())
