r"""Where maths is in a reply: ``$…$``, ``$$…$$``, ``\(…\)`` and ``\[…\]``.

Models write all four. A dollar is as often money, hence the rules below; they follow pandoc's
(https://pandoc.org/MANUAL.html#extension-tex_math_dollars) and are stricter.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_TEX = 4_000
"""Length of a formula, in characters, above which the signs around it are just text."""

_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_TEX_SIGN = re.compile(r"[\\^_={}<>+*/|\-]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)(?![A-Za-z])")
_BLOCK_END = re.compile(r"[.,;:]?\s*\Z")


def install(md: MarkdownIt) -> None:
    """Add maths to a parser."""
    md.inline.ruler.before("escape", "math_inline", _inline)
    md.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ("$$", "\\(", "\\["):
        opening = opening[:1]
        if opening != "$":
            return False
    end = _try_dollar(state) if opening == "$" else _try_delimited(state, opening)
    if end is None:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content = state.src[state.pos + len(opening) : end].strip()
        token.markup = opening
    state.pos = end + len(opening)
    return True


def _try_delimited(state: StateInline, opening: str) -> int | None:
    """Where the formula ends that a two-character sign begins; None when it does not begin one."""
    start = state.pos + 2
    end = state.src.find(_CLOSING[opening], start, min(state.posMax, start + MAX_TEX))
    if end < 0 or not _is_tex(state.src[start:end], opening):
        return None
    return end


def _is_tex(content: str, opening: str) -> bool:
    """Whether the content is a formula; ``\\[1\\]`` and ``\\(see above\\)`` are escaped brackets in prose."""
    if not content.strip() or "`" in content:
        return False
    if opening == "$$" or _TEX_SIGN.search(content):
        return True
    return opening == "\\(" and not re.search(r"[A-Za-z]{3,}", content)


def _try_dollar(state: StateInline) -> int | None:
    """Where the formula ends that a single dollar begins; None when it is money or a shell variable."""
    src, start = state.src, state.pos + 1
    before = src[state.pos - 1] if state.pos else ""
    following = src[start : min(start + 1, state.posMax)]
    if not following or following.isspace() or before.isalpha() or (before.isdigit() and following != "\\"):
        return None
    # The first dollar that is not escaped decides; a formula holds none.
    end = src.find("$", start, min(state.posMax, start + MAX_TEX))
    while end > 0 and _is_escaped(src, start, end):
        end = src.find("$", end + 1, min(state.posMax, start + MAX_TEX))
    if end <= start or src[end - 1].isspace():
        return None
    content = src[start:end]
    after = src[end + 1 : min(end + 2, state.posMax)]
    # "$5-$10" are prices, but 3$\times$3 is a formula.
    if after.isdigit() and following != "\\":
        return None
    # "$HOME:$PATH" is no formula; "the $n$th" holds one.
    if after.isalpha() and not _ORDINAL.match(src, end + 1, state.posMax):
        return None
    return None if "`" in content or _is_money(content) else end


def _is_escaped(src: str, start: int, end: int) -> bool:
    first = end
    while first > start and src[first - 1] == "\\":
        first -= 1
    return (end - first) % 2 == 1


def _is_money(content: str) -> bool:
    """An amount and words: the text between the dollars of "$5 and US$"."""
    return content[0].isdigit() and _WORD.search(content) is not None and not re.search(r"[\\^_={}]", content)


def _block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    r"""Maths on lines of its own.

    A line decides whether maths begins, and a blank line, a fence or the end ends it: what follows later can not change
    where the block began, which is what lets a reply be shown block by block while it arrives.
    """
    if state.is_code_block(startLine):
        return False
    begin, end = state.bMarks[startLine] + state.tShift[startLine], state.eMarks[startLine]
    opening, rest = state.src[begin : begin + 2], state.src[begin + 2 : end]
    if opening not in ("$$", "\\["):
        return False
    closing = _CLOSING[opening]
    if closing in rest:
        content, _, after = rest.partition(closing)
        if not _BLOCK_END.match(after) or not _is_tex(content, opening):
            return False
        if not silent:
            state.line = startLine + 1
            _push(state, startLine, opening, content)
        return True
    # "$$ is the process id" is prose.
    if opening == "$$" and rest[:1].strip() == "" and rest.strip():
        return False
    if silent:
        return True
    lines = [rest]
    line = startLine + 1
    closed = False
    while line < endLine and not closed and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if text.startswith(("```", "~~~")):
            break
        before, sign, after = text.rpartition(closing)
        closed = bool(sign) and _BLOCK_END.match(after) is not None
        lines.append(before if closed else text)
        line += 1
    state.line = line
    content = "\n".join(lines)
    if closed and content.strip() and len(content) <= MAX_TEX:
        _push(state, startLine, opening, content)
    else:
        _push_text(state, startLine)
    return True


def _push(state: StateBlock, start: int, opening: str, content: str) -> None:
    token = state.push("math_block", "math", 0)
    token.content = content.strip()
    token.markup = opening
    token.map = [start, state.line]


def _push_text(state: StateBlock, start: int) -> None:
    """What began like maths and did not become any is a paragraph."""
    state.push("paragraph_open", "p", 1).map = [start, state.line]
    inline = state.push("inline", "", 0)
    inline.content = state.getLines(start, state.line, state.blkIndent, False).strip()
    inline.map = [start, state.line]
    inline.children = []
    state.push("paragraph_close", "p", -1)
