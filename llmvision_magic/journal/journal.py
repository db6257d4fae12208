"""The journal: writes each turn while it happens, and never stands in its way.

Whatever goes wrong here, the chat goes on; what is owed to the disk is written as soon as it can be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.journal_file import HURRY, PATIENCE, JournalFile
from llmvision_magic.journal.location import NOWHERE, JournalLocation, KernelIdentity
from llmvision_magic.journal.other_kernels import OtherKernels
from llmvision_magic.journal.turn_writer import TurnWriter

if TYPE_CHECKING:
    from sqlite3 import Connection

    from llmvision_magic.conversation import Conversation
    from llmvision_magic.journal.reading import LoadedConversation


class Journal:
    """Keeps the conversations of one kernel on disk. Any thread may use it.

    Args:
        locate: Says where the journal is; asked at each write, so that ``LLMVISION_JOURNAL=off`` holds at once. Nothing
            is kept without it.
        origin: The kernel that writes.

    Attributes:
        file: The file; its `trouble` says why the last write failed.
        other_kernels: What arrives in other kernels.
    """

    def __init__(
        self, locate: Callable[[], JournalLocation] = lambda: NOWHERE, origin: KernelIdentity | None = None
    ) -> None:
        self.origin = origin or KernelIdentity()
        self.file = JournalFile(locate)
        self.other_kernels = OtherKernels(self.file, self.origin.kernel)
        self._told = False
        # By conversation: turns that are not on disk as they should be, each with the head to go back to.
        self._owed: dict[str, dict[str, str | None]] = {}
        # Turns from when the journal was off. They stay out of it when it is on again.
        self._private: set[str] = set()
        self._noted: dict[str, object] = {}
        self._dropped: set[str] = set()
        self._news: dict[str, str] = {}

    # -- writing ------------------------------------------------------------------------------------------------------

    def begin(self, conversation: Conversation, turn_id: str, fallback: str | None) -> TurnWriter:
        """Write a turn that has just begun. When this returns it is on disk, if it can be.

        Args:
            fallback: The head to go back to when the turn ends without text.
        """
        self.keep(conversation, {turn_id: fallback})
        return TurnWriter(
            self.announce,
            lambda text: self._write_text(conversation, turn_id, text),
            lambda: self.keep(conversation, {turn_id: None}),
        )

    def keep(self, conversation: Conversation, turns: dict[str, str | None] | None = None) -> None:
        """Write turns of a conversation as they are now, and what is owed of it.

        Args:
            turns: By id, with their fallback; None for all.
        """
        from llmvision_magic.journal import writing

        if turns is None:
            turns = dict.fromkeys(conversation.turns)
        with self.file.lock:
            if self.file.is_off():
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
        self.other_kernels.lose_all(conversation)
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

    def _write_text(self, conversation: Conversation, turn_id: str, text: str) -> bool:
        """Write the text that has arrived so far.

        Returns:
            Whether it is on disk.
        """
        from llmvision_magic.journal import writing

        with self.file.lock:
            if turn_id in self._private or conversation.id in self._dropped or self.file.is_off():
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
        from llmvision_magic.journal import liveness

        if (path := self.file.path_opened) is not None:
            liveness.announce(path, self.origin.kernel)

    def note(self, conversation: Conversation) -> None:
        """Write a conversation's name, system prompt, settings and head, if they have changed."""
        from llmvision_magic.journal import writing

        with self.file.lock:
            if owed := self._owed.get(conversation.id):  # its head may be one of the turns that are not on disk yet
                self.keep(conversation, dict(owed))
                return
            facts = writing.facts(conversation, self._private)
            if conversation.id not in self._noted or self._noted[conversation.id] == facts or self.file.is_off():
                return
            if self._write(lambda connection: writing.put_facts(connection, conversation.id, facts), PATIENCE):
                self._noted[conversation.id] = facts

    def drop(self, conversation: Conversation) -> None:
        """Forget a conversation.

        Raises:
            InvalidInput: It cannot be done now.
        """
        from llmvision_magic.journal import writing

        with self.file.lock:
            if conversation.id in self._noted:  # else it was never written
                try:
                    with self.file.reading() as connection:
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
        with self.file.lock:
            told = [self._news.pop(conversation.id, "")]
            if self.file.trouble is not None and not self._told:
                self._told = True
                told.append(f"This conversation is not being kept: {self.file.trouble}.")
        return " ".join(filter(None, told))

    def taken(self, found: LoadedConversation) -> None:
        """Note that a conversation was read from the journal as it is."""
        from llmvision_magic.journal import writing

        with self.file.lock:
            conversation = found.conversation
            self._noted[conversation.id] = writing.facts(conversation, self._private)
            self.other_kernels.follow(found)

    def _write(self, action: Callable[[Connection], None], patience: float) -> bool:
        written = self.file.write(action, patience)
        if written and not self._owed:
            self.file.trouble = None
        return written

    def _paid(self, conversation: Conversation) -> None:
        """Note that nothing of a conversation is owed any more."""
        self._owed.pop(conversation.id, None)
        if not self._owed:
            self.file.trouble = None
            self._told = False
