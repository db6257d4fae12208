"""A reply while it arrives, for whoever shows it: its blocks so far, and in the end the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmvision_magic.rendering.incremental_parser import Blocks
from llmvision_magic.rendering.mime_bundle import MOST_SHOWN, Footer, reply_bundle, text_bundle

if TYPE_CHECKING:
    from llmvision_magic.messages import Reply
    from llmvision_magic.rendering.blocks import Block

LONG_REPLY = 20_000
"""Characters from which on an interrupted reply is left in the parts it was shown in."""

TEXT_FENCE = "~" * 400
"""What makes one code block of a reply that is shown as it is, while it arrives; no line of a text closes it."""


class PartialReply:
    """The blocks of one reply so far. Dies with it.

    Args:
        as_text: Show the reply as it is, not as Markdown.

    Attributes:
        length: Characters so far.
        finished: Blocks that nothing changes any more.
        tail: What grows; None where there is nothing to be seen of it.
    """

    def __init__(self, *, as_text: bool = False) -> None:
        self._as_text = as_text
        self._blocks = Blocks(cut_long=True)
        if as_text:
            self._blocks.feed(f"{TEXT_FENCE}\n")
        self.length = 0
        self.finished: list[Block] = []
        self.tail: Block | None = None

    def feed(self, text: str) -> list[Block]:
        """Take text that has newly arrived.

        Returns:
            The blocks that it has finished.
        """
        update = self._blocks.feed(text[: max(MOST_SHOWN - self.length, 0)])
        self.length += len(text)
        self.finished += update.finished
        self.tail = update.tail if update.tail.source.strip() else None
        return update.finished

    @property
    def blocks(self) -> list[Block]:
        """All of them."""
        return [*self.finished, *([self.tail] if self.tail is not None else [])]

    @property
    def is_full(self) -> bool:
        """Whether more text changes no block: so many characters are shown and no more."""
        return self.length >= MOST_SHOWN

    @property
    def length_line(self) -> str:
        """How much there is where not all is shown."""
        return f"{self.length:,} characters so far; the first {MOST_SHOWN:,} are shown"

    def final_bundle(self, reply: Reply, footer: Footer) -> dict[str, str]:
        """What is shown when the reply has ended, by MIME type; what was made for its blocks is not made again."""
        try:
            if self._as_text:
                return text_bundle(reply, footer)
            had_blocks = bool(self.finished)
            self.feed(reply.text[self.length :])  # what came after the last frame
            # Whoever stopped a reply wants the kernel back now.
            at_once = reply.status == "interrupted" and len(reply.text) > LONG_REPLY
            return reply_bundle(reply, footer, self.blocks if had_blocks else [], at_once=at_once)
        except Exception:  # a reply that was paid for is shown, if need be as bare text
            return {"text/plain": reply.text}
