"""A conversation for others to read: Markdown, a notebook, a web page, or the messages for another program.

What is exported is the current branch.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.records import turn_record
from llmvision_magic.journal.turn_texts import prompt_words, reply_of, when
from llmvision_magic.messages import text_of
from llmvision_magic.settings.turn_options import LINE_SETTINGS, options_line
from llmvision_magic.text_files import FILE, kind_at, shown_path, write_atomically

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn


def export(conversation: Conversation, path: Path, *, overwrite: bool = False) -> None:
    """Write a conversation in the form that the file's suffix names.

    Raises:
        InvalidInput: The suffix is none of ours, there is nothing to export, the file is there and shall not be
            overwritten, or it cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(f"{one} ({what})" for one, (what, _) in FORMATS.items())
        raise InvalidInput(f"`%chat export` knows a file's form by its suffix: {known}; got {path.name!r}.")
    if not conversation.path():
        raise InvalidInput(f"The conversation `{conversation.name}` has no turns yet: there is nothing to export.")
    if kind_at(path) == FILE and not overwrite:  # what is no file, no option replaces
        raise InvalidInput(f"{shown_path(path)} is there already; add `--overwrite` to replace it.")
    write_atomically(path, FORMATS[suffix][1](conversation))


def messages_json(conversation: Conversation) -> str:
    """The list that the Chat Completion API takes as ``messages``."""
    messages: list[dict[str, object]] = []
    if conversation.system:
        messages.append({"role": "system", "content": conversation.system})
    for turn in conversation.sendable(conversation.head):
        messages += [{"role": "user", "content": turn.prompt}, {"role": "assistant", "content": turn.text}]
    return json.dumps(messages, indent=1, ensure_ascii=False) + "\n"


def markdown(conversation: Conversation) -> str:
    """A Markdown document; what a reply holds is harmless in it."""
    from llmvision_magic.rendering import safe_markdown

    turns = conversation.path()
    parts = [f"# {conversation.name}", f"{when(turns[0])} to {when(turns[-1])}"]
    if conversation.system:
        parts += ["**System prompt**", _quoted(safe_markdown(conversation.system))]
    for number, turn in enumerate(turns, 1):
        parts += [f"## {number}", _quoted(safe_markdown(prompt_words(turn))), safe_markdown(turn.text)]
        facts = " · ".join(fact for fact in (turn.model, turn.reason) if fact)
        if facts:
            parts.append(f"*{safe_markdown(facts).strip()}*")
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def notebook(conversation: Conversation) -> str:
    """A notebook (nbformat 4.5) whose cells ask the same again, with the replies as their outputs.

    `conversations_from` rebuilds the conversation from it.
    """
    cells = [_cell("begin", "%load_ext llmvision_magic")]
    system = conversation.path()[0].system
    options = f" -n {conversation.name}"
    if system and "\n" not in system:
        options += f" -s {shlex.quote(system)}"
    elif system:  # an option ends with its line
        cells[0]["source"] += f"\nget_ipython().run_line_magic('chat', {f'new {conversation.name}'!r})"
        cells[0]["source"] += f"\nget_ipython().run_line_magic('chat', {'system ' + json.dumps(system)!r})"
    for turn in conversation.path():
        if turn.system != system:
            system = turn.system
            options += f" -s {shlex.quote(' '.join((system or '').split()))}"
        words = text_of(turn.prompt)
        raw = " --raw" if "{{" in words else ""
        asked = {name: value for name, value in (turn.options or {}).items() if name in (*LINE_SETTINGS, "format")}
        line = f"%%chat{options}{options_line(asked)}{raw}"
        cells.append(_cell(turn.id, f"{line}\n{words}", [_output(conversation, turn)]))
        options = ""
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(cell_id: str, source: str, outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in cell_id)[:64] or "-",
        "metadata": {},
        "outputs": outputs or [],
        "source": source,
    }


def _output(conversation: Conversation, turn: Turn) -> dict[str, Any]:
    from llmvision_magic.rendering import reply_bundle

    record = turn_record(turn)
    names = ("parent", "system", "typed", "options", "model", "status", "reason", "finish_reason", "usage")
    told = {name: record[name] for name in names}
    told |= {"conversation": conversation.name, "turn_id": turn.id}
    if not isinstance(turn.prompt, str):
        told["prompt"] = turn.prompt
    return {"output_type": "display_data", "data": reply_bundle(reply_of(turn)), "metadata": {"llmvision": told}}


def page(conversation: Conversation) -> str:
    """A web page."""
    from llmvision_magic.journal.web_page import page

    return page(conversation)


FORMATS: dict[str, tuple[str, Callable[[Conversation], str]]] = {
    ".md": ("Markdown", markdown),
    ".ipynb": ("a notebook", notebook),
    ".html": ("a web page", page),
    ".json": ("the `messages` of the API", messages_json),
}
"""What each suffix stands for, and what writes it."""
