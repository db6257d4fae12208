"""A reply in a notebook cell: finished blocks once each, the last one updated, one final output at the end."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from llmvision_magic.rendering import Block, Blocks, Footer, Update, blocks_bundle, reply_bundle, status_html

if TYPE_CHECKING:
    from llmvision_magic.arrival import Outcome

Publisher = Any
"""IPython's display publisher; IPython publishes no types for it."""


class NotebookView:
    """Shows one reply in the output of the running cell.

    Jupyter has no "append" for rich output: sending the whole reply again at each step costs bytes that grow with the
    square of its length. So each finished top-level block is an output of its own that is never sent again, and only
    the last one is updated, by its display id.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._blocks = Blocks()
        self._last: str | None = None  # display id of the output that is still updated
        self._shown = 0  # outputs in the cell
        self._line = ""
        self._length = 0  # characters given so far
        self._finished: list[Block] = []

    def wait(self, line: str) -> None:
        """Show a quiet line while there is no text yet."""
        if line != self._line:
            self._line = line
            self._put({"text/html": status_html(line), "text/plain": line})

    def add(self, text: str) -> None:
        """Show text that has arrived."""
        update = self._feed(text)
        if update.finished:
            # All that one frame has finished goes into one output, which is never touched again.
            self._put(self._bundle(update.finished))
            self._last = None
        if update.tail.source.strip():
            self._put(self._bundle([update.tail]))

    def _feed(self, text: str) -> Update:
        self._length += len(text)
        update = self._blocks.feed(text)
        self._finished += update.finished
        return update

    def _all_blocks(self, text: str) -> list[Block]:
        """The blocks of the whole reply, with what came after the last frame."""
        tail = self._feed(text[self._length :]).tail
        return [*self._finished, tail]

    def _bundle(self, blocks: list[Block]) -> dict[str, str]:
        # The first output of the cell carries the style sheet for all of them.
        first = self._shown == 0 or (self._shown == 1 and self._last is not None)
        return blocks_bundle(blocks, first=first)

    def _put(self, bundle: dict[str, str]) -> None:
        """Update the last output, or add one if the last is finished."""
        if self._last is None:
            self._last = uuid.uuid4().hex
            self._publisher.publish(bundle, transient={"display_id": self._last})
            self._shown += 1
        else:
            self._publisher.publish(bundle, transient={"display_id": self._last}, update=True)

    def finish(self, outcome: Outcome) -> None:
        """Replace everything by the final output."""
        try:
            blocks = self._all_blocks(outcome.reply.text) if self._finished else []
            bundle = reply_bundle(outcome.reply, Footer(outcome.facts(), outcome.reply.notice), blocks)
        except Exception:  # a reply that was paid for is shown, if need be as bare text
            bundle = {"text/plain": outcome.reply.text}
        if self._shown:
            self._publisher.clear_output(wait=True)
        self._publisher.publish(bundle, metadata={"llmvision": metadata_of(outcome)})

    def clear(self) -> None:
        """Take away the waiting line; the error message follows."""
        if self._shown:
            self._publisher.clear_output(wait=True)

    def leave(self) -> None:
        """Leave what was shown as it is."""


def metadata_of(outcome: Outcome) -> dict[str, object]:
    """What is saved beside the output: enough to rebuild the conversation from the notebook."""
    reply = outcome.reply
    usage = reply.usage
    return {
        "conversation": outcome.conversation,
        "turn_id": outcome.turn,
        "model": reply.model,
        "status": reply.status,
        "finish_reason": reply.finish_reason,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }
        if usage
        else None,
    }
