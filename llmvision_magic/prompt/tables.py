"""DataFrames, Series and arrays as text. Their libraries are the user's: never imported here, only met.

Therefore ``Any``: no types of theirs are at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.value_text import ValueText, counted, cut, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker

ALL_ROWS = 20
"""A table of up to so many rows is shown whole."""

HEAD_ROWS = 10
"""Rows shown of a longer one."""

MOST_COLUMNS = 30
LONGEST_CELL = 80
"""Characters of one cell of a table."""

SMALL_ARRAY = 100
"""Elements of an array that is shown whole; of a larger one a corner is."""

CORNER = 5


def is_of(value: object, library: str, *names: str) -> bool:
    """Whether a value is an instance of a class of a library that may or may not be loaded."""
    module = sys.modules.get(library)
    kinds = tuple(kind for name in names if isinstance(kind := getattr(module, name, None), type))
    return isinstance(value, kinds)


def frame_shown(frame: Any, limit: int, mask: Masker) -> ValueText:
    """A DataFrame: shape, dtypes, and its first rows as a Markdown table."""
    height, width = frame.shape
    columns = min(width, MOST_COLUMNS)
    # By position: names of columns may be equal.
    head = frame.iloc[: _rows_of(height), :columns]
    names = [
        _index_name(head.index),
        *(f"{name} ({dtype})" for name, dtype in zip(head.columns, head.dtypes, strict=True)),
    ]
    title = f"DataFrame of {counted(height, 'row')} × {counted(width, 'column')}"
    table, rows = _table(names, head.itertuples(index=True, name=None), limit - len(title) - 60, mask)
    left_out = [more(height - rows, "row"), more(width - columns, "column")]
    return ValueText("a DataFrame", f"{title}\n\n{table}", ", … ".join(filter(None, left_out)), fence=None)


def series_shown(series: Any, limit: int, mask: Masker) -> ValueText:
    """A Series: length, dtype, and its first values as a Markdown table."""
    height = len(series)
    head = series.iloc[: _rows_of(height)]
    title = f"Series of {counted(height, 'value')}, dtype {series.dtype}"
    names = [_index_name(series.index), str(series.name if series.name is not None else "value")]
    table, rows = _table(names, zip(head.index, head, strict=True), limit - len(title) - 60, mask)
    return ValueText("a Series", f"{title}\n\n{table}", more(height - rows, "row"), fence=None)


def _index_name(index: Any) -> str:
    """The heading of the rows' labels: a name, or several, as each label of a MultiIndex has parts."""
    names = list(index.names)
    return str(names[0] or "") if len(names) == 1 else f"({', '.join(str(name or '') for name in names)})"


def _rows_of(height: int) -> int:
    return height if height <= ALL_ROWS else HEAD_ROWS


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], limit: int, mask: Masker) -> tuple[str, int]:
    """A Markdown table of as many rows as fit into `limit` characters, and their number."""
    lines = [_row([_cell(name, mask) for name in names]), _row(["---"] * len(names))]
    size = sum(map(len, lines))
    count = 0
    for row in rows:
        line = _row([_cell(item, mask) for item in row])
        size += len(line) + 1
        if size > limit:
            break
        lines.append(line)
        count += 1
    return "\n".join(lines), count


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object, mask: Masker) -> str:
    text = mask(str(value))  # whole: half a secret could not be known
    text = cut(text, LONGEST_CELL) if len(text) > LONGEST_CELL else text
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", "\\r").replace("\n", "\\n")


def array_shown(array: Any) -> ValueText:
    """An array: shape, dtype, range, and its values or a corner of them."""
    title = f"array of shape {tuple(array.shape)}, dtype {array.dtype}{_range(array)}"
    if array.size <= SMALL_ARRAY:
        return ValueText("an array", f"{title}\n{array}")
    corner = array[tuple(slice(CORNER) if axis >= array.ndim - 2 else 0 for axis in range(array.ndim))]
    place = ", ".join(f":{CORNER}" if axis >= array.ndim - 2 else "0" for axis in range(array.ndim))
    return ValueText("an array", f"{title}\n[{place}] is\n{corner}", more(array.size - corner.size, "element"))


def _range(array: Any) -> str:
    """ ", from 0 to 1, 3 of them NaN"; "" where there is no order or nothing in it."""
    if array.size == 0 or array.dtype.kind not in "iufb":
        return ""
    missing = 0
    if array.dtype.kind == "f":
        missing = int((array != array).sum())
        array = array[array == array]
    values = f", from {array.min()} to {array.max()}" if array.size else ""
    return f"{values}, {missing:,} NaN" if missing else values
