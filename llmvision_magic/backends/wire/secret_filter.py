"""What a server says without the key: some send back what they were sent, as their reply or as the model's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError
from llmvision_magic.messages import Delta, TokenLogprob
from llmvision_magic.settings.secrets import MASK, PLACEHOLDERS, SHORTEST

if TYPE_CHECKING:
    from llmvision_magic.backends.wire.server_messages import Server

_PROBE = 3
"""Characters of a secret by which its beginning is noticed; so many less one may have been handed out before."""


@dataclass(slots=True)
class _Place:
    """Where the text of one choice stands: the last characters handed out, and those held back."""

    before: str = ""
    held: str = ""


class SecretFilter:
    """Takes secrets out of replies, however they are cut into pieces.

    Args:
        secrets: What is looked for in texts.
        server: Whose secrets are taken out of short fields, as the model's name.
    """

    def __init__(self, secrets: Iterable[str], server: Server) -> None:
        wanted = {secret for secret in secrets if len(secret) >= SHORTEST and secret not in PLACEHOLDERS}
        self._secrets = sorted(wanted, key=len, reverse=True)
        self._probes = sorted({secret[:_PROBE] for secret in wanted})
        self._server = server

    def deltas(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        """The deltas without secrets. What may become one is held back until it has shown what it is."""
        return self._filtered(deltas) if self._server.secrets else deltas

    def _filtered(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        probes = self._probes
        places: dict[int, _Place] = {}
        place, index, head, model, identity = _Place(), -1, None, None, None
        try:
            for delta in deltas:
                if delta.model is not head or delta.finish_reason is not None or delta.id is not identity:
                    head, identity = delta.model, delta.id
                    model = self._mask_fields(delta)
                else:
                    delta.model = model
                if delta.index != index:
                    index = delta.index
                    place = places.setdefault(index, _Place())
                window = place.before + place.held + delta.text
                for probe in probes:
                    if probe in window:
                        delta.text = self._pass(place, window)
                        if delta.logprobs is not None:
                            delta.logprobs = tuple(map(self._without_parts, delta.logprobs))
                        break
                else:
                    place.before = window[1 - _PROBE :]
                if delta.finish_reason is not None:
                    delta.text += self._rest(place)
                yield delta
        except ChatError:
            yield from self._rests(places)
            raise
        yield from self._rests(places)

    def _mask_fields(self, delta: Delta) -> str | None:
        """Mask what is no text; the model's name as it is now."""
        for name in ("id", "object", "model", "role", "finish_reason"):
            value = getattr(delta, name)
            if value is not None:
                setattr(delta, name, self._server.masked(value))
        return delta.model

    def _pass(self, place: _Place, window: str) -> str:
        """What can be handed out of a window, which begins with what was handed out before."""
        done = len(place.before)
        parts: list[str] = []
        position = 0
        while (found := self._next(window, position)) is not None:
            begin, end = found
            parts += [window[max(position, done) : begin], MASK]
            position = end
        begin = self._beginning_of_one(window, position)
        parts.append(window[max(position, done) : max(begin, done)])
        place.held = window[max(begin, done) :]
        place.before = window[max(position, max(begin, done) - _PROBE + 1) : max(begin, done)]
        return "".join(parts)

    def _without_parts(self, one: TokenLogprob) -> TokenLogprob:
        """A token, with its alternatives, that is no part of a secret."""
        token = self._server.masked(one.token)
        if len(token.strip()) >= _PROBE and any(token.strip() in secret for secret in self._secrets):
            token = MASK
        return TokenLogprob(token, one.logprob, tuple(map(self._without_parts, one.alternatives)))

    def _next(self, window: str, position: int) -> tuple[int, int] | None:
        """Where the next secret stands; the longest of those that begin there."""
        places = [(window.find(secret, position), -len(secret)) for secret in self._secrets]
        found = min((place for place in places if place[0] >= 0), default=None)
        return None if found is None else (found[0], found[0] - found[1])

    def _beginning_of_one(self, window: str, position: int) -> int:
        """Where the end of the window begins a secret that may go on; its length if none does."""
        begins = [
            begin
            for secret in self._secrets
            for begin in range(max(position, len(window) - len(secret) + 1), len(window) - _PROBE + 1)
            if secret.startswith(window[begin:])
        ]
        return min(begins, default=len(window))

    def _rest(self, place: _Place) -> str:
        """What is still held back when no more comes: a few characters are none, most of a key are one."""
        held, place.held, place.before = place.held, "", ""
        return MASK if len(held) >= SHORTEST else held

    def _rests(self, places: dict[int, _Place]) -> Iterator[Delta]:
        for index, place in places.items():
            if place.held:
                yield Delta(self._rest(place), index)
