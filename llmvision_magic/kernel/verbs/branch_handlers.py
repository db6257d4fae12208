"""The verbs that see and change a conversation's branches: history, undo, use, retry, edit, continue."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, cast

from llmvision_magic.chat.plan import TurnRequest
from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.option_parsing import CellOptions, parse_cell_options, split_line
from llmvision_magic.kernel.markdown import code_span, counted, first_words
from llmvision_magic.kernel.verbs.history_pages import history_page, tree_page
from llmvision_magic.messages import image_count, text_of
from llmvision_magic.settings.turn_options import (
    LINE_SETTINGS,
    files_text,
    is_raw,
    merge_options,
    options_again,
    options_line,
)

if TYPE_CHECKING:
    from llmvision_magic.chat.continuation import UnfinishedReply
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation, Turn
    from llmvision_magic.kernel.verbs.host import VerbHost
    from llmvision_magic.settings.declarations import Format


class BranchHandlers:
    """Verbs over one session; ``do_NAME`` runs the verb NAME with the rest of its line."""

    def __init__(self, session: Session, host: VerbHost) -> None:
        self.session = session
        self.host = host

    def do_history(self, rest: str) -> None:
        words = split_line(rest)
        names = [word for word in words if word != "--tree"]
        if len(names) > 1 or (names[:1] and names[0].startswith("-")):
            raise InvalidInput(f"`%chat history` takes a conversation's name and --tree, got {rest!r}.")
        conversation = self.session.conversation(names[0] if names else None)
        if len(names) < len(words):
            self.host.page(tree_page(conversation))
            return
        embedded = self.session.connections.embedded
        is_used = embedded and self.session.connections.target(self.host.settings(conversation)).is_embedded
        self.host.page(history_page(conversation, embedded.context_tokens if embedded and is_used else None))

    def do_undo(self, rest: str) -> None:
        conversation = self.session.conversation()
        turns = conversation.path()
        if rest and not (rest.isdecimal() and int(rest) >= 1):
            raise InvalidInput(f"`%chat undo` expects how many turns to go back, at least 1; got {rest!r}.")
        back = int(rest or 1)
        if back > len(turns):
            has = counted(len(turns), "turn") if turns else "no turns"
            raise InvalidInput(f"The current branch of `{conversation.name}` has {has}; it cannot go back {back}.")
        was = turns[-1]
        conversation.go_to(turns[-back].parent)
        self.host.page(
            f"{_where(conversation)} Nothing is lost: `%chat use {conversation.name}@{conversation.short_id(was.id)}` "
            "comes back."
        )

    def do_use(self, rest: str) -> None:
        if not rest:
            self.host.page(f"The conversation is **{self.session.current}**.")
            return
        name, at, reference = rest.partition("@")
        conversation = self.session.conversation(name)
        if at:
            conversation.go_to(conversation.turn_at(reference).id)
        self.session.use(conversation.name)
        self.host.page(_where(conversation))

    def do_retry(self, rest: str) -> None:
        options, conversation = self._asked("retry", rest)
        turn = conversation.last_asked()
        if turn is None:
            raise InvalidInput(f"There is nothing to ask again: {_nothing_asked(conversation)}")
        self._ask_again("retry", conversation, turn, options)

    def do_continue(self, rest: str) -> None:
        options, conversation = self._asked("continue", rest)
        turn = conversation.turns[conversation.head] if conversation.head else None
        once = None if options.name else self.session.unfinished_once()
        if once is not None:
            self._go_on_once(once, options)
            return
        if options.once:
            raise InvalidInput(
                "There is no reply to a --once prompt to continue: none was unfinished, or something else was asked "
                "since; without --once, `%chat continue` goes on with what is in the history."
            )
        if turn is not None and turn.status == "partial":
            raise InvalidInput(
                "The last reply is still arriving, in another kernel: its end comes here by itself."
                if self.session.journal.other_kernels.arrives_elsewhere(conversation, turn.id)
                else "The last reply is still arriving; `%chat stop` ends it."
            )
        if turn is None or turn.is_whole or turn.is_blank:
            asked = conversation.last_asked()
            if asked is not None and asked.id != conversation.head:
                raise InvalidInput(
                    "There is nothing to continue: the last prompt got no text. `%chat retry` asks it again."
                )
            raise InvalidInput(
                f"There is nothing to continue: the last reply of `{conversation.name}` is complete. "
                "`%chat retry` asks its prompt again."
                if turn
                else f"There is nothing to continue: `{conversation.name}` has no turns yet."
            )
        self._ask_again("continue", conversation, turn, options, begun=turn.text)

    def do_edit(self, rest: str) -> None:
        conversation = self.session.conversation()
        turn = conversation.turn_at(rest) if rest else conversation.last_asked()
        if turn is None:
            raise InvalidInput(f"There is nothing to edit: {_nothing_asked(conversation)}")
        options, sent = dict(turn.options or {}), text_of(turn.prompt)
        typed = None if files_text(options, sent) else turn.typed  # a cell cannot attach the files anew
        if is_raw(options, typed, sent):
            options["raw"] = True
        prompt = sent if typed is None else typed
        place = conversation.short_id(turn.id)  # not its number, which means another turn on another branch
        self.host.next_cell(f"%%chat -n {conversation.name} --replace {place}{options_line(options)}\n{prompt}")
        numbers = {one.id: number for number, one in enumerate(conversation.path(), 1)}
        name = f"turn {numbers[turn.id]}" if turn.id in numbers else f"turn `{place}`"
        told = f"The prompt of {name} stands below, to be changed; running it replaces the turn."
        self.host.page(told + _what_is_not_known(turn))

    def _asked(self, verb: str, rest: str) -> tuple[CellOptions, Conversation]:
        options = parse_cell_options(rest, f"%chat {verb}")
        if options.replace:
            raise InvalidInput(f"`%chat {verb}` takes the place of the last turn; it takes no --replace.")
        if options.attach or options.image or options.raw:
            raise InvalidInput(
                f"`%chat {verb}` asks what was asked before, with its values and images; it takes no -a, -i and --raw."
            )
        return options, self.session.conversation(options.name)

    def _ask_again(self, verb: str, conversation: Conversation, turn: Turn, said: CellOptions, begun: str = "") -> None:
        """Ask as the turn was asked; what the verb's own line says is stronger."""
        before = options_again(turn.options, from_file=turn.id not in conversation.begun_here)
        options = merge_options(before, said.kept)
        line = _line_for(verb, options, said)
        unbound = (turn.options or {}).get("out") if line.out is None else None
        ask = TurnRequest(
            turn.prompt,
            conversation.name,
            line.system,
            line.once,
            replace=None if line.once else turn.id,
            format=line.format,
            begun=begun,
            typed=turn.typed,
            options=options,
            notes=(f"`-o {unbound}` came from a file and binds nothing: `%chat {verb} -o {unbound}` does",)
            if unbound
            else (),
        )
        self.host.submit(ask, line)

    def _go_on_once(self, once: UnfinishedReply, said: CellOptions) -> None:
        """Go on with a reply that stands in no history, as it was asked; this one will stand in none, either."""
        options = merge_options(once.ask.options, said.kept)
        line = _line_for("continue", options, said)
        line.once = True
        system = once.ask.system if said.system is None else said.system
        again = once.ask._replace(system=system, format=line.format, begun=once.text, options=options, written=None)
        self.host.submit(again, line)


