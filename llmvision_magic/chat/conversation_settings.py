"""Setting a value for a conversation: checked now, as far as it is known where its requests go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmvision_magic.chat.plan import checked_value
from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.declarations import setting_named

if TYPE_CHECKING:
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.settings.layers import Settings


def set_value(
    connections: Connections, conversation: Conversation, name: str, value: object, settings: Callable[[], Settings]
) -> None:
    """Set a value for a conversation; None takes it back.

    Args:
        settings: As of `usable_value`.

    Raises:
        InvalidInput: It is none that the setting can have, or there is no such setting.
    """
    name = setting_named(name).name
    if value is None:
        conversation.settings.pop(name, None)
    else:
        conversation.settings[name] = usable_value(connections, name, value, settings)


def usable_value(connections: Connections, name: str, value: object, settings: Callable[[], Settings]) -> object:
    """A setting's value as it is used.

    Args:
        settings: Gives the values in force; asked where it matters to which server requests go.

    Raises:
        InvalidInput: It is none that the setting can have there.
    """

    def takes_any_temperature() -> bool:
        try:
            return connections.takes_any_temperature(settings())
        except InvalidInput:  # what stands in the environment cannot be used; asking says so
            return True

    return checked_value(name, value, takes_any_temperature)
