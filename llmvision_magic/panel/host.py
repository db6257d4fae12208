"""What the panel needs of the kernel it lives in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.prompt import NotebookValues
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

Written = TypeVar("Written")

Update = Callable[[dict[str, str]], None]
"""Shows a bundle in place of what an output showed."""


class PanelHost(Protocol):
    """The kernel, as the panel sees it. The edge to IPython fills it in; see `HOOKS.panel_host`."""

    @property
    def session(self) -> Session:
        """The kernel's session."""

    def settings(self, conversation: Conversation, given: dict[str, object] | None = None) -> Settings:
        """The values in force for a conversation; stronger ones may be given."""

    def composed(self, conversation: Conversation, write: Callable[[NotebookValues], Written], stop: Stop) -> Written:
        """What `write` makes of the notebook's values; an interrupt or `stop` ends it."""

    def names(self, text: str) -> list[str]:
        """Names of the notebook, and attributes, that complete the word at the end of an expression."""

    def when_free(self, action: Callable[[], None]) -> None:
        """Do something in the kernel's main thread, when no cell runs there; at once if this is that thread.

        Messages of widgets may come in a thread of their own (a subshell, JEP 91), while a cell runs.
        """

    def on_close(self, close: Callable[[], None]) -> Callable[[], None]:
        """Have `close` called when the extension is unloaded.

        Returns:
            A function that takes it back.
        """

    def publish(self, bundle: dict[str, str], metadata: dict[str, object] | None = None) -> None:
        """Show a bundle in the running cell."""

    def publish_updatable(self, bundle: dict[str, str]) -> Update:
        """Show a bundle in the running cell.

        Returns:
            What shows another one in its place, from any thread, also when the cell has ended.
        """
