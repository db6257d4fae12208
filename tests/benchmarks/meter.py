"""What one cell sends while it runs, as a front end meets it."""

from __future__ import annotations

import json
import re
import time
from html import unescape

from support.kernels import Cell, Kernel

SHOWN = ("display_data", "update_display_data", "execute_result")
OUTPUTS = (*SHOWN, "stream", "clear_output", "error")
AROUND = ("header", "parent_header", "metadata")


def size(value: object) -> int:
    """Bytes of a value as the kernel's JSON has them."""
    return len(json.dumps(value, default=str, ensure_ascii=False).encode())


def visible_words(data: dict[str, str]) -> list[str]:
    """What a reader can read in an output; a style sheet, a bullet or a heading's mark is nothing yet."""
    if "text/html" in data:
        text = unescape(re.sub(r"<style>.*?</style>|<[^>]*>", "", data["text/html"], flags=re.DOTALL))
    else:
        text = data.get("text/markdown", data.get("text/plain", ""))
    return re.findall(r"\w+", text)


class Meter:
    """Takes the messages of one cell as they arrive.

    Each is measured and let go: some systems send hundreds of megabytes.
    """

    def __init__(self, kernel: Kernel, text: str, limit: float) -> None:
        self._kernel = kernel
        self._text = text
        self._deadline = time.time() + limit
        self.in_time = True
        self.messages = self.content_bytes = self.whole_bytes = 0
        self.arrived: list[float] = []  # time.time() of the messages that show some of the reply
        self.word: list[float] = []  # the first of them in which there is a word to read
        self.made: list[float] = []  # the dates in their headers
        self.last = 0.0

    def __call__(self, cell: Cell) -> None:
        now = time.time()
        message = cell.messages.pop()
        kind, content = message["msg_type"], message["content"]
        if kind in OUTPUTS:
            self.last = now
            self.messages += 1
            self.content_bytes += (content_bytes := size(content))
            self.whole_bytes += content_bytes + sum(size(message[part]) for part in AROUND)
        if kind in SHOWN and (self.arrived or self._has_reply(content["data"])):
            self.arrived.append(now)
            self.made.append(message["header"]["date"].timestamp())
            if not self.word and self._has_word(content["data"]):
                self.word.append(now)
        if now > self._deadline and self.in_time:
            self.in_time = False
            self._kernel.interrupt()

    def _has_reply(self, data: dict[str, str]) -> bool:
        """Whether some of the reply is in it, and not just a style sheet or a line about waiting."""
        # While a reply arrives, an ellipsis may stand for what precedes.
        texts = (data.get(kind, "").strip().removeprefix("…") for kind in ("text/plain", "text/markdown"))
        return any(text and text in self._text for text in texts) or self._has_word(data)

    def _has_word(self, data: dict[str, str]) -> bool:
        words = visible_words(data)
        return bool(words) and words[0] in self._text
