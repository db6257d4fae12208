"""A reply shown by updates of one output, where it may not have the cell's output for itself.

An update replaces all of the output; so while a long reply arrives its end is shown, with a line that says how much
stands before it. What is sent grows with the time then, and not with the square of the length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.kernel.views.notebook import metadata_of
from llmvision_magic.kernel.views.publishing import Publisher, UpdatableOutput, Update
from llmvision_magic.messages import Reply
from llmvision_magic.rendering import Block, Footer, blocks_bundle, render, reply_bundle, status_html, style_bundle
from llmvision_magic.rendering.partial_reply import PartialReply

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome

INTERVAL = 0.4
"""Seconds between updates: each replaces what is shown, and the front end sets it anew."""

MOST_SENT = 9_000
"""Bytes of HTML of the reply's end that go along with an update, beside its style and lines."""

SHORTEST = 100
"""Characters of a block that are shown whatever their HTML takes."""


class SingleOutputView:
    """Shows one reply by updates of one output.

    Args:
        update: Shows a bundle.
        bind: Called with the outcome before it is shown.
        where: A line that stands under what there is while the reply arrives.
        as_text: Show the reply as it is, not as Markdown.
    """

    interval = INTERVAL

    def __init__(
        self, update: Update, bind: Callable[[Outcome], None], where: str = "", *, as_text: bool = False
    ) -> None:
        self._update = update
        self._bind = bind
        self._where = where
        self._arrived = PartialReply(as_text=as_text)
        self._line = ""

    def bundle(self) -> dict[str, str]:
        """What the output shows while the reply arrives."""
        line = " · ".join(filter(None, (self._line, self._where)))
        blocks, before = end_of(self._arrived.blocks, MOST_SENT)
        if not blocks:
            return {"text/html": status_html(line), "text/plain": line}
        parts = blocks_bundle(blocks)
        above = f"… {before:,} characters before this, shown when the reply is complete" if before else ""
        html = style_bundle(parts["text/html"])["text/html"] + (status_html(above) if above else "")
        return {
            "text/html": html + parts["text/html"] + (status_html(line) if line else ""),
            "text/plain": "\n\n".join(part for part in (parts["text/plain"], line) if part),
        }

    def prepare(self) -> None:
        """Load what rendering needs, in the time that the first text takes to arrive."""
        render("")

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is."""
        if line != self._line:
            self._line = line
            self._update(self.bundle(), {})

    def add(self, text: str) -> None:
        """Show text that has arrived."""
        self._arrived.feed(text)
        self._line = self._arrived.length_line if self._arrived.is_full else ""
        self._update(self.bundle(), {})

    def finish(self, outcome: Outcome) -> None:
        """Show the final output."""
        self._bind(outcome)
        bundle = self._arrived.final_bundle(outcome.reply, Footer(outcome.facts(), outcome.notice))
        self._update(bundle, {"llmvision": metadata_of(outcome)})

    def clear(self) -> None:
        """An error message follows: `fail`."""

    def leave(self) -> None:
        """Leave what was shown as it is."""

    def fail(self, sentence: str) -> None:
        """Show why there is no reply."""
        bundle = reply_bundle(Reply(""), Footer([], sentence))
        self._update({**bundle, "text/plain": sentence}, {})


class SharedCellView(SingleOutputView):
    """Shows one reply in a cell that shows other things too: its output is one among them, and nothing else is touched.

    The code around the magic may print and display, or ask several times: outputs can only be taken away all together.
    In a widget that takes outputs it is the same, and there only the end is shown.
    """

    def __init__(self, publisher: Publisher, *, as_text: bool = False) -> None:
        self._output = UpdatableOutput(publisher)
        super().__init__(self._output.show, _nothing, as_text=as_text)

    def clear(self) -> None:
        """An error message follows: `try_fail`."""

    def try_fail(self, sentence: str) -> bool:
        """Show why there is no reply in place of the waiting line; whether there is one."""
        if self._output.stays:
            self.fail(sentence)
        return self._output.stays


def _nothing(outcome: Outcome) -> None:
    """Whoever asked binds the reply."""


def end_of(blocks: list[Block], most: int) -> tuple[list[Block], int]:
    """The last blocks of a reply.

    Args:
        most: Bytes of HTML that they may have.

    Returns:
        The blocks, the first of them perhaps cut, and how many characters stand before them.
    """
    shown: list[Block] = []
    room = most
    for block in reversed(blocks):
        if len(block.source) > room or len(block.html.encode()) > room:
            if room > most // 2:
                shown.insert(0, _end_of_block(block, room))
            break
        room -= len(block.html.encode())
        shown.insert(0, block)
    return shown, sum(len(block.source) for block in blocks) - sum(len(block.source) for block in shown)


def _end_of_block(block: Block, most: int) -> Block:
    """The end of one block: marks make its HTML longer than its text, and how much is known when it is made."""
    length = most
    while True:
        length //= 2
        end = block.end(length)
        if len(end.html.encode()) <= most or length < SHORTEST:
            return end
