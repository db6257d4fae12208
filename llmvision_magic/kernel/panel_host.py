"""This kernel as the panel needs it."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.getipython import get_ipython

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel import loaded_magics
from llmvision_magic.kernel.completion import names_of
from llmvision_magic.kernel.execute_request import in_notebook
from llmvision_magic.kernel.views.publishing import updater

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.magics import ChatMagics
    from llmvision_magic.prompt import NotebookValues
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

MOST_NAMES = 20
"""Names offered for completion."""

Written = TypeVar("Written")

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class KernelPanelHost:
    """The extension as loaded into this kernel: a `PanelHost`.

    Args:
        magics: Its magics, which own the session.
    """

    def __init__(self, magics: ChatMagics) -> None:
        self._magics = magics
        self._shell: Shell = magics.shell

    @property
    def session(self) -> Session:
        return self._magics.session

    def settings(self, conversation: Conversation, given: dict[str, object] | None = None) -> Settings:
        """The values in force for a conversation; stronger ones may be given."""
        return self._magics.settings(conversation, given)

    def composed(self, conversation: Conversation, write: Callable[[NotebookValues], Written], stop: Stop) -> Written:
        """What `write` makes of the notebook's values; an interrupt or `stop` ends it."""
        return self._magics.composer.composed(conversation, write, stop)

    def names(self, text: str) -> list[str]:
        """Names of the notebook, and attributes, that complete the word at the end of an expression."""
        word = (re.findall(r"[\w.]*$", text) or [""])[0]
        if word[:1].isdigit() or word.startswith("."):
            return []
        found: list[str] = []
        with suppress(Exception):  # anybody's class may fail when it is asked for its attributes
            found = [name for name in names_of(self._shell, word) if name.startswith(word)]
        public = [name for name in found if not name.rpartition(".")[2].startswith("_")]
        return (public or found)[:MOST_NAMES]

    def when_free(self, action: Callable[[], None]) -> None:
        """Do something in the kernel's main thread, when no cell runs there; at once if this is that thread."""
        if threading.current_thread() is threading.main_thread():
            action()
        else:
            self._shell.kernel.io_loop.add_callback(action)

    def on_close(self, close: Callable[[], None]) -> Callable[[], None]:
        """Have `close` called when the extension is unloaded; the function returned takes it back."""
        return self._magics.when_closed(close)

    def publish(self, bundle: dict[str, str], metadata: dict[str, object] | None = None) -> None:
        """Show a bundle in the running cell."""
        self._shell.display_pub.publish(bundle, metadata)

    def publish_updatable(self, bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
        """Show a bundle in the running cell; the function returned shows another one in its place, from any thread."""
        display_id = uuid.uuid4().hex[:12]
        update = updater(self._shell.display_pub, display_id)
        self._shell.display_pub.publish(bundle, transient={"display_id": display_id})
        return lambda later: update(later, {})


def host_of_this_kernel() -> KernelPanelHost:
    """The extension of this kernel, loaded if it is not yet.

    Raises:
        InvalidInput: There is no kernel.
    """
    shell = get_ipython()
    if shell is None or not in_notebook(shell):
        raise InvalidInput("The chat panel is shown in a notebook; here, `ChatClient` or `%%chat` answer.")
    return KernelPanelHost(loaded_magics(shell))
