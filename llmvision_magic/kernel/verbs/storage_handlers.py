"""The verbs of ``%chat`` that keep conversations and find them again: resume, log, save, load, export."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.conversation import checked_name
from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.markdown import code_span, counted
from llmvision_magic.settings.environment import DOTENV

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.journal.reading import ConversationSummary, LoadedConversation
    from llmvision_magic.kernel.verbs.host import VerbHost

SHORT_ID = 8
"""Characters of a conversation's id that are shown; `%chat resume` takes as many as tell it from all others."""


OVERWRITE = "--overwrite"


class StorageHandlers:
    """``do_NAME`` runs the verb NAME with the rest of its line."""

    session: Session
    host: VerbHost

    def do_resume(self, rest: str) -> None:
        if rest.startswith("--from"):
            self._resume_from(_path(rest.removeprefix("--from"), "resume --from", "lecture.ipynb"))
        elif rest:
            self._resume(rest)
        else:
            self.host.page(self._resume_page())

    def _resume_page(self) -> str:
        kept, is_of_notebook = self._offer()
        if not kept:
            return "No conversations are kept yet, other than those that are here."
        notebook = self.session.journal.origin.notebook
        if is_of_notebook:
            title = f"The last conversations of {code_span(Path(notebook or '').name)}:"
        elif notebook:
            title = "This notebook has no earlier conversations; the last of all:"
        else:
            title = "The host end does not tell this notebook's name; the last conversations of all:"
        rows = [
            "|  | id | conversation | last used | turns | begins with | notebook |",
            "|---|---|---|---|---|---|---|",
        ]
        for number, one in enumerate(kept, 1):
            of = Path(one.notebook).name if one.notebook else None
            rows.append(
                f"| {number} | {one.id[:SHORT_ID]} | {one.name} | {_date(one.updated)} | {one.turns} "
                f"| {code_span(one.first or None)} | {code_span(of)} |"
            )
        return "\n".join([title, "", *rows, "", "`%chat resume 1` goes on with the first one."])

    def _offer(self) -> tuple[list[ConversationSummary], bool]:
        """What can be resumed, and whether it is this notebook's. The numbers hold until the next list."""
        from llmvision_magic.journal.reading import kept_conversations

        here = {conversation.id for conversation in self.session.conversations.values()}
        notebook = self.session.journal.origin.notebook
        with self.session.journal.file.reading() as connection:
            kept = kept_conversations(connection, notebook=notebook, without=here) if notebook else []
            is_of_notebook = bool(kept)
            kept = kept or kept_conversations(connection, without=here)
        self.session.offered = [one.id for one in kept]
        return kept, is_of_notebook

    def _resume(self, word: str) -> None:
        from llmvision_magic.journal.reading import id_of, read

        journal = self.session.journal
        if word.isdecimal() and not self.session.offered:
            self._offer()
        with journal.file.reading() as connection:
            if word.isdecimal() and 1 <= int(word) <= len(self.session.offered):
                wanted = self.session.offered[int(word) - 1]
            else:
                wanted = id_of(connection, word, journal.origin.notebook)
            found = read(connection, wanted, journal.other_kernels.is_elsewhere)
        # A journal that the .env file names may be a stranger's, as that file may be.
        address = _without_address(found.conversation) if journal.file.place.source.endswith(f"({DOTENV})") else ""
        name = found.conversation.name
        conversation = self.session.adopt(found.conversation)
        if conversation is not found.conversation:
            self.host.page(self._joined(conversation, found))
            return
        journal.taken(found)
        lines = [f"Conversation **{name}** goes on here, after {counted(len(conversation.path()), 'turn')}."]
        if conversation.name != name:
            lines[0] += f" It is called **{conversation.name}** now, for there is another **{name}**."
        asked = conversation.last_asked()
        if found.was_cut and asked is not None:
            then = "continue` goes on with it" if asked.text else "retry` asks its prompt again"
            lines.append(f"Its kernel ended while the last reply arrived; `%chat {then}.")
        if conversation.head in found.elsewhere:
            lines.append(
                "Its last reply is still arriving in another kernel: `%chat history` shows how far it is, and the next "
                "prompt waits for its end."
            )
        if found.kernel != journal.origin.kernel:
            lines.append(
                "The variables are those of this kernel, not of the other one, which is still running."
                if journal.other_kernels.is_elsewhere(found.kernel)
                else "The kernel is new: the variables of the old one are gone."
            )
        self.host.page(" ".join(lines) + address)

    def _joined(self, conversation: Conversation, found: LoadedConversation) -> str:
        """Bring what was read of a conversation that is here already into its tree; what to say of it."""
        new = conversation.take_in(found.conversation)
        self.session.journal.other_kernels.follow(found)
        said = f"Conversation **{conversation.name}** is here already, and is the current one now."
        if new:
            way = f"{conversation.name}@{conversation.short_id(new[-1].id)}"
            asked = f"{counted(len(new), 'turn')} that another kernel asked"
            said += (
                f" In its tree there {'is' if len(new) == 1 else 'are'} {asked}: `%chat use {way}` goes to the last."
            )
        return said

    def _resume_from(self, path: Path) -> None:
        from llmvision_magic.journal.notebook_import import conversations_from

        lines = []
        for conversation in conversations_from(path):
            self.session.adopt(conversation)
            self.session.journal.keep(conversation)
            turns = counted(len(conversation.path()), "turn")
            lines.append(f"Conversation **{conversation.name}** is rebuilt from {code_span(path.name)}, with {turns}.")
        lines.append("No model was asked; variables of the kernel that ran the notebook are not here.")
        self.host.page(" ".join(lines))

    def do_log(self, rest: str) -> None:
        from llmvision_magic.journal.search import search

        with self.session.journal.file.reading() as connection:
            hits = search(connection, rest.split())
        if not hits:
            self.host.page(f"Nothing that is kept has {code_span(rest)} in it." if rest else "Nothing is kept yet.")
            return
        title = f"The latest turns with {code_span(rest)}:" if rest else "The latest turns:"
        rows = ["| date | conversation | id | |", "|---|---|---|---|"]
        rows += [
            f"| {_date(hit.created)} | {hit.name} | {hit.conversation[:SHORT_ID]} | {code_span(hit.snippet or None)} |"
            for hit in hits
        ]
        self.host.page("\n".join([title, "", *rows, "", "`%chat resume ID` goes on with a conversation."]))

    def do_save(self, rest: str) -> None:
        from llmvision_magic.journal.saved_files import save

        path, overwrite = _path_to_write(rest, "save", "tutor.json")
        conversation = self.session.conversation()
        save(conversation, path, overwrite=overwrite)
        count = counted(len(conversation.turns), "turn")
        self.host.page(f"Conversation **{conversation.name}** ({count}) is saved as {code_span(str(path))}.")

    def do_load(self, rest: str) -> None:
        from llmvision_magic.journal.saved_files import load

        given, _, name = rest.rpartition(" -n ") if " -n " in rest else (rest, "", "")
        conversation = load(_path(given, "load", "tutor.json"))
        name = checked_name(name.strip()) if name.strip() else conversation.name
        present = self.session.conversations.get(name)
        if present is not None and present.turns:
            raise InvalidInput(
                f"There is a conversation `{name}` already; add `-n NAME` to give this one another name."
            )
        address = _without_address(conversation)
        self.session.adopt(conversation, name)
        self.session.journal.keep(conversation)
        turns = counted(len(conversation.path()), "turn")
        self.host.page(f"Conversation **{name}** goes on here, after {turns}.{address}")

    def do_export(self, rest: str) -> None:
        from llmvision_magic.journal.exports import export

        path, overwrite = _path_to_write(rest, "export", "lecture.html")
        conversation = self.session.conversation()
        export(conversation, path, overwrite=overwrite)
        self.host.page(f"Conversation **{conversation.name}** is exported as {code_span(str(path))}.")


def _path(given: str, verb: str, example: str) -> Path:
    """The path that is the rest of a line, with or without quotes."""
    given = given.strip()
    if len(given) >= 2 and given[0] == given[-1] and given[0] in "\"'":
        given = given[1:-1]
    if not given:
        raise InvalidInput(f"`%chat {verb}` expects the path of a file: `%chat {verb} {example}`.")
    return Path(os.path.expanduser(given))


def _path_to_write(given: str, verb: str, example: str) -> tuple[Path, bool]:
    """The path on a line, and whether ``--overwrite`` stands before or after it."""
    path = given.removesuffix(OVERWRITE) if f" {given}".endswith(f" {OVERWRITE}") else given
    path = path.removeprefix(OVERWRITE) if f"{path} ".startswith(f"{OVERWRITE} ") else path
    return _path(path, verb, example), path != given


def _without_address(conversation: Conversation) -> str:
    """Take the server's address out of what comes from a file: its prompts and the key would go there.

    Returns:
        The sentence that says so, with a space before it; "" where there was none.
    """
    address = conversation.settings.pop("base_url", None)
    if address is None:
        return ""
    return f" Its requests went to {code_span(address)}: `%chat set base_url` says so again, a file does not."


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
