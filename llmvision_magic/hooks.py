"""What a lower room has a higher one do without knowing it. The package fills the hooks in when it is imported.

Kept small, for it is imported with the package: types alone, and an object that holds four functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from llmvision_magic.cell_context import CellContext


class ReplyDisplay(Protocol):
    """How a reply is read and shown. Here a reply is ``Any``: its own module imports this one."""

    def code_blocks(self, text: str) -> Sequence[Any]:
        """The fenced code blocks of a Markdown text, in order."""

    def reply_bundle(self, reply: Any) -> dict[str, str]:
        """A reply by MIME type, as a front end is handed it."""

    def plain_for_terminal(self, text: str) -> str:
        """A text with its control characters made visible."""


class Hooks:
    """The functions, each importing what it needs when it is called.

    Attributes:
        reply_display: The rendering room, for a `Reply` that shows itself.
        cell_context: Which cell runs now, for recordings; nobody's outside notebooks.
        without_secrets: A text of ours as it may be shown.
        panel_host: The kernel that a `ChatPanel` lives in; raises `InvalidInput` where there is none.
    """

    reply_display: Callable[[], ReplyDisplay]
    cell_context: Callable[[], CellContext]
    without_secrets: Callable[[str], str]
    panel_host: Callable[[], Any]


HOOKS = Hooks()
