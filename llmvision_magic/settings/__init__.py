"""Each setting, declared once: its name, its kind, how it is given, and where its value came from.

Options, ``%chat set``, configuration traits, environment variables, completion and help are all made from `SETTINGS`.
Precedence: option, conversation, configuration, environment, ``.env`` file, default.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, cast

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.settings.suggestions import closest, nearest

Kind = Literal["text", "integer", "number", "texts", "switch", "json"]


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: Its name in ``%chat set``, as a trait, and (upper case, after ``LLMVISION_``) in the environment.
        kind: What its value is.
        expected: What to write, for messages and help: "a number from 0 to 1".
        help: One sentence.
        flags: Options of ``%%chat`` that set it; empty when it has none.
        default: Value when it is given nowhere; None means that nothing is sent.
        above: A number must be greater than this, and below a million; None where the request itself checks.
        words: The only texts that it may be; empty for any.
    """

    name: str
    kind: Kind
    expected: str
    help: str
    flags: tuple[str, ...] = ()
    default: object = None
    above: float | None = None
    words: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"LLMVISION_{self.name.upper()}"


SETTINGS: tuple[Setting, ...] = (
    Setting("model", "text", "a model's name", "The model that answers.", ("-m", "--model")),
    Setting(
        "temperature",
        "number",
        "a number from 0 to 1",
        "How freely tokens are chosen; 0 is the most repeatable.",
        ("-t", "--temperature"),
    ),
    Setting(
        "top_p",
        "number",
        "a number from 0 to 1",
        "Choose only among the likeliest tokens that make up this share.",
        ("--top-p",),
    ),
    Setting(
        "max_tokens", "integer", "a whole number of at least 1", "The longest reply, in tokens.", ("--max-tokens",)
    ),
    Setting(
        "stop", "texts", "up to 4 texts", "End the reply before this text; may be given up to 4 times.", ("--stop",)
    ),
    Setting(
        "presence_penalty", "number", "a number", "Discourage tokens that were used already.", ("--presence-penalty",)
    ),
    Setting(
        "frequency_penalty",
        "number",
        "a number",
        "Discourage tokens the more, the more often they were used.",
        ("--frequency-penalty",),
    ),
    Setting(
        "param",
        "json",
        "KEY=JSON, for example seed=7",
        "Send any other request parameter; may be repeated.",
        ("--param",),
    ),
    Setting("stream", "switch", "true or false", "Show the reply while it arrives.", ("--no-stream",), default=True),
    Setting("base_url", "text", "an http(s) address", "The server; any that speaks the Chat Completion API."),
    Setting(
        "connect_timeout",
        "number",
        "seconds above 0",
        "Longest wait for a connection, in seconds.",
        default=5.0,
        above=0,
    ),
    Setting(
        "first_event_timeout",
        "number",
        "seconds above 0",
        "Longest wait for the reply's beginning, in seconds.",
        default=120.0,
        above=0,
    ),
    Setting(
        "between_events_timeout",
        "number",
        "seconds above 0",
        "Longest silence within a reply, in seconds.",
        default=60.0,
        above=0,
    ),
    Setting(
        "retries",
        "integer",
        "a whole number of at least 0",
        "How often a request is sent again while the server is busy.",
        default=2,
        above=-1,
    ),
    Setting(
        "value_limit",
        "integer",
        "a whole number of at least 100",
        "The most characters sent of one value, `{{…}}` or `-a`.",
        default=4000,
        above=99,
    ),
    Setting(
        "rerun",
        "text",
        "replace or append",
        "What running a cell again does: replace its turn, or append another one.",
        default="replace",
        words=("replace", "append"),
    ),
    Setting("prices", "text", "the path of a JSON or TOML file", "What tokens cost; see `%chat help usage`."),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

REQUEST_PARAMETERS = ("max_tokens", "temperature", "top_p", "stop", "presence_penalty", "frequency_penalty")
"""The settings that are sent under their own names; `model`, `stream` and `param` have rules of their own."""


ENVIRONMENT, DOTENV = "environment", ".env"
"""Places where variables stand."""

AT_HAND = ("option", "conversation", "argument", "client", "persona")
"""Places that need not be named where their value is refused: it is refused when it is given."""

VARIABLES = frozenset(
    {
        *(setting.variable for setting in SETTINGS),
        *("LLMVISION_API_KEY", "LLMVISION_LOCAL_MODEL", "LLMVISION_LOCAL_CONTEXT", "LLMVISION_CACHE"),
        "LLMVISION_JOURNAL",
        *("LLMVISION_RECORD", "LLMVISION_REPLAY", "LLMVISION_REPLAY_SPEED", "LLMVISION_REPLAY_ELSE"),
    }
)
"""All variables that mean something."""


FILES = ("LLMVISION_JOURNAL", "LLMVISION_RECORD", "LLMVISION_REPLAY", "LLMVISION_PRICES")
"""Variables that may name a file relative to the notebook's folder."""


class Value(NamedTuple):
    """A setting's value and the place that gave it ("option", "conversation", "configuration", …)."""

    value: object
    source: str


def setting_named(name: str) -> Setting:
    """The setting of that name; ``top-p`` and ``--top-p`` are ``top_p``.

    Raises:
        InvalidInput: There is none; the nearest one is named.
    """
    key = name.lstrip("-").replace("-", "_").lower()
    if key not in BY_NAME:
        hint = nearest(key, BY_NAME) or f" There are: {', '.join(BY_NAME)}."
        raise InvalidInput(f"There is no setting `{name}`.{hint}")
    return BY_NAME[key]


class Environment:
    """The environment variables, then the ``.env`` file beside the notebook.

    Args:
        places: Variables and the place they stand in, the strongest first.
    """

    def __init__(self, *places: tuple[str, Mapping[str, str]]) -> None:
        self._places = places

    @classmethod
    def read(cls, folder: Path | None = None) -> Environment:
        """The environment as it is now; to be read anew at each request.

        Args:
            folder: The notebook's, with its ``.env`` file; None for the current folder, whatever that is.

        Raises:
            InvalidInput: There is a ``.env`` file that cannot be read.
        """
        found: list[Mapping[str, str]] = [os.environ, _read_dotenv((folder or Path()) / ".env")]
        if folder is not None and folder != _here():
            found = [{**variables, **_anchored(variables, folder)} for variables in found]
        environment = cls(*zip((ENVIRONMENT, DOTENV), found, strict=True))
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


def _anchored(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables that name files relative to a folder, with the whole path."""
    named = {name: variables.get(name, "") for name in FILES}
    # A word alone, as "off", is no file.
    return {
        name: str(folder / value) for name, value in named.items() if ("." in value or "/" in value) and value[0] != "~"
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


class Settings:
    """All values for one request.

    Args:
        layers: Where values may come from, the strongest first: a name for the reader, and what was given there.
        environment: Comes after the layers.
    """

    def __init__(
        self, layers: Iterable[tuple[str, Mapping[str, object]]] = (), environment: Environment | None = None
    ) -> None:
        self._layers = list(layers)
        self.environment = environment if environment is not None else Environment.read()

    def find(self, name: str) -> Value:
        """The value of a setting and where it came from.

        Raises:
            InvalidInput: The value is not of the setting's kind; the sentence names the place.
        """
        setting = BY_NAME[name]
        parsed = [Value(_parse_at(setting, value), value.source) for value in self.given(name)]
        if not parsed:
            return Value(setting.default, "default")
        return _merged(parsed) if setting.kind == "json" else parsed[0]

    def given(self, name: str) -> list[Value]:
        """What counts for a setting, as it was given: the strongest alone, for extra parameters all, it first.

        What is overruled is not looked at: it may be no value at all.
        """
        setting = BY_NAME[name]
        found = [
            Value(layer[name], source) for source, layer in self._layers if layer.get(name) not in (None, {}, [], ())
        ]
        variable = self.environment.find(setting.variable)
        if variable:
            found.append(variable)
        return found if setting.kind == "json" else found[:1]

    def get(self, name: str) -> object:
        """The value alone."""
        return self.find(name).value

    def text(self, name: str) -> str | None:
        """The value of a setting of kind "text"."""
        value = self.get(name)
        return None if value is None else str(value)

    def seconds(self, name: str) -> float:
        """The value of a setting that counts seconds."""
        return cast(float, self.get(name))

    def whole(self, name: str) -> int:
        """The value of a setting that counts."""
        return cast(int, self.get(name))


def _parse_at(setting: Setting, given: Value) -> object:
    try:
        return parse_value(setting, given.value)
    except InvalidInput as error:
        raise with_source(error, given.source) from None


def with_source(error: InvalidInput, source: str) -> InvalidInput:
    """The error of a value with the place that gave it, where that is not what the user has just written."""
    return error if source in AT_HAND else InvalidInput(f"{error} It was given by: {source}.")


def _merged(values: list[Value]) -> Value:
    """Extra parameters from all places together; the strongest place wins key by key."""
    merged: dict[str, object] = {}
    for value in reversed(values):
        assert isinstance(value.value, dict)  # noqa: S101  # what _parse_json returns
        merged.update(value.value)
    return Value(merged, ", ".join(value.source for value in values))
