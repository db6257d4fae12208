"""What is read from the journal: which conversations there are, and one of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from llmvision_magic.conversation import Conversation
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.records import content_from, settings_from, turn_from
from llmvision_magic.messages import text_of


class Kept(NamedTuple):
    """A conversation in the journal, for a list.

    Attributes:
        notebook: Path of the notebook it was last used in; None where that was not known.
        kernel: The kernel it was last used in.
        updated: When its last turn began or ended; Unix time in seconds.
        turns: How many there are, on all branches.
        first: The first prompt, in words.
    """

    id: str
    name: str
    notebook: str | None
    kernel: str
    updated: float
    turns: int
    first: str


def kept_conversations(
    connection: sqlite3.Connection, *, notebook: str | None = None, without: Collection[str] = (), most: int = 10
) -> list[Kept]:
    """The conversations used last, the latest first.

    Args:
        notebook: Those of this notebook alone; None for all.
        without: Ids of those to leave out.
        most: How many.
    """
    rows = connection.execute(
        "SELECT id, name, notebook, kernel, updated, (SELECT count(*) FROM turn WHERE conversation = c.id),"
        " (SELECT prompt FROM turn WHERE conversation = c.id ORDER BY number LIMIT 1)"
        " FROM conversation AS c WHERE ?1 IS NULL OR notebook = ?1 ORDER BY updated DESC, id LIMIT ?2",
        [notebook, most + len(without)],
    ).fetchall()
    found = [Kept._make([*row[:6], _words(row[6])]) for row in rows if row[0] not in without]
    return found[:most]


def _words(prompt: str | None) -> str:
    return "" if prompt is None else text_of(content_from(json.loads(prompt)))


def id_of(connection: sqlite3.Connection, word: str, notebook: str | None = None) -> str:
    """The conversation that is meant: by its name (the one used last, in this notebook if there is one), or by the
    beginning of its id.

    Raises:
        InvalidInput: There is none, or the beginning of an id is that of several.
    """
    named = connection.execute(
        "SELECT id FROM conversation WHERE name = ?1 ORDER BY notebook IS ?2 DESC, updated DESC LIMIT 1",
        [word, notebook],
    ).fetchone()
    if named:
        return str(named[0])
    found = connection.execute("SELECT id FROM conversation WHERE substr(id, 1, ?) = ?", [len(word), word]).fetchall()
    if len(found) == 1:
        return str(found[0][0])
    if found:
        raise InvalidInput(f"`{word}` begins the ids of {len(found)} conversations; give more of the one you mean.")
    raise InvalidInput(f"There is no kept conversation `{word}`; `%chat resume` lists the last ones.")


class Found(NamedTuple):
    """A conversation as it was read.

    Attributes:
        kernel: The kernel it was last used in.
        was_cut: Whether its kernel ended while its last reply arrived.
    """

    conversation: Conversation
    kernel: str
    was_cut: bool


def read(connection: sqlite3.Connection, conversation_id: str) -> Found:
    """A conversation with all its turns and its head.

    A turn whose kernel ended while its reply arrived is marked as cut; where nothing had arrived, the conversation
    stands where it stood before.

    Raises:
        InvalidInput: It is not there (any more).
        ValueError, KeyError: What is there was written by somebody else.
    """
    row = connection.execute(
        "SELECT name, system, settings, head, kernel FROM conversation WHERE id = ?", [conversation_id]
    ).fetchone()
    if row is None:
        raise InvalidInput("That conversation was dropped; `%chat resume` lists those that are kept.")
    name, system, settings, head, kernel = row
    conversation = Conversation(name, system)
    conversation.id = conversation_id
    conversation.settings = settings_from(json.loads(settings))
    fields = [*("id", "parent", "prompt", "system", "cell", "typed", "execution", "created")]
    fields += ["text", "status", "reason", "model", "finish_reason", "left_out"]
    was_cut = False
    for *values, usage, fallback in connection.execute(
        f"SELECT {', '.join(fields)}, usage, fallback FROM turn JOIN reply ON reply.turn = turn.number"  # noqa: S608
        " WHERE conversation = ? ORDER BY number",
        [conversation_id],
    ):
        record = dict(zip(fields, values, strict=True))
        record |= {"prompt": json.loads(record["prompt"]), "usage": json.loads(usage or "null")}
        turn = turn_from(record)
        conversation.turns[turn.id] = turn
        if record["status"] == "partial" and turn.id == head:
            was_cut = True
            conversation.asked = turn.id
            head = head if turn.text else fallback
    conversation.head = head if head in conversation.turns else None
    return Found(conversation, kernel, was_cut)
