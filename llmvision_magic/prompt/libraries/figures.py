"""Figures and pictures as a line of text, which can only name them. Their libraries are only met, never imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.value_text import ValueText, counted, in_line

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """A figure or a picture by its size or its parts; None for anything else.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    text = line(value, kinds)
    if text is None:
        return None
    return ValueText("an image" if text.startswith("<image") else "a figure", text, picture=True)


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a figure is, as a part of a line; None for anything else."""
    root = type(value).__module__.partition(".")[0]
    if "BaseFigure" in kinds:
        return _plotly(value)
    if "TopLevelMixin" in kinds:
        return _altair(value)
    if "Figure" in kinds and hasattr(value, "get_size_inches"):
        return _matplotlib(value)
    if root == "PIL" and hasattr(value, "mode"):
        width, height = value.size
        return f"<image, {width:,} × {height:,} pixels, mode {value.mode}>"
    return None


def _matplotlib(figure: Any) -> str:
    width, height = figure.get_size_inches() * figure.dpi
    axes = [
        f"{one.get_title() or 'untitled'} (x: {one.get_xlabel() or '–'}, y: {one.get_ylabel() or '–'})"
        for one in figure.axes
    ]
    return f"<{'; '.join([f'matplotlib figure, {width:,.0f} × {height:,.0f} pixels', *axes])}>"


def _plotly(figure: Any) -> str:
    traces = [f"{one.type}{f' {one.name!r}' if one.name else ''}" for one in figure.data]
    title = figure.layout.title.text
    named = f", titled {title!r}" if title else ""
    return f"<plotly figure{named}, {counted(len(traces), 'trace')}: {in_line(', '.join(traces) or 'none', 500)}>"


def _altair(chart: Any) -> str:
    """What it is made of, without its data."""
    try:
        told = chart.to_dict(validate=False)
    except Exception:  # its data are too many rows, or are not there yet
        return f"<altair {type(chart).__name__}>"
    parts = {name: part for name, part in told.items() if name not in ("$schema", "config", "data", "datasets")}
    rows = sum(len(one) for one in told.get("datasets", {}).values() if isinstance(one, list))
    named = f" of {counted(rows, 'row')}" if rows else ""
    return f"<altair {type(chart).__name__}{named}: {in_line(_without_data(parts), 2000)}>"


def _without_data(parts: Any) -> str:
    if isinstance(parts, dict):
        parts = {name: part for name, part in parts.items() if name != "data"}
    return json.dumps(parts, ensure_ascii=False, default=str)
