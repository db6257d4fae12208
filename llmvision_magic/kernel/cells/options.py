"""What can be written on a ``%%chat`` line, declared once: the parser, completion and help are made from it."""

from __future__ import annotations

from typing import NamedTuple

from llmvision_magic.settings.declarations import SETTINGS


class Option(NamedTuple):
    """One option of ``%%chat``.

    Attributes:
        flags: How it is written, the short form first.
        value: What follows it, for help; "" for a switch.
        help: One sentence.
        setting: The setting it gives a value to, if it is one.
        repeatable: Whether it may be given several times.
    """

    flags: tuple[str, ...]
    value: str
    help: str
    setting: str = ""
    repeatable: bool = False

    @property
    def name(self) -> str:
        """Its long form without dashes, as a Python name."""
        return self.setting or self.flags[-1].lstrip("-").replace("-", "_")


def _setting_options() -> tuple[Option, ...]:
    options = []
    for setting in SETTINGS:
        if setting.flags:
            value = {"texts": "TEXT", "json": "KEY=JSON", "headers": "NAME=VALUE", "switch": ""}.get(
                setting.kind, setting.name.upper()
            )
            text = "Show the reply only when it is complete." if setting.kind == "switch" else setting.help
            expected = "" if setting.kind in ("text", "switch", "texts") else f" Expected: {setting.expected}."
            repeatable = setting.kind in ("texts", "json", "headers")
            options.append(Option(setting.flags, value, text + expected, setting.name, repeatable))
    return tuple(options)


OPTIONS: tuple[Option, ...] = (
    Option(("-n", "--name"), "NAME", "The conversation; created if it is new."),
    Option(("-s", "--system"), "TEXT", 'The system prompt, for this turn on; "" removes it.'),
    *_setting_options(),
    Option(("-o", "--out"), "NAME", "Bind the `Reply` to this variable; not to a name of IPython's or a builtin."),
    Option(
        ("--replace",),
        "TURN",
        "Take the place of this turn: its number in `%chat history`, or its id from `%chat history --tree`.",
    ),
    Option(
        ("--compare",),
        "KEY=A,B,…",
        "Ask with each value of a request parameter, side by side; as --once, no part of the conversation.",
    ),
    Option(("--once",), "", "Neither read nor write the conversation's history."),
    Option(("--raw",), "", "Send braces as they are: `{{…}}` is text."),
    Option(("--dry-run",), "", "Show exactly what would be sent, and send nothing."),
    Option(("-a", "--attach"), "EXPR", "Attach a Python value, under the prompt.", repeatable=True),
    Option(
        ("-i", "--image"),
        "IMAGE",
        "Attach an image: a figure, an array, a PIL image, or the path of a file.",
        repeatable=True,
    ),
    Option(
        ("-f", "--format"), "FORMAT", "markdown; text: shown as it is; code: the reply's code also in a new cell below."
    ),
    Option(("--background",), "", "Go on at once; the reply streams into the cell, `%chat stop` ends it."),
)

ENDS_IN_TERMINAL = (
    "In a terminal an empty line ends the cell: press Enter three times after the prompt, or Esc and then Enter."
)
"""What no front end of notebooks needs."""

EXPRESSIONS = ("-a", "--attach", "-i", "--image")
"""Options whose value is Python: quotes inside it are its own."""

KNOWN_FLAGS = tuple(flag for option in OPTIONS for flag in option.flags)


def options_markdown() -> str:
    """All options as a Markdown table."""
    rows = ["| option | what it does |", "| --- | --- |"]
    for option in OPTIONS:
        flags = ", ".join(f"`{flag}`" for flag in option.flags)
        value = f" `{option.value}`" if option.value else ""
        rows.append(f"| {flags}{value} | {option.help}{' May be repeated.' if option.repeatable else ''} |")
    return "\n".join(rows)


def options_plain() -> str:
    """All options as plain text, for ``%%chat?``."""
    lines = [
        "Ask a language model: options on the line of %%chat, the prompt in the lines below it.",
        ENDS_IN_TERMINAL,
        "",
    ]
    for option in OPTIONS:
        lines.append(f"  {', '.join(option.flags)} {option.value}".rstrip())
        lines.append(f"      {option.help}{' May be repeated.' if option.repeatable else ''}")
    return "\n".join([*lines, "", "Example:", "", "    %%chat -t 0.2 -o reply", "    Explain list comprehensions."])
