"""Which notebook this is, and so where its journal, its ``.env`` file and its personas are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmvision_magic.journal import THIS_PROCESS, Journal, JournalLocation, KernelIdentity, journal_location_from
from llmvision_magic.settings.environment import Environment

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def journal_of(shell: Shell, folder: Path) -> Journal:
    """The journal for a shell; nothing is opened yet.

    Args:
        folder: The notebook's.
    """

    def place() -> JournalLocation:
        return journal_location_from(Environment.read(folder))

    return Journal(place, KernelIdentity(_notebook(shell), THIS_PROCESS))


def folder_of(shell: Shell, otherwise: Path) -> Path:
    """The notebook's folder, wherever its cells have gone since.

    Args:
        otherwise: Where nobody says which notebook it is: kernels begin in its folder.
    """
    notebook = Path(_notebook(shell) or "")
    return notebook.parent if notebook.is_absolute() and notebook.parent.is_dir() else otherwise


def _notebook(shell: Shell) -> str | None:
    """The notebook's path: Jupyter's server gives it in the environment, VS Code in a variable."""
    given = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return given if isinstance(given, str) else None
