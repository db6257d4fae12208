"""The environment variables, and the ``.env`` file beside the notebook."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.declarations import SETTINGS
from llmvision_magic.settings.suggestions import closest

ENVIRONMENT, DOTENV = "environment", ".env"
"""Places where variables stand."""

VARIABLES = frozenset(
    {
        *(setting.variable for setting in SETTINGS),
        *("LLMVISION_API_KEY", "LLMVISION_LOCAL_MODEL", "LLMVISION_LOCAL_CONTEXT", "LLMVISION_CACHE"),
        "LLMVISION_JOURNAL",
        *("LLMVISION_RECORD", "LLMVISION_REPLAY", "LLMVISION_REPLAY_SPEED", "LLMVISION_REPLAY_ELSE"),
        "LLMVISION_TRUST_DOTENV",
    }
)
"""All variables that mean something."""

FILES = (
    "LLMVISION_JOURNAL",
    "LLMVISION_RECORD",
    "LLMVISION_REPLAY",
    "LLMVISION_PRICES",
    "LLMVISION_LOCAL_MODEL",
    "LLMVISION_CACHE",
)
"""Variables that may name a file or a folder relative to the notebook's folder."""

FENCED = {
    "LLMVISION_JOURNAL": "a journal",
    "LLMVISION_RECORD": "a recording to write",
    "LLMVISION_LOCAL_MODEL": "a model file",
    "LLMVISION_CACHE": "a cache folder",
}
"""What a ``.env`` file may name in its own folder only: it came with the folder, and may be a stranger's. What is
written, kept or run for years elsewhere is not for it to choose."""

TRUST = "LLMVISION_TRUST_DOTENV"
"""Says that the servers that ``.env`` files name are meant. No ``.env`` file may say it of itself."""

_SWITCHES = frozenset({"on", "off", "true", "false", "yes", "no", "0", "1"})
"""Words that some of `FILES` may be in place of a path."""


class Value(NamedTuple):
    """A setting's value and the place that gave it ("option", "conversation", "configuration", …)."""

    value: object
    source: str

    def is_from(self, place: str) -> bool:
        """Whether a variable of that place (`ENVIRONMENT`, `DOTENV`) gave it."""
        return self.source.endswith(f"({place})")


class Environment:
    """The environment variables, then the ``.env`` file beside the notebook.

    Args:
        places: Variables and the place they stand in, the strongest first.
        folder: Where the ``.env`` file is looked for; None where none is.
    """

    def __init__(self, *places: tuple[str, Mapping[str, str]], folder: Path | None = None) -> None:
        self._places = places
        self.folder = folder

    @classmethod
    def read(cls, folder: Path | None = None) -> Environment:
        """The environment as it is now; to be read anew at each request.

        Args:
            folder: The notebook's, with its ``.env`` file; None for the current folder, whatever that is.

        Raises:
            InvalidInput: There is a ``.env`` file that cannot be read, or that says what no such file may.
        """
        here = _here()
        beside = folder or here or Path()
        dotenv = _read_dotenv(beside / ".env")
        check_fences(dotenv, beside)
        found: list[Mapping[str, str]] = [os.environ, dotenv]
        if beside != here:
            found = [{**variables, **_anchored(variables, beside)} for variables in found]
        environment = cls(*zip((ENVIRONMENT, DOTENV), found, strict=True), folder=beside)
        environment.check_names()
        return environment

    def check_names(self) -> None:
        """Refuse a variable of ours that is misspelt: what it was meant for would silently not happen.

        Raises:
            InvalidInput: It is named with its place, and the nearest that there is.
        """
        for place, variables in self._places:
            for name in variables:
                if name.startswith("LLMVISION_") and name not in VARIABLES:
                    close = closest(name, VARIABLES, 0.85)
                    if close:
                        raise InvalidInput(f"The variable `{name}` ({place}) means nothing. Did you mean `{close}`?")

    def variables(self) -> dict[str, str]:
        """All variables of all places together."""
        return dict(ChainMap(*(dict(variables) for _, variables in self._places)))

    def only(self, place: str) -> Environment:
        """What stands in one place."""
        return Environment(
            *((name, variables) for name, variables in self._places if name == place), folder=self.folder
        )

    def find(self, variable: str) -> Value | None:
        """The variable's value and where it stands; an empty variable counts as not set."""
        for place, variables in self._places:
            if variables.get(variable):
                return Value(variables[variable], f"{variable} ({place})")
        return None


NO_ENVIRONMENT = Environment()


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None


def check_fences(dotenv: Mapping[str, str], folder: Path) -> None:
    """Refuse what a ``.env`` file may not say.

    Args:
        folder: Where the file lies.

    Raises:
        InvalidInput: It names something outside, or trusts itself.
    """
    if dotenv.get(TRUST):
        raise InvalidInput(
            f"The .env file beside the notebook sets {TRUST}, which would be trusting itself: remove that line; the "
            "environment can say it."
        )
    for name, what in FENCED.items():
        value = dotenv.get(name, "").strip()
        if not value or _is_switch(value):
            continue
        # Links are followed: one that leads out of the folder is outside.
        named = os.path.realpath(folder / os.path.expanduser(value))
        if not Path(named).is_relative_to(os.path.realpath(folder)):
            raise InvalidInput(
                f"The .env file beside the notebook names {what} outside its own folder ({name}), and such a file may "
                f"be a stranger's: set {name} in the environment, or name a place in that folder."
            )


def _is_switch(value: str) -> bool:
    return value.strip().lower() in _SWITCHES


def _anchored(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables that name files relative to a folder, with the whole path."""
    named = {name: variables.get(name, "").strip() for name in FILES}
    return {
        name: str(folder / value)
        for name, value in named.items()
        if value and not _is_switch(value) and value[0] != "~"
    }


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        if not path.is_file():
            return {}
        from dotenv import dotenv_values
        from dotenv.parser import parse_stream

        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                if binding.error:
                    raise InvalidInput(
                        f"Line {binding.original.line} of the .env file beside the notebook is not NAME=value; mend it."
                    )
        # As they stand: with `${NAME}` expanded, a stranger's file would have any variable sent to its own address.
        return {key: value for key, value in dotenv_values(path, interpolate=False).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The .env file beside the notebook cannot be read ({error}); mend or remove it.") from error
