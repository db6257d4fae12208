"""Footnotes: ``[^1]`` and ``[^1]: text``.

A note is shown by its label, not by a running number: the mark then looks the same while the reply arrives, when the
note is not there yet, and at the end. Nothing is a link, for an anchor would move the page and collide between cells.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote.index import footnote_def

_MARK = re.compile(r"\[\^([^\s\[\]^]{1,40})\]")


def install(md: MarkdownIt) -> None:
    """Add footnotes to a parser."""
    md.block.ruler.before("reference", "footnote_def", footnote_def, {"alt": ["paragraph", "reference"]})
    md.inline.ruler.before("link", "footnote_mark", _mark)
    md.core.ruler.after("inline", "footnotes_last", _move_to_end)


def _mark(state: StateInline, silent: bool) -> bool:
    """``[^label]``: any number, or a label that is defined (``[^abc]`` may as well be a regular expression)."""
    if not state.src.startswith("[^", state.pos):
        return False
    match = _MARK.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    label = match[1]
    if not label.isdigit() and f":{label}" not in state.env.get("footnotes", {}).get("refs", {}):
        return False
    if not silent:
        state.push("footnote_mark", "", 0).content = label
    state.pos = match.end()
    return True


def _move_to_end(state: StateCore) -> None:
    """Collect the notes behind the text, each beginning with its label."""
    body: list[Token] = []
    notes: list[Token] = []
    depth = 0
    for token in state.tokens:
        if token.type == "footnote_reference_open":
            depth += 1
            label = Token("footnote_mark", "", 0, content=token.meta["label"])
            notes += [
                Token("paragraph_open", "p", 1, block=True),
                Token("inline", "", 0, children=[label], content=""),
                Token("paragraph_close", "p", -1, block=True),
            ]
        elif token.type == "footnote_reference_close":
            depth -= 1
        else:
            (notes if depth else body).append(token)
    if notes:
        opening = Token("footnotes_open", "div", 1, block=True)
        closing = Token("footnotes_close", "div", -1, block=True)
        state.tokens = [*body, opening, *_with_labels_joined(notes), closing]


def _with_labels_joined(notes: list[Token]) -> list[Token]:
    """Put each label into the paragraph that follows it, where there is one."""
    joined: list[Token] = []
    for token in notes:
        if (
            token.type == "inline"
            and [part.type for part in joined[-4:]] == ["paragraph_open", "inline", "paragraph_close", "paragraph_open"]
            and len(joined[-3].children or []) == 1
            and (label := (joined[-3].children or [])[0]).type == "footnote_mark"
            and not joined[-3].content
        ):
            del joined[-4:-1]
            token.children = [label, Token("text", "", 0, content=" "), *(token.children or [])]
        joined.append(token)
    return joined
