"""Each setting, declared once: its name, its kind, and how it is given.

Options, ``%chat set``, environment variables, completion, help, and that of the configuration traits are made from
`SETTINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from llmvision_magic.errors import InvalidInput

Kind = Literal["text", "integer", "number", "texts", "switch", "json", "headers"]

MERGED = ("json", "headers")
"""Kinds whose values from all places count together, the strongest for each name."""

Format = Literal["markdown", "text", "code", "correction"]
"""How a reply is used: shown as Markdown; shown as it is; its code offered in a new cell; its last code, for that
corrects a cell."""

FORMATS = ("markdown", "text", "code")
"""Those a user can ask for."""

CODE_FORMATS = ("code", "correction")
"""Those that make a new cell of the reply's code."""


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
        is_secret: Its values are never shown and never kept.
    """

    name: str
    kind: Kind
    expected: str
    help: str
    flags: tuple[str, ...] = ()
    default: object = None
    above: float | None = None
    words: tuple[str, ...] = ()
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"LLMVISION_{self.name.upper()}"


SETTINGS: tuple[Setting, ...] = (
    Setting("model", "text", "a model's name", "The model that answers.", ("-m", "--model")),
    Setting(
        "temperature",
        "number",
        "a number from 0 to 2, on the platform from 0 to 1",
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
    Setting(
        "headers",
        "headers",
        "NAME=VALUE, for example X-Team=7B",
        "Send a header that a gateway asks for; its value is never shown and never kept.",
        ("--header",),
        is_secret=True,
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


def setting_named(name: str) -> Setting:
    """The setting of that name; ``top-p`` and ``--top-p`` are ``top_p``.

    Raises:
        InvalidInput: There is none; the nearest one is named.
    """
    key = name.lstrip("-").replace("-", "_").lower()
    if key not in BY_NAME:
        from llmvision_magic.settings.suggestions import nearest

        hint = nearest(key, BY_NAME) or f" There are: {', '.join(BY_NAME)}."
        raise InvalidInput(f"There is no setting `{name}`.{hint}")
    return BY_NAME[key]
