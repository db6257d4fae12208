"""Which kernel and which notebook this is, for the journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmvision_magic.journal import Journal, Origin, Place, place_from
from llmvision_magic.settings import Environment

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def journal_of(shell: Shell) -> Journal:
    """The journal for a shell; nothing is opened yet."""
    return Journal(_place, Origin(_notebook(shell), _kernel_id(shell)))


def _place() -> Place:
    return place_from(Environment.read())


def _notebook(shell: Shell) -> str | None:
    """The notebook's path: Jupyter's server gives it in the environment, VS Code in a variable."""
    given = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return given if isinstance(given, str) else None


def _kernel_id(shell: Shell) -> str | None:
    """The kernel's id: it stands in the name of the file that tells how to reach it, ``kernel-ID.json``."""
    file = getattr(getattr(getattr(shell, "kernel", None), "parent", None), "connection_file", None)
    return Path(file).stem.removeprefix("kernel-") if isinstance(file, str) and file else None
