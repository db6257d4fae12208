"""How a request differs from what was recorded, in a few lines."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llmvision_magic.messages import text_of

if TYPE_CHECKING:
    from llmvision_magic.backends.recording.cassette_format import Entry
    from llmvision_magic.backends.recording.normalized import NormalizedRequest

MOST_LINES = 14
"""Lines of a difference that are shown."""

MOST_CHARACTERS = 90
"""Characters of one line that are shown."""

MOST_WORDS = 300
"""Words of a request, from its end, that are compared to find the nearest."""


def nearest(entries: Sequence[Entry], asked: NormalizedRequest) -> Entry:
    """The entry whose request is most like what is asked."""
    words = _words(asked)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(words)

    def likeness(entry: Entry) -> float:
        matcher.set_seq1(_words(entry.asked))
        # A text says more than a parameter; parameters decide between equal texts.
        return matcher.ratio() - 0.01 * sum(1 for _ in _other_parameters(entry.asked, asked))

    return max(entries, key=likeness)


def _words(asked: NormalizedRequest) -> list[str]:
    return [word for role, text in _messages(asked) for word in (role, *text.split())][-MOST_WORDS:]


def differences(recorded: NormalizedRequest, asked: NormalizedRequest) -> list[str]:
    """What differs, line by line: - as recorded, + as asked."""
    lines = [*_other_parameters(recorded, asked), *_other_messages(_messages(recorded), _messages(asked))]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"… and {len(lines) - MOST_LINES + 1} more lines"]
    return [_printable(line) for line in lines]


def _other_parameters(recorded: NormalizedRequest, asked: NormalizedRequest) -> Iterator[str]:
    for name in dict.fromkeys([*recorded.body, *asked.body]):
        if name == "messages" or (name == "model" and asked.is_default_model):
            continue
        before, now = (_shown(body.get(name)) for body in (recorded.body, asked.body))
        if before != now:
            yield f"{name}: {before} recorded, {now} asked"


def _shown(value: object) -> str:
    return "nothing" if value is None else _cut(json.dumps(value, ensure_ascii=False))


def _messages(asked: NormalizedRequest) -> list[tuple[str, str]]:
    messages = asked.body["messages"]
    if not isinstance(messages, list):
        return []
    return [(str(one.get("role")), _text(one.get("content"))) for one in messages if isinstance(one, Mapping)]


def _text(content: object) -> str:
    """A message's text; an image as the words that tell it from another one."""
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    images = [json.dumps(part, sort_keys=True) for part in parts if part.get("type") != "text"]
    return "\n".join([text_of(tuple(parts)), *images])


def _other_messages(recorded: list[tuple[str, str]], asked: list[tuple[str, str]]) -> Iterator[str]:
    if len(recorded) != len(asked):
        yield f"messages: {len(recorded)} recorded, {len(asked)} asked"
    for number, ((role, before), (now_role, now)) in enumerate(zip(recorded, asked, strict=False), 1):
        if (role, before) != (now_role, now):
            yield f"message {number} ({role if role == now_role else f'{role} recorded, {now_role} asked'}):"
            yield from _other_lines(before.splitlines(), now.splitlines())
    shorter = min(len(recorded), len(asked))
    for sign, more in (("-", recorded[shorter:]), ("+", asked[shorter:])):
        for number, (role, text) in enumerate(more, shorter + 1):
            yield f"message {number} ({role}):"
            yield f"{sign} {_cut(text)}"


def _other_lines(before: list[str], now: list[str]) -> Iterator[str]:
    """The lines that differ; of long ones the part around the first difference."""
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        old, new = before[i:j], now[k:m]
        begin = _common(old[0], new[0]) if len(old) == len(new) == 1 else 0
        yield from (f"- {_cut(line, begin)}" for line in old)
        yield from (f"+ {_cut(line, begin)}" for line in new)


def _common(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _cut(text: str, at: int = 0) -> str:
    """A part of a text on one line, with what stands at that position in it."""
    begin = max(at - MOST_CHARACTERS // 2, 0) if len(text) > MOST_CHARACTERS else 0
    part = " ".join(text[begin : begin + MOST_CHARACTERS].split())
    return f"{'…' if begin else ''}{part}{'…' if begin + MOST_CHARACTERS < len(text) else ''}"


def _printable(line: str) -> str:
    """The line without characters that would steer a terminal: a recording may be a stranger's."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
