"""Where the journal lies, and where the conversations in it come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

if TYPE_CHECKING:
    from llmvision_magic.settings.environment import Environment

VARIABLE = "LLMVISION_JOURNAL"
"""``off``, or the path of the journal's file."""

FILE = "journal.sqlite3"

_OFF = ("off", "false", "no", "0")
_ON = ("on", "true", "yes", "1")


class JournalLocation(NamedTuple):
    """Where the journal is kept.

    Attributes:
        path: Its file; None when nothing is kept.
        source: Which place says so, for the reader.
        is_ours: Whether the folder is one that this package made for itself, to which nobody else shall have access.
    """

    path: Path | None
    source: str
    is_ours: bool = False


NOWHERE = JournalLocation(None, "default")


THIS_PROCESS = uuid4().hex
"""Names this process: after a restart the front end calls the kernel by the same id, and its variables are gone."""


class KernelIdentity:
    """The kernel that writes.

    Attributes:
        notebook: Path of its notebook as the front end gives it; None where it gives none.
        kernel: Tells this run of a kernel from all others, in hexadecimal digits.
        pid: Its process.
    """

    def __init__(self, notebook: str | None = None, kernel: str | None = None) -> None:
        self.notebook = notebook
        self.kernel = kernel or uuid4().hex
        self.pid = os.getpid()


def journal_location_from(environment: Environment) -> JournalLocation:
    """Where the variables say that the journal is, by default in the user's data folder."""
    given = environment.find(VARIABLE)
    word = "" if given is None else str(given.value).strip()
    if given is not None and word.lower() in _OFF:
        return JournalLocation(None, given.source)
    if given is None or word.lower() in _ON:
        from platformdirs import user_data_path

        folder = user_data_path("llmvision-magic", appauthor=False)
        return JournalLocation(folder / FILE, given.source if given is not None else "default", is_ours=True)
    path = Path(os.path.expanduser(word))
    return JournalLocation(Path(os.path.abspath(path / FILE if path.is_dir() else path)), given.source)
