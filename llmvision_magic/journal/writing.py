"""What is written into the journal; each function within a transaction of its caller."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.journal.records import settings_to_keep, to_json
from llmvision_magic.text_files import without_lone_surrogates

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn
    from llmvision_magic.journal.location import KernelIdentity


class Facts(NamedTuple):
    """What is kept of a conversation beside its turns; `settings` is JSON."""

    name: str
    system: str | None
    settings: str
    head: str | None


def facts(conversation: Conversation, private: Container[str]) -> Facts:
    """What is to be kept of a conversation beside its turns.

    Args:
        private: Ids of turns that are not kept; a kept one follows the nearest kept before it.
    """
    return Facts(
        conversation.name,
        _stored(conversation.system),
        to_json(settings_to_keep(conversation.settings)),
        _kept(conversation, conversation.head, private),
    )


def put(
    connection: sqlite3.Connection,
    conversation: Conversation,
    turns: Mapping[str, str | None],
    private: Container[str],
    origin: KernelIdentity,
) -> bool:
    """Write a conversation with some of its turns; with all, where the journal does not know it or knows it no more.

    Args:
        turns: Ids, each with its fallback.

    Returns:
        False when nothing is written, for the conversation was dropped.
    """
    known = connection.execute("SELECT 1 FROM conversation WHERE id = ?", [conversation.id]).fetchone()
    if not known and connection.execute("SELECT 1 FROM dropped WHERE conversation = ?", [conversation.id]).fetchone():
        return False
    now = time.time()
    kept = facts(conversation, private)
    connection.execute(
        "INSERT INTO conversation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " name = excluded.name, system = excluded.system, settings = excluded.settings, head = excluded.head,"
        " notebook = excluded.notebook, kernel = excluded.kernel, pid = excluded.pid, updated = excluded.updated",
        [conversation.id, *kept, _stored(origin.notebook), origin.kernel, origin.pid, now, now],
    )
    for turn in [*conversation.turns.values()]:
        if turn.id not in private and (not known or turn.id in turns):
            _put_turn(connection, conversation, turn, turns.get(turn.id), private, origin.kernel)
    return True


def _put_turn(
    connection: sqlite3.Connection,
    conversation: Conversation,
    turn: Turn,
    fallback: str | None,
    private: Container[str],
    kernel: str,
) -> None:
    parent = _kept(conversation, turn.parent, private)
    connection.execute(
        "INSERT INTO turn (conversation, id, parent, fallback, prompt, system, cell, typed, options, execution, kernel,"
        " created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conversation, id) DO NOTHING",
        [
            *(conversation.id, turn.id, parent, _kept(conversation, fallback, private), to_json(turn.prompt)),
            *(_stored(turn.system), _stored(turn.cell), _stored(turn.typed)),
            None if turn.options is None else to_json(turn.options),
            *(_stored(turn.execution), kernel, turn.created),
        ],
    )
    usage = None if turn.usage is None else to_json(turn.usage._asdict())
    connection.execute(
        "INSERT INTO reply (turn, text, status, reason, model, finish_reason, usage, left_out, unsent,"
        " updated) SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM turn WHERE conversation = ? AND id = ?"
        " ON CONFLICT (turn) DO UPDATE SET text = excluded.text, status = excluded.status, reason = excluded.reason,"
        " model = excluded.model, finish_reason = excluded.finish_reason, usage = excluded.usage,"
        " left_out = excluded.left_out, unsent = excluded.unsent, updated = excluded.updated, indexed = 0",
        [
            *(
                without_lone_surrogates(turn.text),
                turn.status,
                without_lone_surrogates(turn.reason),
                _stored(turn.model),
            ),
            *(_stored(turn.finish_reason), usage, turn.left_out, turn.excluded, time.time(), conversation.id),
            turn.id,
        ],
    )


def put_text(connection: sqlite3.Connection, conversation_id: str, turn_id: str, text: str) -> None:
    """Write the text of a reply so far."""
    connection.execute(
        "UPDATE reply SET text = ?, updated = ?, indexed = 0"
        " WHERE turn = (SELECT number FROM turn WHERE conversation = ? AND id = ?)",
        [without_lone_surrogates(text), time.time(), conversation_id, turn_id],
    )


def put_facts(connection: sqlite3.Connection, conversation_id: str, kept: Facts) -> None:
    """Write what has changed of a conversation, if the journal knows it."""
    connection.execute(
        "UPDATE conversation SET name = ?, system = ?, settings = ?, head = ? WHERE id = ?", [*kept, conversation_id]
    )


def drop(connection: sqlite3.Connection, conversation_id: str) -> None:
    """Forget a conversation, in a transaction of its own; what it took on disk is overwritten."""
    from llmvision_magic.journal.database import transaction
    from llmvision_magic.journal.search import forget

    connection.execute("PRAGMA secure_delete = ON")
    try:
        with transaction(connection):
            forget(connection, conversation_id)
            connection.execute("DELETE FROM conversation WHERE id = ?", [conversation_id])
            connection.execute("INSERT OR IGNORE INTO dropped VALUES (?, ?)", [conversation_id, time.time()])
    finally:
        connection.execute("PRAGMA secure_delete = OFF")
    # What was written ahead still holds it, until it is written into the file and cut off: now, and not some day.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _kept(conversation: Conversation, turn_id: str | None, private: Container[str]) -> str | None:
    """The turn itself, or the nearest before it that is kept."""
    while turn_id is not None and turn_id in private:
        turn_id = conversation.turns[turn_id].parent
    return turn_id


def _stored(text: str | None) -> str | None:
    return None if text is None else without_lone_surrogates(text)
