"""A conversation: turns as a tree, and what of it is sent.

A turn enters the tree before its request is sent, marked partial, and is settled once. Nothing is taken out of the
tree; the head says where the conversation stands, and the way from the root to the head is the branch that is sent.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from llmvision_magic.errors import InvalidInput
from llmvision_magic.finish_reasons import ending_of
from llmvision_magic.hooks import HOOKS
from llmvision_magic.messages import LONGEST_NAME, Content, Message, Reply, Status, Usage


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
        typed: The prompt as it was typed, with its `{{…}}`, where what was sent is something else.
        options: How it was asked: the options of its line, see `turn_options`; None where that is not known.
        execution: Which run of the cell asked: a loop in one cell asks many times, and each is a turn of its own.
        left_out: How many of the oldest turns were not sent with it, for the model's context was full.
        excluded: Whether it is left out of what is sent, for the user wishes so.
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
    typed: str | None = None
    options: Mapping[str, object] | None = None
    execution: str | None = None
    left_out: int = 0
    excluded: bool = False
    created: float = field(default_factory=time.time)

    @property
    def is_whole(self) -> bool:
        """Whether the model had said all of its reply."""
        return self.status == "complete" and ending_of(self.finish_reason) != "length"

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to be read in its reply: it is never sent, for servers refuse empty messages."""
        return not self.text or self.text.isspace()


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
        asked: Id of the turn asked last, also if it failed; None when the head has been moved since.
        begun_here: Ids of the turns that were asked in this process; others were read from a file, which may be a
            stranger's.
    """

    def __init__(self, name: str = "main", system: str | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.name = name
        self.system = system
        self.turns: dict[str, Turn] = {}
        self.head: str | None = None
        self.settings: dict[str, object] = {}
        self.asked: str | None = None
        self.begun_here: set[str] = set()

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

    def parent_for_cell(self, cell: str | None, execution: str | None = None) -> tuple[str | None, int]:
        """Where the next turn goes.

        Without a cell's id each asking is a turn of its own: equal texts tell nothing, for the same thing may be asked
        twice.

        Args:
            cell: The asking cell. If a turn of the current branch came from an earlier run of it, the new one takes its
                place: it becomes a sibling, and the old turn stays in the tree with all that followed it.
            execution: This run of the cell.

        Returns:
            Id of the turn to follow (None at the beginning), and how many later turns stay on the old branch.
        """
        for turn in self.path():
            if cell is not None and turn.cell == cell and (execution is None or turn.execution != execution):
                return self.parent_when_replacing(turn)
        return self.head, 0

    def parent_when_replacing(self, turn: Turn) -> tuple[str | None, int]:
        """Where a turn goes that takes the place of another; see `parent_for_cell`."""
        kept = {turn.id, *(one.id for one in self._up_from(turn.parent))}
        return turn.parent, sum(one.id not in kept for one in self.path())

    def turn_at(self, reference: str) -> Turn:
        """The turn that a number of the current branch or the beginning of an id means.

        Raises:
            InvalidInput: There is none, or several.
        """
        path = self.path()
        if reference.isdecimal() and 1 <= int(reference) <= len(path):
            return path[int(reference) - 1]
        # Digits alone are a number and nothing else: one that is too great must not hit upon an id.
        is_id = reference and not reference.isdecimal()
        found = [turn for turn in list(self.turns.values()) if is_id and turn.id.startswith(reference)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(f"Several turns of `{self.name}` begin with `{reference}`; type more of the id.")
        there = f"its turns are 1 to {len(path)}" if path else "its current branch has no turns"
        raise InvalidInput(
            f"`{self.name}` has no turn `{reference}`: {there}; `%chat history {self.name} --tree` shows the others."
        )

    def short_id(self, turn_id: str) -> str:
        """The shortest beginning of an id that means this turn alone and cannot be taken for a number."""
        for length in range(4, len(turn_id)):
            short = turn_id[:length]
            if not short.isdecimal() and sum(one.startswith(short) for one in list(self.turns)) == 1:
                return short
        return turn_id

    def go_to(self, turn_id: str | None) -> None:
        """Let the next turn follow this one; None for the beginning."""
        self.head = turn_id
        self.asked = None

    def newest_after(self, turn_id: str) -> str:
        """Id of the last turn of the branch that leads through a turn; of several branches, the newest one."""
        followers = {turn.parent: turn.id for turn in list(self.turns.values())}  # of each, the one that came last
        while turn_id in followers:
            turn_id = followers[turn_id]
        return turn_id

    def exclude(self, turn_id: str, excluded: bool) -> None:
        """Leave a turn out of what is sent, or take it in again. It stays where it is."""
        self.turns[turn_id] = replace(self.turns[turn_id], excluded=excluded)

    def last_asked(self) -> Turn | None:
        """The turn whose prompt was asked last, also if it failed and is no part of the branch."""
        turn_id = self.asked or self.head
        return None if turn_id is None else self.turns[turn_id]

    def begin(
        self,
        prompt: Content,
        *,
        parent: str | None,
        cell: str | None = None,
        execution: str | None = None,
        typed: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Turn:
        """Put a turn into the history, marked partial, before anything is sent.

        Args:
            prompt: What is asked.
            parent: Id of the turn it follows, from `parent_for_cell`.
            cell: The asking cell.
            execution: This run of the cell.
            typed: The prompt as it was typed; see `Turn`.
            options: How it is asked; see `Turn`.
        """
        unique = uuid.uuid4()
        # With a letter first, its beginning cannot be taken for a number.
        turn = Turn(
            f"{'abcdef'[unique.int % 6]}{unique.hex[1:]}",
            parent,
            prompt,
            self.system,
            cell=cell,
            typed=typed,
            options=options,
            execution=execution,
        )
        self.turns[turn.id] = turn
        self.head = self.asked = turn.id
        self.begun_here.add(turn.id)
        return turn

    def settle(self, turn_id: str, reply: Reply, fallback: str | None, left_out: int = 0) -> Turn:
        """Give a turn its reply and its end.

        Args:
            fallback: The head as it was before the turn began. A turn that ended badly without text is no part of what
                was said: the head goes back there.
            left_out: How many of the oldest turns were not sent.
        """
        turn = replace(
            self.turns[turn_id],
            text=reply.text,
            status=reply.status,
            reason=reply.notice,
            model=reply.model,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            left_out=left_out,
        )
        self.put(turn, fallback)
        return turn

    def put(self, turn: Turn, fallback: str | None) -> None:
        """Let a turn that is here be as it is now; `fallback` as of `settle`."""
        self.turns[turn.id] = turn
        if turn.status not in ("complete", "partial") and turn.is_blank and self.head == turn.id:
            self.head = fallback

    def take_in(self, other: Conversation) -> list[Turn]:
        """Take in the turns of another copy of this conversation that are not here; it stands where it stood.

        Returns:
            These turns, in order of their creation.
        """
        new = [turn for turn in other.turns.values() if turn.id not in self.turns]
        self.turns.update((turn.id, turn) for turn in new)
        return new

    def renew(self) -> None:
        """Be another conversation than the one of that id."""
        self.id = uuid.uuid4().hex

    def messages(
        self, prompt: Content, *, system: str | None, before: str | None, leave_out: int = 0, begun: str = ""
    ) -> tuple[Message, ...]:
        """What is sent to ask `prompt`.

        Args:
            system: The system prompt; always sent, None for none.
            before: Id of the turn that the prompt follows; None for a first prompt.
            leave_out: How many of the oldest turns not to send.
            begun: What there is already of the reply; servers go on after it.
        """
        messages = [Message("system", system)] if system else []
        for turn in self.sendable(before)[leave_out:]:
            messages += [Message("user", turn.prompt), Message("assistant", turn.text)]
        messages.append(Message("user", prompt))
        return (*messages, Message("assistant", begun)) if begun else tuple(messages)

    def sendable(self, upto: str | None) -> list[Turn]:
        """The turns of a branch that are sent, oldest first: those with text."""
        return [turn for turn in self._up_from(upto) if not turn.is_blank and not turn.excluded][::-1]


def checked_name(name: str) -> str:
    """A conversation's name: one word of letters, digits, ``-``, ``_`` and ``.``, no option.

    Raises:
        InvalidInput: It is something else.
    """
    if not name or not all(character.isalnum() or character in "-_." for character in name):
        raise InvalidInput(
            f"A conversation's name is one word of letters, digits, `-`, `_` and `.`; got {name[:80]!r}."
        )
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"A conversation's name has at most {LONGEST_NAME} characters; got {len(name):,}.")
    if HOOKS.without_secrets(name) != name:
        raise InvalidInput(
            "A conversation's name was expected, and what came looks like a key; `%chat key` asks for one."
        )
    if name.startswith("-"):  # a line of `%chat` would take it for an option
        raise InvalidInput(f"A conversation's name does not begin with `-`; got {name!r}.")
    return name
