"""The journal: writes each turn while it happens, and never stands in its way.

Whatever goes wrong here, the chat goes on; what is owed to the disk is written as soon as it can be.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.conversation import Conversation
from llmvision_magic.errors import ChatError, InvalidInput
from llmvision_magic.journal.location import NOWHERE, JournalLocation, KernelIdentity
from llmvision_magic.journal.unavailable import JournalUnavailable, why_unavailable

if TYPE_CHECKING:
    from sqlite3 import Connection

    from llmvision_magic.journal.reading import LoadedConversation

INTERVAL = 0.7
"""Seconds between two writes of a reply that is arriving. Frames come every quarter of a second even when it is silent,
so that no text is older than a second when it is written."""

PATIENCE = 0.5
"""Seconds to wait for another kernel's write, at the beginning and the end of a turn."""

HURRY = 0.05
"""The same while a reply is being shown, or where waiting has been in vain before."""

SHORT = 0.2
"""Seconds of a reply that is over before anybody can look for it: until then this kernel is not shown to be alive."""

SHOWN_WITHIN = 1.5
"""Seconds from a turn's beginning in which its kernel has shown that it is alive, also on a busy machine."""

LOST = "The conversation was dropped in the kernel in which this reply arrived."


class TurnRecord:
    """One turn on its way to disk; made by `Journal.begin`."""

    def __init__(self, journal: Journal, conversation: Conversation, turn_id: str) -> None:
        self._journal = journal
        self._conversation = conversation
        self._turn_id = turn_id
        self._due = time.monotonic() + INTERVAL
        self._length = 0
        self._announced = False

    def progress(self, length: int, text: Callable[[], str]) -> None:
        """Write what has arrived, if it is time.

        Args:
            length: Tells whether something is new: it grows with the text.
            text: Gives the text so far.
        """
        now = time.monotonic()
        if not self._announced and now > self._due - INTERVAL + SHORT:
            self._announced = True
            self._journal.announce()
        if now < self._due or length == self._length:
            return
        self._due = now + INTERVAL
        if self._journal.arriving(self._conversation, self._turn_id, text()):
            self._length = length

    def settle(self) -> None:
        """Write the turn as it is settled in its conversation."""
        self._journal.keep(self._conversation, {self._turn_id: None})


class _Unrecorded(TurnRecord):
    """For what is not kept."""

    def __init__(self) -> None:
        pass

    def progress(self, length: int, text: Callable[[], str]) -> None:
        pass

    def settle(self) -> None:
        pass


UNRECORDED: TurnRecord = _Unrecorded()


