"""One per kernel: owns the conversations and joins the rooms on the way of a prompt.

Cells, and whatever else asks, call `Session.ask`; it knows neither who asked nor where the reply is shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from llmvision_magic.arrival import Arrival, Event, Outcome, Sending, View
from llmvision_magic.asker import NOBODY, Asker
from llmvision_magic.audience import Together, Watcher
from llmvision_magic.connections import Connections, Line, Target
from llmvision_magic.conversation import Conversation, Turn
from llmvision_magic.errors import (
    ChatError,
    ContextTooLong,
    Interrupted,
    InvalidInput,
    KeyRefused,
    RequestRefused,
    ServerBusy,
)
from llmvision_magic.fitting import fit, more_to_leave_out, size_of
from llmvision_magic.journal import UNRECORDED, Journal
from llmvision_magic.messages import NO_OPTIONS, Content, Delta, Message, image_count
from llmvision_magic.offering import Format, offer_of
from llmvision_magic.pacing import Paced
from llmvision_magic.settings import (
    BY_NAME,
    NO_ENVIRONMENT,
    REQUEST_PARAMETERS,
    Settings,
    nearest,
    parse_value,
    setting_named,
)
from llmvision_magic.stop import Stop
from llmvision_magic.usage import Spent
from llmvision_magic.wire import Parameters, Request

GO_ON = (
    "Your last message broke off. Go on exactly after its last character, in the same form, without repeating anything "
    "and without a word about this; begin with a space if a new word begins."
)
"""Asked of servers that do not go on by themselves."""


class Ask(NamedTuple):
    """What one cell asks.

    Attributes:
        prompt: The text as it is sent.
        conversation: Its name, created if new; None for the current one.
        system: System prompt from this turn on; None leaves it as it is, "" removes it.
        once: Neither read nor write history.
        cell: Id of the cell, where the front end gives one.
        notes: Facts about the prompt for the reply's footer: "2 secrets masked".
        format: How the reply is used.
        execution: Which run of the cell asks; see `Turn`.
        replace: The turn whose place it takes: a number of the current branch, or the beginning of an id.
        begun: What there is already of the reply, which goes on.
        typed: The prompt as it was typed; see `Turn`.
        options: How it is asked; see `Turn`.
        written: The prompt as it stands in the cell; None where it stands in none.
        column: Which of the requests that the cell makes at once; see `Asker`.
        ordinal: Which of the equal ones among these.
    """

    prompt: Content
    conversation: str | None = None
    system: str | None = None
    once: bool = False
    cell: str | None = None
    notes: tuple[str, ...] = ()
    format: Format = "markdown"
    execution: str | None = None
    replace: str | None = None
    begun: str = ""
    typed: str | None = None
    options: Mapping[str, object] = NO_OPTIONS
    written: str | None = None
    column: int | None = None
    ordinal: int = 0


class Plan(NamedTuple):
    """A prompt that is checked and ready to be sent; nothing is changed yet.

    Attributes:
        conversation: The one it belongs to, not yet in the session if it is new.
        system: The system prompt that is sent.
        parent: Id of the turn it follows; None at a beginning.
        later_turns: How many turns will stay on the old branch, for the cell is run again.
        asker: Who asks, where something is recorded or replayed.
    """

    ask: Ask
    settings: Settings
    target: Target
    parameters: Parameters
    conversation: Conversation
    system: str | None
    parent: str | None
    later_turns: int
    asker: Asker = NOBODY

    @property
    def model_name(self) -> str:
        """The model asked for, by name."""
        if self.target.model is not None:
            return self.target.model
        from llmvision_magic.local import model_name

        return model_name(environ=self.settings.environment.variables())

    def history(self) -> list[Turn]:
        """The turns that are sent along, oldest first."""
        return [] if self.ask.once else self.conversation.sendable(self.parent)

    def messages(self, leave_out: int = 0) -> tuple[Message, ...]:
        """What is sent, with so many of the oldest turns left out."""
        before, begun = None if self.ask.once else self.parent, self.ask.begun
        prompt, system = self.ask.prompt, self.system
        return self.conversation.messages(prompt, system=system, before=before, leave_out=leave_out, begun=begun)

    def request(self, model: str, leave_out: int = 0, *, asked: bool = False) -> Request:
        """The request for a model.

        Args:
            asked: Ask in words that the reply goes on, for servers that do not go on by themselves.
        """
        messages = self.messages(leave_out) + ((Message("user", GO_ON),) if asked else ())
        return Request(model, messages, self.parameters, stream=bool(self.settings.get("stream")))


class Begun(NamedTuple):
    """A prompt that is in the history and not yet sent.

    Attributes:
        turn: None when the history is not written.
        fallback: The head as it was before.
    """

    plan: Plan
    turn: Turn | None
    fallback: str | None


class Session:
    """All state of one kernel.

    Attributes:
        connections: The open ways to models.
        conversations: By name, in order of their creation; never empty.
        current: Name of the conversation that is used when none is named.
        spent: By conversation and model; ``--once`` counts with the conversation it was asked in.
        arriving: By turn, set when its reply has ended: what follows the turn waits for that.
        stops: By turn whose reply arrives: ends it.
        watchers: Who sees what happens here.
        models: What servers offer, by address, as far as they were asked.
        offered: Ids of the kept conversations that were listed last, as they were numbered.
        journal: Keeps what is said on disk; one that keeps nothing unless it is given.
    """

    def __init__(self, connections: Connections, journal: Journal | None = None) -> None:
        self.connections = connections
        self.conversations = {"main": Conversation("main")}
        self.current = "main"
        self.spent: dict[tuple[str, str], Spent] = {}
        self.arriving: dict[str, threading.Event] = {}
        self.models: dict[str, list[str]] = {}
        self.stops: dict[str, Stop] = {}
        self.watchers: list[Watcher] = []
        self.offered: list[str] = []
        self.journal = journal or Journal()

    def conversation(self, name: str | None = None) -> Conversation:
        """The conversation of that name, or the current one.

        Raises:
            InvalidInput: There is none; the nearest one is named.
        """
        name = name or self.current
        if name not in self.conversations:
            hint = nearest(name, self.conversations) or f" `%chat new {name}` makes it."
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
        self.spent = {(to if of == name else of, model): spent for (of, model), spent in self.spent.items()}
        return conversation

    def set_value(self, conversation: Conversation, name: str, value: object) -> None:
        """Set a value for a conversation; None takes it back.

        Raises:
            InvalidInput: It is none that the setting can have, or there is no such setting.
        """
        name = setting_named(name).name
        if value is None:
            conversation.settings.pop(name, None)
        else:
            conversation.settings[name] = checked_value(name, value)

    def catch_up(self) -> None:
        """Bring replies that arrive in other kernels to where they are now."""
        for conversation in self.conversations.values():
            self.journal.catch_up(conversation)

    def note(self) -> None:
        """Bring what may have changed into the journal, a conversation's head, settings and name; tell the watchers."""
        for conversation in list(self.conversations.values()):
            self.journal.note(conversation)
        self._tell()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            with suppress(Exception):  # what fails there must not end what happens here
                watcher.changed()

    def drop(self, name: str) -> None:
        """Forget a conversation with all its turns, on disk too. When it was the last one, an empty `main` begins.

        Raises:
            InvalidInput: There is none of that name, or the disk would keep it.
        """
        conversation = self.conversation(name)
        self.journal.drop(conversation)
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

    def offered_models(self, settings: Settings, seconds: float) -> list[str]:
        """What the server offers, as far as it says so within `seconds`. Starts no embedded model."""
        target = self.connections.target(settings)
        address, recorded = target.shown_url, dict[str, list[str]]()
        if target.is_embedded:
            return []
        if address not in self.models:

            def fetch() -> None:
                try:
                    line = self.connections.open(target, settings, lambda text: None, Stop())
                    # Those of a recording are read anew: they are not what the address offers.
                    names = recorded if line.recorded else self.models
                    names[address] = line.client.models()
                except ChatError:
                    self.models.pop(address, None)  # a later Tab asks again

            thread = threading.Thread(target=fetch, name="llmvision-models", daemon=True)
            thread.start()
            thread.join(seconds)
        return recorded.get(address) or self.models.get(address, [])

    def plan(self, ask: Ask, settings: Settings) -> Plan:
        """Check a prompt. Sends nothing and changes nothing.

        Raises:
            InvalidInput: A parameter is out of its range, or the conversation's name is no name.
        """
        name = ask.conversation or self.current
        conversation = self.conversations.get(name) or Conversation(checked_name(name))
        self.journal.catch_up(conversation)
        parent, later_turns = _place(ask, conversation, settings)
        return Plan(
            ask=ask,
            settings=settings,
            target=self.connections.target(settings),
            parameters=parameters_from(settings),
            conversation=conversation,
            system=conversation.system if ask.system is None else ask.system or None,
            parent=parent,
            later_turns=later_turns,
            asker=self.connections.asker(settings.environment)._replace(column=ask.column, ordinal=ask.ordinal),
        )

    def ask(self, ask: Ask, settings: Settings, view: View, stop: Stop) -> Outcome:
        """Send a prompt and show the reply: `begin` and `run`."""
        return self.run(self.begin(ask, settings), view, stop)

    def begin(self, ask: Ask, settings: Settings) -> Begun:
        """Put a prompt into the history, before anything is sent.

        Raises:
            InvalidInput: Nothing changed.
        """
        plan = self.plan(ask, settings)
        conversation, fallback = plan.conversation, plan.conversation.head
        if ask.once:
            return Begun(plan, None, fallback)
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
        self._tell()
        return Begun(plan, turn, fallback)

    def run(self, begun: Begun, view: View, stop: Stop) -> Outcome:
        """Send a prompt that has begun and show the reply; in any thread.

        Whatever happens after the first text arrived, the text is in the history and in the outcome.

        Returns:
            What came of it; `Outcome.error` is the exception to raise when it did not end well.
        """
        with self._watched(begun, view, stop) as watched:
            return self._run(begun, watched, stop)

    @contextmanager
    def _watched(self, begun: Begun, view: View, stop: Stop) -> Iterator[View]:
        """The view joined with those of the watchers, while the reply arrives."""
        turn = begun.turn
        if turn is None:  # nobody's history: nobody else's affair
            yield view
            return
        others: list[View] = []
        for watcher in list(self.watchers):
            with suppress(Exception):
                if (other := watcher.view_of(begun.plan.conversation, turn)) is not None:
                    others.append(other)
        self.stops[turn.id] = stop
        try:
            yield Together(view, others) if others else view
        except BaseException:
            for other in others:
                with suppress(Exception):
                    other.leave()
            raise
        finally:
            self.stops.pop(turn.id, None)
            self._tell()

    def _run(self, begun: Begun, view: View, stop: Stop) -> Outcome:
        plan, turn, fallback = begun.plan, begun.turn, begun.fallback
        conversation, record = plan.conversation, UNRECORDED
        arrival = Arrival(plan.target, view, plan.ask.begun, quiet=not plan.asker.watched)
        try:
            if turn is not None:  # before anything is sent, and already within what settles it
                record = self.journal.begin(conversation, turn.id, fallback)
            paced: Paced[Event] = Paced(lambda take: self._produce(plan, take, paced.pause, stop), stop)
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
                self.arriving.pop(turn.id).set()
                record.settle()
            self.spent.setdefault((conversation.name, reply.model or plan.model_name), Spent()).add(reply)
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
            offer=offer_of(reply, plan.ask.format),
            way_back=f"%chat use {conversation.name}@{conversation.short_id(fallback)}" if fallback else "",
            error=arrival.error,
            parent=plan.parent,
            system=plan.system,
            prompt=None if plan.ask.prompt == plan.ask.written else plan.ask.prompt,
            typed=None if plan.ask.typed == plan.ask.written else plan.ask.typed,
            options=plan.ask.options,
        )
        if outcome.is_shown:
            unkept = filter(None, (self.journal.complaint(conversation), self.connections.complaint()))
            outcome = outcome._replace(unkept=" ".join(unkept))
        arrival.show(outcome)
        if stop.is_set and outcome.error is None:
            # Asked for while the complete reply was being set: this cell is done, what would run next is not wanted.
            return outcome._replace(error=Interrupted("Interrupted."))
        return outcome

    def _produce(self, plan: Plan, take: Callable[[Event], None], pause: Callable[[], None], stop: Stop) -> None:
        """Read the reply; runs in the reading thread."""
        self._await_turn_before(plan, take, stop)
        line = self.connections.open(plan.target, plan.settings, take, stop, plan.asker)
        sizes = [size_of(turn.prompt) + size_of(turn.text) for turn in plan.history()]
        left_out = 0 if stop.is_set else _left_out_beforehand(plan, line, sizes)
        asked = False
        while not stop.is_set:
            request = plan.request(line.model, left_out, asked=asked)
            take(Sending(left_out, asked, line.recorded(request) if line.recorded else None))
            began = False
            try:
                for event in line.client.stream(request, stop, before_reading=pause):
                    began = began or isinstance(event, Delta)
                    take(event)
                return
            except ContextTooLong as error:
                if began or left_out >= len(sizes):
                    raise
                excess = None
                if error.prompt_tokens and error.context_tokens:
                    excess = 1 - 0.9 * error.context_tokens / error.prompt_tokens
                left_out = more_to_leave_out(sizes, left_out, excess)
            except RequestRefused as error:
                # Some servers want the last message to be the user's, and say so with one of these.
                if began or asked or not plan.ask.begun or error.status not in (400, 422):
                    if not isinstance(error, ServerBusy | KeyRefused) or "image" in error.server_message.lower():
                        hint_at_images(error, plan.messages(left_out))
                    raise
                asked = True

    def _await_turn_before(self, plan: Plan, take: Callable[[Event], None], stop: Stop) -> None:
        """Wait until the reply that this prompt follows has ended: in the background, or in another kernel."""
        if plan.ask.once or plan.parent is None:
            return
        before = self.arriving.get(plan.parent)
        if before is not None:
            take("waiting for the reply before it")
            while not stop.is_set and not before.wait(0.05):
                pass
        elif self.journal.arrives_elsewhere(plan.conversation, plan.parent):
            take("waiting for the reply before it, which arrives in another kernel")
            while not stop.is_set and self.journal.arrives_elsewhere(plan.conversation, plan.parent):
                time.sleep(0.05)
                self.journal.catch_up(plan.conversation)


