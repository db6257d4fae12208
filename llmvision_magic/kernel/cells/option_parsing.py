"""A ``%%chat`` line, understood: its options, each of its kind, or one sentence on what is wrong with it."""

from __future__ import annotations

import argparse
import functools
import io
import re
import shlex
from typing import TYPE_CHECKING, NoReturn

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.options import EXPRESSIONS, KNOWN_FLAGS, OPTIONS, Option
from llmvision_magic.kernel.cells.out_option import checked_out
from llmvision_magic.settings.declarations import BY_NAME, FORMATS, SETTINGS, Format
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.settings.suggestions import closest, nearest, starting_with

if TYPE_CHECKING:
    from llmvision_magic.kernel.cells.compare_option import ComparedParameter

NOT_KEPT = ("name", "replace", "once", "dry_run", *(setting.name for setting in SETTINGS if setting.is_secret))
"""Options that say where a turn goes, and whether there is one, and what is kept nowhere; the others are kept with
it."""


class CellOptions:
    """A ``%%chat`` line, understood.

    Attributes:
        given: Settings given on the line, by name, of their kinds.
        said: All that stands on the line, by name.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.system: str | None = None
        self.out: str | None = None
        self.once = False
        self.raw = False
        self.dry_run = False
        self.attach: list[str] = []
        self.image: list[str] = []
        self.format: Format = "markdown"
        self.replace: str | None = None
        self.background = False
        self.given: dict[str, object] = {}
        self.compare: ComparedParameter | None = None
        self.said: dict[str, object] = {}

    def puts_values_into(self, prompt: str) -> bool:
        """Whether values of the notebook go along with a prompt: expressions in its text, or what is attached."""
        return ("{{" in prompt and not self.raw) or bool(self.attach or self.image)

    @property
    def kept(self) -> dict[str, object]:
        """What is kept with the turn: all but what says where the turn goes, whether there is one, and secrets."""
        return {name: value for name, value in self.said.items() if name not in NOT_KEPT}

    @property
    def secret(self) -> dict[str, object]:
        """Settings given on the line that are kept nowhere."""
        return {name: value for name, value in self.given.items() if BY_NAME[name].is_secret}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{self.prog}: {message}. `%chat help` lists the options.")


@functools.cache
def _parser(prog: str) -> _Parser:
    parser = _Parser(prog=prog, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for option in OPTIONS:
        if option.value:
            parser.add_argument(*option.flags, dest=option.name, metavar=option.value, action="append")
        else:
            # --no-stream is the one switch that turns a setting off.
            parser.add_argument(*option.flags, dest=option.name, action="store_const", const=not option.setting)
    return parser


_HEADER = "--header"
"""The option whose value is not repeated in a message."""


def split_line(line: str) -> list[str]:
    """The words of a line, by the shell's rules for quotes.

    Raises:
        InvalidInput: A quote is not closed.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        shown = "" if _HEADER in line else f": {line.strip()}"
        raise InvalidInput(f"%%chat: a quote on the line is not closed ({error}){shown}.") from None


_QUOTED = r"""'[^']*'|"(?:[^"\\]|\\.)*\""""


def _cell_words(line: str) -> list[str]:
    """The words of a ``%%chat`` line. Python keeps its quotes: ``-a df["x"]`` is what it says.

    An expression that stands in quotes as a whole, for it has spaces, loses these alone.
    """
    if "{" in line or "[" in line or '"' in line:  # few lines have any JSON
        from llmvision_magic.kernel.cells.json_words import with_json_quoted

        line = with_json_quoted(line)
    words = split_line(line)
    stream = io.StringIO(line)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    begin, after = 0, ""
    for index, word in enumerate(words):
        lexer.get_token()
        end = stream.tell()
        raw, begin = line[begin:end].strip(), end
        flag, equals, value = raw.partition("=")
        if equals and flag in EXPRESSIONS:
            words[index] = word if re.fullmatch(_QUOTED, value) else raw
        elif after in EXPRESSIONS:
            words[index] = word if re.fullmatch(_QUOTED, raw) else raw
        after = word
    return words


