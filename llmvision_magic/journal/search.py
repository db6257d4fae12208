"""Finding words in all that was ever said."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from llmvision_magic.conversation import checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.database import transaction
from llmvision_magic.journal.reading import words_of
from llmvision_magic.schemas import admitted, plain
from llmvision_magic.text_files import without_lone_surrogates

SHORTEST = 3
"""Characters that the index can look for; shorter words are looked for in the texts themselves."""

MOST_INDEXED = 50
"""Words that are looked for in the index, for its queries may not be longer than so."""

AROUND = 45
"""Characters shown before and after a word that was found."""


_TURNS = (
    "SELECT conversation.id, conversation.name, turn.created, turn.parent, turn.prompt, reply.text"
    " FROM turn JOIN reply ON reply.turn = turn.number JOIN conversation ON conversation.id = turn.conversation"
)


class Hit(NamedTuple):
    """A turn that was found.

    Attributes:
        conversation: Id of its conversation.
        snippet: The place where the first word stands, on one line.
        created: Unix time in seconds.
    """

    conversation: str
    name: str
    created: float
    snippet: str


def search(connection: sqlite3.Connection, words: list[str], most: int = 20) -> list[Hit]:
    """The latest turns in whose prompt or reply all words occur, in any case, as words or as parts of words.

    A turn whose reply went on in another one, or came again, is not found beside it.

    Args:
        words: Any texts; none finds the latest turns.
        most: How many.
    """
    words = [without_lone_surrogates(word) for word in words]
    connection.create_function("words_of", 1, words_of, deterministic=True)
    connection.create_function("has_all", 3, _has_all, deterministic=True)
    conditions, values = [], []
    indexed = [word for word in words if len(word) >= SHORTEST and "\0" not in word][:MOST_INDEXED]
    if indexed and _index(connection):
        conditions.append("turn.number IN (SELECT rowid FROM search WHERE search MATCH ?)")
        values.append(" ".join(_quoted(word) for word in indexed))
    else:
        indexed = []
    if others := [word.casefold() for word in words if word not in indexed]:
        conditions.append("has_all(prompt, text, ?)")
        values.append(json.dumps(others))
    query = f"{_TURNS} WHERE {' AND '.join(conditions) or 'true'} ORDER BY turn.created DESC LIMIT ? OFFSET ?"
    hits: list[Hit] = []
    later: dict[tuple[str, str | None, str], list[str]] = {}
    done = 0
    while rows := connection.execute(query, [*values, most, done]).fetchall():
        done += len(rows)
        for conversation, name, created, parent, prompt, text in rows:
            if not _is_ours(conversation, name, created, parent, prompt, text):
                continue
            replies = later.setdefault((conversation, parent, prompt), [])
            if not any(reply.startswith(text) for reply in replies):
                replies.append(text)
                hits.append(Hit(conversation, name, created, _snippet(words_of(prompt), text, words)))
        if len(hits) >= most or len(rows) < most:
            break
    return hits[:most]


def forget(connection: sqlite3.Connection, conversation_id: str) -> None:
    """Take a conversation out of the index."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'search'").fetchone() and _has_index():
        connection.execute(
            "DELETE FROM search WHERE rowid IN (SELECT number FROM turn WHERE conversation = ?)", [conversation_id]
        )
        # The index only notes what is deleted, until its parts are merged.
        connection.execute("INSERT INTO search (search) VALUES ('optimize')")


def _index(connection: sqlite3.Connection) -> bool:
    """Bring the index up to date. While a reply streams nothing is spent on it.

    Returns:
        Whether there is one: some builds of SQLite come without FTS5.
    """
    if not _has_index():
        return False
    with transaction(connection):
        # Three letters in a row are what is indexed: so parts of words are found, and words in scripts without spaces.
        connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (prompt, reply, tokenize = 'trigram')")
        new = "SELECT turn FROM reply WHERE NOT indexed"
        connection.execute(f"DELETE FROM search WHERE rowid IN ({new})")  # noqa: S608
        connection.execute(
            "INSERT INTO search (rowid, prompt, reply) SELECT number, words_of(prompt), text"
            " FROM turn JOIN reply ON reply.turn = turn.number WHERE NOT indexed"
        )
        connection.execute("UPDATE reply SET indexed = 1 WHERE NOT indexed")
    return True


def _has_index() -> bool:
    """Whether this SQLite has the index, tried out in memory: what it is built with does not tell its version."""
    probe = sqlite3.connect(":memory:")
    try:
        probe.execute("CREATE VIRTUAL TABLE probe USING fts5 (text, tokenize = 'trigram')")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True


def _quoted(word: str) -> str:
    """A word as a string of the query language, in which it means itself."""
    return '"' + word.replace('"', '""') + '"'


def _is_ours(*row: object) -> bool:
    """Whether a row can be one that this package has written."""
    record = dict(zip(("id", "name", "created", "parent", "prompt", "text"), row, strict=True))
    try:
        checked_name(admitted(plain(record), "hit")["name"])
    except (ValueError, InvalidInput):
        return False
    return True


def _has_all(prompt: str, reply: str, words: str) -> bool:
    text = f"{words_of(prompt)}\n{reply}".casefold()
    return all(word in text for word in json.loads(words))


def _snippet(prompt: str, reply: str, words: list[str]) -> str:
    """Where the first word stands, in the reply rather than in the prompt; without words, how the prompt begins."""
    for text in (reply, prompt):
        position = text.casefold().find(words[0].casefold()) if words else -1
        if position >= 0:
            begin, end = max(position - AROUND, 0), position + len(words[0]) + AROUND
            return " ".join(f"{'…' * (begin > 0)}{text[begin:end]}{'…' * (end < len(text))}".split())
    return " ".join(prompt[: 2 * AROUND].split()) + "…" * (len(prompt) > 2 * AROUND)
