"""Replies to one prompt, asked with several values of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from llmvision_magic.messages import Reply


@dataclass(frozen=True)
class Comparison(Sequence[Reply]):
    """What ``%%chat --compare`` binds: a sequence of replies, each with the value it was asked with.

    ::

        for temperature, reply in comparison.items():
            print(temperature, len(set(reply.text.split())))

    Attributes:
        parameter: Name of what differs: "temperature".
        values: Its values, in the order of the line.
        replies: One for each value. A reply that failed has its status, and why as its notice.
    """

    parameter: str
    values: tuple[object, ...]
    replies: tuple[Reply, ...]

    def __len__(self) -> int:
        return len(self.replies)

    @overload
    def __getitem__(self, index: int) -> Reply: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Reply]: ...
    def __getitem__(self, index: int | slice) -> Reply | Sequence[Reply]:
        return self.replies[index]

    def items(self) -> Iterator[tuple[object, Reply]]:
        """Each value with its reply."""
        return zip(self.values, self.replies, strict=True)

    def heads(self) -> list[str]:
        """What stands over each reply: "temperature = 0.5"."""
        return [f"{self.parameter} = {value}" for value in self.values]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Shown as the cell showed it; see `Reply`."""
        from llmvision_magic.rendering import plain_for_terminal
        from llmvision_magic.rendering.comparison_table import comparison_bundle

        bundle = comparison_bundle(self.heads(), self.replies)
        return {**bundle, "text/plain": plain_for_terminal(bundle["text/plain"])}
