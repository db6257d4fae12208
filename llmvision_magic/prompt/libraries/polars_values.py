"""Values of polars as text. The library is the user's: never imported here, only met. Therefore ``Any``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.libraries.tables import (
    MOST_COLUMNS,
    Cells,
    Frame,
    Summary,
    described,
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
    """A value of polars; None for one of no kind that is known here.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    if "DataFrame" in kinds:
        return _frame_shown(value, limit, mask)
    if "Series" in kinds:
        return _series_shown(value, limit, mask)
    if "LazyFrame" in kinds:
        return _lazy_shown(value, limit, mask)
    if "GroupBy" in kinds:
        sizes = value.len()
        sizes = sizes.sort(sizes.columns[:-1])
        return _frame_shown(sizes, limit, mask, "lengths of the groups of a polars GroupBy, a frame")
    return None


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a value is, as a part of a line; None for one that is best written by its `repr`."""
    if "DataFrame" in kinds:
        return frame_line("polars DataFrame", value.height, list(value.schema.items()), value.iter_rows())
    if "Series" in kinds:
        return values_line(f"polars Series of {counted(len(value), 'value')}, dtype {value.dtype}", len(value), value)
    return "<polars LazyFrame, not computed>" if "LazyFrame" in kinds else None


def _frame_shown(frame: Any, limit: int, mask: Masker, kind: str = "polars DataFrame") -> ValueText:
    height, width = frame.shape
    columns = list(frame.schema.items())[:MOST_COLUMNS]
    head = frame.select([name for name, _ in columns]).head(rows_of(height))
    summaries = None
    if is_summarised(height, len(columns)):
        summaries = [_summary(frame[name]) for name, _ in columns]
    shown = Frame(kind, height, width, None, columns, head.iter_rows(), summaries)
    return frame_text(shown, "a polars DataFrame", limit, mask)


def _summary(series: Any) -> Summary:
    nulls = series.null_count()
    told = described(lambda: dict(series.describe().iter_rows()), {"count": len(series) - nulls})
    return {"count": told["count"], "null_count": nulls, **{name: told[name] for name in told if "count" not in name}}


def _series_shown(series: Any, limit: int, mask: Masker) -> ValueText:
    height = len(series)
    summaries = [_summary(series)] if is_summarised(height, 1) else None
    rows = ((value,) for value in series.head(rows_of(height)).to_list())
    frame = Frame("polars Series", height, 1, None, [(series.name or "value", series.dtype)], rows, summaries)
    title = f"polars Series of {counted(height, 'value')}, dtype {series.dtype}"
    return series_text(frame, title, "a polars Series", limit, mask)


def _lazy_shown(frame: Any, limit: int, mask: Masker) -> ValueText:
    """Its columns and its plan. It is not computed: that may take hours, and is the user's to decide."""
    schema = frame.collect_schema()
    title = f"polars LazyFrame of {counted(len(schema), 'column')}, not computed: `.collect()` gives the rows"
    columns, count = table(["column", "type"], list(schema.items())[:MOST_COLUMNS], limit // 2, Cells(mask))
    plan = frame.explain(optimized=False)
    text = f"{title}\n\n{columns}\n\nIts plan, to be read from the bottom:\n\n{plan}"
    return ValueText("a polars LazyFrame", text, more(len(schema) - count, "column"), fence=None)
