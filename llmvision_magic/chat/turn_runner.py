"""One turn from the moment its prompt is sent until its reply is shown, settled and kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.chat.outcome import Outcome
from llmvision_magic.chat.pacing import PacedReader
from llmvision_magic.chat.reply_stream import Event, ReplyStream
from llmvision_magic.chat.sending import send
from llmvision_magic.chat.usage import TokenTotals
from llmvision_magic.errors import Interrupted
from llmvision_magic.journal import NO_WRITER, Journal
from llmvision_magic.settings.declarations import CODE_FORMATS

if TYPE_CHECKING:
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.chat.new_cell import NewCell
    from llmvision_magic.chat.plan import StartedTurn, TurnPlan
    from llmvision_magic.chat.python_code import ToPython
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.messages import Reply
    from llmvision_magic.settings.declarations import Format
    from llmvision_magic.stop import Stop


class TurnRunner:
    """Runs the turns of one session.

    Args:
        connections: Gives the open ways to models.
        arriving: By turn, set when its reply has ended.
        spent: By conversation and model; each reply is counted here.
        footers: By turn, the facts under its reply; each is noted here.
        to_python: Says what a cell comes to in Python, for cells that are made of replies.
        current: Gives the name of the conversation that is used when none is named.
    """

    def __init__(
        self,
        connections: Callable[[], Connections],
        journal: Journal,
        arriving: dict[str, threading.Event],
        spent: dict[tuple[str, str], TokenTotals],
        footers: dict[str, list[str]],
        to_python: ToPython,
        current: Callable[[], str],
    ) -> None:
        self._connections = connections
        self._journal = journal
        self._arriving = arriving
        self._spent = spent
        self._footers = footers
        self._to_python = to_python
        self._current = current

    def run(self, begun: StartedTurn, view: ReplyView, stop: Stop) -> Outcome:
        """Send a prompt that has begun and show the reply; in any thread.

        Whatever happens after the first text arrived, the text is in the history and in the outcome.
        """
        plan, turn, fallback = begun.plan, begun.turn, begun.fallback
        conversation, record = plan.conversation, NO_WRITER
        arrival = ReplyStream(plan.target, view, plan.ask.begun, quiet=not plan.cell_context.interactive)
        try:
            if turn is not None:  # before anything is sent, and already within what settles it
                record = self._journal.begin(conversation, turn.id, fallback)
            paced: PacedReader[Event] = PacedReader(lambda take: self._produce(plan, take, paced.pause, stop), stop)
            paced.start()
            arrival.begin()
            for frame in paced:
                arrival.take(frame)
                record.progress(arrival.length, lambda: arrival.text)
                paced.interval, paced.eager = view.interval, not arrival.has_words
            arrival.end(paced.rest(), paced.error, stop)
        finally:
            reply = arrival.reply(plan.parameters.max_tokens)
            if turn is not None:
                conversation.settle(turn.id, reply, fallback, arrival.left_out)
                self._arriving.pop(turn.id).set()
                record.settle()
            if reply.text or reply.usage is not None:  # else nothing came: refused, failed, interrupted
                self._spent.setdefault((conversation.name, reply.model or plan.model_name), TokenTotals()).add(reply)
        outcome = Outcome(
            reply=reply,
            conversation=conversation.name,
            turn=turn.id if turn else None,
            embedded=plan.target.is_embedded,
            replayed=arrival.recorded is not None,
            left_out=arrival.left_out,
            later_turns=plan.later_turns,
            notes=plan.ask.notes,
            format=plan.ask.format,
            offer=self._new_cell(reply, plan.ask.format),
            way_back=f"%chat use {conversation.name}@{conversation.short_id(fallback)}" if fallback else "",
            way_on="" if reply.is_whole or not reply.text.strip() else self._way_on(begun),
            error=arrival.error,
            parent=plan.parent,
            system=plan.system,
            prompt=None if plan.ask.prompt == plan.ask.written else plan.ask.prompt,
            typed=None if plan.ask.typed == plan.ask.written else plan.ask.typed,
            options=plan.ask.options,
            wanted=""
            if plan.target.model_source == "default" and not plan.target.is_platform
            else plan.target.model or "",
            server=plan.target.host if plan.target.is_named_by_dotenv else "",
        )
        if outcome.is_shown:
            unkept = filter(None, (self._journal.complaint(conversation), self._connections().complaint()))
            outcome = outcome._replace(unkept=" ".join(unkept))
            if turn is not None:
                self._footers[turn.id] = outcome.facts()
        arrival.show(outcome)
        if stop.is_set and outcome.error is None:
            # Asked for while the complete reply was being set: this cell is done, what would run next is not wanted.
            return outcome._replace(error=Interrupted("Interrupted."))
        return outcome

    def _new_cell(self, reply: Reply, format: Format) -> NewCell | None:
        if format not in CODE_FORMATS:
            return None
        from llmvision_magic.chat.new_cell import new_cell_from  # few replies become cells

        return new_cell_from(reply, format, self._to_python)

    def _way_on(self, begun: StartedTurn) -> str:
        """What to type to go on with the reply; "" where others have been asked since, or at the same time."""
        ask, conversation = begun.plan.ask, begun.plan.conversation
        if begun.turn is None:
            return "" if ask.column is not None else "%chat continue"
        if conversation.head != begun.turn.id:
            return ""
        return "%chat continue" if conversation.name == self._current() else f"%chat continue -n {conversation.name}"

    def _produce(self, plan: TurnPlan, take: Callable[[Event], None], pause: Callable[[], None], stop: Stop) -> None:
        """Read the reply; runs in the reading thread."""
        self._await_turn_before(plan, take, stop)
        send(plan, self._connections(), take, pause, stop)

    def _await_turn_before(self, plan: TurnPlan, take: Callable[[Event], None], stop: Stop) -> None:
        """Wait until the reply that this prompt follows has ended: in the background, or in another kernel."""
        if plan.ask.once or plan.parent is None:
            return
        before = self._arriving.get(plan.parent)
        if before is not None:
            take("waiting for the reply before it")
            while not stop.is_set and not before.wait(0.05):
                pass
        elif self._journal.other_kernels.arrives_elsewhere(plan.conversation, plan.parent):
            take("waiting for the reply before it, which arrives in another kernel")
            while not stop.is_set and self._journal.other_kernels.arrives_elsewhere(plan.conversation, plan.parent):
                time.sleep(0.05)
                self._journal.other_kernels.catch_up(plan.conversation)
