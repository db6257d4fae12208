"""Arrays of numpy as text. The library is the user's: never imported here, only met. Therefore ``Any``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.value_repr import written
from llmvision_magic.prompt.value_text import ValueText, article, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker

SMALL_ARRAY = 100
"""Elements of an array that is shown whole; of a larger one a corner is."""

CORNER = 5


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """An array or a number of numpy's; None for anything else of it."""
    if "ndarray" in kinds:
        return array_shown(value)
    if "generic" in kinds:  # `2.5`, where the repr says np.float64(2.5)
        return ValueText(article(type(value).__name__), str(value))
    return None


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """An array as it stands in a line: whole if it is small, else what it is; None for anything else."""
    if "ndarray" not in kinds:
        return None
    if value.size <= SMALL_ARRAY:
        return _values(value, repr)
    return f"<array of shape {tuple(value.shape)}, dtype {value.dtype}{value_range(value)}; values: not sent>"


def array_shown(array: Any) -> ValueText:
    """An array: shape, dtype, range, and its values or a corner of them."""
    title = f"array of shape {tuple(array.shape)}, dtype {array.dtype}{value_range(array)}"
    if array.size <= SMALL_ARRAY:
        return ValueText("an array", f"{title}\n{_values(array)}")
    corner = array[tuple(slice(CORNER) if axis >= array.ndim - 2 else 0 for axis in range(array.ndim))]
    place = ", ".join(f":{CORNER}" if axis >= array.ndim - 2 else "0" for axis in range(array.ndim))
    left_out = more(array.size - corner.size, "element")
    return ValueText("an array", f"{title}\n[{place}] is\n{_values(corner)}", left_out)


def _values(array: Any, write: Callable[[Any], str] = str) -> str:
    """All values, whatever is set for printing; the items of sets in one order."""
    numpy: Any = sys.modules["numpy"]
    formatter = {"object": written} if array.dtype.kind == "O" else None
    with numpy.printoptions(threshold=SMALL_ARRAY + 1, formatter=formatter):
        return write(array)


def value_range(array: Any) -> str:
    """ ", from 0 to 1, 3 of them NaN"; "" where there is no order or nothing in it."""
    left_out = []
    if hasattr(array, "compressed"):  # some values are masked: they are none
        masked = int(array.size - array.count())
        left_out += [f"{masked:,} masked"] if masked else []
        array = array.compressed()
    if array.size and array.dtype.kind == "f":
        missing = int((array != array).sum())
        left_out += [f"{missing:,} NaN"] if missing else []
        array = array[array == array]
    has_order = array.size and array.dtype.kind in "iufb"
    return "".join(
        f", {part}" for part in [*([f"from {array.min()} to {array.max()}"] if has_order else []), *left_out]
    )
