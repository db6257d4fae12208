"""What of the panel is saved with the notebook: the conversation as a page that needs no kernel.

A widget is drawn by the page from the kernel's state; of a saved notebook only an empty place would be left. So an
output of its own stands before the widget, with the transcript as HTML and as text: hidden while the panel lives, shown
in a notebook that is opened without its kernel, on GitHub, and by nbconvert. A few seconds after something was said it
is brought up to date, by its display id.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING

from llmvision_magic.journal.turn_texts import prompt_words
from llmvision_magic.panel.turn_data import TurnRenderer, facts_of
from llmvision_magic.rendering import MOST_SHOWN, style

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn
    from llmvision_magic.panel.host import PanelHost, Update
    from llmvision_magic.panel.transcript_sync import TranscriptSync

DELAY = 1.0
"""Seconds from the last change until it is brought up to date: a notebook is saved less often."""

MOST_HTML, MOST_TEXT = 60_000, 100_000
"""Characters of HTML and of text that the newest turns may have together; the newest one stands there in any case."""

# In JupyterLab and Notebook 7, by the classes of their outputs. The first rule hides the transcript while the panel
# lives right behind it; the second what is left of one that does not: "Error displaying widget: model not found". What
# follows the transcript of a panel beside the notebook is the cell's own.
_STYLE = (
    "<style>.jp-OutputArea-child:has(.llmvm-kept):has(+ .jp-OutputArea-child .llmvm-panel),"
    ".jp-OutputArea-child:has(.llmvm-kept:not(.llmvm-docked))"
    " + .jp-OutputArea-child:has(.jupyter-widgets):not(:has(.llmvm-panel))"
    "{display:none}</style>"
)

# JupyterLab lists a notebook's headings, and takes long for many; these, which it would list, are hidden.
_HEADING = re.compile(r"<(h[1-6])>")
_UNLISTED = r'<\1 class="jp-toc-ignore">'

EMPTY = "A chat panel without turns yet. It is shown while its kernel runs."

FOLDED = "The chat panel stands beside the notebook; what was said in it"


class SavedTranscript:
    """The outputs that keep one panel's transcript."""

    def __init__(self, host: PanelHost, sync: TranscriptSync) -> None:
        self._host = host
        self._sync = sync
        self._updates: list[Update] = []
        self._last: dict[str, str] = {}
        self._folded = False
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def show(self, *, folded: bool = False) -> None:
        """Put an output into the running cell.

        Args:
            folded: Only a line that unfolds, for the panel stands elsewhere while it lives.
        """
        self._folded = self._folded or folded
        self._last = kept_bundle(self._sync.conversation, self._sync.pages, folded=self._folded)
        self._updates.append(self._host.publish_updatable(self._last))

    def changed(self) -> None:
        """Bring the outputs up to date before long."""
        with self._lock:
            if self._updates and self._timer is None:
                self._timer = threading.Timer(DELAY, self._due)
                self._timer.daemon = True
                self._timer.start()

    def _due(self) -> None:
        with self._lock:
            self._timer = None
        if not self._sync.busy:  # else the reply's end calls again
            self.update()

    def update(self) -> None:
        """Bring the outputs up to date now."""
        with suppress(Exception):  # the panel itself is not to suffer
            bundle = kept_bundle(self._sync.conversation, self._sync.pages, folded=self._folded)
            if bundle != self._last:
                self._last = bundle
                for update in self._updates:
                    update(bundle)

    def close(self) -> None:
        """Bring the outputs up to date for the last time."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if self._updates:
            self.update()
        self._updates.clear()


def kept_bundle(conversation: Conversation, pages: TurnRenderer, *, folded: bool = False) -> dict[str, str]:
    """A conversation by MIME type: HTML that is self-contained, and plain text."""
    turns = conversation.path()
    parts = _newest(turns, lambda turn: _turn_html(turn, pages), MOST_HTML)
    texts = _newest(turns, _turn_text, MOST_TEXT)
    head = f"Chat: {conversation.name}" + _told(len(turns) - len(parts)) if turns else EMPTY
    body = f'<p class="foot">{escape(head)}</p>' + "".join(parts)
    body = f'<div class="llmvm">{body}</div>'
    classes = "llmvm-kept"
    if folded:
        body = f"<details><summary>{FOLDED}</summary>{body}</details>"
        classes += " llmvm-docked"
    html = f'{_STYLE}{style(body)}<div class="{classes}">{body}</div>'
    return {"text/html": html, "text/plain": "\n\n".join([head, *texts])}


def _newest(turns: Sequence[Turn], write: Callable[[Turn], str], most: int) -> list[str]:
    """The last turns as texts, in order, as many as have `most` characters together; one at least."""
    parts: list[str] = []
    for turn in reversed(turns):
        parts.append(write(turn))
        if sum(map(len, parts)) > most:
            break
    return parts[::-1]


def _told(missing: int) -> str:
    return f" · {missing} turns before these are not kept here; `%chat export` has all" if missing else ""


def _turn_html(turn: Turn, pages: TurnRenderer) -> str:
    notice = f"<b>{escape(turn.reason, quote=False)}</b> " if turn.reason else ""
    facts = escape(" · ".join(facts_of(turn)), quote=False)
    foot = f'<p class="foot">{notice}{facts}</p>' if notice or facts else ""
    reply = _HEADING.sub(_UNLISTED, pages.reply(turn))
    # A quotation: viewers that take styles and classes away show it as one all the same.
    prompt = escape(prompt_words(turn)[:MOST_SHOWN], quote=False).replace("\n", "<br>")
    return f"<blockquote><p>{prompt}</p></blockquote>{reply}{foot}"


def _turn_text(turn: Turn) -> str:
    asked = "\n".join(f"> {line}".rstrip() for line in prompt_words(turn).splitlines())
    return "\n\n".join(part for part in (asked, turn.text, turn.reason and f"({turn.reason})") if part)
