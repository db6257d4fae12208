"""Turns whose replies arrive in other kernels: which they are, and how they are brought on here."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.journal.journal_file import JournalFile
    from llmvision_magic.journal.reading import LoadedConversation

SHOWN_WITHIN = 1.5
"""Seconds from a turn's beginning in which its kernel has shown that it is alive, also on a busy machine."""

LOST = "The conversation was dropped in the kernel in which this reply arrived."


class OtherKernels:
    """What arrives in other kernels than this one, as far as it was seen.

    Args:
        kernel: This one; see `KernelIdentity`.
    """

    def __init__(self, file: JournalFile, kernel: str) -> None:
        self._file = file
        self._kernel = kernel
        # By conversation: turns whose replies arrive there.
        self._elsewhere: dict[str, set[str]] = {}

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
        from llmvision_magic.journal import liveness

        path = self._file.place.path
        if path is None or kernel == self._kernel:
            return False
        while not (is_alive := liveness.is_elsewhere(path, kernel)) and 0 <= time.time() - since < SHOWN_WITHIN:
            time.sleep(0.05)
        return is_alive

    def catch_up(self, conversation: Conversation) -> None:
        """Bring the turns of a conversation that arrive in other kernels to where they are now, if they can be read."""
        if conversation.id not in self._elsewhere:
            return
        from llmvision_magic.journal import reading

        with self._file.lock, suppress(ChatError), self._file.reading() as connection:
            for turn_id in list(self._elsewhere.get(conversation.id, ())):
                found = reading.read_turn(connection, conversation.id, turn_id, self.is_elsewhere)
                if found is None:
                    self._lose(conversation, turn_id)
                    continue
                turn, fallback = found
                # Where a turn stands is known, and whatever the file says by now, the way up from it has an end.
                turn = replace(turn, parent=conversation.turns[turn_id].parent)
                conversation.put(turn, fallback if fallback in conversation.turns else None)
                if turn.status != "partial":
                    self._elsewhere[conversation.id].remove(turn_id)

    def arrives_elsewhere(self, conversation: Conversation, turn_id: str) -> bool:
        """Whether a turn's reply arrives in another kernel, as far as was seen last."""
        return turn_id in self._elsewhere.get(conversation.id, ())

    def lose_all(self, conversation: Conversation) -> None:
        """Settle all turns of a conversation that arrived in other kernels and are no more."""
        for turn_id in list(self._elsewhere.get(conversation.id, ())):
            self._lose(conversation, turn_id)

    def _lose(self, conversation: Conversation, turn_id: str) -> None:
        """Settle a turn that arrived in another kernel and is no more."""
        self._elsewhere[conversation.id].remove(turn_id)
        turn = conversation.turns[turn_id]
        conversation.put(replace(turn, status="cut", reason=LOST), turn.parent)
