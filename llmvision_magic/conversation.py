"""A conversation: turns as a tree, and what of it is sent.

A turn enters the tree before its request is sent, marked partial, and is settled once. Nothing is taken out of the
tree; the head says where the conversation stands, and the way from the root to the head is the branch that is sent.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from llmvision_magic.messages import Content, Message, Reply, Status, Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt and its reply.

    Attributes:
        id: Unique among all turns of all conversations.
        parent: Id of the turn before; None for a first turn.
        system: The system prompt in force; None for none.
        status: How the reply stands.
        reason: Why it ended when it did not end by itself, as a sentence.
        cell: Id of the cell that asked, where the front end gives one.
        created: Unix time in seconds.
    """

    id: str
    parent: str | None
    prompt: Content
    system: str | None = None
    text: str = ""
    status: Status = "partial"
    reason: str = ""
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cell: str | None = None
    created: float = field(default_factory=time.time)


class Conversation:
    """Turns as a tree, with a head.

    Args:
        name: What the user calls it.
        system: System prompt from the first turn on.

    Attributes:
        id: Tells it from all others, whatever their names.
        turns: All turns ever, by id, in order of their creation.
        head: Id of the turn the next one follows; None at the beginning.
        settings: What ``%chat set`` keeps for this conversation.
    """

    def __init__(self, name: str = "main", system: str | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.name = name
        self.system = system
        self.turns: dict[str, Turn] = {}
        self.head: str | None = None
        self.settings: dict[str, object] = {}

    def __repr__(self) -> str:
        return f"<Conversation {self.name!r}: {len(self.path())} turns>"

    def path(self) -> list[Turn]:
        """The current branch, oldest turn first."""
        return list(self._up_from(self.head))[::-1]

    def _up_from(self, turn_id: str | None) -> Iterator[Turn]:
        while turn_id is not None:
            turn = self.turns[turn_id]
            yield turn
            turn_id = turn.parent

    def place_for(self, cell: str | None) -> tuple[str | None, int]:
        """Where the next turn goes.

        Args:
            cell: The asking cell. If a turn of the current branch came from it, the new one takes its place: it becomes
                a sibling, and the old turn stays in the tree with all that followed it.

        Returns:
            Id of the turn to follow (None at the beginning), and how many later turns stay on the old branch.
        """
        path = self.path()
        for position, turn in enumerate(path):
            if cell is not None and turn.cell == cell:
                return turn.parent, len(path) - position - 1
        return self.head, 0

    def begin(self, prompt: Content, *, parent: str | None, cell: str | None = None) -> Turn:
        """Put a turn into the history, marked partial, before anything is sent.

        Args:
            prompt: What is asked.
            parent: Id of the turn it follows, from `place_for`.
            cell: The asking cell.
        """
        turn = Turn(id=uuid.uuid4().hex, parent=parent, prompt=prompt, system=self.system, cell=cell)
        self.turns[turn.id] = turn
        self.head = turn.id
        return turn

    def settle(self, turn_id: str, reply: Reply, fallback: str | None) -> Turn:
        """Give a turn its reply and its end.

        Args:
            fallback: The head as it was before the turn began. A turn that ended badly without text is no part of what
                was said: the head goes back there.
        """
        turn = replace(
            self.turns[turn_id],
            text=reply.text,
            status=reply.status,
            reason=reply.notice,
            model=reply.model,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
        )
        self.turns[turn_id] = turn
        if turn.status != "complete" and not turn.text and self.head == turn_id:
            self.head = fallback
        return turn

    def messages(
        self, prompt: Content, *, system: str | None, before: str | None, leave_out: int = 0
    ) -> tuple[Message, ...]:
        """What is sent to ask `prompt`.

        Args:
            system: The system prompt; always sent, None for none.
            before: Id of the turn that the prompt follows; None for a first prompt.
            leave_out: How many of the oldest turns not to send.
        """
        messages = [Message("system", system)] if system else []
        for turn in self.sendable(before)[leave_out:]:
            messages += [Message("user", turn.prompt), Message("assistant", turn.text)]
        return (*messages, Message("user", prompt))

    def sendable(self, upto: str | None) -> list[Turn]:
        """The turns of a branch that are sent, oldest first: those with text, for servers refuse empty messages."""
        return [turn for turn in self._up_from(upto) if turn.text][::-1]
