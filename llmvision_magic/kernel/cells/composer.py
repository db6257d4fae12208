"""A cell's prompt with the values of the notebook that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from llmvision_magic.kernel.interrupts import ordinary_interrupts

if TYPE_CHECKING:
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.kernel.cells.dispatch import SettingsInForce
    from llmvision_magic.kernel.cells.option_parsing import CellOptions
    from llmvision_magic.kernel.failed_cells import FailedCells
    from llmvision_magic.messages import Content
    from llmvision_magic.prompt import NotebookValues
    from llmvision_magic.settings.layers import Settings
    from llmvision_magic.stop import Stop

Written = TypeVar("Written")

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


class PromptComposer:
    """Puts values of one kernel into prompts. Code of the user's runs here, and may be interrupted."""

    def __init__(self, shell: Shell, session: Session, settings: SettingsInForce, failures: FailedCells) -> None:
        self._shell = shell
        self._session = session
        self._settings = settings
        self._failures = failures

    def cell(self, prompt: str, options: CellOptions, stop: Stop) -> tuple[Content, tuple[str, ...]]:
        """A cell's prompt with the values it names, and facts about them for the footer."""
        if not options.puts_values_into(prompt):
            return prompt, ()
        from llmvision_magic.prompt import compose

        conversation = self._session.conversations.get(options.name or self._session.current)
        values = self._values(self._settings(conversation, options.given))
        with ordinary_interrupts(stop):
            composed = compose(prompt, values, raw=options.raw, attach=options.attach, images=options.image)
        return composed.content, composed.notes

    def composed(
        self, conversation: Conversation | None, write: Callable[[NotebookValues], Written], stop: Stop
    ) -> Written:
        """A prompt that is written somewhere else, with values of the notebook. An interrupt or `stop` ends that."""
        values = self._values(self._settings(conversation, None))
        with ordinary_interrupts(stop):
            return write(values)

    def _values(self, settings: Settings) -> NotebookValues:
        from llmvision_magic.prompt import NotebookValues, secret_values

        target = self._session.connections.target(settings)
        secrets = [*secret_values(settings.environment.variables()), *target.secrets]
        namespace = {"Err": self._failures.errors(), **self._shell.user_ns}
        return NotebookValues(namespace, secrets, settings.whole("value_limit"), self._failures.name_cell)
