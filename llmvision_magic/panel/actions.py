"""What the page asks for, done in the session. Runs in the kernel's main thread."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from llmvision_magic.chat.listeners import NullView
from llmvision_magic.chat.plan import TurnRequest
from llmvision_magic.errors import ChatError, InvalidInput
from llmvision_magic.messages import text_of
from llmvision_magic.panel.request_queue import TAKEN_BACK
from llmvision_magic.prompt import ComposedPrompt
from llmvision_magic.settings.turn_options import LINE_SETTINGS, Options, is_raw, options_again
from llmvision_magic.threads import in_thread

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn
    from llmvision_magic.panel.attachments import EarlierFiles
    from llmvision_magic.panel.host import PanelHost
    from llmvision_magic.panel.requests import File, Request
    from llmvision_magic.panel.transcript_sync import TranscriptSync
    from llmvision_magic.stop import Stop


class Actions:
    """One method ``do_X`` for each request that changes something."""

    def __init__(self, host: PanelHost, sync: TranscriptSync) -> None:
        self._host = host
        self._sync = sync

    def run(self, request: Request, conversation: Conversation, stop: Stop) -> None:
        """Do what is asked, in that conversation.

        Args:
            stop: Ends the reply; set before anything is sent, it keeps the prompt from being asked.

        Raises:
            ChatError: It cannot be done; nothing has changed.
        """
        getattr(self, f"do_{request.do}")(request, conversation, stop)
        self._host.session.note()

    def do_ask(self, request: Request, conversation: Conversation, stop: Stop) -> None:
        options = _options(request)
        composed, options = self._composed(conversation, request.text, options, stop, request.files)
        self._ask(conversation, composed, request.text, options, stop)

    def do_edit(self, request: Request, conversation: Conversation, stop: Stop) -> None:
        from llmvision_magic.panel.attachments import beside

        turn = _turn(request, conversation)
        options: Options = {**_before(turn, conversation), **_options(request)}
        if is_raw(options, turn.typed, text_of(turn.prompt)):
            options = {**options, "raw": True}
        composed, options = self._composed(conversation, request.text, options, stop, before=beside(turn))
        self._ask(conversation, composed, request.text, options, stop, replace=turn.id)

    def do_retry(self, request: Request, conversation: Conversation, stop: Stop) -> None:
        turn = _turn(request, conversation)
        options = _before(turn, conversation)
        self._ask(conversation, ComposedPrompt(turn.prompt), turn.typed, options, stop, replace=turn.id)

    def do_continue(self, request: Request, conversation: Conversation, stop: Stop) -> None:
        turn = _turn(request, conversation)
        if turn.status == "partial" or turn.is_whole or turn.is_blank:
            raise InvalidInput("There is nothing to continue: this reply is complete, still arriving, or without text.")
        asked, options = ComposedPrompt(turn.prompt), _before(turn, conversation)
        self._ask(conversation, asked, turn.typed, options, stop, replace=turn.id, begun=turn.text)

    def do_branch(self, request: Request, conversation: Conversation, _: Stop) -> None:
        turn = _turn(request, conversation)
        conversation.go_to(conversation.newest_after(turn.id))

    def do_exclude(self, request: Request, conversation: Conversation, _: Stop) -> None:
        turn = _turn(request, conversation)
        conversation.exclude(turn.id, request.excluded)
        self._host.session.journal.keep(conversation, {turn.id: None})

    def do_new(self, request: Request, _: Conversation, __: Stop) -> None:
        session = self._host.session
        name = request.name or next(
            name
            for number in range(1, len(session.conversations) + 2)
            if (name := f"chat-{number}") not in session.conversations
        )
        session.new(name)
        self._sync.go_to(name)

    def do_use(self, request: Request, _: Conversation, __: Stop) -> None:
        self._sync.go_to(request.name)

    def do_rename(self, request: Request, _: Conversation, __: Stop) -> None:
        self._host.session.rename(request.name, request.to)

    def do_drop(self, request: Request, _: Conversation, __: Stop) -> None:
        self._host.session.drop(request.name)

    def _composed(
        self,
        conversation: Conversation,
        text: str,
        options: Options,
        stop: Stop,
        files: tuple[File, ...] = (),
        before: EarlierFiles | None = None,
    ) -> tuple[ComposedPrompt, Options]:
        """What is sent for a text that was typed, and how it is asked.

        Args:
            options: Those of the line that asked first; what it attached is attached anew.
            before: What went along with it then.
        """
        from llmvision_magic.panel.attachments import NOTHING, with_files

        before = before or NOTHING
        prompt = text.strip("\n").rstrip()
        if not prompt.strip() and not files and before == NOTHING:
            raise InvalidInput("There is no prompt: type what you ask.")
        return self._host.composed(
            conversation, lambda values: with_files(prompt, files, values, options, before), stop
        )

    def _ask(
        self,
        conversation: Conversation,
        composed: ComposedPrompt,
        typed: str | None,
        options: Options,
        stop: Stop,
        *,
        replace: str | None = None,
        begun: str = "",
    ) -> None:
        if stop.is_set:
            raise InvalidInput(TAKEN_BACK)
        if replace is not None and self._sync.busy:
            raise InvalidInput("A reply is still arriving; Stop ends it.")
        session = self._host.session
        ask = TurnRequest(
            composed.content,
            conversation.name,
            notes=composed.notes,
            typed=typed,
            replace=replace,
            begun=begun,
            options=options,
        )
        given = {name: value for name, value in options.items() if name in LINE_SETTINGS}
        settings = self._host.settings(conversation, given)
        if (target := session.connections.unagreed(settings)) is not None:
            from llmvision_magic.backends.server_consent import refusal

            raise refusal(target, settings.environment, "Ask once in a cell, as `%chat ask Hello`: it asks you first.")
        begins = session.begin(ask, settings)
        if begins.turn is not None:  # from now on it can be stopped, though its thread has yet to start
            session.stops[begins.turn.id] = stop

        def run() -> None:
            with suppress(ChatError):  # the turn says it
                session.run(begins, NullView(), stop)

        in_thread(run, "llmvision-panel").start()


def _options(request: Request) -> Options:
    return {"raw": True} if request.raw else {}


def _before(turn: Turn, conversation: Conversation) -> dict[str, object]:
    return options_again(turn.options, from_file=turn.id not in conversation.begun_here)


def _turn(request: Request, conversation: Conversation) -> Turn:
    if request.turn not in conversation.turns:
        raise InvalidInput("That turn is no longer in this conversation.")
    return conversation.turns[request.turn]
