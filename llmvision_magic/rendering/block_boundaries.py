"""Where top-level blocks begin and end, and where a long one can be cut, told by the block tokens of complete lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

KEPT_LINES = 4
"""Lines of a fence that stay with the tail when it is cut, so that its closing does not stand alone."""

_BLANK = " \t\r\n"


def block_starts(text: str, tokens: list[Token]) -> list[int]:
    """Numbers of the lines on which top-level blocks begin, the first being 0.

    A link definition leaves no token; it belongs to the block that follows it, because its title may still turn out
    to be that block's first line.

    Args:
        text: Complete lines.
        tokens: Their block tokens.
    """
    lines = re.split(r"\r\n?|\n", text)
    starts: list[int] = []
    end = 0
    for begin, finish in [*(t.map for t in tokens if t.level == 0 and t.map), (len(lines), len(lines))]:
        starts += [line for line in range(end, begin) if lines[line].strip(" \t")][:1] or [begin]
        end = finish
    return [0, *(start for start in starts[1:] if start < len(lines))]


def tokens_between(tokens: list[Token], numbers: list[int]) -> list[list[Token]]:
    """The block tokens from each of these lines to the next, for the blocks that begin there."""
    groups: list[list[Token]] = [[] for _ in numbers]
    group = 0
    for token in tokens:
        if token.level == 0 and token.map and token.nesting >= 0:
            while group + 1 < len(numbers) and token.map[0] >= numbers[group + 1]:
                group += 1
        groups[group].append(token)
    return groups


def closed_before(tokens: list[Token], lines: list[int], text: str) -> str:
    """Whether the last block is over although no other has begun.

    A reply's paragraph is mostly one long line. Waiting for its end before the block above it is finished would send
    that block again with every frame of the paragraph.

    Args:
        tokens: Block tokens of complete lines.
        lines: Where each line begins, and the end.
        text: The lines.

    Returns:
        Characters with which the next line could continue the block; "" if any line could.
    """
    last = next((token for token in reversed(tokens) if token.level == 0), None)
    first = next((token for token in reversed(tokens) if token.level == 0 and token.map), None)
    if last is None or first is None or first.map is None:
        return ""
    end = min(first.map[1], len(lines) - 1)
    rest = text[lines[end] :]
    if rest.strip(_BLANK):
        return ""  # definitions: they belong to what follows
    if first.type in ("heading_open", "hr"):
        return _BLANK
    is_followed_by_blank = bool(rest) or not text[lines[end - 1] : lines[end]].strip(_BLANK)
    if first.type in ("paragraph_open", "table_open", "blockquote_open") and is_followed_by_blank:
        return _BLANK
    if first.type in ("bullet_list_open", "ordered_list_open") and is_followed_by_blank:
        return _BLANK + "-+*0123456789"
    return ""


def place_to_cut(text: str, tokens: list[Token], lines: list[int]) -> tuple[str, int] | None:
    """Where the last block, still unfinished, can be cut: so that its last item, row or lines stay with the tail.

    Args:
        text: Complete lines.
        tokens: Their block tokens.
        lines: Where each line begins, and the end.

    Returns:
        The lines that later parts need before them, and the place in `text`; None if it cannot be cut.
    """
    first = next((token for token in reversed(tokens) if token.level == 0 and token.map), None)
    if first is None or first.map is None:
        return None
    begin, end = first.map
    if first.type == "fence" and first.content.count("\n") == end - begin - 1:  # one line more were its closing
        opening = text[lines[begin] : lines[begin + 1]]
        cut = max(end - KEPT_LINES, begin + 1)
        return (opening, lines[cut]) if cut > begin + 1 else None
    inner = {"bullet_list_open": "list_item_open", "ordered_list_open": "list_item_open", "table_open": "tr_open"}
    wanted = inner.get(first.type)
    rows = [t.map[0] for t in tokens if t.type == wanted and t.level == (2 if wanted == "tr_open" else 1) and t.map]
    rows = [row for row in rows if row > begin + (2 if wanted == "tr_open" else 0)]
    if not rows:
        return None
    head = text[lines[begin] : lines[begin + 2]] if wanted == "tr_open" else ""
    return head, lines[rows[-1]]
