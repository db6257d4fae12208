"""Which place gives a setting's value: option, conversation, configuration, environment, ``.env`` file, default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.declarations import BY_NAME, MERGED, Setting
from llmvision_magic.settings.environment import Environment, Value
from llmvision_magic.settings.parsing import parse_value

AT_HAND = ("option", "conversation", "argument", "client", "persona")
"""Places that need not be named where their value is refused: it is refused when it is given."""


class Settings:
    """All values for one request.

    Args:
        layers: Where values may come from, the strongest first: a name for the reader, and what was given there.
        environment: Comes after the layers.
    """

    def __init__(
        self, layers: Iterable[tuple[str, Mapping[str, object]]] = (), environment: Environment | None = None
    ) -> None:
        self._layers = list(layers)
        self.environment = environment if environment is not None else Environment.read()

    def find(self, name: str) -> Value:
        """The value of a setting and where it came from.

        Raises:
            InvalidInput: The value is not of the setting's kind; the sentence names the place.
        """
        setting = BY_NAME[name]
        parsed = [Value(_parse_at(setting, value), value.source) for value in self.given(name)]
        if not parsed:
            return Value(setting.default, "default")
        return _merged(parsed) if setting.kind in MERGED else parsed[0]

    def given(self, name: str) -> list[Value]:
        """What counts for a setting, as it was given: the strongest alone; of a kind that is merged all, it first.

        What is overruled is not looked at: it may be no value at all.
        """
        setting = BY_NAME[name]
        found = [
            Value(layer[name], source) for source, layer in self._layers if layer.get(name) not in (None, {}, [], ())
        ]
        variable = self.environment.find(setting.variable)
        if variable:
            found.append(variable)
        return found if setting.kind in MERGED else found[:1]

    def get(self, name: str) -> object:
        """The value alone."""
        return self.find(name).value

    def text(self, name: str) -> str | None:
        """The value of a setting of kind "text"."""
        value = self.get(name)
        return None if value is None else str(value)

    def seconds(self, name: str) -> float:
        """The value of a setting that counts seconds."""
        return cast(float, self.get(name))

    def whole(self, name: str) -> int:
        """The value of a setting that counts."""
        return cast(int, self.get(name))


def _parse_at(setting: Setting, given: Value) -> object:
    try:
        return parse_value(setting, given.value)
    except InvalidInput as error:
        raise with_source(error, given.source) from None


def with_source(error: InvalidInput, source: str) -> InvalidInput:
    """The error of a value with the place that gave it, where that is not what the user has just written."""
    return error if source in AT_HAND else InvalidInput(f"{error} It was given by: {source}.")


def _merged(values: list[Value]) -> Value:
    """Extra parameters, or headers, from all places together; the strongest place wins key by key."""
    merged: object = None
    for value in reversed(values):
        merged = value.value if merged is None else merged | value.value  # type: ignore[operator]  # dicts of one kind
    return Value(merged, ", ".join(value.source for value in values))
