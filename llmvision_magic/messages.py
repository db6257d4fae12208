"""What is said, as values: messages, deltas, replies. Who sends, keeps or shows them is somebody else's business.

Field names are those of the Chat Completion API, so that its documentation is ours too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from llmvision_magic.finish_reasons import ending_of
from llmvision_magic.hooks import HOOKS

Content = str | tuple[Mapping[str, object], ...]
"""A message's content: text, or parts as the API defines them (``{"type": "text", …}``)."""

Status = Literal["partial", "complete", "interrupted", "cut", "failed"]
"""How a reply stands: still arriving; ended by itself; stopped by the reader; line lost; ended by an error."""


LONGEST_NAME = 200
"""Characters that are kept of what a server says about itself."""


NO_OPTIONS: Mapping[str, object] = {}
"""Of a turn that was asked without any."""


def image_count(content: Content) -> int:
    """How many images a content holds."""
    return 0 if isinstance(content, str) else sum(part.get("type") == "image_url" for part in content)


def text_of(content: Content) -> str:
    """The text of a content, without its images."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def as_name(text: str) -> str:
    """A model's name, an id, a reason, as a server says it of itself: one line of at most `LONGEST_NAME` characters.

    What cannot be seen, or changes what is seen around it, stands there by its number: ``⟨U+202E⟩``.
    """
    if len(text) <= LONGEST_NAME and text.isprintable():
        return text
    shown = "".join(one if one.isprintable() else f"⟨U+{ord(one):04X}⟩" for one in text[:LONGEST_NAME])
    if len(text) <= LONGEST_NAME and len(shown) <= LONGEST_NAME:
        return shown
    # Shorter than the longest, so that a name of a name is itself.
    return f"{shown[: LONGEST_NAME * 3 // 4]}… ({len(text):,} characters)"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as it is sent."""

    role: str
    content: Content


class Usage(NamedTuple):
    """Token counts of one request, as the server told them; nothing here is ever estimated."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None

    @property
    def words(self) -> str:
        """For a footer: "38 → 251 tokens"; "" where the server did not tell how long the reply is."""
        if self.completion_tokens is None:
            return ""
        asked = f"{self.prompt_tokens:,} → " if self.prompt_tokens is not None else ""
        return f"{asked}{self.completion_tokens:,} token{'' if self.completion_tokens == 1 else 's'}"


class TokenLogprob(NamedTuple):
    """A token and how probable the model took it to be.

    Attributes:
        token: Its text; of a character that is more than one token, a part.
        logprob: Natural logarithm of its probability, 0 or less.
        alternatives: What might have stood in its place, the most probable first; empty unless asked for
            (``top_logprobs``), and for alternatives themselves.
    """

    token: str
    logprob: float
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(slots=True)
class Delta:
    """A piece of a reply that is arriving. Not frozen: one is made for each token, and freezing costs the most of it.

    Attributes:
        text: The new text; may be empty in a delta that only carries the role, an end or the usage.
        index: Which of the choices it belongs to; 0 unless several were asked for.
        finish_reason: Set in the last delta of a choice: "stop", "length", …
        usage: The usage as far as it was told, mostly once and near the end; the last one counts.
        created: Unix time in seconds.
        logprobs: Of the tokens of this piece, where they were asked for.
        remark: What is odd about the reply, as a sentence.
    """

    text: str = ""
    index: int = 0
    role: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the completions of a reply; `logprobs` as of `Reply`."""

    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


class CodeBlock(NamedTuple):
    """A fenced code block: its language as written after the fence ("" if none) and its code."""

    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered.

    Attributes:
        text: Text of the first choice, exactly as it arrived.
        finish_reason: Why the model ended, in the server's word; None when the server told none, as in most replies
            that did not come to their end.
        usage: Token counts as told by the server; None when it told none.
        created: Unix time in seconds, from the server.
        choices: All completions; more than one only where they were asked for (``--param n=2``).
        status: How the reply stands; "complete" when it came to its end.
        notice: Why it ended when it did not end by itself, and what else is odd about it, in sentences; else empty.
        seconds: From sending the request to the last event; None when not measured.
        logprobs: Of each token of the first choice, where they were asked for (``--param logprobs=true``); None where
            not, or where the server told none. Of a reply that went on, those of its last part. Only here: the journal
            does not keep them, for with alternatives they are some fifty times as long as the text.
    """

    text: str
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    id: str | None = None
    object: str | None = None
    created: int | None = None
    choices: tuple[Choice, ...] = ()
    status: Status = "complete"
    notice: str = ""
    seconds: float | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def is_whole(self) -> bool:
        """Whether the model had said all of it."""
        return self.status == "complete" and ending_of(self.finish_reason) != "length"

    @property
    def code_blocks(self) -> list[CodeBlock]:
        """The fenced code blocks of the text, in order."""
        return list(HOOKS.reply_display().code_blocks(self.text))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Shown as the cell showed it, safe to render by any front end. IPython's choice of formats is not needed.

        A terminal writes the plain text as it comes, so its control characters are made visible.
        """
        display = HOOKS.reply_display()
        return {**display.reply_bundle(self), "text/plain": display.plain_for_terminal(self.text)}
