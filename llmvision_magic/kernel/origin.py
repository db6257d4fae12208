"""Which kernel and which notebook this is, for the journal."""

from __future__ import annotations

import os
from typing import Any

from llmvision_magic.journal import THIS_PROCESS, Journal, Origin, Place, place_from
from llmvision_magic.settings import Environment

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def journal_of(shell: Shell) -> Journal:
    """The journal for a shell; nothing is opened yet."""
    return Journal(_place, Origin(_notebook(shell), THIS_PROCESS))


def _place() -> Place:
    return place_from(Environment.read())


def _notebook(shell: Shell) -> str | None:
    """The notebook's path: Jupyter's server gives it in the environment, VS Code in a variable."""
    given = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return given if isinstance(given, str) else None
