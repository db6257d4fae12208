"""This kernel as the verbs of ``%chat`` need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmvision_magic.chat.plan import TurnRequest
from llmvision_magic.errors import Interrupted, InvalidInput
from llmvision_magic.kernel.cells.option_parsing import CellOptions
from llmvision_magic.kernel.execute_request import in_notebook
from llmvision_magic.kernel.interrupts import interrupting
from llmvision_magic.kernel.views.page import show_page
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.composer import PromptComposer
    from llmvision_magic.kernel.cells.dispatch import Dispatcher, SettingsInForce
    from llmvision_magic.kernel.failed_cells import FailedCells
    from llmvision_magic.kernel.panel_cells import PanelCells
    from llmvision_magic.rendering.page_bundle import Part
    from llmvision_magic.settings.layers import Settings

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class KernelVerbHost:
    """What one kernel does for a verb: a `VerbHost`.

    Args:
        folder: The notebook's.
    """

    def __init__(
        self,
        shell: Shell,
        session: Session,
        settings: SettingsInForce,
        folder: Path,
        composer: PromptComposer,
        dispatcher: Dispatcher,
        failures: FailedCells,
        panels: PanelCells,
    ) -> None:
        self._shell = shell
        self._session = session
        self._settings = settings
        self._composer = composer
        self._dispatcher = dispatcher
        self._failures = failures
        self._panels = panels
        self.folder = folder

    @property
    def in_terminal(self) -> bool:
        """Whether cells are typed into a terminal."""
        return not in_notebook(self._shell)

    def settings(self, conversation: Conversation | None = None) -> Settings:
        """The values in force, without options."""
        return self._settings(conversation, None)

    def ask(self, prompt: str) -> None:
        """Ask in one line."""
        stop = Stop()
        with interrupting(stop):
            content, notes = self._composer.cell(prompt, CellOptions(), stop)
            typed = None if content == prompt else prompt
            request = TurnRequest(content, notes=notes, typed=typed, written=prompt)
            self._dispatcher.submit(request, CellOptions(), stop)

    def fix(self, options: CellOptions) -> None:
        """Ask for the correction of the cell that failed last.

        Args:
            options: Where and how it is asked.
        """
        from llmvision_magic.prompt import fix_prompt

        failure = self._failures.last()
        if failure is None:
            self.page("No cell has failed; there is nothing to fix.")
            return
        stop = Stop()
        with interrupting(stop):
            conversation = self._session.conversations.get(options.name or self._session.current)
            composed = self._composer.composed(conversation, lambda values: fix_prompt(failure, values), stop)
            request = TurnRequest(
                composed.content,
                options.name,
                options.system,
                options.once,
                notes=composed.notes,
                format="correction",
                options={**options.kept, "format": "correction"},
            )
            self._dispatcher.submit(request, options, stop)

    def submit(self, request: TurnRequest, options: CellOptions) -> None:
        """Ask as a cell with these options would."""
        stop = Stop()
        with interrupting(stop):
            self._dispatcher.submit(request, options, stop)

    def ask_for_consent(self, settings: Settings) -> None:
        """Ask the reader, where the server is one that nobody has agreed to.

        Raises:
            InvalidInput: The answer was no.
        """
        stop = Stop()
        with interrupting(stop):
            self._dispatcher.ask_for_consent(settings, stop)

    def next_cell(self, text: str) -> None:
        """Put a new cell below this one; in a terminal, the next input."""
        self._shell.set_next_input(text)

    def stop_background(self, which: str) -> list[str]:
        """End replies in the background: all, those of a conversation, or one by its number.

        Returns:
            A line of Markdown for each.

        Raises:
            InvalidInput: There is none.
        """
        return self._dispatcher.stop_background(which)

    def page(self, page: str | Sequence[Part]) -> None:
        """Show a page of ours, written in Markdown; or its parts."""
        show_page(self._shell, page)

    def panel(self, conversation: str | None, side: bool) -> None:
        """Show a chat panel, in this cell or beside the notebook."""
        self._panels.show(conversation, side)

    def read_secret(self, prompt: str) -> str:
        """Ask for a secret with hidden input.

        Raises:
            InvalidInput: This notebook runs where nobody can type.
            Interrupted: The reader would rather not.
        """
        from getpass import getpass

        try:
            return getpass(prompt)
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None
        except Exception as error:
            if type(error).__name__ not in ("StdinNotImplementedError", "EOFError"):
                raise
            raise InvalidInput(
                "Nobody can type a key here (this notebook runs without input); set LLMVISION_API_KEY instead."
            ) from error

    def stopping(self, action: Callable[[Stop], object]) -> object:
        """Run something that a Ctrl-C may end."""
        stop = Stop()
        with interrupting(stop):
            result = action(stop)
        if stop.is_set:
            raise Interrupted("Interrupted.")
        return result
