"""What ``%chat help`` shows: all there is on one page, or what is asked about; made from the declarations."""

from __future__ import annotations

import re

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.options import ENDS_IN_TERMINAL, OPTIONS, Option, options_markdown
from llmvision_magic.kernel.verbs.declarations import (
    BY_NAME,
    PLANNED,
    VERBS,
    Verb,
    split_verb,
    verb_usage,
    verbs_markdown,
)
from llmvision_magic.settings.declarations import BY_NAME as SETTINGS
from llmvision_magic.settings.declarations import Setting
from llmvision_magic.settings.suggestions import nearest

EXAMPLES = {
    "name": "-n tutor",
    "system": '-s "Answer with a question."',
    "model": "-m some-model",
    "temperature": "-t 0.2",
    "top_p": "--top-p 0.9",
    "max_tokens": "--max-tokens 200",
    "stop": '--stop "The end"',
    "presence_penalty": "--presence-penalty 0.5",
    "frequency_penalty": "--frequency-penalty 0.5",
    "param": "--param seed=7",
    "out": "-o reply",
    "replace": "--replace 3",
    "compare": "--compare temperature=0,0.5,1",
    "attach": "-a df.describe()",
    "image": "-i figure",
    "format": "-f code",
}
"""By an option's name, how it may stand on the line; one that is a switch stands there as it is called."""

OVERVIEW = {
    "%%chat": options_markdown,
    "%%llmvision": options_markdown,
    "%chat": verbs_markdown,
    "%llmvision": verbs_markdown,
}


def help_page(*, in_terminal: bool) -> str:
    """Everything there is, on one page of Markdown."""
    ends = f" {ENDS_IN_TERMINAL}" if in_terminal else ""
    return (
        f"Write `%%chat` in the first line of a cell and the prompt below it.{ends}\n\n"
        "`%chat help VERB` and `%chat help OPTION` tell more of one, with an example.\n\n"
        f"**Options of `%%chat`**\n\n{options_markdown()}\n\n**Verbs of `%chat`**\n\n{verbs_markdown()}"
    )


def help_on(asked: str) -> str:
    """What there is to know of each word: a verb, an option, a setting; of all of them where it is several.

    Raises:
        InvalidInput: A word is none of them; the nearest is named.
    """
    words = asked.split()
    if len(words) == 1 and words[0] in OVERVIEW:
        return OVERVIEW[words[0]]()
    return "\n\n".join(_word_help(word) for word in words if word not in OVERVIEW)


def topics() -> list[str]:
    """What can be asked about, for completion."""
    flags = [flag for option in OPTIONS for flag in option.flags]
    return list(dict.fromkeys([*BY_NAME, *SETTINGS, *flags]))


def _word_help(word: str) -> str:
    verb = BY_NAME.get(word)
    parts = [_verb_help(verb)] if verb else []
    name = word.lstrip("-").replace("_", "-")
    option = _option_named(word, name)
    setting = SETTINGS.get(option.setting if option else name.replace("-", "_"))
    if option is not None:
        parts.append(_option_help(option))
    if setting is not None:
        parts.append(_setting_help(setting, is_told=option is not None))
    if option is None and word.startswith("-"):
        parts += [_verb_help(one) for one in VERBS if word in re.findall(r"--?[\w-]+", one.arguments)]
    if parts:
        return "\n\n".join(parts)
    if word in PLANNED:
        split_verb(word)
    hint = nearest(name, [*BY_NAME, *SETTINGS, *(_long_name(one) for one in OPTIONS)])
    hint = hint or " `%chat help` lists them."
    if len(word) > 20 or word.startswith("sk-"):  # it may be a key: it is not repeated
        raise InvalidInput(f"`%chat help` knows no such verb or option.{hint}")
    raise InvalidInput(f"`%chat help` knows no verb and no option `{word}`.{hint}")


def _option_named(word: str, name: str) -> Option | None:
    """The option that is written so, or is called so without its dashes."""
    for option in OPTIONS:
        if (
            word in option.flags
            or name == _long_name(option)
            or (option.setting and name == option.name.replace("_", "-"))
        ):
            return option
    return None


def _long_name(option: Option) -> str:
    return option.flags[-1].lstrip("-")


def _verb_help(verb: Verb) -> str:
    text = f"**`{verb_usage(verb)}`**: {verb.help}\n\n```\n{verb.example}\n```"
    return text + (f"\n\n{verb.more}" if verb.more else "")


def _option_help(option: Option) -> str:
    written = f"%%chat {', '.join(option.flags)} {option.value}".rstrip()
    again = " May be repeated." if option.repeatable else ""
    line = EXAMPLES.get(option.name, f"{option.flags[-1]} {option.value}".rstrip())
    return f"**`{written}`**: {option.help}{again}\n\n```\n%%chat {line}\nWhat is a tuple?\n```"


def _setting_help(setting: Setting, *, is_told: bool) -> str:
    """Where a setting's value may be given; what it means, unless its option has told that already."""
    what = "" if is_told else f"**`{setting.name}`**: {setting.help} Expected: {setting.expected}.\n\n"
    default = "" if setting.default is None else f" Where none is given, it is `{setting.default}`."
    return (
        f"{what}`%chat set {setting.name} VALUE` sets it for the conversation, `c.ChatMagics.{setting.name}` in the "
        f"configuration or `{setting.variable}` in the environment for all.{default}"
    )
