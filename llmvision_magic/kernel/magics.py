"""``%%chat`` and ``%chat``: parse the line, call the session, show the result."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import Magics, magics_class
from traitlets import Bool, Dict, Float, Integer, List, Unicode

from llmvision_magic.errors import Interrupted, InvalidInput
from llmvision_magic.kernel.execute_request import cell_id, execution_id, in_notebook
from llmvision_magic.kernel.failed_cells import Failures
from llmvision_magic.kernel.interrupts import interrupting, ordinary_interrupts
from llmvision_magic.settings import BY_NAME, SETTINGS
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.chat.plan import Ask
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.dispatch import Asking
    from llmvision_magic.kernel.cells.options import CellLine
    from llmvision_magic.messages import Content
    from llmvision_magic.prompt import Values
    from llmvision_magic.settings import Settings

Written = TypeVar("Written")

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
        self.failures = Failures(shell)
        self._asking: Asking | None = None
        self._closing: list[Callable[[], None]] = []
        self._began_in = Path(os.path.abspath(os.curdir) if os.path.isdir(os.curdir) else os.curdir)
        self._panels: dict[str, tuple[str, Callable[[], None]]] = {}

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

                self.kept = Session(shared(), journal=journal_of(self._shell, self.folder))
            self._session = self.kept
            # At the kernel's orderly end, before the connections are closed: else a reply would seem cut by the server.
            atexit.register(self._session.end_replies)
        return self._session

    @property
    def _asks(self) -> Asking:
        if self._asking is None:
            from llmvision_magic.kernel.cells.dispatch import Asking

            self._asking = Asking(self)
        return self._asking

    def cell_chat(self, line: str, cell: str) -> None:
        """``%%chat``: the body of the cell is the prompt."""
        stop = Stop()
        # Before anything is imported: an interrupt in that time ends the cell as at any other.
        with interrupting(stop):
            self._run_cell(line, cell, stop)

    def _run_cell(self, line: str, cell: str, stop: Stop) -> None:
        from llmvision_magic.chat.plan import Ask
        from llmvision_magic.kernel.cells.options import parse_cell_line

        options = parse_cell_line(line)
        prompt = cell.strip("\n").rstrip()
        if not prompt.strip():
            raise InvalidInput(EMPTY)
        content, notes = self._composed(prompt, options, stop)
        ask = Ask(
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
        self._asks.submit(ask, options, stop)

    def line_chat(self, line: str) -> None:
        """``%chat VERB …``"""
        stop = Stop()
        with interrupting(stop):
            from llmvision_magic.kernel.verbs.declarations import run_verb
            from llmvision_magic.kernel.verbs.handlers import Commands

            commands = Commands(self.session, self)
        if stop.is_set:
            raise Interrupted("Interrupted.")
        self.session.catch_up()
        run_verb(commands, line)
        self.session.note()

    # -- what the commands need ---------------------------------------------------------------------------------------

    def settings(self, conversation: Conversation | None = None, given: dict[str, object] | None = None) -> Settings:
        """The values in force: option, conversation, configuration, environment, default."""
        from llmvision_magic.settings import Environment, Settings

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

    def ask(self, prompt: str) -> None:
        """Ask in one line."""
        from llmvision_magic.chat.plan import Ask
        from llmvision_magic.kernel.cells.options import CellLine

        stop = Stop()
        with interrupting(stop):
            content, notes = self._composed(prompt, CellLine(), stop)
            self._asks.submit(
                Ask(content, notes=notes, typed=None if content == prompt else prompt, written=prompt), CellLine(), stop
            )

    def fix(self) -> None:
        """Ask for the correction of the cell that failed last."""
        from llmvision_magic.chat.plan import Ask
        from llmvision_magic.kernel.cells.options import CellLine
        from llmvision_magic.prompt import fix_prompt

        failure = self.failures.last()
        if failure is None:
            self.page("No cell has failed; there is nothing to fix.")
            return
        stop = Stop()
        with interrupting(stop):
            values = self._values(self.settings(self.session.conversation()))
            with ordinary_interrupts(stop):
                composed = fix_prompt(failure, values)
            ask = Ask(composed.content, notes=composed.notes, format="correction", options={"format": "correction"})
            self._asks.submit(ask, CellLine(), stop)

    def submit(self, ask: Ask, options: CellLine) -> None:
        """Ask as a cell with these options would."""
        stop = Stop()
        with interrupting(stop):
            self._asks.submit(ask, options, stop)

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
        return self._asks.stop_background(which)

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
        if self._asking is not None:
            self._asking.close()
        if self._session is not None:
            atexit.unregister(self._session.end_replies)
            self._session.end_replies()
            self._session.journal.close()

    def page(self, markdown: str) -> None:
        """Show a page of ours."""
        if in_notebook(self._shell):
            from llmvision_magic.messages import Reply
            from llmvision_magic.rendering import Footer, reply_bundle

            self._shell.display_pub.publish(reply_bundle(Reply(markdown), Footer([], "")))
            return
        from llmvision_magic.kernel.views.terminal import print_page

        print_page(markdown, sys.stdout)

    def panel(self, conversation: str | None, side: bool) -> None:
        """Show a chat panel, in this cell or beside the notebook.

        Raises:
            InvalidInput: This is no notebook, or what docks it is not installed.
        """
        if not in_notebook(self._shell):
            raise InvalidInput("A chat panel needs a notebook; here `%%chat` and `%chat ask TEXT` answer.")
        from llmvision_magic.panel import ChatPanel
        from llmvision_magic.panel.docking import docked

        cell, execution = cell_id(self._shell), execution_id(self._shell)
        ran, close = self._panels.get(cell or "", (execution, None))
        if side:
            panel = docked(lambda: ChatPanel(conversation))
        else:
            panel = ChatPanel(conversation)
            panel._ipython_display_()
        if close is not None and ran != execution:  # the cell is run again: nobody else has its first panel
            close()
        if cell is not None:
            self._panels[cell] = execution, panel.close

    def read_secret(self, prompt: str) -> str:
        """Ask for a secret with hidden input.

        Raises:
            InvalidInput: This notebook runs where nobody can type.
            Interrupted: The reader would rather not.
        """
        from getpass import getpass

        from llmvision_magic.errors import Interrupted

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

    # -- asking -------------------------------------------------------------------------------------------------------

    def _composed(self, prompt: str, options: CellLine, stop: Stop) -> tuple[Content, tuple[str, ...]]:
        """The prompt with the values it names, and facts about them for the footer.

        Code of the user's runs here, and may be interrupted.
        """
        if not (("{{" in prompt and not options.raw) or options.attach or options.image):
            return prompt, ()
        from llmvision_magic.prompt import compose

        conversation = self.session.conversations.get(options.name or self.session.current)
        values = self._values(self.settings(conversation, options.given))
        with ordinary_interrupts(stop):
            composed = compose(prompt, values, raw=options.raw, attach=options.attach, images=options.image)
        return composed.content, composed.notes

    def composed(self, conversation: Conversation, write: Callable[[Values], Written], stop: Stop) -> Written:
        """A prompt that is written somewhere else, with values of the notebook. An interrupt or `stop` ends that."""
        values = self._values(self.settings(conversation))
        with ordinary_interrupts(stop):
            return write(values)

    def _values(self, settings: Settings) -> Values:
        from llmvision_magic.prompt import Values, secret_values

        key = self.session.connections.target(settings).key
        secrets = [*secret_values(settings.environment.variables()), *([key.secret] if key else [])]
        namespace = {"Err": self.failures.errors(), **self._shell.user_ns}
        return Values(namespace, secrets, settings.whole("value_limit"), self.failures.name_cell)
