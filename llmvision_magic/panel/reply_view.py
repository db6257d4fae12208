"""One reply in the panel while it arrives: each finished block is sent once, the last one is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.chat.pacing import INTERVAL
from llmvision_magic.panel.turn_data import Json, block_json
from llmvision_magic.rendering import Block, render, reply_html
from llmvision_magic.rendering.partial_reply import PartialReply

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome


class StreamedReplyView:
    """The view of one reply.

    Args:
        send: Sends what is new to the page.
        end: Called once when the reply has ended: with its HTML, or None where the blocks that were sent are all of it.

    Attributes:
        parts: Messages of the reply that the page was sent. It knows by the number of each whether one was lost.
    """

    interval = INTERVAL

    def __init__(self, send: Callable[[Json], None], end: Callable[[str | None], None]) -> None:
        self._send = send
        self._end = end
        self._arrived = PartialReply()
        self._line = ""
        self._ended = False
        self.parts = 0

    def state(self) -> Json:
        """All there is of the reply, for a page that comes now."""
        return {
            "blocks": [block_json(block) for block in list(self._arrived.finished)],
            "tail": self._tail,
            "line": self._line,
            "parts": self.parts,
        }

    @property
    def _tail(self) -> list[object] | None:
        tail = self._arrived.tail
        return None if tail is None else block_json(tail)

    def prepare(self) -> None:
        """Load what rendering needs, in the time that the first text takes to arrive."""
        render("")

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is; the next text takes it away."""
        if line != self._line:
            self._line = line
            self._more([])

    def add(self, text: str) -> None:
        """Show text that has arrived."""
        finished = self._arrived.feed(text)
        self._line = self._arrived.length_line if self._arrived.is_full else ""
        self._more(finished)

    def _more(self, finished: list[Block]) -> None:
        self._send(
            {
                "at": len(self._arrived.finished) - len(finished),
                "blocks": [block_json(block) for block in finished],
                "tail": self._tail,
                "line": self._line,
            }
        )

    def finish(self, outcome: Outcome) -> None:
        """Show the reply as a whole, if it is another than its blocks."""
        text = outcome.reply.text
        if rest := text[self._arrived.length :]:  # what came after the last frame
            self.add(rest)
        shown = self._arrived.blocks
        seen = "".join(block.source for block in shown)
        html: str | None
        try:
            html = reply_html(text, shown if seen == text else ())
            if seen == text and html == "".join(block.html for block in shown):
                html = None
        except Exception:  # what was shown stays
            html = None
        self._conclude(html)

    def shown_html(self) -> str:
        """What the page shows when its blocks are all of the reply."""
        return "".join(str(block_json(block)[0]) for block in self._arrived.blocks)

    def clear(self) -> None:
        """There is no text; the turn says why."""
        self._conclude("")

    def leave(self) -> None:
        """An exception from outside ended the reply; what was shown stays."""
        self._conclude(None)

    def _conclude(self, html: str | None) -> None:
        if not self._ended:
            self._ended = True
            self._end(html)
