"""Saved conversations: one JSON file each.

::

    {
      "format": "llmvision-magic conversation",
      "version": 2,
      "name": "main",
      "system": null,                      the system prompt of the next turn
      "settings": {"temperature": 0.2},    what `%chat set` keeps
      "head": "…",                         id of the turn that the next one follows; null at the beginning
      "turns": [                           all turns of all branches; a parent stands before its children
        {"id": "…", "parent": null, "prompt": "text, or a list of parts as the API defines them", "system": null,
         "text": "the reply", "status": "complete", "reason": "", "model": "…", "finish_reason": "stop",
         "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, "left_out": 0,
         "excluded": false, "cell": null, "typed": null, "options": {"temperature": 0.2}, "execution": null,
         "created": 1.7e9}
      ]
    }

``status`` is "complete", "interrupted", "cut", "failed" or "partial" (still arriving); ``reason`` says why when
it is not complete. ``left_out`` counts the oldest turns that did not fit into the model's context; ``excluded`` says
that the user leaves the turn out of what is sent. ``cell`` and ``execution`` tell the cell that asked, and which run of
it; ``typed`` is the prompt before its values were put in; ``options`` are those of its line, by their long names, null
where they are not known (version 1 did not keep them). ``created`` is Unix time in seconds. A later version may add
fields; a file with a higher version is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmvision_magic.conversation import Conversation, checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.records import settings_from, settings_to_keep, turn_from, turn_record
from llmvision_magic.messages import as_name
from llmvision_magic.schemas import admitted, parsed
from llmvision_magic.text_files import FILE, kind_at, read_text, shown_path, write_atomically

FORMAT = "llmvision-magic conversation"
VERSION = 2


def save(conversation: Conversation, path: Path, *, overwrite: bool = False) -> None:
    """Save a conversation with all its branches. What was saved of the same one is replaced.

    Args:
        overwrite: Replace another saved conversation, too.

    Raises:
        InvalidInput: There is a file of another kind, or another conversation that shall not be overwritten; or the
            file cannot be written.
    """
    if kind_at(path) == FILE:
        _check_replaceable(conversation, path, overwrite=overwrite)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": conversation.name,
        "system": conversation.system,
        "settings": settings_to_keep(conversation.settings),
        "head": conversation.head,
        "turns": [turn_record(turn) for turn in conversation.turns.values()],
    }
    write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Conversation:
    """A saved conversation, as a conversation of its own.

    Raises:
        InvalidInput: The file cannot be read, is something else, is damaged, or comes from a newer version.
    """
    shown = shown_path(path)
    try:
        document = parsed(text := _text(path))
    except ValueError as error:
        if f'"{FORMAT}"' in text[:1000]:  # a saved conversation it is
            raise InvalidInput(f"{shown} is damaged and cannot be loaded: {error}.") from error
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidInput(
            f"{shown} is no saved conversation (`%chat save` makes one). To rebuild one from a notebook: "
            "`%chat resume --from FILE.ipynb`."
        )
    version = document.get("version")
    if type(version) is not int or version > VERSION:
        told = as_name(str(version))
        raise InvalidInput(
            f"{shown} was saved by a newer llmvision-magic (version {told} of the format, this one knows up "
            f"to {VERSION}); upgrade to load it."
        )
    try:
        return _conversation_from(document)
    except (ValueError, InvalidInput) as error:
        raise InvalidInput(f"{shown} is damaged and cannot be loaded: {str(error).rstrip('.')}.") from error


def _conversation_from(document: dict[str, Any]) -> Conversation:
    admitted(document, "saved conversation")
    conversation = Conversation(checked_name(document["name"]), document["system"])
    conversation.settings = settings_from(document["settings"])
    for record in document["turns"]:
        turn = turn_from(record)
        if turn.id in conversation.turns or (turn.parent is not None and turn.parent not in conversation.turns):
            raise ValueError(f"turn {turn.id[:40]!r} comes twice, or before the turn it follows")
        conversation.turns[turn.id] = turn
    if document["head"] is not None and document["head"] not in conversation.turns:
        raise ValueError("the turn it stands at is not in it")
    conversation.head = document["head"]
    return conversation


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except UnicodeDecodeError:
        return ""


def _check_replaceable(conversation: Conversation, path: Path, *, overwrite: bool) -> None:
    """Raise unless the file that is there may be replaced: nothing that was said is lost unasked."""
    try:
        there = json.loads(read_text(path))
    except (InvalidInput, ValueError, RecursionError):
        there = None
    shown = shown_path(path)
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        raise InvalidInput(
            f"{shown} is there and is no saved conversation; choose another name, so that it is not lost."
        )
    if overwrite or _is_earlier(conversation, there):
        return
    raise InvalidInput(
        f"{shown} holds another conversation{_described(there)}; choose another name, or add `--overwrite` to replace "
        "it."
    )


def _is_earlier(conversation: Conversation, there: dict[str, object]) -> bool:
    """Whether a file holds no turn that the conversation does not hold, too. Without turns its name tells.

    A turn's id is its own among those of all conversations, and stays when the file is loaded again.
    """
    turns = there.get("turns")
    if turns == []:
        return there.get("name") == conversation.name
    if not isinstance(turns, list):
        return False
    return all(isinstance(turn, dict) and str(turn.get("id")) in conversation.turns for turn in turns)


def _described(there: dict[str, object]) -> str:
    """Which conversation a file holds, as the rest of a sentence; "" where it does not tell."""
    name, turns = there.get("name"), there.get("turns")
    if not isinstance(name, str) or not isinstance(turns, list):
        return ""
    return f", `{name[:60]}` with {len(turns)} turn{'' if len(turns) == 1 else 's'}"
