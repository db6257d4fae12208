"""Conversations rebuilt from the outputs of a saved notebook.

What is needed beside the cell's source and the reply's text stands in each output's metadata, under ``llmvision``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from llmvision_magic.conversation import Conversation, Turn, checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.records import LONGEST_REASON, content_from, try_name, usage_from
from llmvision_magic.schemas import plain
from llmvision_magic.schemas.forms import LONGEST_ID, STATUSES
from llmvision_magic.settings.turn_options import options_from
from llmvision_magic.text_files import read_text, shown_path, without_lone_surrogates

_ASKED = re.compile(r"^[ \t]*%(?:chat|llmvision)[ \t]+ask[ \t]+(.*)$", re.MULTILINE)


_UNTOLD = "?"
"""The parent of a turn whose metadata does not tell it: that of no turn."""


class _Said(NamedTuple):
    """What one output tells: the conversation's name, and the turn with the parent its metadata names."""

    name: str
    turn: Turn


def conversations_from(path: Path) -> list[Conversation]:
    """The conversations whose replies stand in a notebook, in order of their last replies. No model is called.

    Raises:
        InvalidInput: The file cannot be read, is no notebook, or has no replies in it.
    """
    shown = shown_path(path)
    try:
        # Other outputs may hold anything: of what is ours each piece is checked by itself.
        notebook = json.loads(read_text(path), parse_constant=lambda _: None)
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(f"{shown} is no notebook; expected a file like `NAME.ipynb`, as Jupyter saves it.") from None
    said: dict[str, list[Turn]] = {}
    for cell in cells if isinstance(cells, list) else []:
        for one in _said_in(cell if isinstance(cell, dict) else {}):
            turns = said.pop(one.name, [])
            # A reply that was copied to another cell is still one turn.
            said[one.name] = [*(turn for turn in turns if turn.id != one.turn.id), one.turn]
    if not said:
        raise InvalidInput(
            f"No replies of `%%chat` cells are in {shown}: were its outputs cleared before it was saved?"
        )
    return [_joined(name, turns) for name, turns in said.items()]


def _said_in(cell: Mapping[str, Any]) -> Iterator[_Said]:
    source, outputs = _text(cell.get("source")), cell.get("outputs")
    prompts = _prompts(source)
    for output in outputs if isinstance(outputs, list) else []:
        metadata = output.get("metadata") if isinstance(output, dict) else None
        told = metadata.get("llmvision") if isinstance(metadata, dict) else None
        if not isinstance(told, dict) or not 0 < len(_try_text(told.get("turn_id")) or "") <= LONGEST_ID:
            continue  # not ours, or of `--once`, which is in no history
        is_in_source = bool(prompts)
        prompt = prompts.pop(0) if prompts else ""
        status, data = told.get("status"), output.get("data")
        try:
            content = content_from(told.get("prompt", prompt))
        except ValueError:
            content = prompt
        try:
            options = options_from(plain(told.get("options")))
        except (ValueError, InvalidInput):
            options = None
        # Where values were put in, the cell still holds what was typed.
        typed = prompt if is_in_source and content != prompt else None
        turn = Turn(
            id=without_lone_surrogates(told["turn_id"]),
            parent=_try_text(told.get("parent", _UNTOLD)),
            prompt=content,
            system=_try_text(told.get("system")),
            text=_text(data.get("text/plain") if isinstance(data, dict) else None),
            status=status if status in STATUSES and status != "partial" else "complete",
            reason=(_try_text(told.get("reason")) or "")[:LONGEST_REASON],
            model=try_name(_try_text(told.get("model"))),
            finish_reason=try_name(_try_text(told.get("finish_reason"))),
            usage=usage_from(told.get("usage")),
            cell=_try_text(cell.get("id")),
            typed=_try_text(told.get("typed", typed)),
            options=options,
        )
        yield _Said(_try_text(told.get("conversation")) or "main", turn)


def _prompts(source: str) -> list[str]:
    """What a cell asked, in order."""
    source = source.lstrip("\n")
    if source.startswith(("%%chat", "%%llmvision")):
        return [source.partition("\n")[2].strip("\n").rstrip()]
    return [found.strip() for found in _ASKED.findall(source)]


def _text(value: object) -> str:
    """A text of a notebook, which may be saved as a list of lines."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return _try_text(value) or ""


def _try_text(value: object) -> str | None:
    return without_lone_surrogates(value) if isinstance(value, str) else None


def _joined(name: str, turns: list[Turn]) -> Conversation:
    """The turns of one conversation as a tree.

    A turn follows the one it followed; where that is not in the notebook, for its cell was run again or is gone, the
    turn before it on the page. The conversation stands at the last turn on the page that no other follows.
    """
    try:
        conversation = Conversation(checked_name(name))
    except InvalidInput:
        conversation = Conversation()
    ids = {turn.id for turn in turns}
    waiting: dict[str, Turn] = {}
    before: str | None = None
    for turn in turns:
        known = turn.parent is None or turn.parent in ids
        waiting[turn.id] = turn if known else replace(turn, parent=before)
        before = turn.id
    while waiting:
        ready = (turn for turn in waiting.values() if turn.parent is None or turn.parent in conversation.turns)
        turn = next(ready, None) or replace(next(iter(waiting.values())), parent=None)  # what is left goes in a ring
        del waiting[turn.id]
        conversation.turns[turn.id] = turn
    parents = {turn.parent for turn in conversation.turns.values()}
    leaves = [turn.id for turn in turns if turn.id not in parents]
    conversation.head = leaves[-1]
    conversation.system = turns[-1].system
    return conversation
