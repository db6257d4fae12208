"""Graphs of networkx as text. The library is the user's: never imported here, only met. Therefore ``Any``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from llmvision_magic.prompt.value_repr import written
from llmvision_magic.prompt.value_text import ValueText, article, counted, more

if TYPE_CHECKING:
    from llmvision_magic.settings.secrets import Masker


def try_shown(value: Any, kinds: tuple[str, ...], limit: int, mask: Masker) -> ValueText | None:
    """A graph: its counts, then as many of its nodes and edges as fit, each with its attributes.

    Args:
        kinds: Names of its class and of those it is derived from.
    """
    title = line(value, kinds)
    if title is None:
        return None
    title = title.strip("<>") + (f"; {written(value.graph)}" if value.graph else "")
    node_count, edge_count = value.number_of_nodes(), value.number_of_edges()
    room = limit - len(title) - 60
    sign = "→" if value.is_directed() else "–"
    nodes, of_nodes = _fitting((_with(written(node), data) for node, data in value.nodes(data=True)), room // 2)
    ends = value.edges(keys=True, data=True) if value.is_multigraph() else value.edges(data=True)
    edges, of_edges = _fitting((_edge(one, sign) for one in ends), room - len(nodes))
    left_out = [more(node_count - of_nodes, "node"), more(edge_count - of_edges, "edge")]
    text = f"{title}\nnodes: {nodes}\nedges: {edges}"
    return ValueText(article(type(value).__name__), text, ", … ".join(filter(None, left_out)))


def line(value: Any, kinds: tuple[str, ...]) -> str | None:
    """What a graph is, as a part of a line; None for anything else of networkx."""
    if "Graph" not in kinds:
        return None
    nodes, edges = counted(value.number_of_nodes(), "node"), counted(value.number_of_edges(), "edge")
    name = f" {value.name!r}" if value.name else ""
    return f"<{type(value).__name__}{name} of {nodes} and {edges}>"


def _edge(edge: tuple[Any, ...], sign: str) -> str:
    begin, end, *key, data = edge
    return _with(f"{written(begin)} {sign} {written(end)}" + "".join(f" [{one}]" for one in key), data)


def _with(text: str, data: dict[str, object]) -> str:
    return f"{text} {written(data)}" if data else text


def _fitting(texts: Iterable[str], limit: int) -> tuple[str, int]:
    """As many texts in a line as fit, the first one in any case, and how many they are."""
    taken: list[str] = []
    size = 0
    for text in islice(texts, max(1, limit)):
        size += len(text) + 2
        if size > limit and taken:
            break
        taken.append(text)
    return ", ".join(taken) or "none", len(taken)