def _line_for(verb: str, options: Mapping[str, object], said: CellOptions) -> CellOptions:
    """The line to ask with, checked; see `options_for_retry`."""
    line = options_for_retry(options, said)
    if line.background and line.format in ("code", "correction"):
        raise InvalidInput(
            f"`%chat {verb} --background`: the turn was asked with -f code, and in the background no cell can be "
            "made; add `-f markdown`."
        )
    return line


def options_for_retry(options: Mapping[str, object], said: CellOptions) -> CellOptions:
    """The line to ask with: a verb's own, with the settings, the format and the variable from the turn's options."""
    line = copy(said)
    line.given = {name: value for name, value in options.items() if name in LINE_SETTINGS} | said.secret
    line.out = cast("str | None", options.get("out"))
    line.format = cast("Format", options.get("format", "markdown"))
    return line


def _what_is_not_known(turn: Turn) -> str:
    """What the new cell lacks, in a sentence with a space before it; "" where it lacks nothing."""
    images = image_count(turn.prompt)
    if turn.options is not None and (turn.typed is not None or not images):
        return ""
    lacks = f"its options, {counted(images, 'image')} among them, are" if images else "any options it had are"
    return f" An older version kept it, so it is not known how it was typed: what was sent is there, {lacks} missing."


def _nothing_asked(conversation: Conversation) -> str:
    """That the current branch has no turns, in the end of a sentence."""
    if not conversation.turns:
        return f"nothing was asked yet in `{conversation.name}`."
    return (
        f"the current branch of `{conversation.name}` has no turns. `%chat history --tree` shows those on others, and "
        f"`%chat use {conversation.name}@TURN` goes to one."
    )


def _where(conversation: Conversation) -> str:
    """Where a conversation goes on, in a sentence."""
    turns = conversation.path()
    if not turns:
        return f"Conversation **{conversation.name}** goes on here, from its beginning."
    last = code_span(first_words(turns[-1].prompt))
    return f"Conversation **{conversation.name}** goes on here, after turn {len(turns)} ({last})."