def _nearest_flag(flag: str) -> str:
    """A hint that names the nearest option. The dashes, which are alike in all, do not count."""
    names = [one.lstrip("-") for one in KNOWN_FLAGS if one.startswith("--")]
    word = flag.lstrip("-").replace("_", "-").lower()
    close = starting_with(word, names) or closest(word, names, 0.55)
    return f" Did you mean `--{close}`?" if close else ""


def parse_cell_options(line: str, magic: str = "%%chat") -> CellOptions:
    """Understand a ``%%chat`` line, or the options of a verb that takes the same.

    Args:
        magic: What the options stand behind, for messages.

    Raises:
        InvalidInput: An unknown option (the nearest is named), a value of the wrong kind, or
            words that are no option.
    """
    words = _cell_words(line)
    if {"-h", "--help"} & set(words):
        raise InvalidInput("`%chat help` and `%%chat?` show the options.")
    known, unknown = _parser(magic).parse_known_args(words)
    for word in unknown:
        if word.startswith("-"):
            flag = word.partition("=")[0]
            hint = _nearest_flag(flag) or " `%chat help` lists them."
            raise InvalidInput(f"{magic} has no option `{flag}`.{hint}")
    if unknown and any(word.partition("=")[0] == _HEADER for word in words):  # they may belong to its value
        raise InvalidInput(
            f"{magic}: there are words on the line that belong to no option; put a header with blanks into quotes: "
            f"`{_HEADER} 'NAME=a value'`."
        )
    if unknown and {*words} & {*EXPRESSIONS}:
        raise InvalidInput(
            f"`{' '.join(unknown)}` is no option; put an expression with spaces into quotes: `-a 'df[df.x > 3]'`."
        )
    if unknown and magic != "%%chat":
        raise InvalidInput(f"`{' '.join(unknown)}` is no option, and `{magic}` takes nothing else.")
    if unknown:
        raise InvalidInput(
            f"`{' '.join(unknown)}` is no option; write the prompt in the lines below `%%chat`, options on its line."
        )
    values = vars(known)
    result = CellOptions()
    for option in OPTIONS:
        if option.name not in values:
            continue
        value = values[option.name]
        if option.value and not option.repeatable:
            value = _only(option, value)
        if option.setting:
            setting = next(setting for setting in SETTINGS if setting.name == option.setting)
            result.given[option.setting] = value = parse_value(setting, value)
        else:
            setattr(result, option.name, value)
        result.said[option.name] = value
    if isinstance(result.compare, str):
        from llmvision_magic.kernel.cells.compare_option import parse_compare

        result.compare = parse_compare(result.compare, result.given)
    if result.format not in FORMATS:
        hint = nearest(result.format, FORMATS)
        raise InvalidInput(
            f"--format: expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {result.format!r}.{hint}"
        )
    if result.background and result.format == "code":
        raise InvalidInput(
            "--background cannot make a new cell, for other cells have run when the reply ends: no -f code."
        )
    if result.once and result.replace:
        raise InvalidInput("--once writes no history, and --replace takes a place in it: give one of them.")
    if result.compare is not None:
        _check_compare(result, magic)
    if result.out is not None:
        result.out = result.said["out"] = checked_out(result.out)
    return result


def _only(option: Option, given: list[str]) -> str:
    """The value of an option that takes one: of two, one would be dropped."""
    if len(given) > 1:
        times = "twice" if len(given) == 2 else f"{len(given)} times"
        raise InvalidInput(f"{option.flags[-1]} is given {times} ({' and '.join(given)}): leave one of them.")
    return given[0]


def _check_compare(line: CellOptions, magic: str) -> None:
    if magic != "%%chat":
        raise InvalidInput(f"`{magic}` takes no --compare; write it on the line of a `%%chat` cell.")
    taken = {
        "--background": line.background,
        "--replace": bool(line.replace),
        f"-f {line.format}": line.format != "markdown",
    }
    for flag, is_given in taken.items():
        if is_given:
            raise InvalidInput(f"--compare shows its replies side by side, as they arrive; it takes no {flag}.")
