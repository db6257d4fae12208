"""What a server says without the key: some send back what they were sent, as their reply or as the model's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmvision_magic.errors import ChatError
from llmvision_magic.messages import Delta, TokenLogprob
from llmvision_magic.settings.secrets import MASK, SHORTEST, worth_masking

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
        self._secrets = worth_masking(secrets)
        self._probes = sorted({secret[:_PROBE] for secret in self._secrets})
        # Words that anybody uses stay in names: a gateway's header may say "openai".
        self._in_names = worth_masking(server.secrets)

    def name(self, text: str) -> str:
        """A name that a server tells, without secrets."""
        for secret in self._in_names:
            text = text.replace(secret, MASK)
        return text

    def deltas(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        """The deltas without secrets. What may become one is held back until it has shown what it is."""
        return self._filtered(deltas) if self._in_names else deltas

    def _filtered(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        probes = self._probes
        places: dict[int, _Place] = {}
        place, index = _Place(), -1
        told: tuple[str | None, ...] = (None, None, None)
        masked: tuple[str | None, ...] = told
        try:
            for delta in deltas:
                if delta.model is not told[0] or delta.id is not told[1] or delta.object is not told[2]:
                    told = (delta.model, delta.id, delta.object)
                    masked = tuple(map(self._masked, told))
                delta.model, delta.id, delta.object = masked
                if delta.role is not None or delta.finish_reason is not None:
                    delta.role, delta.finish_reason = self._masked(delta.role), self._masked(delta.finish_reason)
                if delta.index != index:
                    index = delta.index
                    place = places.setdefault(index, _Place())
                window = place.before + place.held + delta.text
                for probe in probes:
                    if probe in window:
                        delta.text = self._pass(place, window)
                        if delta.logprobs is not None and (place.held or MASK in delta.text):
                            delta.logprobs = tuple(map(self._without_parts, delta.logprobs))
                        break
                else:
                    place.before = window[1 - _PROBE :]
                if delta.finish_reason is not None:
                    delta.text += self._rest(place)
                if delta.logprobs is not None:
                    delta.logprobs = tuple(map(self._without_whole, delta.logprobs))
                yield delta
        except ChatError:
            yield from self._rests(places)
            raise
        yield from self._rests(places)

    def _masked(self, value: str | None) -> str | None:
        return None if value is None else self.name(value)

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
        """A token of a piece that was masked, with its alternatives, that is no part of a secret."""
        token = one.token.strip()
        shown = MASK if token and any(token in secret for secret in self._secrets) else one.token
        return TokenLogprob(shown, one.logprob, tuple(map(self._without_parts, one.alternatives)))

    def _without_whole(self, one: TokenLogprob) -> TokenLogprob:
        """A token, with its alternatives, that holds no secret."""
        return TokenLogprob(self.name(one.token), one.logprob, tuple(map(self._without_whole, one.alternatives)))

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
