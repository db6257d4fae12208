"""The verbs of ``%chat``, declared once: dispatch, completion and help are made from `VERBS`."""

from __future__ import annotations

from typing import NamedTuple

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.suggestions import nearest


class Verb(NamedTuple):
    """One verb.

    Attributes:
        name: As it is typed after ``%chat``.
        arguments: What follows it, for help.
        help: One sentence.
        example: A line that works.
        completes: What its argument is, for completion.
        more: What else there is to know, in Markdown.
        files: Endings of the files that fit where it takes the path of one.
    """

    name: str
    arguments: str
    help: str
    example: str
    completes: str = ""
    more: str = ""
    files: tuple[str, ...] = ()


PERSONA_HELP = """A persona is a Markdown file: its text is the system prompt, a short YAML head gives the model and
parameters. `%chat new tutor --persona socrates` looks for `socrates.md` beside the notebook, in the folder `personas`
there, and in the folder `personas` of your configuration.

```
---
model: some-model
temperature: 0.3
---
Answer every question with a question.
```"""

PRICES_HELP = """`%chat set prices prices.json` (or `.toml`) names a file with prices per million tokens, by the model's
name as the replies' footers show it:

```json
{"currency": "EUR", "models": {"some-model": {"prompt": 0.15, "completion": 0.6}}}
```"""

PANEL_HELP = """The panel and the cells are one conversation: what is asked in one appears in the other. In Python it is
`ChatPanel()`; its parameters are those of the conversation: `panel.temperature = 0.2`. Docking needs `sidecar`
(`pip install sidecar`)."""

RESUME_HELP = (
    "Show this notebook's last conversations; go on with one (by number, id or name), or rebuild it from a notebook."
)
EXPORT_HELP = "Write the conversation as .md, .ipynb, .html or .json (the `messages` of the API)."

RECORD_HELP = (
    "Keep each request and the timed events of its reply in a file; without PATH, say what is being recorded.",
    """One JSON object a line, without keys, headers and addresses. A request that is asked again with the same answer
leaves the file as it is, one with another answer replaces its line; the same request asked twice is two lines. A reply
that is interrupted or cut is not kept, a refusal of the server's is. `LLMVISION_RECORD=lesson.jsonl` does it for a
notebook without touching it.""",
)
REPLAY_HELP = (
    "Answer from a recording, without a model; without PATH, say what is being replayed.",
    """The same request (model, messages, parameters) gets what was recorded. `--speed 0` gives it at once, 1 as it was
recorded, 2 twice as fast; without it, 1 where somebody looks on, and 0 where nbval, nbclient or nbconvert run the
notebook. A request that is not in the file is an error that shows the nearest one; with `--else live` the model is
asked. Where no model is chosen, that of the recording answers.

`LLMVISION_REPLAY=lesson.jsonl` does it for a notebook without touching it (`LLMVISION_REPLAY_SPEED=2`,
`LLMVISION_REPLAY_ELSE=live`); `LLMVISION_REPLAY=off` has the model answer, also where a cell says `%chat replay`.""",
)

