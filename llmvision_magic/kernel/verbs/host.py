"""What the verbs need of the kernel they run in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llmvision_magic.chat.plan import TurnRequest
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.option_parsing import CellOptions
    from llmvision_magic.rendering.page_bundle import Part
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop


class VerbHost(Protocol):
    """What the verbs need of the kernel they run in."""

    @property
    def folder(self) -> Path:
        """The notebook's folder."""

    @property
    def in_terminal(self) -> bool:
        """Whether cells are typed into a terminal."""

    def settings(self, conversation: Conversation | None = None) -> Settings:
        """The values in force, without options."""

    def ask(self, prompt: str) -> None:
        """Ask and show the reply."""

    def fix(self, options: CellOptions) -> None:
        """Ask for the correction of the cell that failed last, where and how the options say."""

    def submit(self, request: TurnRequest, options: CellOptions) -> None:
        """Ask as a cell with these options would."""

    def ask_for_consent(self, settings: Settings) -> None:
        """Ask the reader, where the server is one that nobody has agreed to."""

    def next_cell(self, text: str) -> None:
        """Put a new cell below this one."""

    def stop_background(self, which: str) -> list[str]:
        """End replies in the background; all of them for ""."""

    def page(self, page: str | Sequence[Part]) -> None:
        """Show a page of ours, written in Markdown; or its parts."""

    def panel(self, conversation: str | None, side: bool) -> None:
        """Show a chat panel, in this cell or beside the notebook."""

    def read_secret(self, prompt: str) -> str:
        """Ask for a secret with hidden input."""

    def stopping(self, action: Callable[[Stop], object]) -> object:
        """Run something that a Ctrl-C may end."""
