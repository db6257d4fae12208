"""What is asked, and what it comes to: checked, with its place in its conversation, ready to be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.backends.target import PLATFORM_TEMPERATURE
from llmvision_magic.backends.wire import Parameters, Request
from llmvision_magic.backends.wire.parameters import MOST_TEMPERATURE
from llmvision_magic.cell_context import NO_CELL, CellContext
from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import NO_OPTIONS, Content, Message
from llmvision_magic.settings.declarations import BY_NAME, REQUEST_PARAMETERS
from llmvision_magic.settings.environment import NO_ENVIRONMENT
from llmvision_magic.settings.layers import Settings, with_source
from llmvision_magic.settings.parsing import parse_value

if TYPE_CHECKING:
    from llmvision_magic.backends.target import Target
    from llmvision_magic.conversation import Conversation, Turn
    from llmvision_magic.settings.declarations import Format

GO_ON = (
    "Your last message broke off. Go on exactly after its last character, in the same form, without repeating anything "
    "and without a word about this; begin with a space if a new word begins."
)
"""Asked of servers that do not go on by themselves."""


class TurnRequest(NamedTuple):
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
        column: Which of the requests that the cell makes at once; see `CellContext`.
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


class TurnPlan(NamedTuple):
    """A prompt that is checked and ready to be sent; nothing is changed yet.

    Attributes:
        conversation: The one it belongs to, not yet in the session if it is new.
        system: The system prompt that is sent.
        parent: Id of the turn it follows; None at a beginning.
        later_turns: How many turns will stay on the old branch, for the cell is run again.
        cell_context: Who asks, where something is recorded or replayed.
    """

    ask: TurnRequest
    settings: Settings
    target: Target
    parameters: Parameters
    conversation: Conversation
    system: str | None
    parent: str | None
    later_turns: int
    cell_context: CellContext = NO_CELL

    @property
    def model_name(self) -> str:
        """The model asked for, by name."""
        if self.target.model is not None:
            return self.target.model
        from llmvision_magic.backends.local import model_name

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
        return Request(model, messages, self.parameters, stream=bool(self.settings.get("stream")), left_out=leave_out)


class StartedTurn(NamedTuple):
    """A prompt that is in the history and not yet sent.

    Attributes:
        turn: None when the history is not written.
        fallback: The head as it was before.
    """

    plan: TurnPlan
    turn: Turn | None
    fallback: str | None


def resolve_parent(ask: TurnRequest, conversation: Conversation, settings: Settings) -> tuple[str | None, int]:
    """Id of the turn that a prompt follows, and how many later turns stay on the old branch."""
    if ask.once:
        return None, 0
    if ask.replace:
        return conversation.parent_when_replacing(conversation.turn_at(ask.replace))
    cell = ask.cell if settings.get("rerun") == "replace" else None
    return conversation.parent_for_cell(cell, ask.execution)


def checked_value(name: str, value: object, takes_any_temperature: Callable[[], bool] = lambda: True) -> object:
    """A setting's value as it is used.

    Args:
        takes_any_temperature: As of `parameters_from`.

    Raises:
        InvalidInput: It is none that the setting can have.
    """
    parsed = parse_value(BY_NAME[name], value)
    # The ranges are known where the request is made; ask there, so that a wrong value is refused now and not later.
    parameters_from(Settings([("conversation", {name: parsed})], NO_ENVIRONMENT), takes_any_temperature)
    return parsed


def parameters_from(settings: Settings, takes_any_temperature: Callable[[], bool] = lambda: True) -> Parameters:
    """The request parameters among the settings, their ranges checked.

    Args:
        takes_any_temperature: Whether the request goes elsewhere than to the platform; asked only where that matters.

    Raises:
        InvalidInput: A value is out of its range; the sentence names the place that gave it.
    """
    given: dict[str, object] = {}
    for name in (*REQUEST_PARAMETERS, "param"):
        value, field = settings.find(name), "extra" if name == "param" else name
        if value.value is None:
            continue
        given[field] = value.value
        try:
            checked = Parameters(**{field: value.value})  # type: ignore[arg-type]  # checked by Parameters
            if (checked.temperature or 0) > PLATFORM_TEMPERATURE and not takes_any_temperature():
                raise InvalidInput(
                    f"temperature is a number from 0 to {PLATFORM_TEMPERATURE:g} on the platform; "
                    f"{checked.temperature!r} came. Other servers take up to {MOST_TEMPERATURE:g}."
                )
        except InvalidInput as error:
            raise with_source(error, value.source) from None
    return Parameters(**given)  # type: ignore[arg-type]  # as above
