"""What a cell or a verb asks is sent and shown where it belongs, and the cell ends as the reply ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.execute_request import (
    Shell,
    cell_id,
    execution_id,
    has_cell_alone,
    in_notebook,
    running_cell,
)

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.plan import TurnRequest
    from llmvision_magic.chat.session import Session
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.background import BackgroundRunner
    from llmvision_magic.kernel.cells.compare_option import ComparedParameter
    from llmvision_magic.kernel.cells.option_parsing import CellOptions
    from llmvision_magic.kernel.views.other_outputs import OtherOutputs
    from llmvision_magic.kernel.views.single_output import SharedCellView
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

NONE_RUNNING = "No reply is arriving in the background; `%%chat --background` starts one."


SettingsInForce = Callable[["Conversation | None", "dict[str, object] | None"], "Settings"]
"""The values in force for a conversation (None for none), with those that a line gives, which are stronger."""


class Dispatcher:
    """Asks in a session, and shows in a shell."""

    def __init__(self, shell: Shell, session: Session, settings: SettingsInForce) -> None:
        self._shell = shell
        self._session = session
        self._settings = settings
        self._background: BackgroundRunner | None = None
        self._others: OtherOutputs | None = None

    @contextmanager
    def noting_outputs(self) -> Iterator[None]:
        """While inside, what others show in the running cell is noted, so that a reply does not take it away."""
        # Other kernels than ipykernel may send outputs in ways of their own.
        sends = hasattr(self._shell.display_pub, "session") and hasattr(self._shell.display_pub, "parent_header")
        if self._others is not None or not sends or not has_cell_alone(self._shell):
            yield
            return
        from llmvision_magic.kernel.views.other_outputs import OtherOutputs

        self._others = OtherOutputs(self._shell.display_pub)
        try:
            with self._others.noting():
                yield
        finally:
            self._others = None

    def submit(self, ask: TurnRequest, options: CellOptions, stop: Stop) -> None:
        """Ask as the line says: now, in the background, with several values, or only show what would be sent.

        Raises:
            ChatError: It cannot be asked, or the reply did not end well.
            Interrupted: The reader stopped it.
        """
        ask = ask._replace(cell=cell_id(self._shell), execution=execution_id(self._shell))
        if options.dry_run:
            self._dry_run(ask, options)
            return
        settings = self._settings(self._conversation(ask), options.given)
        self.ask_for_consent(settings, stop)
        if options.compare is not None:
            self._compare(ask, options, options.compare, stop)
        elif options.background and running_cell().interactive:  # nobody else sees what comes for a cell that has ended
            self._ask_in_background(ask, options, settings)
        else:
            self._ask(ask, options, settings, stop)

    def ask_for_consent(self, settings: Settings, stop: Stop) -> None:
        """Ask the reader, where the server is one that nobody has agreed to; see `consent`.

        Raises:
            InvalidInput: The answer was no.
        """
        target = self._session.connections.unagreed(settings)
        if target is not None:
            from llmvision_magic.kernel.cells.consent import ask_for_consent

            ask_for_consent(self._shell, self._session.connections.consent, target, settings.environment, stop)

    def stop_background(self, which: str) -> list[str]:
        """End replies in the background: all, those of a conversation, or one by its number.

        Returns:
            A line of Markdown for each.

        Raises:
            InvalidInput: There is none.
        """
        if self._background is None:
            raise InvalidInput(NONE_RUNNING)
        return self._background.stop(which)

    def close(self) -> None:
        """End what runs in the background."""
        if self._background is not None:
            self._background.close()

    def _ask_in_background(self, ask: TurnRequest, options: CellOptions, settings: Settings) -> None:
        if self._background is None:
            from llmvision_magic.kernel.cells.background import BackgroundRunner

            self._background = BackgroundRunner(self._session, self._shell)
        self._background.ask(ask, settings, options.out)

    def _ask(self, ask: TurnRequest, options: CellOptions, settings: Settings, stop: Stop) -> None:
        shared = self._shared_view(as_text=ask.format == "text")
        view = shared or self._view(as_text=ask.format == "text")
        try:
            outcome = self._session.ask(ask, settings, view, stop)
        except BaseException:
            view.leave()
            raise
        if options.out:  # also a reply without text: an older one must not pass for it
            self._shell.user_ns[options.out] = outcome.reply
        if outcome.offer is not None and outcome.offer.cell:
            self._shell.set_next_input(outcome.offer.cell, replace=False)
        says_why = shared is not None and not outcome.is_shown and shared.try_fail(str(outcome.error))
        self._raise(outcome, is_said=outcome.error_is_shown or says_why)

    def _compare(self, ask: TurnRequest, options: CellOptions, compared: ComparedParameter, stop: Stop) -> None:
        from llmvision_magic.kernel.cells.side_by_side import compare
        from llmvision_magic.kernel.views.publishing import UpdatableOutput

        asked = [self._session.begin(one, settings) for one, settings in self._each(ask, options, compared)]
        output = None
        if in_notebook(self._shell):
            output = UpdatableOutput(self._shell.display_pub, self._others)
        comparison, error = compare(self._session, compared, asked, output, stop)
        if options.out:
            self._shell.user_ns[options.out] = comparison
        if error is not None:
            raise error

    def _each(
        self, ask: TurnRequest, options: CellOptions, compared: ComparedParameter
    ) -> list[tuple[TurnRequest, Settings]]:
        """What is asked with each value, and with which settings."""
        conversation = self._conversation(ask)
        return [
            (
                ask._replace(once=True, column=column, ordinal=ordinal),
                self._settings(conversation, compared.given(value, options.given)),
            )
            for column, (value, ordinal) in enumerate(zip(compared.values, compared.ordinals(), strict=True))
        ]

    def _conversation(self, ask: TurnRequest) -> Conversation | None:
        return self._session.conversations.get(ask.conversation or self._session.current)

    def _raise(self, outcome: Outcome, *, is_said: bool) -> None:
        """End the cell as the reply ended, so that *Run All* stops where it should."""
        if outcome.error is None:
            return
        if is_said:
            outcome.error.shown = True  # type: ignore[attr-defined]  # a ChatError or Interrupted
        raise outcome.error

    def _dry_run(self, ask: TurnRequest, options: CellOptions) -> None:
        from llmvision_magic.kernel.cells.dry_run import dry_run_page, dry_run_text, json_of
        from llmvision_magic.rendering import plain_for_terminal

        each = [(ask, self._settings(self._conversation(ask), options.given))]
        if options.compare is not None:
            each = self._each(ask, options, options.compare)
        plans = [self._session.plan(one, settings) for one, settings in each]
        if options.out:
            bodies = [json_of(plan) for plan in plans]
            self._shell.user_ns[options.out] = bodies[0] if options.compare is None else bodies
        if in_notebook(self._shell):
            from llmvision_magic.kernel.views.page import show_page

            show_page(self._shell, [part for plan in plans for part in dry_run_page(plan)])
        else:  # as it is: in a drawn box a line could not be copied
            print(plain_for_terminal("\n\n".join(map(dry_run_text, plans))))  # noqa: T201

    def _shared_view(self, *, as_text: bool) -> SharedCellView | None:
        """The view for a cell that shows other things too, or a widget that takes outputs; None for another."""
        if not in_notebook(self._shell):
            return None
        from llmvision_magic.kernel.views.publishing import is_captured

        if has_cell_alone(self._shell) and not is_captured(self._shell.display_pub):
            return None
        from llmvision_magic.kernel.views.single_output import SharedCellView

        return SharedCellView(self._shell.display_pub, as_text=as_text)

    def _view(self, *, as_text: bool) -> ReplyView:
        if in_notebook(self._shell):
            from llmvision_magic.kernel.views.notebook import NotebookView

            return NotebookView(self._shell.display_pub, self._others, as_text=as_text)
        from llmvision_magic.kernel.views.terminal import view_for

        return view_for(sys.stdout, as_text=as_text)
