"""What loading puts into the shell, and what unloading takes out again."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, context_matcher
from IPython.core.magic import no_var_expand

from llmvision_magic.errors import ChatError, Interrupted
from llmvision_magic.kernel.magic_help import DocumentedMagic
from llmvision_magic.kernel.magics import ChatMagics

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session

NAMES = ("chat", "llmvision")

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class Extension:
    """The extension as loaded into one shell.

    Args:
        kept: The session from when it was loaded there before.
    """

    def __init__(self, shell: Shell, kept: Session | None = None) -> None:
        self._shell = shell
        self.magics = ChatMagics(shell, kept)
        self._before: dict[tuple[str, str], object] = {}
        self._register()
        self._matcher = _matcher_for(self.magics)
        shell.Completer.custom_matchers.append(self._matcher)
        shell.input_transformers_cleanup.append(_keep_prompts)
        shell.events.register("post_run_cell", self.magics.failures.note)
        self._exceptions_before = (shell.custom_exceptions, shell.CustomTB)
        self._quiet_errors()

    def _register(self) -> None:
        table = self._shell.magics_manager.magics
        for name in NAMES:
            for kind, function, page, summary in (
                ("line", self.magics.line_chat, _line_help, "Conversations with a language model."),
                ("cell", self.magics.cell_chat, _cell_help, "Ask a language model; the body is the prompt."),
            ):
                if name in table[kind]:
                    self._before[kind, name] = table[kind][name]
                # Braces and $ on the line are the user's text, not variables to expand.
                table[kind][name] = no_var_expand(DocumentedMagic(function, page, summary))
        taken = sorted({name for _, name in self._before})
        if taken:
            print(f"llmvision_magic takes over %{' and %'.join(taken)}; unloading gives it back.")  # noqa: T201

    def _quiet_errors(self) -> None:
        """Errors that the cell's output says already end the cell without saying it again.

        IPython asks a custom handler for the exception types it is registered for; one that another extension has
        registered keeps its types.
        """
        types_before, handler_before = self._exceptions_before

        def handle(shell: Shell, etype: Any, value: Any, tb: Any, tb_offset: Any = None) -> Any:
            if isinstance(value, ChatError | Interrupted) and value.shown:
                sys.last_type, sys.last_value, sys.last_traceback = etype, value, tb  # for %tb
                shell._last_traceback = value._render_traceback_()  # the end of the cell tells it to the front end
                return []
            if isinstance(value, types_before):
                return handler_before(etype, value, tb, tb_offset)
            shell.showtraceback((etype, value, tb), tb_offset=tb_offset, running_compiled_code=True)
            return []

        self._shell.set_custom_exc((ChatError, Interrupted, *types_before), handle)

    def unload(self) -> None:
        """Take everything out again, end replies in the background and the embedded model's server."""
        from llmvision_magic.backends.connections import close_shared

        self.magics.close()
        table = self._shell.magics_manager.magics
        for name in NAMES:
            for kind in ("line", "cell"):
                if (kind, name) in self._before:
                    table[kind][name] = self._before[kind, name]
                else:
                    table[kind].pop(name, None)
        self._shell.configurables.remove(self.magics)  # where IPython's base class has put it, for %config
        if self._matcher in self._shell.Completer.custom_matchers:
            self._shell.Completer.custom_matchers.remove(self._matcher)
        if _keep_prompts in self._shell.input_transformers_cleanup:
            self._shell.input_transformers_cleanup.remove(_keep_prompts)
        self._shell.events.unregister("post_run_cell", self.magics.failures.note)
        self._shell.custom_exceptions, self._shell.CustomTB = self._exceptions_before
        close_shared()


def _matcher_for(magics: ChatMagics) -> Any:
    """A matcher for IPython's completer; what it knows is imported at the first Tab."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def llmvision_matcher(context: CompletionContext) -> dict[str, object]:
        from llmvision_magic.kernel.completion import completions_for

        return completions_for(magics, context)

    return llmvision_matcher


def _cell_help() -> str:
    from llmvision_magic.kernel.cells.options import options_plain

    return options_plain()


def _line_help() -> str:
    from llmvision_magic.kernel.verbs.declarations import verbs_plain

    return verbs_plain()


# As texts: compiled when the first line is looked at.
_LINE = r"^(?P<indent>[ \t]*)%(?P<name>chat|llmvision)[ \t]+(?P<rest>.*\?)[ \t]*$"
_EMPTY_CELL = r"^%%(chat|llmvision)\b[^?]*$"


def _keep_prompts(lines: list[str]) -> list[str]:
    """Let two kinds of input reach the magics that IPython would take for itself.

    A line that ends in ``?`` is a request for help to IPython: ``%chat ask What is a tuple?`` is a prompt to us. A cell
    magic without a body is an error of IPython's; with an empty line below it, it comes to us and we say what to write.
    """
    if len(lines) == 1 and re.match(_EMPTY_CELL, lines[0]):
        return [lines[0] if lines[0].endswith("\n") else lines[0] + "\n", "\n"]
    if lines and lines[0].startswith("%%"):
        return lines
    return [_kept_line(line) for line in lines]


# What IPython looks for when it asks whether a cell is typed to its end: it leaves such a transformer out then. Else
# the line `%%chat` alone, which gets its empty line here, would be run before the prompt below it can be typed.
_keep_prompts.has_side_effects = True  # type: ignore[attr-defined]


def _kept_line(line: str) -> str:
    found = re.match(_LINE, line.rstrip("\n"))
    if found is None:
        return line
    return f"{found['indent']}get_ipython().run_line_magic({found['name']!r}, {found['rest']!r})\n"
