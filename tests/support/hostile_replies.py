"""Hostile replies for tests: the collection in ``fixtures/hostile``, each payload in the places that Markdown has."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

from support.rendering_examples import read_examples
from support.servers.scripting import delay, done, sse, stream

FOLDER = Path(__file__).parents[1] / "fixtures" / "hostile"


def spelled_out(text: str) -> str:
    """Text with the characters that ``{U+200B}`` and the like stand for."""
    return re.sub(r"\{U\+([0-9A-F]{4,5})\}", lambda match: chr(int(match[1], 16)), text)


def lines_of(name: str) -> list[str]:
    return [spelled_out(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


MARKUP = lines_of("markup.txt")
ADDRESSES = lines_of("addresses.txt")
MATHS = lines_of("maths.txt")
CASES = [spelled_out(text) for _, text in read_examples("../hostile/markdown.txt", 2)]
CASES += [text for _, text in read_examples("hostile.txt", 2)]

SAFE = "https://hostile.invalid/a"
IN_TEXT: dict[str, Callable[[int, str], str]] = {
    "paragraph": lambda number, it: f"Some words {it} and more.",
    "line": lambda number, it: it,
    "second line": lambda number, it: f"words\n{it}\nwords",
    "list": lambda number, it: f"- {it}\n  1. {it}",
    "quote": lambda number, it: f"> {it}\n> > {it}",
    "cell": lambda number, it: f"| a | {it} |\n| - | - |\n| {it} | b |",
    "heading": lambda number, it: f"## {it}\n\n{it}\n===",
    "emphasis": lambda number, it: f"**{it}** *{it}* ~~{it}~~",
    "code span": lambda number, it: f"`{it}` ``{it}`` <code>{it}</code>",
    "fence": lambda number, it: f"```html\n{it}\n```",
    "fence in a list": lambda number, it: f"- a\n\n  ~~~\n  {it}\n  ~~~",
    "indented code": lambda number, it: f"    {it}\n\n\t{it}",
    "fence info": lambda number, it: f"```{it}\nx\n```\n\n~~~ {it}\nx\n~~~",
    "link text": lambda number, it: f"[{it}]({SAFE}) [{it}][safe] [{it}]",
    "title": lambda number, it: f"[a]({SAFE} \"{it}\") [a]({SAFE} '{it}') [a]({SAFE} ({it}))",
    "image": lambda number, it: f'![{it}]({SAFE}.png) ![a]({SAFE}.png "{it}")',
    "end of an address": lambda number, it: f"{SAFE}{it} <{SAFE}{it}> [a]({SAFE}{it}) [a](<{SAFE}{it}>)",
    "note": lambda number, it: f"Note[^{number}].\n\n[^{number}]: {it}",
    "label of a note": lambda number, it: f"Note[^{it}].\n\n[^{it}]: note",
    "definition": lambda number, it: f'[m{number}]: {SAFE} "{it}"\n\n[m{number}]',
    "formula": lambda number, it: f"The ${it}$ and \\({it}\\).\n\n$${it}$$\n\n\\[\n{it}\n\\]",
    "text of a formula": lambda number, it: f"$\\text{{{it}}} + 1$ $x_{{{it}}}$",
    "after a backslash": lambda number, it: f"\\{it} \\\\{it}",
}
AS_ADDRESS: dict[str, Callable[[int, str], str]] = {
    "link": lambda number, it: f"[click]({it})",
    "link in angles": lambda number, it: f"[click](<{it}>)",
    "link with title": lambda number, it: f'[click]({it} "title")',
    "image": lambda number, it: f"![image]({it})",
    "image in a link": lambda number, it: f"[![image]({it})]({it})",
    "definition": lambda number, it: f"[a{number}]: {it}\n\n[a{number}] [click][a{number}] ![image][a{number}]",
    "definition in angles": lambda number, it: f"[b{number}]: <{it}> 'title'\n\n[b{number}]",
    "autolink": lambda number, it: f"<{it}> {it}",
    "cell": lambda number, it: f"| [click]({it}) |\n| - |\n| ![image]({it}) |",
    "tag": lambda number, it: f'<a href="{it}">click</a> <img src="{it}"> <a href={it}>click</a>',
    "formula": lambda number, it: f"$\\href{{{it}}}{{x}}$ $[click]({it})$",
}


BLOCKS = 450
"""Blocks in one reply."""

STEPS = 20
"""Moments at which a reply waits while it streams, so that it is shown so often."""


def hostile_replies() -> list[str]:
    """Every payload in many places, every place with many payloads, in a few replies of many blocks.

    The order is by chance, and the same each time. ``HOSTILE_PART=1`` in the environment: everything everywhere.
    """
    part = int(os.environ.get("HOSTILE_PART", "5"))
    blocks = [
        place(number, text)
        for payloads, places in ((MARKUP + MATHS, IN_TEXT), (ADDRESSES, AS_ADDRESS))
        for number, text in enumerate(payloads)
        for which, place in enumerate(places.values())
        if (number + which) % part == 0
    ]
    blocks += [f"${text}$\n\n$$\n{text}\n$$\n\n\\[{text}\\]" for text in MATHS]
    chance = random.Random(7)
    chance.shuffle(blocks)
    replies = ["\n\n".join(blocks[start : start + BLOCKS]) for start in range(0, len(blocks), BLOCKS)]
    return [*replies, "\n\n".join(CASES), "\n\n".join(reversed(CASES))]


def streamed(text: str, seed: int, mark: str) -> dict:
    """A reply as an answer: in pieces of random length as a model's tokens are, sometimes of one character."""
    chance = random.Random(seed)
    longest = chance.choice([12, 90, 700])
    steps: list = []
    at = 0
    pauses = set(chance.sample(range(len(text)), min(STEPS, len(text))))
    while at < len(text):
        end = at + chance.randint(1, longest)
        steps.append(sse(text[at:end]))
        if pauses & set(range(at, end)):
            steps.append(delay(0.03))
        at = end
    return stream(*steps, sse(finish="stop"), done(), contains=mark)