VERBS: tuple[Verb, ...] = (
    Verb(
        "status",
        "",
        "Show where a request goes, each value, and where it came from.",
        "%chat status",
        more="`%chat` alone shows it at a glance: what is at its default is folded, or only named.",
    ),
    Verb("ask", "TEXT", "Ask in one line; the reply is shown as in a `%%chat` cell.", "%chat ask What is a tuple?"),
    Verb(
        "history",
        "[NAME] [--tree]",
        "Show the current branch of a conversation, or with --tree all branches.",
        "%chat history --tree",
        "conversation",
    ),
    Verb(
        "undo",
        "[N]",
        "Go back N turns; they stay in the conversation.",
        "%chat undo 2",
        more="The next prompt follows the turn gone back to. `%chat use NAME@TURN` comes back.",
    ),
    Verb(
        "retry",
        "[OPTIONS]",
        "Ask the last prompt again as it was asked; options of `%%chat` that are given here are stronger.",
        "%chat retry -t 1 -m other-model",
        "options",
        "The model, the parameters, `-f` and `-o` are those of the first cell's line, also after `%chat resume`. The "
        "new reply takes the place of the old one, which stays in the conversation on a branch of its own.",
    ),
    Verb(
        "edit",
        "[N]",
        "Put the prompt of turn N, or of the last one, into a new cell below; running that replaces the turn.",
        "%chat edit 3",
        more="It stands there as it was typed, with its options: running it feeds the values anew.",
    ),
    Verb(
        "continue",
        "[OPTIONS]",
        "Go on with a reply that was interrupted, cut, or ended by the limit of tokens.",
        "%chat continue --max-tokens 500",
        "options",
        "The conversation is sent with the unfinished reply as its last message, and most servers go on with it. Where "
        "one refuses that, it is asked in words. vLLM wants "
        "`%chat continue --param continue_final_message=true --param add_generation_prompt=false`. "
        "The whole reply is a new turn, asked with the options of the first cell's line; the unfinished one stays on a "
        "branch of its own. Where the prompt before had --once, it is that reply which goes on, outside the history.",
    ),
    Verb(
        "stop",
        "[NAME or NUMBER]",
        "End the replies in the background, or those of a conversation, or one.",
        "%chat stop 2",
        "conversation",
        "A cell with `%%chat --background` says the number of its reply while it arrives. What has arrived is kept.",
    ),
    Verb(
        "new",
        "NAME [-s TEXT | --persona FILE]",
        "Begin a conversation and go to it.",
        '%chat new tutor -s "Answer with questions."',
        "persona",
        PERSONA_HELP,
    ),
    Verb(
        "use",
        "[NAME or NAME@TURN]",
        "Go to a conversation, or to a turn of it: a number of its current branch, or an id from its tree.",
        "%chat use main@2",
        "conversation",
    ),
    Verb("list", "", "Show all conversations.", "%chat list"),
    Verb("drop", "NAME", "Forget a conversation with all its turns.", "%chat drop tutor", "conversation"),
    Verb("system", "[TEXT]", 'Show or set the system prompt; "" removes it.', "%chat system Answer in one sentence."),
    Verb(
        "set",
        "[KEY VALUE]",
        "Set a value for this conversation.",
        "%chat set temperature 0.2",
        "setting",
        files=(".json", ".toml"),
    ),
    Verb("unset", "KEY", "Take a value of this conversation back.", "%chat unset temperature", "set setting"),
    Verb("models", "", "Show the models that the server offers.", "%chat models"),
    Verb(
        "fix",
        "[OPTIONS]",
        "Explain why the last cell failed or did not end, and offer the corrected cell below.",
        "%chat fix",
        "options",
        "The cell, its traceback and the variables it names are sent; `%chat fix --dry-run` shows them, and sends "
        "nothing. The options are those of `%%chat`. Which cell it is about stands under the reply. A correction that "
        "does not parse is shown, and makes no cell.",
    ),
    Verb(
        "usage",
        "",
        "Show the tokens used so far, as told by the server; with a price file also what they cost.",
        "%chat usage",
        more=PRICES_HELP,
    ),
    Verb("key", "[forget]", "Ask for the API key with hidden input, or forget it.", "%chat key", "forget"),
    Verb(
        "panel",
        "[NAME] [--side]",
        "Show a chat panel on the current conversation, or on the one named; --side docks it beside the notebook.",
        "%chat panel",
        "conversation",
        PANEL_HELP,
    ),
    Verb("resume", "[ID | --from FILE.ipynb]", RESUME_HELP, "%chat resume 1", "--from", files=(".ipynb",)),
    Verb(
        "log",
        "[WORDS]",
        "Find words in all that was ever said; without words, the latest turns.",
        "%chat log tuple",
    ),
    Verb(
        "save",
        "PATH [--overwrite]",
        "Save the conversation with all its branches as a JSON file.",
        "%chat save tutor.json",
        more="What was saved of the same conversation is replaced; the file of another one only with `--overwrite`.",
        files=(".json",),
    ),
    Verb(
        "load",
        "PATH [-n NAME]",
        "Load a saved conversation and go on with it.",
        "%chat load tutor.json -n again",
        files=(".json",),
    ),
    Verb(
        "export",
        "PATH [--overwrite]",
        EXPORT_HELP,
        "%chat export lecture.html",
        files=(".md", ".ipynb", ".html", ".json"),
    ),
    Verb("record", "[PATH]", RECORD_HELP[0], "%chat record lesson.jsonl", more=RECORD_HELP[1], files=(".jsonl",)),
    Verb(
        "replay",
        "[PATH] [--speed X] [--else live]",
        REPLAY_HELP[0],
        "%chat replay lesson.jsonl",
        more=REPLAY_HELP[1],
        files=(".jsonl",),
    ),
    Verb("live", "", "Let requests go to the model again: end recording and replaying.", "%chat live"),
    Verb("help", "[VERB or OPTION]", "Show this, or what there is to know of one.", "%chat help --compare", "topic"),
)

PLANNED = ("doctor",)
"""Verbs whose names are settled and that are not there yet."""

BY_NAME = {verb.name: verb for verb in VERBS}


def split_verb(line: str) -> tuple[Verb, str]:
    """The verb of a ``%chat`` line and what follows it.

    Raises:
        InvalidInput: There is no such verb; the nearest is named.
    """
    name, _, rest = line.strip().partition(" ")
    if name in BY_NAME:
        return BY_NAME[name], rest.strip()
    if name in PLANNED:
        raise InvalidInput(f"`%chat {name}` is not there yet; it comes with a later version.")
    hint = nearest(name, BY_NAME) or " `%chat help` lists the verbs."
    if len(name) > 20 or name.startswith("sk-"):  # it may be a key: it is not repeated
        raise InvalidInput(f"%chat has no such verb.{hint}")
    raise InvalidInput(f"%chat has no verb `{name}`.{hint} To ask in one line: `%chat ask TEXT`.")


def verbs_markdown() -> str:
    """All verbs as a Markdown table."""
    rows = ["| verb | what it does |", "| --- | --- |"]
    for verb in VERBS:
        usage = verb_usage(verb).replace("|", "\\|")  # inside a table
        rows.append(f"| `{usage}` | {verb.help} |")
    return "\n".join(rows)


def verb_usage(verb: Verb) -> str:
    """How it is written."""
    return " ".join(["%chat", verb.name, verb.arguments]).strip()


def verbs_plain() -> str:
    """All verbs as plain text, for ``%chat?``."""
    lines = ["Conversations with a language model. %chat alone shows the status.", ""]
    for verb in VERBS:
        lines += [f"  {verb_usage(verb)}", f"      {verb.help}"]
    return "\n".join(lines)
