"""What is read from the journal: which conversations there are, and one of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from llmvision_magic.conversation import Conversation, Turn, checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.records import content_from, settings_from, turn_from
from llmvision_magic.messages import text_of
from llmvision_magic.schemas import admitted, parsed, plain


class ConversationSummary(NamedTuple):
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
) -> list[ConversationSummary]:
    """The conversations used last, the latest first; without those whose entry is damaged.

    Args:
        notebook: Those of this notebook alone; None for all.
        without: Ids of those to leave out.
        most: How many.
    """
    rows = connection.execute(
        "SELECT id, name, notebook, kernel, updated, (SELECT count(*) FROM turn WHERE conversation = c.id),"
        " (SELECT prompt FROM turn WHERE conversation = c.id ORDER BY number LIMIT 1)"
        " FROM conversation AS c WHERE ?1 IS NULL OR notebook = ?1 ORDER BY updated DESC, id",
        [notebook],
    )
    found = (summary for row in rows if row[0] not in without and (summary := _try_summary(row)) is not None)
    return list(islice(found, most))


def _try_summary(row: Sequence[Any]) -> ConversationSummary | None:
    """A row of the list; None where somebody else has written it."""
    summary = ConversationSummary._make([*row[:6], words_of(row[6])])
    try:
        checked_name(admitted(plain(summary._asdict()), "summary")["name"])
    except (ValueError, InvalidInput):
        return None
    return summary


def words_of(prompt: object) -> str:
    """The words of a prompt, from its JSON; "" where it is none."""
    try:
        return text_of(content_from(parsed(prompt))) if isinstance(prompt, str) else ""
    except ValueError:
        return ""


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


class LoadedConversation(NamedTuple):
    """A conversation as it was read.

    Attributes:
        kernel: The kernel it was last used in.
        was_cut: Whether its kernel ended while its last reply arrived.
        elsewhere: Ids of the turns whose replies are still arriving in other kernels.
    """

    conversation: Conversation
    kernel: str
    was_cut: bool
    elsewhere: set[str]


IsAlive = Callable[[str, float], bool]
"""Whether a kernel other than this one is alive, which was seen to be at some Unix time."""


def read(
    connection: sqlite3.Connection, conversation_id: str, is_alive: IsAlive = lambda kernel, since: False
) -> LoadedConversation:
    """A conversation with all its turns and its head.

    A turn whose kernel ended while its reply arrived is marked as cut; where nothing had arrived, the conversation
    stands where it stood before.

    Raises:
        InvalidInput: It is not there (any more), or was written by somebody else.
    """
    row = connection.execute(
        "SELECT name, system, settings, head, kernel FROM conversation WHERE id = ?", [conversation_id]
    ).fetchone()
    if row is None:
        raise InvalidInput("That conversation was dropped; `%chat resume` lists those that are kept.")
    try:
        return _loaded(connection, conversation_id, row, is_alive)
    except (ValueError, TypeError, InvalidInput) as error:
        raise InvalidInput(
            f"That conversation is damaged in the journal and cannot be loaded: {str(error).rstrip('.')}."
        ) from error


def _loaded(
    connection: sqlite3.Connection, conversation_id: str, row: Sequence[Any], is_alive: IsAlive
) -> LoadedConversation:
    name, system, settings, head, kernel = row
    facts = {"name": name, "system": system, "settings": parsed(settings), "head": head, "kernel": kernel}
    admitted(plain(facts), "kept conversation")
    conversation = Conversation(checked_name(name), system)
    conversation.id = conversation_id
    conversation.settings = settings_from(facts["settings"])
    was_cut, elsewhere = False, set()
    for turn, fallback, cut_now in _turns(connection, conversation_id, is_alive):
        conversation.turns[turn.id] = turn
        if turn.status == "partial":
            elsewhere.add(turn.id)
        elif cut_now and turn.id == head:
            was_cut = True
            conversation.asked = turn.id
            head = fallback if turn.is_blank else head
    _mend_parents(conversation.turns)
    if head is not None and head not in conversation.turns:  # a full disk had room for the head, and not for its turn
        head = next(reversed(conversation.turns), None)
    conversation.head = head
    return LoadedConversation(conversation, kernel, was_cut, elsewhere)


def _mend_parents(turns: dict[str, Turn]) -> None:
    """Let turns whose parent is not there, or that follow themselves in a ring, be beginnings."""
    followers: dict[str, list[str]] = {}
    for turn in turns.values():
        if turn.parent is not None:
            followers.setdefault(turn.parent, []).append(turn.id)
    reached: set[str] = set()
    beginnings = [turn.id for turn in turns.values() if turn.parent is None]
    missing = [turn.id for turn in turns.values() if turn.parent is not None and turn.parent not in turns]
    for begin in (*beginnings, *missing, *turns):  # what is not reached before goes in a ring
        if begin in reached:
            continue
        if turns[begin].parent is not None:
            turns[begin] = replace(turns[begin], parent=None)
        waiting = [begin]
        while waiting:
            reached.add(one := waiting.pop())
            waiting += [follower for follower in followers.get(one, ()) if follower not in reached]


def read_turn(
    connection: sqlite3.Connection, conversation_id: str, turn_id: str, is_alive: IsAlive
) -> tuple[Turn, str | None] | None:
    """A turn as it is now, and the head to go back to when it ended without text; None where it is no more."""
    for turn, fallback, _ in _turns(connection, conversation_id, is_alive, turn_id):
        return turn, fallback
    return None


def _turns(
    connection: sqlite3.Connection, conversation_id: str, is_alive: IsAlive, turn_id: str | None = None
) -> Iterator[tuple[Turn, str | None, bool]]:
    """Turns in order, all or one: each with its fallback, and whether its kernel ended while its reply arrived."""
    for record, fallback, kernel in _records(connection, conversation_id, turn_id):
        arrives = record["status"] == "partial" and kernel is not None and is_alive(kernel, record["created"])
        if record["status"] == "partial" and not arrives:  # it may have come to its end while its kernel was looked for
            [(record, _, _)] = _records(connection, conversation_id, record["id"]) or [(record, None, None)]
        yield turn_from(record, arrives=arrives), fallback, record["status"] == "partial" and not arrives


def _records(
    connection: sqlite3.Connection, conversation_id: str, turn_id: str | None
) -> list[tuple[dict[str, Any], str | None, str | None]]:
    """Turns as JSON objects of their form, each with its fallback and the kernel that asked it.

    Raises:
        ValueError, TypeError: They were written by somebody else.
    """
    fields = [*("id", "parent", "prompt", "system", "cell", "typed", "options", "execution", "created")]
    fields += ["text", "status", "reason", "model", "finish_reason", "usage", "left_out", "unsent"]
    found = []
    for *values, fallback, kernel in connection.execute(
        f"SELECT {', '.join(fields)}, fallback, kernel FROM turn JOIN reply ON reply.turn = turn.number"  # noqa: S608
        " WHERE conversation = ?1 AND (?2 IS NULL OR id = ?2) ORDER BY number",
        [conversation_id, turn_id],
    ):
        record = dict(zip(fields, values, strict=True))
        for name in ("prompt", "options", "usage"):
            record[name] = parsed(record[name] or "null")
        record["excluded"] = bool(record.pop("unsent"))
        row = admitted(plain({"record": record, "fallback": fallback, "kernel": kernel}), "kept turn")
        found.append((row["record"], fallback, kernel))
    return found
