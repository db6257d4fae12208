"""``%%chat`` and ``%chat``: the settings of this kernel, its session, and who does what a line asks."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, magics_class
from traitlets import Bool, Dict, Float, Integer, List, TraitError, TraitType, Unicode

from llmvision_magic.errors import Interrupted, InvalidInput
from llmvision_magic.kernel.failed_cells import FailedCells
from llmvision_magic.kernel.interrupts import interrupting
from llmvision_magic.settings.declarations import BY_NAME, SETTINGS
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.composer import PromptComposer
    from llmvision_magic.kernel.cells.dispatch import Dispatcher
    from llmvision_magic.kernel.panel_cells import PanelCells
    from llmvision_magic.kernel.verb_host import KernelVerbHost
    from llmvision_magic.messages import Content
    from llmvision_magic.settings.layers import Settings

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""

EMPTY = (
    "The cell has no prompt: write what you ask in the lines below `%%chat`.\n\n"
    "    %%chat\n    Explain list comprehensions with one example.\n"
)


def _help(name: str) -> str:
    setting = BY_NAME[name]
    default = "" if setting.default is None else f" Default: {setting.default}."
    return f"{setting.help} Expected: {setting.expected}.{default} None: not set here."


class HeadersTrait(TraitType[Any, Any]):
    """Headers, whose values `%config ChatMagics` does not show."""

    def validate(self, obj: object, value: object) -> object:
        """The headers; an error does not show what came."""
        try:
            return None if value is None else parse_value(BY_NAME["headers"], value)
        except InvalidInput as error:
            raise TraitError(str(error)) from None


@magics_class
class ChatMagics(Magics):
    """Values here count for all conversations of this kernel; an option or ``%chat set`` is stronger.

    Attributes:
        kept: The kernel's session as far as there is one, also before its first use and after the extension's end.
    """

    model = Unicode(None, allow_none=True, help=_help("model")).tag(config=True)
    temperature = Float(None, allow_none=True, help=_help("temperature")).tag(config=True)
    top_p = Float(None, allow_none=True, help=_help("top_p")).tag(config=True)
    max_tokens = Integer(None, allow_none=True, help=_help("max_tokens")).tag(config=True)
    stop = List(Unicode(), None, allow_none=True, help=_help("stop")).tag(config=True)
    presence_penalty = Float(None, allow_none=True, help=_help("presence_penalty")).tag(config=True)
    frequency_penalty = Float(None, allow_none=True, help=_help("frequency_penalty")).tag(config=True)
    param = Dict(None, allow_none=True, help=_help("param")).tag(config=True)
    headers = HeadersTrait(None, allow_none=True, help=_help("headers")).tag(config=True)
    stream = Bool(None, allow_none=True, help=_help("stream")).tag(config=True)
    base_url = Unicode(None, allow_none=True, help=_help("base_url")).tag(config=True)
    connect_timeout = Float(None, allow_none=True, help=_help("connect_timeout")).tag(config=True)
    first_event_timeout = Float(None, allow_none=True, help=_help("first_event_timeout")).tag(config=True)
    between_events_timeout = Float(None, allow_none=True, help=_help("between_events_timeout")).tag(config=True)
    retries = Integer(None, allow_none=True, help=_help("retries")).tag(config=True)
    value_limit = Integer(None, allow_none=True, help=_help("value_limit")).tag(config=True)
    rerun = Unicode(None, allow_none=True, help=_help("rerun")).tag(config=True)
    prices = Unicode(None, allow_none=True, help=_help("prices")).tag(config=True)

    def __init__(self, shell: Shell, kept: Session | None = None) -> None:
        super().__init__(shell)
        self._shell = shell
        self._session: Session | None = None
        self.kept = kept
        self.failures = FailedCells(shell)
        self._made_dispatcher: Dispatcher | None = None
        self._made_composer: PromptComposer | None = None
        self._closing: list[Callable[[], None]] = []
        self._began_in = Path(os.path.abspath(os.curdir) if os.path.isdir(os.curdir) else os.curdir)
        self._panels: PanelCells | None = None

    @property
    def session(self) -> Session:
        """The kernel's session, made at its first use: loading the extension stays cheap."""
        if self._session is None:
            from llmvision_magic.backends.connections import shared

            if self.kept is not None:
                self.kept.connections = shared()  # unloading has closed those it had
            else:
                from llmvision_magic.chat.session import Session
                from llmvision_magic.kernel.notebook_file import journal_of

                self.kept = Session(shared(), journal_of(self._shell, self.folder), self._shell.transform_cell)
            self._session = self.kept
            # At the kernel's orderly end, before the connections are closed: else a reply would seem cut by the server.
            atexit.register(self._session.end_replies)
        return self._session

    @property
    def composer(self) -> PromptComposer:
        """Puts values of the notebook into prompts."""
        if self._made_composer is None:
            from llmvision_magic.kernel.cells.composer import PromptComposer

            self._made_composer = PromptComposer(self._shell, self.session, self.settings, self.failures)
        return self._made_composer

    @property
    def _dispatcher(self) -> Dispatcher:
        if self._made_dispatcher is None:
            from llmvision_magic.kernel.cells.dispatch import Dispatcher

            self._made_dispatcher = Dispatcher(self._shell, self.session, self.settings)
        return self._made_dispatcher

    def _verb_host(self) -> KernelVerbHost:
        from llmvision_magic.kernel.panel_cells import PanelCells
        from llmvision_magic.kernel.verb_host import KernelVerbHost

        if self._panels is None:
            self._panels = PanelCells(self._shell)
        return KernelVerbHost(
            self._shell,
            self.session,
            self.settings,
            self.folder,
            self.composer,
            self._dispatcher,
            self.failures,
            self._panels,
        )

    def cell_chat(self, line: str, cell: str) -> None:
        """``%%chat``: the body of the cell is the prompt."""
        stop = Stop()
        # Before anything is imported: an interrupt in that time ends the cell as at any other.
        with interrupting(stop), self._dispatcher.noting_outputs():
            self._run_cell(line, cell, stop)

    def _run_cell(self, line: str, cell: str, stop: Stop) -> None:
        from llmvision_magic.chat.plan import TurnRequest
        from llmvision_magic.kernel.cells.option_parsing import parse_cell_options

        options = parse_cell_options(line)
        prompt = cell.strip("\n").rstrip()
        if not prompt.strip():
            raise InvalidInput(EMPTY)
        content: Content = prompt
        notes: tuple[str, ...] = ()
        if options.puts_values_into(prompt):  # what does that is not loaded for a prompt that has none
            content, notes = self.composer.cell(prompt, options, stop)
        request = TurnRequest(
            content,
            options.name,
            options.system,
            options.once,
            notes=notes,
            format=options.format,
            replace=options.replace,
            typed=None if content == prompt else prompt,
            options=options.kept,
            written=prompt,
        )
        self._dispatcher.submit(request, options, stop)

    def line_chat(self, line: str) -> None:
        """``%chat VERB …``"""
        stop = Stop()
        with interrupting(stop):
            from llmvision_magic.kernel.verbs.handlers import VerbHandlers, run_verb

            handlers = VerbHandlers(self.session, self._verb_host())
        if stop.is_set:
            raise Interrupted("Interrupted.")
        self.session.catch_up()
        with self._dispatcher.noting_outputs():
            run_verb(handlers, line)
        self.session.note()

    def settings(self, conversation: Conversation | None = None, given: dict[str, object] | None = None) -> Settings:
        """The values in force: option, conversation, configuration, environment, default."""
        from llmvision_magic.settings.environment import Environment
        from llmvision_magic.settings.layers import Settings

        configured = {setting.name: getattr(self, setting.name) for setting in SETTINGS}
        return Settings(
            [
                ("option", given or {}),
                ("%chat set", conversation.settings if conversation else {}),
                ("configuration", configured),
            ],
            Environment.read(self.folder),
        )

    @property
    def folder(self) -> Path:
        """The notebook's folder: ``%cd`` changes neither its ``.env`` file nor its personas."""
        from llmvision_magic.kernel.notebook_file import folder_of

        return folder_of(self._shell, self._began_in)

    def when_closed(self, action: Callable[[], None]) -> Callable[[], None]:
        """Have something done when the extension is unloaded.

        Returns:
            A function that takes it back.
        """
        self._closing.append(action)

        def forget() -> None:
            if action in self._closing:
                self._closing.remove(action)

        return forget

    def close(self) -> None:
        """Close the panels, end what runs in the background, and let go of the journal: the extension is unloaded."""
        for action in list(self._closing):
            action()
        if self._made_dispatcher is not None:
            self._made_dispatcher.close()
        if self._session is not None:
            atexit.unregister(self._session.end_replies)
            self._session.end_replies()
            self._session.journal.file.close()
