"""Stopping: an object that is passed around, not a flag that is global."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue


class Stop:
    """A request to end one reply.

    Set at most once, from any thread or from a signal handler; therefore no lock is taken here: a handler runs in the
    middle of the very code that would hold it.

    Attributes:
        reason: Why, in a word for the reader ("interrupted"); empty while not set.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return bool(self.reason)

    def set(self, reason: str = "interrupted") -> None:
        """Ask for the end. Each waiting party is woken once; later calls change nothing."""
        if self.reason:
            return
        self.reason = reason
        for callback in list(self._callbacks):
            callback()

    def wake(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called when the stop is set, at once if it is already.

        The callback must be quick and must not block (it may run in a signal handler).

        Returns:
            A function that takes the callback back.
        """
        self._callbacks.append(callback)
        if self.reason:
            callback()

        def forget() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return forget

    def wait(self, seconds: float) -> bool:
        """Wait; False as soon as the stop is set."""
        # A SimpleQueue, for its put may run in a signal handler at any point of this very thread; an Event's set may
        # not.
        woken: SimpleQueue[None] = SimpleQueue()
        forget = self.wake(lambda: woken.put(None))
        try:
            woken.get(timeout=seconds)
        except Empty:
            return not self.is_set
        finally:
            forget()
        return False
