"""Values of pandas as text. The library is the user's: never imported here, only met. Therefore ``Any``."""

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
from llmvision_magic.prompt.value_text import ValueText, article, counted, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """A value of pandas; None for one of no kind that is known here.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    if "DataFrame" in kinds:
        return frame_text(_frame(value), "a DataFrame", limit, mask)
    if "Series" in kinds:
        return _series_shown(value, limit, mask)
    if "Index" in kinds:
        return _index_shown(value, limit, mask)
    if "Styler" in kinds:
        return _styler_shown(value, limit, mask)
    if "BaseGroupBy" in kinds:
        return _groups_shown(value, limit, mask)
    if "ExtensionArray" in kinds:
        return _labels_shown(value, f"{type(value).__name__} of {counted(len(value), 'value')}", limit, mask)
    return None


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a value is, as a part of a line; None for one that is best written by its `repr`."""
    if "DataFrame" in kinds:
        columns = list(zip(value.columns, value.dtypes, strict=True))
        return frame_line("DataFrame", len(value), columns, value.itertuples(index=True, name=None))
    if not {"Series", "Index"} & {*kinds}:
        return None
    title = f"{type(value).__name__} of {counted(len(value), 'value')}, dtype {value.dtype}"
    return values_line(title, len(value), value.items() if "Series" in kinds else value)


def _frame(frame: Any, said: str = "") -> Frame:
    height, width = frame.shape
    columns = min(width, MOST_COLUMNS)
    # By position: names of columns may be equal.
    head = frame.iloc[: rows_of(height), :columns]
    summaries = None
    if is_summarised(height, columns):
        summaries = [_summary(frame.iloc[:, position]) for position in range(columns)]
    return Frame(
        "DataFrame",
        height,
        width,
        _index_name(head.index),
        list(zip(head.columns, head.dtypes, strict=True)),
        head.itertuples(index=True, name=None),
        summaries,
        said,
    )


def _summary(series: Any) -> Summary:
    return described(lambda: dict(series.describe()), {"count": int(series.notna().sum())})


def _series_shown(series: Any, limit: int, mask: Masker) -> ValueText:
    height = len(series)
    head = series.iloc[: rows_of(height)]
    name = series.name if series.name is not None else "value"
    summaries = [_summary(series)] if is_summarised(height, 1) else None
    rows = zip(head.index, head, strict=True)
    frame = Frame("Series", height, 1, _index_name(series.index), [(name, series.dtype)], rows, summaries)
    return series_text(frame, f"Series of {counted(height, 'value')}, dtype {series.dtype}", "a Series", limit, mask)


def _index_name(index: Any) -> str:
    """The heading of the rows' labels: a name, or several, as each label of a MultiIndex has parts."""
    names = list(index.names)
    return str(names[0] or "") if len(names) == 1 else f"({', '.join(str(name or '') for name in names)})"


def _index_shown(index: Any, limit: int, mask: Masker) -> ValueText:
    kind = type(index).__name__
    types = f"dtype {index.dtype}"
    if index.nlevels > 1:
        types = "levels " + ", ".join(
            f"{name if name is not None else position} ({dtype})"
            for position, (name, dtype) in enumerate(zip(index.names, index.dtypes, strict=True))
        )
    named = f", name {index.name}" if index.nlevels == 1 and index.name is not None else ""
    return _labels_shown(index, f"{kind} of {counted(len(index), 'label')}{named}, {types}", limit, mask)


def _labels_shown(labels: Any, title: str, limit: int, mask: Masker) -> ValueText:
    """Labels or values in a line, as many as fit."""
    cells, size = Cells(mask), len(title) + 40
    taken: list[str] = []
    for label in labels:
        text = cells(label)
        size += len(text) + 2
        if size > limit and taken:
            break
        taken.append(text)
    left_out = more(len(labels) - len(taken), "label" if "label" in title else "value")
    ends = f"\n… the last one is {cells(labels[-1])}" if left_out else ""
    return ValueText(article(title.split()[0]), f"{title}\n{', '.join(taken)}{ends}", left_out)


def _styler_shown(styler: Any, limit: int, mask: Masker) -> ValueText:
    """The frame that it styles, without what it hides. Its colours and formats are for the eye."""
    frame, said = styler.data, ", styled"
    hidden = [f"{counted(len(positions), what)} hidden" for positions, what in (
        (styler.hidden_rows, "row"), (styler.hidden_columns, "column")) if len(positions)]  # fmt: skip
    if hidden:
        rows, columns = ({*map(int, one)} for one in (styler.hidden_rows, styler.hidden_columns))
        frame = frame.iloc[
            [at for at in range(frame.shape[0]) if at not in rows],
            [at for at in range(frame.shape[1]) if at not in columns],
        ]
        said += f" ({', '.join(hidden)})"
    return frame_text(_frame(frame, said), "a Styler of a DataFrame", limit, mask)


def _groups_shown(groups: Any, limit: int, mask: Masker) -> ValueText:
    """By what is grouped, and how many rows each group has."""
    sizes = groups.size()
    sizes = sizes if sizes.ndim == 1 else sizes.set_index(list(sizes.columns[:-1]))[sizes.columns[-1]]
    title = f"{type(groups).__name__} of {counted(len(sizes), 'group')}, {int(sizes.sum()):,} rows in all"
    cells = Cells(mask)
    text, count = table([_index_name(sizes.index), "rows"], sizes.items(), limit - len(title) - 40, cells)
    return ValueText(
        article(type(groups).__name__), f"{title}\n\n{text}", more(len(sizes) - count, "group"), fence=None
    )
