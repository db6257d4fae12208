"""Frames of any library as text: how much there is, the first rows, and of many rows what they come to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

from llmvision_magic.prompt.value_repr import written
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

DIGITS = 4
"""Significant digits of a fraction. Those before the point are all there: what they count may matter."""

MOST_SUMMARISED = 20_000_000
"""Values of a frame of which a summary is made; of more it takes too long for a prompt."""

MOST_IN_LINE = 100
"""Values of a frame that stands whole inside another value."""

Summary = Mapping[str, object]
"""What a column comes to, by the name of the statistic: "mean", "max"."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, read as far as it is shown.

    Attributes:
        kind: "DataFrame", "polars DataFrame".
        height: Rows in all.
        width: Columns in all.
        index: Heading of the rows' labels; None where rows have none.
        columns: Name and type of the first columns.
        rows: The first rows, each with its label first, if there are labels.
        summaries: What each of these columns comes to; None where that is not known.
        said: What else there is to say, for the line above.
    """

    kind: str
    height: int
    width: int
    index: str | None
    columns: Sequence[tuple[object, object]]
    rows: Iterable[Sequence[object]]
    summaries: Sequence[Summary] | None = None
    said: str = ""


class Cells:
    """Writes the cells of tables.

    Attributes:
        has_rounded: Whether a number lost digits.
    """

    def __init__(self, mask: Masker) -> None:
        self._mask = mask
        self.has_rounded = False

    def __call__(self, value: object) -> str:
        if isinstance(value, str):
            text = value
        elif isinstance(value, Real) and type(value).__name__.startswith("float"):  # numpy's are called float32, …
            text = rounded(float(value))
            self.has_rounded = self.has_rounded or float(text) != value == value
        elif isinstance(value, complex):
            text = f"{value:.{DIGITS}g}"
            self.has_rounded = self.has_rounded or complex(text) != value
        else:
            text = written(value) if isinstance(value, list | tuple | set | frozenset | dict) else str(value)
        text = self._mask(text)  # whole: half a secret could not be known
        text = cut(text, LONGEST_CELL) if len(text) > LONGEST_CELL else text
        return text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", "\\r").replace("\n", "\\n")


def rounded(number: float) -> str:
    """A number to `DIGITS` significant digits, all those before the point among them."""
    size = abs(number)
    if number.is_integer() and size < 1e15:
        return repr(number)
    return f"{number:.0f}" if 10 ** (DIGITS - 1) <= size < 1e15 else f"{number:.{DIGITS}g}"


def rows_of(height: int) -> int:
    """How many of the rows are shown."""
    return height if height <= ALL_ROWS else HEAD_ROWS


def is_summarised(height: int, width: int) -> bool:
    """Whether the rows are so many that they are summarised, and not too many for that."""
    return height > ALL_ROWS and height * width <= MOST_SUMMARISED


def described(describe: Callable[[], Summary], otherwise: Summary) -> Summary:
    """What a library says of a column; what is known otherwise where it cannot: lists have no order, and no hash."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an overflow in a mean: the number shows it
            return {name: int(value) if name == "count" else value for name, value in describe().items()}  # type: ignore[call-overload]
    except Exception:
        return otherwise


def frame_line(kind: str, height: int, columns: Sequence[tuple[object, object]], rows: Iterable[object]) -> str:
    """A frame as it stands inside another value: whole if it is small, else by what it is.

    Args:
        rows: All of them; not looked at where they are many.
    """
    width = len(columns)
    names = ", ".join(f"{name} ({type_})" for name, type_ in columns[:MOST_COLUMNS])
    names += f", … {more(width - MOST_COLUMNS, 'column')}" if width > MOST_COLUMNS else ""
    said = written(list(rows)) if height * max(width, 1) <= MOST_IN_LINE else "not sent"
    return f"<{kind} of {counted(height, 'row')} × {counted(width, 'column')}: {names}; rows: {said}>"


def values_line(title: str, count: int, values: Iterable[object]) -> str:
    """A column as it stands inside another value; see `frame_line`."""
    return f"<{title}; values: {written(list(values)) if count <= MOST_IN_LINE else 'not sent'}>"


def frame_text(frame: Frame, what: str, limit: int, mask: Masker) -> ValueText:
    """A frame: shape, types, its first rows as a Markdown table, and a summary where they are not all."""
    title = f"{frame.kind} of {counted(frame.height, 'row')} × {counted(frame.width, 'column')}{frame.said}"
    return _text(frame, title, [f"{name} ({kind})" for name, kind in frame.columns], what, limit, mask)


def series_text(frame: Frame, title: str, what: str, limit: int, mask: Masker) -> ValueText:
    """A column by itself, as `frame_text`; its type stands in the title."""
    return _text(frame, title, [str(name) for name, _ in frame.columns], what, limit, mask)


def _text(frame: Frame, title: str, names: list[str], what: str, limit: int, mask: Masker) -> ValueText:
    cells = Cells(mask)
    room = limit - len(title) - 60
    heading = [frame.index, *names] if frame.index is not None else names
    rows, count = "", frame.height
    if heading:
        rows, count = table(heading, frame.rows, room if frame.height <= ALL_ROWS else room * 2 // 3, cells)
    summary = _summary(frame, room - len(rows), mask)
    title += f", fractions to {DIGITS} significant digits" if cells.has_rounded else ""
    left_out = [more(frame.height - count, "row"), more(frame.width - len(frame.columns), "column")]
    parts = filter(None, [title, rows, summary])
    return ValueText(what, "\n\n".join(parts), ", … ".join(filter(None, left_out)), fence=None)


def _summary(frame: Frame, limit: int, mask: Masker) -> str:
    """A table for each set of statistics: numbers have others than texts. "" where all rows are shown."""
    if frame.height <= ALL_ROWS or not frame.columns:
        return ""
    if frame.summaries is None:
        return f"(No summary is made of more than {MOST_SUMMARISED:,} values.)"
    groups: dict[tuple[str, ...], list[list[object]]] = {}
    for (name, _), summary in zip(frame.columns, frame.summaries, strict=True):
        known = {key: _whole(value) for key, value in summary.items() if value is not None}
        groups.setdefault(tuple(known), []).append([str(name), *known.values()])
    parts = [f"Of all {frame.height:,} rows, to {DIGITS} significant digits:"]
    room, left_out, cells = limit - len(parts[0]) - 50, 0, Cells(mask)
    for keys in sorted(groups, key=lambda keys: "std" not in keys):  # numbers first
        text, count = table(["column", *keys], groups[keys], room, cells)
        left_out += len(groups[keys]) - count
        if count:
            parts.append(text)
            room -= len(text) + 2
    if len(parts) == 1:
        return ""
    return "\n\n".join([*parts, *([f"… a summary of {more(left_out, 'column')}"] if left_out else [])])


def _whole(value: object) -> object:
    """A number without a fraction as an integer: that one of a float has a point says nothing here."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def table(names: Sequence[object], rows: Iterable[Sequence[object]], limit: int, cells: Cells) -> tuple[str, int]:
    """A Markdown table of as many rows as fit into `limit` characters, and their number."""
    lines = [_row([cells(str(name)) for name in names]), _row(["---"] * len(names))]
    size = sum(map(len, lines))
    count = 0
    for row in rows:
        line = _row([cells(item) for item in row])
        size += len(line) + 1
        if size > limit:
            break
        lines.append(line)
        count += 1
    return "\n".join(lines), count


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
