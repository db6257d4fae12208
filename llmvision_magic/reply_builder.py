"""A reply put together from what arrives of it."""

from __future__ import annotations

from llmvision_magic.finish_reasons import ending_of
from llmvision_magic.messages import Choice, Delta, Message, Reply, Status, TokenLogprob, Usage

MOST_CHOICES = 1_000
"""Choices of one reply that are kept; nobody asks for so many, and some server may send any number."""


class ReplyBuilder:
    """Collects deltas into a reply. One per stream; dies with it."""

    def __init__(self) -> None:
        self.parts: dict[int, list[str]] = {}
        self.finish_reasons: dict[int, str] = {}
        self.roles: dict[int, str] = {}
        self.logprobs: dict[int, list[TokenLogprob]] = {}
        self.remarks: list[str] = []
        self.usage: Usage | None = None
        self.id: str | None = None
        self.object: str | None = None
        self.created: int | None = None
        self.model: str | None = None
        self._left_out: set[int] = set()

    def add(self, delta: Delta) -> None:
        if delta.text:
            parts = self.parts.get(delta.index)
            if parts is not None:
                # Nearly every delta of a stream is this and no more.
                parts.append(delta.text)
                if (
                    delta.finish_reason is None
                    and delta.usage is None
                    and delta.role is None
                    and delta.logprobs is None
                ):
                    return
            elif self._is_kept(delta):
                self.parts[delta.index] = [delta.text]
            else:
                return
        elif (delta.role or delta.finish_reason) and delta.index not in self.parts:
            if not self._is_kept(delta):
                return
            self.parts[delta.index] = []
        if delta.role:
            self.roles[delta.index] = delta.role
        if delta.finish_reason:
            self.finish_reasons[delta.index] = delta.finish_reason
        if delta.logprobs:
            self.logprobs.setdefault(delta.index, []).extend(delta.logprobs)
        if delta.remark and delta.remark not in self.remarks:
            self.remarks.append(delta.remark)
        self.usage = delta.usage or self.usage
        self.id = self.id or delta.id
        self.object = self.object or delta.object
        self.created = self.created if self.created is not None else delta.created
        self.model = self.model or delta.model

    def _is_kept(self, delta: Delta) -> bool:
        """Whether a choice that was not seen before is taken in: the first one always."""
        if delta.index == 0 or len(self.parts) < MOST_CHOICES:
            return True
        self._left_out.add(delta.index)
        self.usage = delta.usage or self.usage
        return False

    @property
    def too_many(self) -> str:
        """A sentence that says how many choices are not kept; "" where all are."""
        if not self._left_out:
            return ""
        kept = len(self.parts)
        return f"The server sent {kept + len(self._left_out):,} choices; the first {kept:,} of them are kept."

    @property
    def first(self) -> int:
        """Index of the first choice: 0, but of a server that counts from 1, or that sends only a later one."""
        return 0 if 0 in self.parts else min(self.parts, default=0)

    @property
    def text(self) -> str:
        """Text of the first choice so far."""
        return "".join(self.parts.get(self.first, ()))

    @property
    def has_ended(self) -> bool:
        """Whether the model has ended the first choice, and nothing broke it off."""
        reasons = self.finish_reasons
        return bool(reasons) and ending_of(reasons.get(0, next(iter(reasons.values())))) != "broken"

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to be read in any choice."""
        return not any(part and not part.isspace() for parts in self.parts.values() for part in parts)

    def reply(self, status: Status = "complete", notice: str = "", seconds: float | None = None) -> Reply:
        """The reply as collected so far; what was odd about it is added to the notice."""
        texts = {index: "".join(parts) for index, parts in sorted(self.parts.items())}
        logprobs = {index: tuple(listed) for index, listed in self.logprobs.items()}
        choices = tuple(
            Choice(
                index,
                Message(self.roles.get(index, "assistant"), text),
                self.finish_reasons.get(index),
                logprobs.get(index),
            )
            for index, text in texts.items()
        )
        return Reply(
            text=texts.get(self.first, ""),
            model=self.model,
            finish_reason=self.finish_reasons.get(self.first),
            usage=self.usage,
            id=self.id,
            object=self.object,
            created=self.created,
            choices=choices,
            status=status,
            notice=" ".join(filter(None, (notice, self.too_many, *self.remarks))),
            seconds=seconds,
            logprobs=logprobs.get(self.first),
        )
