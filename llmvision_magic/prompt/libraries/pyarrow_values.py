"""Values of pyarrow as text. The library is the user's: imported only where a value of it is at hand. So ``Any``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.libraries.tables import (
    MOST_COLUMNS,
    Cells,
    Frame,
    Summary,
    frame_line,
    frame_text,
    is_summarised,
    rows_of,
    series_text,
    table,
    values_line,
)
from llmvision_magic.prompt.value_text import ValueText, counted, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """A value of pyarrow; None for one of no kind that is known here.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    kind = type(value).__name__
    if "Table" in kinds or "RecordBatch" in kinds:
        return _frame_shown(value, f"pyarrow {kind}", limit, mask)
    if "ChunkedArray" in kinds or "Array" in kinds:
        return _array_shown(value, f"pyarrow {kind}", limit, mask)
    if "Dataset" in kinds:
        return _dataset_shown(value, kind, limit, mask)
    return None


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a value is, as a part of a line; None for one that is best written by its `repr`."""
    kind = type(value).__name__
    if "Table" in kinds or "RecordBatch" in kinds:
        columns = [(one.name, one.type) for one in value.schema]
        return frame_line(f"pyarrow {kind}", value.num_rows, columns, _rows(value))
    if "ChunkedArray" in kinds or "Array" in kinds:
        title = f"pyarrow {kind} of {counted(len(value), 'value')}, type {value.type}"
        return values_line(title, len(value), (one.as_py() for one in value))
    return None


def _rows(frame: Any) -> Iterator[tuple[object, ...]]:
    yield from zip(*(one.to_pylist() for one in frame.columns), strict=True)


def _frame_shown(frame: Any, kind: str, limit: int, mask: Masker) -> ValueText:
    height, width = frame.num_rows, frame.num_columns
    columns = [(one.name, one.type) for one in list(frame.schema)[:MOST_COLUMNS]]
    kept = [frame.column(position) for position in range(len(columns))]  # names of columns may be equal
    rows = zip(*(one.slice(0, rows_of(height)).to_pylist() for one in kept), strict=True)
    summaries = [_summary(one) for one in kept] if is_summarised(height, len(kept)) else None
    return frame_text(Frame(kind, height, width, None, columns, rows, summaries), f"a {kind}", limit, mask)


def _array_shown(array: Any, kind: str, limit: int, mask: Masker) -> ValueText:
    height = len(array)
    summaries = [_summary(array)] if is_summarised(height, 1) else None
    rows = ((value,) for value in array.slice(0, rows_of(height)).to_pylist())
    frame = Frame(kind, height, 1, None, [("value", array.type)], rows, summaries)
    return series_text(frame, f"{kind} of {counted(height, 'value')}, type {array.type}", f"a {kind}", limit, mask)


def _summary(column: Any) -> Summary:
    compute = importlib.import_module("pyarrow.compute")
    told: dict[str, object] = {"count": len(column) - column.null_count, "null_count": column.null_count}
    numbers = [("mean", "mean"), ("std", "stddev"), ("min", "min"), ("max", "max")]
    for name, function in [*numbers, *([] if _is_number(column) else [("unique", "count_distinct")])]:
        with suppress(Exception):  # of this type there is none
            told[name] = getattr(compute, function)(column).as_py()
    return told


def _is_number(column: Any) -> bool:
    types = importlib.import_module("pyarrow.types")
    return bool(types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type))


def _dataset_shown(dataset: Any, kind: str, limit: int, mask: Masker) -> ValueText:
    """Its columns and its files. No rows are read: there may be more than fit into memory."""
    files = list(getattr(dataset, "files", ()))
    columns = [(one.name, one.type) for one in dataset.schema]
    title = f"pyarrow {kind} of {counted(len(columns), 'column')}, {counted(len(files), 'file')}, not read"
    text, count = table(["column", "type"], columns[:MOST_COLUMNS], limit - len(title) - 60, Cells(mask))
    return ValueText(f"a pyarrow {kind}", f"{title}\n\n{text}", more(len(columns) - count, "column"), fence=None)
