"""What the panel needs of the kernel it lives in."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.magics import ChatMagics
    from llmvision_magic.prompt import Values
    from llmvision_magic.settings import Settings
    from llmvision_magic.stop import Stop

MOST_NAMES = 20
"""Names offered for completion."""

Written = TypeVar("Written")

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class Host:
    """The extension as loaded into this kernel.

    Args:
        magics: Its magics, which own the session.
    """

    def __init__(self, magics: ChatMagics) -> None:
        self._magics = magics
        self.shell: Shell = magics.shell

    @classmethod
    def found(cls) -> Host:
        """The extension of this kernel, loaded if it is not yet.

        Raises:
            InvalidInput: There is no kernel.
        """
        from IPython import get_ipython

        from llmvision_magic.kernel import loaded_magics

        shell = get_ipython()
        if shell is None or not hasattr(shell, "kernel"):
            raise InvalidInput("The chat panel is shown in a notebook; here, `ChatClient` or `%%chat` answer.")
        return cls(loaded_magics(shell))

    @property
    def session(self) -> Session:
        return self._magics.session

    def settings(self, conversation: Conversation, given: dict[str, object] | None = None) -> Settings:
        """The values in force for a conversation; stronger ones may be given."""
        return self._magics.settings(conversation, given)

    def composed(self, conversation: Conversation, write: Callable[[Values], Written], stop: Stop) -> Written:
        """What `write` makes of the notebook's values; an interrupt or `stop` ends it."""
        return self._magics.composed(conversation, write, stop)

    def names(self, text: str) -> list[str]:
        """Names of the notebook, and attributes, that complete the word at the end of an expression."""
        from llmvision_magic.kernel.completion import names

        word = (re.findall(r"[\w.]*$", text) or [""])[0]
        if word[:1].isdigit() or word.startswith("."):
            return []
        found: list[str] = []
        with suppress(Exception):  # anybody's class may fail when it is asked for its attributes
            found = [name for name in names(self._magics, word) if name.startswith(word)]
        public = [name for name in found if not name.rpartition(".")[2].startswith("_")]
        return (public or found)[:MOST_NAMES]

    def when_free(self, action: Callable[[], None]) -> None:
        """Do something in the kernel's main thread, when no cell runs there; at once if this is that thread.

        Messages of widgets may come in a thread of their own (a subshell, JEP 91), while a cell runs.
        """
        if threading.current_thread() is threading.main_thread():
            action()
        else:
            self.shell.kernel.io_loop.add_callback(action)

    def watch_closing(self, close: Callable[[], None]) -> Callable[[], None]:
        """Have `close` called when the extension is unloaded.

        Returns:
            A function that takes it back.
        """
        return self._magics.when_closed(close)
