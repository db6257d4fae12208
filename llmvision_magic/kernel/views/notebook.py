"""A reply in a notebook cell: finished blocks once each, the last one updated, one final output at the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from llmvision_magic.chat.pacing import INTERVAL
from llmvision_magic.kernel.views.publishing import NOTHING, Publisher, without_flushing
from llmvision_magic.rendering import Block, Footer, blocks_bundle, render, status_html, style_bundle
from llmvision_magic.rendering.partial_reply import PartialReply

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.kernel.views.other_outputs import Noted, OtherOutputs
    from llmvision_magic.messages import Content


MOST_OUTPUTS = 48
"""Outputs of a cell while a reply arrives; JupyterLab hides what comes after 50."""

FREE_OUTPUTS = 16
"""Outputs that are filled by one frame each: most replies need no more."""

LEAST_GROUP = 1200
"""Characters that share an output beyond those, at least."""


class NotebookView:
    """Shows one reply in the output of the running cell.

    Jupyter has no "append" for rich output: sending the whole reply again at each step costs bytes that grow with the
    square of its length. So finished top-level blocks go into outputs that are not sent again, and only the unfinished
    one is updated, by its display id. JupyterLab hides all but the first 50 outputs of a cell; so blocks share outputs,
    the more the longer the reply has become, and when there are too many outputs one takes the place of them all.
    """

    interval = INTERVAL

    def __init__(self, publisher: Publisher, others: OtherOutputs | None = None, *, as_text: bool = False) -> None:
        self._publisher = publisher
        self._others = others
        self._arrived = PartialReply(as_text=as_text)
        self._outputs = 0
        self._began = False  # whether anything was sent
        self._group: list[Block] = []  # the newest finished blocks, whose output still takes more
        self._group_id: str | None = None
        self._tail_id: str | None = None
        self._line = ""

    def prepare(self) -> None:
        """Load what rendering needs, while the request is answered."""
        render("")

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is; the next text takes it away."""
        if line == self._line:
            return
        self._line = line
        tail = blocks_bundle([self._arrived.tail]) if self._arrived.tail is not None else {}
        plain = "\n\n".join(part for part in (tail.get("text/plain"), line) if part)
        bundle = {"text/html": tail.get("text/html", "") + status_html(line), "text/plain": plain}
        self._tail_id = self._put(bundle, self._tail_id)

    def add(self, text: str) -> None:
        """Show text that has arrived."""
        if not self._arrived.length:
            # Once, before all blocks: an output that is updated would carry it again each time.
            self._put(style_bundle())
        was_full, finished = self._arrived.is_full, self._arrived.feed(text)
        if was_full:
            self.wait(self._arrived.length_line)
            return
        self._line = ""
        if finished:
            self._show_finished(finished)
        if self._arrived.tail is not None:
            self._tail_id = self._put(blocks_bundle([self._arrived.tail]), self._tail_id)
        elif self._tail_id is not None:
            self._put(NOTHING, self._tail_id)

    def _show_finished(self, blocks: list[Block]) -> None:
        if self._outputs >= MOST_OUTPUTS:
            self._put_together()
        elif self._group_id is not None and sum(len(block.source) for block in self._group) < self._group_length:
            self._group += blocks
            self._put(blocks_bundle(self._group), self._group_id)
        else:
            # The output of what has been growing takes the finished blocks; what grows now gets one of its own.
            self._group = blocks
            self._group_id, self._tail_id = self._put(blocks_bundle(blocks), self._tail_id), None

    @property
    def _group_length(self) -> int:
        """Characters that share an output, so that the outputs suffice until the reply is twice as long."""
        return max(LEAST_GROUP, self._arrived.length // MOST_OUTPUTS) if self._outputs > FREE_OUTPUTS else 0

    def _put_together(self) -> None:
        with self._clearing():
            self._put(style_bundle())
            self._put(blocks_bundle(self._arrived.finished))
        self._group, self._group_id, self._tail_id = [], None, None

    def _put(self, bundle: dict[str, str], display_id: str | None = None) -> str:
        """Update an output, or add one at the end.

        Returns:
            The output's display id.
        """
        if display_id is not None:
            with without_flushing(self._publisher):
                self._publisher.publish(bundle, transient={"display_id": display_id}, update=True)
            return display_id
        display_id = uuid.uuid4().hex[:12]
        if self._others is not None:
            self._others.ours.add(display_id)
        # Before the first message: what the cell's code printed stands above the reply.
        with without_flushing(self._publisher) if self._began else nullcontext():
            self._publisher.publish(bundle, transient={"display_id": display_id})
        self._began = True
        self._outputs += 1
        return display_id

    def finish(self, outcome: Outcome) -> None:
        """Replace everything by the final output."""
        bundle = self._arrived.final_bundle(outcome.reply, Footer(outcome.facts(), outcome.notice))
        with self._clearing():
            self._publisher.publish(bundle, metadata={"llmvision": metadata_of(outcome)})

    @contextmanager
    def _clearing(self) -> Iterator[None]:
        """Take away what was shown of the reply: what is shown inside takes its place, above what others have shown."""
        others: list[Noted] = []
        if self._outputs and self._others is not None:
            others = self._others.clear()
        elif self._outputs:
            self._publisher.clear_output(wait=True)
        self._outputs = 0
        yield
        if self._others is not None and others:
            self._others.show(others)

    def clear(self) -> None:
        """Take away the waiting line; the error message follows."""
        with self._clearing():
            pass

    def leave(self) -> None:
        """Leave what was shown as it is."""


def metadata_of(outcome: Outcome) -> dict[str, object]:
    """What is saved beside the output: enough to rebuild the conversation from the notebook."""
    reply = outcome.reply
    usage = reply.usage
    prompt = {} if outcome.prompt is None else {"prompt": _without_images(outcome.prompt)}
    typed = {} if outcome.typed is None else {"typed": outcome.typed}
    return {
        **prompt,
        **typed,
        "conversation": outcome.conversation,
        "turn_id": outcome.turn,
        "parent": outcome.parent,
        "system": outcome.system,
        "options": outcome.options,
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


def _without_images(content: Content) -> object:
    """A prompt for the metadata: images would make each notebook heavy, and mostly stand in another output already."""
    if isinstance(content, str):
        return content
    left_out = {"type": "text", "text": "(an image, which the notebook does not keep)"}
    return [part if part.get("type") == "text" else left_out for part in content]
