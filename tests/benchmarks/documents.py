"""Markdown documents of a given number of tokens, the same at each run."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import islice

WORDS = re.findall(
    r"\w+",
    """
    model token stream notebook reader frame block cell answer text line kernel output memory value list table
    the a of to and in is it that for on with as by this from or an be at which when not can has more one so
    quick steady careful small large simple plain exact early late whole open final first second next same
    """,
)


def _words(chance: random.Random, least: int, most: int) -> list[str]:
    return [chance.choice(WORDS) for _ in range(chance.randint(least, most))]


def _sentence(chance: random.Random) -> str:
    words = _words(chance, 6, 16)
    place = chance.randrange(len(words))
    kind = chance.random()
    if kind < 0.2:
        words[place] = f"**{words[place]}**"
    elif kind < 0.35:
        words[place] = f"`{words[place]}`"
    elif kind < 0.42:
        words[place] = f"[{words[place]}](https://example.org/{place})"
    return " ".join(words).capitalize() + "."


def _paragraph(chance: random.Random) -> str:
    return " ".join(_sentence(chance) for _ in range(chance.randint(2, 5))) + "\n\n"


def _heading(chance: random.Random) -> str:
    return f"{'#' * chance.randint(2, 3)} {' '.join(_words(chance, 2, 5)).capitalize()}\n\n"


def _list(chance: random.Random) -> str:
    return "".join(f"- {_sentence(chance)}\n" for _ in range(chance.randint(3, 7))) + "\n"


def _fence(chance: random.Random) -> str:
    return "```python\n" + "".join(_code_line(chance) for _ in range(chance.randint(4, 12))) + "```\n\n"


def _code_line(chance: random.Random) -> str:
    return f'{chance.choice(WORDS)} = {chance.choice(WORDS)}({chance.randint(0, 99)}, "{chance.choice(WORDS)}")\n'


def _row(chance: random.Random) -> str:
    return "| " + " | ".join(" ".join(_words(chance, 1, 3)) for _ in range(3)) + " |\n"


def _table(chance: random.Random) -> str:
    return _row(chance) + "| --- | --- | --- |\n" + "".join(_row(chance) for _ in range(chance.randint(3, 6))) + "\n"


def _mixed(chance: random.Random) -> Iterator[str]:
    while True:
        yield _heading(chance)
        for _ in range(chance.randint(1, 3)):
            yield _paragraph(chance)
        yield chance.choice((_list, _fence, _table, _list))(chance)


def _endless(first: str, piece: Callable[[random.Random], str]) -> Callable[[random.Random], Iterator[str]]:
    def pieces(chance: random.Random) -> Iterator[str]:
        yield first
        while True:
            yield piece(chance)

    return pieces


KINDS: dict[str, Callable[[random.Random], Iterator[str]]] = {
    "mixed": _mixed,
    "fence": _endless("```python\n", _code_line),
    "list": _endless("", lambda chance: f"- {_sentence(chance)}\n"),
    "table": _endless("| one | two | three |\n| --- | --- | --- |\n", _row),
    "paragraph": _endless("", lambda chance: _sentence(chance) + " "),
}
"""By name: a mixed document, and those that are one giant block."""


def _tokens_of(text: str) -> Iterator[str]:
    """Pieces of about four characters, as tokenizers make them: a word with its leading space, cut when it is long."""
    start = 0
    for position, character in enumerate(text):
        length = position - start
        if length and (length >= 6 or (character in " \n|" and text[start:position].strip())):
            yield text[start:position]
            start = position
    if start < len(text):
        yield text[start:]


def tokens(kind: str, count: int) -> list[str]:
    """Exactly `count` tokens of a document."""
    pieces = KINDS[kind](random.Random(f"{kind} {count}"))
    return list(islice((token for piece in pieces for token in _tokens_of(piece)), count))
