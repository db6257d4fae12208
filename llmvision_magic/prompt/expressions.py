"""Where the expressions of a prompt begin and end."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import CodeType

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.value_text import in_line

AS_TEXT = "If it is meant as text: `%%chat --raw`."
"""What to do in a cell; elsewhere there are other ways."""

LONGEST = 10_000
"""Characters that an expression may have; its end is not looked for farther."""


class ExpressionError(InvalidInput):
    """What stands in double braces cannot be evaluated. Nothing was sent.

    Attributes:
        sentence: What is wrong, without what to do in a cell.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(f"{sentence} {AS_TEXT}")
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Expression:
    """A ``{{…}}`` of a prompt: its source without the braces."""

    source: str
    code: CodeType


def split(prompt: str) -> list[str | Expression]:
    """The texts and expressions of a prompt, in order.

    A ``{{`` with no ``}}`` anywhere behind it is text: there is nothing it could hold. Single braces are text.

    Raises:
        ExpressionError: What stands there is no Python expression.
    """
    pieces: list[str | Expression] = []
    done = 0
    while (begin := prompt.find("{{", done)) >= 0 and prompt.find("}}", begin + 2) >= 0:
        expression, end = _expression_at(prompt, begin)
        pieces += [prompt[done:begin], expression]
        done = end
    return [*pieces, prompt[done:]]


def _expression_at(prompt: str, begin: int) -> tuple[Expression, int]:
    """The expression whose braces open at `begin`, and where they have closed.

    Python itself says where it ends: at the first ``}}`` before which a whole expression stands. One inside a string or
    a nested bracket is none, for what stands before it does not compile.
    """
    first = end = prompt.find("}}", begin + 2)
    while 0 <= end < begin + LONGEST:
        source = prompt[begin + 2 : end].strip()
        code = try_compile(source) or _try_compile_in_one_line(source)
        if code is not None:
            return Expression(source, code), end + 2
        end = prompt.find("}}", end + 1)
    raise ExpressionError(
        f"`{{{{{in_line(prompt[begin + 2 : first])}}}}}` is no Python expression: double braces hold one that is "
        "evaluated here. Nothing was sent."
    )


def _try_compile_in_one_line(source: str) -> CodeType | None:
    """The code of an expression that goes on over several lines, as a chain of methods does in brackets."""
    if "\n" not in source or '"""' in source or "'''" in source:
        return None
    return try_compile(" ".join(source.split("\n")))


def try_compile(source: str) -> CodeType | None:
    """The code of an expression; None when it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\d" and the like: it may be no Python at all
            return compile(source, "<prompt>", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        return None
