"""What came of one prompt: the reply, its place, and the facts that stand under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.errors import ChatError, Interrupted
from llmvision_magic.finish_reasons import shown_reason
from llmvision_magic.messages import NO_OPTIONS, Content, Reply

if TYPE_CHECKING:
    from llmvision_magic.chat.new_cell import NewCell
    from llmvision_magic.settings.declarations import Format


class Outcome(NamedTuple):
    """What came of one prompt.

    Attributes:
        turn: The turn's id; None when the history was not written.
        replayed: The reply comes from a recording.
        left_out: How many of the oldest turns did not fit into the model's context.
        later_turns: How many turns stay on the old branch, for their cell's predecessor was run again.
        notes: Facts about the prompt, for the footer.
        format: How the reply is used.
        offer: The cell that its code makes, where that was asked for.
        way_back: What to type to go back to them.
        way_on: What to type to go on with a reply that is not whole; "" where nothing does.
        error: The exception to raise; None when the reply ended well.
        parent: Id of the turn before; None at a beginning.
        system: The system prompt that was sent.
        prompt: What was asked, where the cell's text does not say it: values were put in, or a verb asked.
        typed: The prompt as it was typed before, where the cell's text does not say it: a verb asked it again.
        options: How it was asked.
        wanted: The model that was chosen, if one was: the embedded one answers whichever that is.
        server: The server's name, where a ``.env`` file says that it answers.
        unkept: Why the journal does not keep the conversation, as a sentence; "" when it does, or was said before.
    """

    reply: Reply
    conversation: str
    turn: str | None
    embedded: bool
    replayed: bool = False
    left_out: int = 0
    later_turns: int = 0
    notes: tuple[str, ...] = ()
    format: Format = "markdown"
    offer: NewCell | None = None
    way_back: str = ""
    way_on: str = ""
    error: BaseException | None = None
    parent: str | None = None
    system: str | None = None
    prompt: Content | None = None
    typed: str | None = None
    options: Mapping[str, object] = NO_OPTIONS
    server: str = ""
    unkept: str = ""
    wanted: str = ""

    @property
    def notice(self) -> str:
        """What stands more visibly under the reply: why it ended when it did not end by itself, what is not kept."""
        goes_on = f"{self.way_on} goes on with it." if self.way_on else ""
        return " ".join(sentence for sentence in (self.reply.notice, goes_on, self.unkept) if sentence)

    @property
    def is_shown(self) -> bool:
        """Whether there is a final output; else the error message says it all."""
        return self.error is None or self.error_is_shown

    @property
    def error_is_shown(self) -> bool:
        """Whether the final output itself says why the reply ended, so that the cell need not say it again."""
        if isinstance(self.error, Interrupted):
            return True
        return isinstance(self.error, ChatError) and bool(self.reply.text.strip())

    def facts(self) -> list[str]:
        """The footer: short facts, the model first."""
        reply = self.reply
        facts = [reply.model] if reply.model else []
        if reply.model and not self.replayed and not self.embedded and self.wanted not in ("", reply.model):
            facts = [f"{reply.model}, not {self.wanted}"]
        if self.replayed:
            facts.append("replayed")
        elif self.embedded:
            other = self.wanted if self.wanted not in ("", reply.model) else ""
            facts.append(f"embedded model, not {other}: no key and no base URL" if other else "embedded model")
        elif self.server:
            facts.append(f"{self.server}, set by .env")
        if reply.usage and reply.usage.words:
            facts.append(reply.usage.words)
        if reply.seconds is not None:
            facts.append(f"{reply.seconds:.1f} s")
        if reply.status == "complete" and (reason := shown_reason(reply.finish_reason)):
            facts.append(f"finish reason {reason}")
        if self.left_out:
            facts.append(f"context full: {_turns(self.left_out, 'oldest')} not sent")
        if self.later_turns:
            facts.append(f"{_turns(self.later_turns, 'later')} on the old branch: {self.way_back} goes back")
        facts += self.notes
        if self.offer is not None:
            facts.append(self.offer.note)
        return facts


def _turns(count: int, which: str) -> str:
    return f"{count} {which} turn{'s' if count > 1 else ''}"
