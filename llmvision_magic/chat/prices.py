"""What tokens cost, by a price file of the user's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import as_name
from llmvision_magic.text_files import read_text

if TYPE_CHECKING:
    from llmvision_magic.chat.usage import TokenTotals

LARGEST = 1_000_000
"""Bytes of a price file, at most."""

MOST = 1e12
"""What a million tokens cost, less than: more is no price."""


class Price(NamedTuple):
    """What a model costs, per million tokens."""

    prompt: float
    completion: float

    def of(self, spent: TokenTotals) -> float:
        """What so many tokens cost."""
        return (self.prompt * spent.prompt_tokens + self.completion * spent.completion_tokens) / 1e6


class Prices(NamedTuple):
    """A price file.

    Attributes:
        currency: As the file writes it ("EUR").
        models: By the name that servers give in their replies.
    """

    currency: str
    models: Mapping[str, Price] = MappingProxyType({})


def read_prices(path: Path) -> Prices:
    """Read a price file; `%chat help usage` shows its form.

    Args:
        path: JSON, or TOML if its name ends so.

    Raises:
        InvalidInput: It cannot be read or has another form; the file and the place in it are named.
    """
    import tomllib

    try:
        text = read_text(path.expanduser(), most=LARGEST)
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except InvalidInput as error:
        raise InvalidInput(f"The price file {error}") from error
    except (ValueError, RecursionError) as error:  # also what json and tomllib raise, with line and column
        raise InvalidInput(f"The price file {path} cannot be read: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("models"), dict):
        raise InvalidInput(f"The price file {path} has no `models`; `%chat help usage` shows its form.")
    currency = content.get("currency")
    if not isinstance(currency, str) or not currency.strip() or len(currency) > 20 or not currency.isprintable():
        raise InvalidInput(f'The price file {path} names no `currency`, for example "EUR".')
    return Prices(currency.strip(), {name: _price(path, name, given) for name, given in content["models"].items()})


def _price(path: Path, name: str, given: object) -> Price:
    values = [given.get(part) for part in Price._fields] if isinstance(given, dict) else []
    numbers = [one for one in values if isinstance(one, int | float) and type(one) is not bool]
    numbers = [float(one) for one in numbers if 0 <= one < MOST]
    if len(numbers) != len(Price._fields):
        raise InvalidInput(
            f"The price file {path}: `{as_name(name)}` needs `prompt` and `completion`, each a price per million "
            f"tokens, at least 0; got {as_name(repr(given)[:1000])}."
        )
    return Price(*numbers)