class Journal:
    """Keeps the conversations of one kernel on disk. Any thread may use it.

    Args:
        locate: Says where the journal is; asked at each write, so that ``LLMVISION_JOURNAL=off`` holds at once. Nothing
            is kept without it.
        origin: The kernel that writes.

    Attributes:
        trouble: Why the last write failed; None when it did not.
    """

    def __init__(
        self, locate: Callable[[], JournalLocation] = lambda: NOWHERE, origin: KernelIdentity | None = None
    ) -> None:
        self._locate = locate
        self.origin = origin or KernelIdentity()
        self.trouble: JournalUnavailable | None = None
        self._told = False
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._opened: tuple[Path, object] | None = None
        # By conversation: turns that are not on disk as they should be, each with the head to go back to.
        self._owed: dict[str, dict[str, str | None]] = {}
        # Turns from when the journal was off. They stay out of it when it is on again.
        self._private: set[str] = set()
        self._noted: dict[str, object] = {}
        self._dropped: set[str] = set()
        # By conversation: turns whose replies arrive in other kernels.
        self._elsewhere: dict[str, set[str]] = {}
        self._news: dict[str, str] = {}

    @property
    def place(self) -> JournalLocation:
        """Where the journal is now."""
        return self._locate()

    # -- writing ------------------------------------------------------------------------------------------------------

    def begin(self, conversation: Conversation, turn_id: str, fallback: str | None) -> TurnRecord:
        """Write a turn that has just begun. When this returns it is on disk, if it can be.

        Args:
            fallback: The head to go back to when the turn ends without text.
        """
        self.keep(conversation, {turn_id: fallback})
        return TurnRecord(self, conversation, turn_id)

    def keep(self, conversation: Conversation, turns: dict[str, str | None] | None = None) -> None:
        """Write turns of a conversation as they are now, and what is owed of it.

        Args:
            turns: By id, with their fallback; None for all.
        """
        from llmvision_magic.journal import writing

        if turns is None:
            turns = dict.fromkeys(conversation.turns)
        with self._lock:
            if self._is_off():
                self._private.update(turns)
            if conversation.id in self._dropped or self._private.issuperset(turns):
                return
            owed = {**turns, **self._owed.get(conversation.id, {})}
            was_dropped = False

            def write(connection: Connection) -> None:
                nonlocal was_dropped
                was_dropped = not writing.put(connection, conversation, owed, self._private, self.origin)

            if not self._write(write, PATIENCE):
                self._owed[conversation.id] = owed
            elif was_dropped:
                self._begin_anew(conversation, turns)
            else:
                self._paid(conversation)
                self._noted[conversation.id] = writing.facts(conversation, self._private)

    def _begin_anew(self, conversation: Conversation, turns: dict[str, str | None]) -> None:
        """Keep a conversation that was dropped in another kernel as a new one: of its turns, those that begin now."""
        for turn_id in list(self._elsewhere.get(conversation.id, ())):
            self._lose(conversation, turn_id)
        self._owed.pop(conversation.id, None)
        self._noted.pop(conversation.id, None)
        begin: dict[str, str | None] = {one: None for one in turns if conversation.turns[one].status == "partial"}
        self._private.update(turn_id for turn_id in list(conversation.turns) if turn_id not in begin)
        conversation.renew()
        self._news[conversation.id] = (
            f"Conversation {conversation.name} was dropped in another kernel: its turns before this one are kept no "
            "more, and from here on it is kept as a new one."
            if begin
            else f"Conversation {conversation.name} was dropped in another kernel: its turns up to this one are not "
            "kept, and the next ones are kept as a new one."
        )
        if begin:
            self.keep(conversation, begin)

    def arriving(self, conversation: Conversation, turn_id: str, text: str) -> bool:
        """Write the text that has arrived so far.

        Returns:
            Whether it is on disk.
        """
        from llmvision_magic.journal import writing

        with self._lock:
            if turn_id in self._private or conversation.id in self._dropped or self._is_off():
                return False
            owed = self._owed.get(conversation.id)

            def write(connection: Connection) -> None:
                if owed:
                    writing.put(connection, conversation, owed, self._private, self.origin)
                writing.put_text(connection, conversation.id, turn_id, text)

            done = self._write(write, HURRY)
            if done:
                self._paid(conversation)
            return done

    def announce(self) -> None:
        """Show other kernels that this one is alive, and the replies on disk that are not complete arrive in it."""
        from llmvision_magic.journal import liveness as presence

        if (opened := self._opened) is not None:
            presence.announce(opened[0], self.origin.kernel)

    def note(self, conversation: Conversation) -> None:
        """Write a conversation's name, system prompt, settings and head, if they have changed."""
        from llmvision_magic.journal import writing

        with self._lock:
            if owed := self._owed.get(conversation.id):  # its head may be one of the turns that are not on disk yet
                self.keep(conversation, dict(owed))
                return
            facts = writing.facts(conversation, self._private)
            if conversation.id not in self._noted or self._noted[conversation.id] == facts or self._is_off():
                return
            if self._write(lambda connection: writing.put_facts(connection, conversation.id, facts), PATIENCE):
                self._noted[conversation.id] = facts

    def drop(self, conversation: Conversation) -> None:
        """Forget a conversation.

        Raises:
            InvalidInput: It cannot be done now.
        """
        from llmvision_magic.journal import writing

        with self._lock:
            if conversation.id in self._noted:  # else it was never written
                try:
                    with self.reading() as connection:
                        writing.drop(connection, conversation.id)
                except InvalidInput as error:
                    raise InvalidInput(
                        f"`{conversation.name}` is not dropped, it would stay on disk: {error}"
                    ) from error
                del self._noted[conversation.id]
            self._owed.pop(conversation.id, None)
            self._dropped.add(conversation.id)

    def complaint(self, conversation: Conversation) -> str:
        """What the reader must know of how a conversation is kept, in sentences, each once; "" for nothing."""
        with self._lock:
            told = [self._news.pop(conversation.id, "")]
            if self.trouble is not None and not self._told:
                self._told = True
                told.append(f"This conversation is not being kept: {self.trouble}.")
        return " ".join(filter(None, told))

    # -- reading ------------------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The open journal, for the functions of `reading`.

        Raises:
            InvalidInput: The journal is off, or cannot be read.
        """
        with self._lock:
            place = self.place
            if place.path is None:
                raise InvalidInput(f"The journal is off ({place.source}): nothing is kept, and nothing can be found.")
            try:
                connection = self._open(place, PATIENCE)
                connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
                yield connection
            except ChatError:
                raise
            except Exception as error:
                self.close()
                raise InvalidInput(f"The journal cannot be used: {why_unavailable(error, place.path)}.") from error

    def taken(self, found: LoadedConversation) -> None:
        """Note that a conversation was read from the journal as it is."""
        from llmvision_magic.journal import writing

        with self._lock:
            conversation = found.conversation
            self._noted[conversation.id] = writing.facts(conversation, self._private)
            self.follow(found)

    def follow(self, found: LoadedConversation) -> None:
        """Note which turns of a conversation arrive in other kernels: `catch_up` brings them on."""
        if found.elsewhere:
            self._elsewhere[found.conversation.id] = found.elsewhere

    def is_elsewhere(self, kernel: str, since: float = 0.0) -> bool:
        """Whether a kernel is alive and another than this one.

        Args:
            since: When it was seen to be, in Unix time; if that is so short ago that it may not have shown it yet, this
                is waited for.
        """
        from llmvision_magic.journal import liveness as presence

        path = self.place.path
        if path is None or kernel == self.origin.kernel:
            return False
        while not (is_alive := presence.is_elsewhere(path, kernel)) and 0 <= time.time() - since < SHOWN_WITHIN:
            time.sleep(0.05)
        return is_alive

    def catch_up(self, conversation: Conversation) -> None:
        """Bring the turns of a conversation that arrive in other kernels to where they are now, if they can be read."""
        if conversation.id not in self._elsewhere:
            return
        from llmvision_magic.journal import reading

        with self._lock, suppress(ChatError), self.reading() as connection:
            for turn_id in list(self._elsewhere.get(conversation.id, ())):
                found = reading.read_turn(connection, conversation.id, turn_id, self.is_elsewhere)
                if found is None:
                    self._lose(conversation, turn_id)
                    continue
                turn, fallback = found
                conversation.put(turn, fallback)
                if turn.status != "partial":
                    self._elsewhere[conversation.id].remove(turn_id)

    def arrives_elsewhere(self, conversation: Conversation, turn_id: str) -> bool:
        """Whether a turn's reply arrives in another kernel, as far as was seen last."""
        return turn_id in self._elsewhere.get(conversation.id, ())

    def _lose(self, conversation: Conversation, turn_id: str) -> None:
        """Settle a turn that arrived in another kernel and is no more."""
        self._elsewhere[conversation.id].remove(turn_id)
        turn = conversation.turns[turn_id]
        conversation.put(replace(turn, status="cut", reason=LOST), turn.parent)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._opened = None

    # -- the file -----------------------------------------------------------------------------------------------------

    def _is_off(self) -> bool:
        try:
            return self.place.path is None
        except ChatError:  # a place that cannot be read; writing finds out and says so
            return False

    def _write(self, action: Callable[[Connection], None], patience: float) -> bool:
        from_path = None
        try:
            from_path = (place := self.place).path
            patience = patience if self.trouble is None else min(patience, HURRY)
            connection = self._open(place, patience)
            from llmvision_magic.journal.database import transaction

            connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
            with transaction(connection):
                action(connection)
        except Exception as error:  # the chat goes on, whatever happens to the journal
            self.trouble = why_unavailable(error, from_path)
            self.close()  # what is opened anew is looked at anew
            return False
        if not self._owed:
            self.trouble = None
        return True

    def _paid(self, conversation: Conversation) -> None:
        """Note that nothing of a conversation is owed any more."""
        self._owed.pop(conversation.id, None)
        if not self._owed:
            self.trouble = None
            self._told = False

    def _open(self, place: JournalLocation, patience: float) -> Connection:
        """The connection; a new one when the file is another than it was, for example moved away."""
        assert place.path is not None  # noqa: S101  # whoever keeps nothing opens nothing
        if self._connection is None or self._opened != (place.path, _identity(place.path)):
            from llmvision_magic.journal.database import opened

            self.close()
            self._connection = opened(place, patience)
            self._opened = (place.path, _identity(place.path))
        return self._connection


def _identity(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
