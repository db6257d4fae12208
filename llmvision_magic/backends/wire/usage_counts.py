"""Token counts as servers tell them: never, once, in every chunk, or once for each choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from llmvision_magic.messages import Usage


def usage_from(value: object) -> Usage | None:
    """The counts in a `usage` object; None when it tells none: zeros stand for "not counted yet"."""
    if not isinstance(value, Mapping):
        return None
    counts = [_count(value.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    return Usage(*counts) if any(counts) else None


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)


class UsageCounter:
    """What one stream has told of its usage so far. Dies with it.

    Of what is told again and again, as it grows, the last counts. Where several choices were asked for, some servers
    count each by itself: then their completion tokens are added. Counts for all of them are stronger than those.

    Args:
        choices: How many choices were asked for.
    """

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._of_choice: dict[int, Usage] = {}
        self._of_all: list[Usage] = []

    def add(self, usage: Usage, index: int | None) -> Usage:
        """Take in counts.

        Args:
            index: The choice they came with; None when they came with none, or with several.

        Returns:
            The usage of the reply, as far as it is known now.
        """
        if index is None:
            self._of_all.append(usage)
        else:
            # Of choices that nobody asked for there may be any number; none of them counts beside those.
            self._of_choice[max(0, min(index, self._choices - 1))] = usage
        if not self._of_all:
            return _added(self._of_choice.values())
        return _added(self._of_all) if len(self._of_all) <= self._choices else self._of_all[-1]


def _added(usages: Collection[Usage]) -> Usage:
    """The usage of several choices, whose prompt is the same."""
    if len(usages) == 1:
        return next(iter(usages))
    prompt = max((one.prompt_tokens for one in usages if one.prompt_tokens is not None), default=None)
    completion = [one.completion_tokens for one in usages if one.completion_tokens is not None]
    if not completion:
        return list(usages)[-1]
    return Usage(prompt, sum(completion), None if prompt is None else prompt + sum(completion))
