"""Objects that draw themselves, as the bytes of an image file. Their libraries are only met, never imported."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Iterable
from typing import Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.value_text import counted, told

MOST_AXES = 10_000
"""Objects in an array or a list that are looked at for a figure."""

_MAKERS = {"plotly": "kaleido", "altair": "vl-convert-python"}
"""What makes pictures of the figures of a library that draws in the browser."""


def is_of(value: object, library: str, *names: str) -> bool:
    """Whether a value is an instance of a class of a library that may or may not be loaded."""
    module = sys.modules.get(library)
    kinds = tuple(kind for name in names if isinstance(kind := getattr(module, name, None), type))
    return isinstance(value, kinds)


def drawn_file(value: Any, name: str) -> bytes | None:
    """The bytes of an image file that an object draws itself as; None where it does not.

    Args:
        name: What the user wrote, for the sentence.

    Raises:
        InvalidInput: It would, but lacks something for it.
    """
    if is_of(value, "PIL.Image", "Image") or isinstance(value, type):
        return None
    if getattr(value, "__name__", "") == "matplotlib.pyplot" and not value.get_fignums():
        raise InvalidInput(
            "-i: matplotlib has no open figure, for a notebook closes it when its cell has ended; keep it by a name "
            "(`fig = plt.gcf()` in the cell that draws it) and give that: `-i fig`."
        )
    figure = _figure_of(value, name)
    if figure is not None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return buffer.getvalue()
    if is_of(value, "plotly.basedatatypes", "BaseFigure"):
        return _made(name, "plotly", lambda buffer: buffer.write(value.to_image(format="png")))
    if is_of(value, "altair", "TopLevelMixin"):
        return _made(name, "altair", lambda buffer: value.save(buffer, format="png"))
    for method in ("_repr_png_", "_repr_jpeg_"):
        draw = getattr(value, method, None)
        drawn = draw() if callable(draw) else None
        drawn = drawn[0] if isinstance(drawn, tuple) else drawn  # (data, metadata)
        if isinstance(drawn, str):  # as front ends get it
            drawn = base64.b64decode(drawn)
        if isinstance(drawn, bytes):
            return drawn
    return None


def _made(name: str, library: str, write: Callable[[io.BytesIO], object]) -> bytes:
    """The picture that another package makes of a figure."""
    buffer = io.BytesIO()
    try:
        write(buffer)
    except Exception as error:  # the package is not there, or the browser that it drives
        data = f"`-a {name}.to_dict()`" if library == "altair" else f"`-a {name}.to_plotly_json()`"
        raise InvalidInput(
            f"-i {name}: a picture of a figure of {library} is made by {_MAKERS[library]} (`pip install "
            f"{_MAKERS[library]}`), which failed ({told(error)}); {data} sends what it is drawn from."
        ) from error
    return buffer.getvalue()


def _figure_of(value: Any, name: str) -> Any:
    """What saves itself as matplotlib's figures do: the value, or the figure that it, or each of its parts, is in."""
    if hasattr(value, "savefig"):
        return value
    figures = list({id(one): one for one in map(_figure_around, _parts(value)) if one is not None}.values())
    if len(figures) > 1:
        raise InvalidInput(
            f"-i {name}: expected axes of one figure, got those of {counted(len(figures), 'figure')}; give each by "
            f"itself: `-i {name}[0].figure -i {name}[-1].figure`."
        )
    return figures[0] if figures else None


def _parts(value: Any) -> Iterable[Any]:
    """The axes in an array, a list or a dict of them, or what a method that draws has given back; else the value."""
    if isinstance(value, dict):
        value = list(value.values())
    if is_of(value, "numpy", "ndarray"):
        return value.flat if value.dtype.kind == "O" and value.size <= MOST_AXES else ()
    if isinstance(value, list | tuple) and value and len(value) <= MOST_AXES:
        return [part for one in value for part in (_parts(one) if isinstance(one, list | tuple) else [one])]
    return [value]


def _figure_around(part: Any) -> Any:
    """The whole figure that axes, or what is drawn in them, are in; None for anything else."""
    figure = getattr(part, "figure", None)
    while figure is not None and not hasattr(figure, "savefig"):  # a part of a figure
        around = getattr(figure, "figure", None)
        figure = None if around is figure else around
    return figure
