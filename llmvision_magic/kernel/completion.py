"""Tab completion of verbs, options, conversation names, settings, models and files, from the declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion

from llmvision_magic.kernel.execute_request import in_notebook
from llmvision_magic.kernel.path_completion import offered_paths, typed_path

if TYPE_CHECKING:
    from llmvision_magic.kernel.magics import ChatMagics

MODELS_SECONDS = 0.5
"""Longest wait for a server's list of models, in seconds; a later Tab finds what came too late for this one."""


AFTER_A_PATH = {
    "replay": ("--speed", "--else"),
    "load": ("-n",),
    "save": ("--overwrite",),
    "export": ("--overwrite",),
}
"""Options of the verbs that take a file."""


def candidates(magics: ChatMagics, line: str) -> list[str]:
    """What may stand at the end of `line`, which begins with one of our magics.

    Args:
        line: The line up to the cursor.
    """
    words = line.split()
    typed = "" if line[-1:].isspace() else words.pop()
    name, *before = words
    known = _cell_words(magics, before, typed) if name.startswith("%%") else _line_words(magics, before, typed)
    return [word for word in known if word.startswith(typed)]


def _cell_words(magics: ChatMagics, before: list[str], typed: str) -> Iterable[str]:
    from llmvision_magic.kernel.cells.options import EXPRESSIONS, OPTIONS
    from llmvision_magic.settings.declarations import FORMATS

    last = before[-1] if before else ""
    if last in ("-n", "--name"):
        return magics.session.conversations
    if last in ("-m", "--model"):
        return _models(magics)
    if last == "--compare":
        from llmvision_magic.kernel.cells.compare_option import KNOWN

        return (f"{name}=" for name in KNOWN)
    if last in ("-f", "--format"):
        return FORMATS
    if last in EXPRESSIONS:
        return names_of(magics.shell, typed)
    if any(last in option.flags and option.value for option in OPTIONS):
        return ()
    return (flag for option in OPTIONS for flag in option.flags)


def names_of(shell: Any, typed: str) -> Iterable[str]:
    """The notebook's names, and the attributes of one that is typed already."""
    if "." in typed:
        found: Iterable[str] = shell.Completer.attr_matches(typed)
        return found
    return sorted(name for name in shell.user_ns if not name.startswith("_") and name not in shell.user_ns_hidden)


def _line_words(magics: ChatMagics, before: list[str], typed: str) -> Iterable[str]:
    from llmvision_magic.kernel.verbs.declarations import BY_NAME, VERBS
    from llmvision_magic.settings.declarations import BY_NAME as SETTINGS_BY_NAME

    if not before:
        return (verb.name for verb in VERBS)
    verb = BY_NAME.get(before[0])
    if verb is not None and verb.completes == "options":
        return _cell_words(magics, before[1:], typed)
    if verb is not None and verb.completes == "persona" and len(before) > 1:
        from llmvision_magic.chat.personas import known_personas

        return known_personas(magics.folder) if before[-1] == "--persona" else ("-s", "--persona")
    if before in (["history"], ["panel"]):
        return (*magics.session.conversations, "--tree" if before == ["history"] else "--side")
    if verb is not None and len(before) > 1 and before[-1] == "--else":
        return ("live", "error")
    if verb is not None and verb.name in AFTER_A_PATH and (len(before) > 1 or typed.startswith("-")):
        return AFTER_A_PATH[verb.name]
    if verb is not None and verb.name == "set" and before[1:] == ["model"]:
        return _models(magics)
    if verb is None or len(before) > 1:
        return ()
    if verb.completes == "conversation":
        return magics.session.conversations
    if verb.completes == "setting":
        return SETTINGS_BY_NAME
    if verb.completes == "set setting":
        return magics.session.conversation().settings
    if verb.completes == "topic":
        from llmvision_magic.kernel.verbs.help_pages import topics

        return topics()
    return verb.completes.split()


def _models(magics: ChatMagics) -> Iterable[str]:
    """What the server offers. Asked once per server, and not waited for: Tab must answer at once."""
    from llmvision_magic.errors import ChatError

    try:
        settings = magics.settings(magics.session.conversation())
        return magics.session.model_list.offered(settings, MODELS_SECONDS)
    except ChatError:
        return ()


def completions_for(magics: ChatMagics, context: CompletionContext) -> dict[str, object]:
    """What IPython's completer is told, for a line or a first line of ours; nothing elsewhere."""
    line = context.text_until_cursor
    if context.cursor_line != 0 and line.lstrip().startswith("%%"):
        return {"completions": []}  # the body of a cell is a prompt
    if not line.lstrip().startswith(("%chat ", "%%chat ", "%llmvision ", "%%llmvision ")):
        return {"completions": []}
    path = typed_path(line.lstrip())
    paths = [] if path is None else offered_paths(path, context.line_with_cursor[context.cursor_position :])
    words = [] if paths else candidates(magics, line.lstrip())
    if path is None or words:
        return _told(words, _kind(magics, line.lstrip()), None)
    # Where there is no such file, what is typed: without any completion of ours IPython would offer its own.
    return _told(paths or [path.raw], "path", path.raw)


def _kind(magics: ChatMagics, line: str) -> str:
    """What is told of the words that are offered: a terminal shows it below the one that is chosen."""
    in_terminal = not in_notebook(magics.shell)
    return "an empty line ends the cell" if in_terminal and line.startswith("%%") else "magic"


def _told(words: list[str], kind: str, replaced: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "completions": [SimpleCompletion(word, type=kind) for word in words],
        "suppress": True,
        "ordered": True,
    }
    return found if replaced is None else {**found, "matched_fragment": replaced}
