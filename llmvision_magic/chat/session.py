"""One per kernel: owns the conversations and joins the rooms on the way of a prompt.

Whoever asks calls `Session.ask`, or `begin` and then `run` in a thread; it knows neither who asked nor where the reply
is shown.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from llmvision_magic.chat.listeners import Listeners
from llmvision_magic.chat.plan import StartedTurn, TurnPlan, TurnRequest, parameters_from, resolve_parent
from llmvision_magic.chat.turn_runner import TurnRunner
from llmvision_magic.conversation import Conversation, checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal import Journal
from llmvision_magic.settings.suggestions import nearest

if TYPE_CHECKING:
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.chat.continuation import UnfinishedReply
    from llmvision_magic.chat.model_list import ModelList
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.python_code import ToPython
    from llmvision_magic.chat.usage import TokenTotals
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

ENDING = 1.0
"""Longest wait for replies that are ended with the kernel, in seconds."""


class Session:
    """All state of one kernel.

    Args:
        to_python: Says what a cell comes to in Python; raises `SyntaxError` where it cannot.

    Attributes:
        connections: The open ways to models.
        conversations: By name, in order of their creation; never empty.
        current: Name of the conversation that is used when none is named.
        spent: By conversation and model; ``--once`` counts with the conversation it was asked in.
        footers: By turn, facts about its reply, as they stand under it; of those that arrived in this kernel.
        arriving: By turn, set when its reply has ended: what follows the turn waits for that.
        stops: By turn whose reply arrives: ends it.
        listeners: Who sees what happens here.
        offered: Ids of the kept conversations that were listed last, as they were numbered.
        journal: Keeps what is said on disk; one that keeps nothing unless it is given.
    """

    def __init__(
        self, connections: Connections, journal: Journal | None = None, to_python: ToPython = lambda cell: cell
    ) -> None:
        self.connections = connections
        self.conversations = {"main": Conversation("main")}
        self.current = "main"
        self.spent: dict[tuple[str, str], TokenTotals] = {}
        self.footers: dict[str, list[str]] = {}
        self.arriving: dict[str, threading.Event] = {}
        self._model_list: ModelList | None = None
        self.stops: dict[str, Stop] = {}
        self.listeners = Listeners()
        self.offered: list[str] = []
        self.journal = journal or Journal()
        self._unfinished: UnfinishedReply | None = None
        self._runner = TurnRunner(
            lambda: self.connections,
            self.journal,
            self.arriving,
            self.spent,
            self.footers,
            to_python,
            lambda: self.current,
        )

    @property
    def model_list(self) -> ModelList:
        """What servers offer, as far as they were asked."""
        if self._model_list is None:
            from llmvision_magic.chat.model_list import ModelList

            self._model_list = ModelList(lambda: self.connections)
        return self._model_list

    def conversation(self, name: str | None = None) -> Conversation:
        """The conversation of that name, or the current one.

        Raises:
            InvalidInput: There is none; the nearest one is named.
        """
        name = name or self.current
        if name not in self.conversations:
            makes = (
                " `%chat list` shows those there are." if name.split() != [name] else f" `%chat new {name}` makes it."
            )
            hint = nearest(name, self.conversations) or makes
            raise InvalidInput(f"There is no conversation `{name}`.{hint}")
        return self.conversations[name]

    def new(self, name: str, system: str | None = None) -> Conversation:
        """Make a conversation and go to it.

        Raises:
            InvalidInput: The name is taken, or is no name.
        """
        if name in self.conversations:
            raise InvalidInput(f"There is a conversation `{name}` already; `%chat use {name}` goes to it.")
        self.conversations[name] = Conversation(checked_name(name), system)
        self.current = name
        return self.conversations[name]

    def use(self, name: str) -> Conversation:
        """Go to a conversation."""
        conversation = self.conversation(name)
        self.current = name
        return conversation

    def rename(self, name: str, to: str) -> Conversation:
        """Give a conversation another name.

        Raises:
            InvalidInput: There is none of that name, or the new one is taken or is no name.
        """
        conversation = self.conversation(name)
        if to != name and to in self.conversations:
            raise InvalidInput(f"There is a conversation `{to}` already; `%chat use {to}` goes to it.")
        conversation.name = checked_name(to)
        # Made anew, so that it keeps its place in the order.
        self.conversations = {one.name: one for one in self.conversations.values()}
        self.current = to if self.current == name else self.current
        renamed = {(to if of == name else of, model): spent for (of, model), spent in self.spent.items()}
        self.spent.clear()  # the same object: whoever counts replies has it too
        self.spent.update(renamed)
        return conversation

    def catch_up(self) -> None:
        """Bring replies that arrive in other kernels to where they are now."""
        for conversation in self.conversations.values():
            self.journal.other_kernels.catch_up(conversation)

    def note(self) -> None:
        """Bring what may have changed of conversations (head, settings, name) to the journal; tell the listeners."""
        for conversation in list(self.conversations.values()):
            self.journal.note(conversation)
        self.listeners.tell()

    def drop(self, name: str) -> None:
        """Forget a conversation with all its turns, on disk too; replies that arrive in it end.

        When it was the last one, an empty `main` begins.

        Raises:
            InvalidInput: There is none of that name, or the disk would keep it.
        """
        conversation = self.conversation(name)
        self.journal.drop(conversation)
        for turn_id in list(conversation.turns):
            if (stop := self.stops.get(turn_id)) is not None:
                stop.set("interrupted")
        del self.conversations[conversation.name]
        if not self.conversations:
            self.conversations["main"] = Conversation("main")
        if self.current not in self.conversations:
            self.current = next(iter(self.conversations))

    def adopt(self, conversation: Conversation, name: str | None = None) -> Conversation:
        """Take in a conversation from elsewhere and go to it.

        An empty one of that name makes way; where one with turns has it, the new one gets another name.

        Args:
            name: What it shall be called; None for its own name.

        Returns:
            The conversation that is current now: the one given, or the same that was here already.
        """
        for present in self.conversations.values():
            if present.id == conversation.id:
                return self.use(present.name)
        conversation.name = name = self._free_name(name or conversation.name)
        self.conversations[name] = conversation
        self.current = name
        return conversation

    def _free_name(self, name: str) -> str:
        number, free = 2, name
        while free in self.conversations and self.conversations[free].turns:
            free = f"{name}-{number}"
            number += 1
        return free

    def plan(self, ask: TurnRequest, settings: Settings) -> TurnPlan:
        """Check a prompt. Sends nothing and changes nothing.

        Raises:
            InvalidInput: A parameter is out of its range, or the conversation's name is no name.
        """
        name = ask.conversation or self.current
        conversation = self.conversations.get(name) or Conversation(checked_name(name))
        self.journal.other_kernels.catch_up(conversation)
        parent, later_turns = resolve_parent(ask, conversation, settings)
        return TurnPlan(
            ask=ask,
            settings=settings,
            target=self.connections.target(settings),
            parameters=parameters_from(settings, lambda: self.connections.takes_any_temperature(settings)),
            conversation=conversation,
            system=conversation.system if ask.system is None else ask.system or None,
            parent=parent,
            later_turns=later_turns,
            cell_context=self.connections.cell_context(settings.environment)._replace(
                column=ask.column, ordinal=ask.ordinal
            ),
        )

    def ask(self, ask: TurnRequest, settings: Settings, view: ReplyView, stop: Stop) -> Outcome:
        """Send a prompt and show the reply: `begin` and `run`."""
        return self.run(self.begin(ask, settings), view, stop)

    def begin(self, ask: TurnRequest, settings: Settings) -> StartedTurn:
        """Put a prompt into the history, before anything is sent.

        Raises:
            InvalidInput: Nothing changed.
        """
        plan = self.plan(ask, settings)
        conversation, fallback = plan.conversation, plan.conversation.head
        if ask.once:
            return StartedTurn(plan, None, fallback)
        replaced = conversation.turn_at(ask.replace) if ask.replace else None
        self.conversations.setdefault(conversation.name, conversation)
        self.current = conversation.name
        conversation.system = plan.system
        # The cell that asked first still means this turn: run again, it replaces what took its turn's place.
        cell = replaced.cell if replaced and replaced.cell else ask.cell
        turn = conversation.begin(
            ask.prompt,
            parent=plan.parent,
            cell=cell,
            execution=ask.execution,
            typed=ask.typed,
            options=ask.options,
        )
        self.arriving[turn.id] = threading.Event()
        self.listeners.tell()
        return StartedTurn(plan, turn, fallback)

    def run(self, begun: StartedTurn, view: ReplyView, stop: Stop) -> Outcome:
        """Send a prompt that has begun and show the reply; in any thread.

        Whatever happens after the first text arrived, the text is in the history and in the outcome.

        Returns:
            What came of it; `Outcome.error` is the exception to raise when it did not end well.
        """
        turn = begun.turn
        if turn is None:  # nobody's history: nobody else's affair
            outcome = self._runner.run(begun, view, stop)
            self._note_unfinished(begun.plan.ask, outcome)
            return outcome
        self.stops[turn.id] = stop
        try:
            with self.listeners.shown(begun.plan.conversation, turn, view) as shown:
                return self._runner.run(begun, shown, stop)
        finally:
            self.stops.pop(turn.id, None)
            self.listeners.tell()

    def _note_unfinished(self, ask: TurnRequest, outcome: Outcome) -> None:
        """Remember the reply to a ``--once`` prompt that is not whole: no history does."""
        if outcome.way_on:
            from llmvision_magic.chat.continuation import UnfinishedReply

            self._unfinished = UnfinishedReply(ask, outcome.reply.text, self._place())
        elif not (ask.begun and not outcome.reply.text):  # what was to go on and got nothing can be tried again
            self._unfinished = None

    def _place(self) -> tuple[str, str | None]:
        conversation = self.conversation()
        return self.current, conversation.asked or conversation.head

    def unfinished_once(self) -> UnfinishedReply | None:
        """The reply to a ``--once`` prompt that is not whole, while nothing was asked and nobody has moved since."""
        return self._unfinished if self._unfinished is not None and self._unfinished.place == self._place() else None

    def end_replies(self) -> None:
        """End the replies that arrive, and wait a moment until what has arrived is kept: the kernel ends."""
        for stop in list(self.stops.values()):
            stop.set("interrupted")
        end = time.monotonic() + ENDING
        while self.stops and time.monotonic() < end:
            time.sleep(0.01)