def _place(ask: Ask, conversation: Conversation, settings: Settings) -> tuple[str | None, int]:
    if ask.once:
        return None, 0
    if ask.replace:
        return conversation.place_of(conversation.turn_at(ask.replace))
    cell = ask.cell if settings.get("rerun") == "replace" else None
    return conversation.place_for(cell, ask.execution)


def _left_out_beforehand(plan: Plan, line: Line, sizes: list[int]) -> int:
    if line.recorded is not None:  # as many as when it was recorded
        counts = range(len(sizes) + 1)
        return next((count for count in counts if line.recorded(plan.request(line.model, count))), 0)
    if line.context_tokens is None or line.count_tokens is None:
        return 0
    return fit(plan.messages, sizes, line.context_tokens, plan.parameters.max_tokens, line.count_tokens)


def hint_at_images(error: RequestRefused, messages: Sequence[Message]) -> None:
    """Add to what a server said, when it was sent images, that they may be the reason."""
    count = sum(image_count(message.content) for message in messages)
    if count:
        images = "an image" if count == 1 else f"{count} images"
        error.args = (f"{error} The messages hold {images}: the model may not take any; `-m MODEL` asks another.",)


def checked_name(name: str) -> str:
    """A conversation's name: one word of letters, digits, ``-``, ``_`` and ``.``.

    Raises:
        InvalidInput: It is something else.
    """
    if not name or not all(character.isalnum() or character in "-_." for character in name):
        raise InvalidInput(f"A conversation's name is one word of letters, digits, `-`, `_` and `.`; got {name!r}.")
    return name


def checked_value(name: str, value: object) -> object:
    """A setting's value as it is used.

    Raises:
        InvalidInput: It is none that the setting can have.
    """
    parsed = parse_value(BY_NAME[name], value)
    # The ranges are known where the request is made; ask there, so that a wrong value is refused now and not later.
    parameters_from(Settings([("conversation", {name: parsed})], NO_ENVIRONMENT))
    return parsed


def parameters_from(settings: Settings) -> Parameters:
    """The request parameters among the settings, their ranges checked."""
    given = {name: settings.get(name) for name in REQUEST_PARAMETERS}
    return Parameters(**given, extra=settings.get("param") or {})  # type: ignore[arg-type]  # checked by Parameters
