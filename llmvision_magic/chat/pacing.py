"""A reply as frames: as few as a reader can tell apart, none of them late.

A thread reads; the caller's thread takes what has arrived, at most once per interval. The clock decides and not the
next token: text that arrived is handed on though nothing follows it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from llmvision_magic.stop import Stop

Item = TypeVar("Item")

INTERVAL = 0.085
"""Seconds between two frames: 12 a second look fluent, no text waits longer than this, and each costs its share."""

FIRST_DELAY = 0.003
"""Seconds that the first frame waits for the end, so that a reply which arrives at once is shown once."""

REST = INTERVAL / 3
"""Seconds between two readings: each wakes a thread, and nobody sees what it brings before the next frame. The end of a
reply is noticed so much later, at most by half more."""

AHEAD = 0.004
"""Seconds before a frame at which there is a reading in any case: no text waits for the frame after it."""

MANY = 400
"""Items in one frame from which on there is no rest: the server is faster than the reading."""

TICK = 0.25
"""Seconds between frames without items, so that a waiting line can count."""


class Frame(NamedTuple, Generic[Item]):
    """What has arrived since the last frame.

    Attributes:
        items: New items, in order; empty in a frame that only tells the time.
        silent: Seconds since the last frame with items, or since the beginning.
    """

    items: list[Item]
    silent: float


class PacedReader(Generic[Item]):
    """Runs `produce` in a thread and gives its items as frames to the iterating thread.

    The last items come as a frame of their own only if the iteration did not end yet; `rest` holds what arrived after
    the last frame. After the iteration `error` holds the exception that ended the reading, if any.

    Args:
        produce: Called with a function that takes items; returns at the end. It must end soon after `stop` is set; it
            is abandoned then (its thread is a daemon), for a connect cannot be cut short.
        stop: Ends the iteration at once; may be set by a signal handler in the middle of a wait.
        interval: Seconds between frames.

    Attributes:
        interval: May be changed between two frames.
        eager: While set, a frame comes as soon as there is an item: nothing is to be read yet. To be unset by whoever
            iterates.
        error: What ended the reading, if it did not end well.
    """

    def __init__(
        self,
        produce: Callable[[Callable[[Item], None]], None],
        stop: Stop,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._produce = produce
        self._stop = stop
        self.interval = interval
        self.eager = True
        self._clock = clock
        self._sleep = sleep
        self._arrived: deque[Item] = deque()
        # The only queue whose put() may be called in a signal handler while the same thread is inside get().
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._idle = False
        self._ended = False
        self._last = clock()
        self._read_at = 0.0  # a reading in any case; later ones may rest as long as they like
        self._rests = False
        self._reader: Thread | None = None
        self.error: BaseException | None = None

    def _read(self) -> None:
        try:
            self._produce(self._take)
        except BaseException as error:  # handed to the thread that waits, whatever it is
            self.error = error
        finally:
            self._ended = True
            self._wake.put(None)

    def _take(self, item: Item) -> None:
        if self._stop.is_set:
            return
        self._arrived.append(item)
        if self._idle:
            self._idle = False
            self._wake.put(None)

    def pause(self) -> None:
        """Rest, if that delays nothing that is shown. `produce` calls it before it waits for more."""
        if not self._rests or self._idle or self._stop.is_set:
            return
        left = self._read_at - self._clock()
        self._sleep(left if 0 < left < 1.5 * REST else REST)

    def _wait(self, seconds: float) -> None:
        with suppress(Empty):
            self._wake.get(timeout=max(seconds, 0.0))

    def _wait_until(self, due: float) -> None:
        while self._goes_on and self._clock() < due:
            self._wait(due - self._clock())

    @property
    def _goes_on(self) -> bool:
        return not (self._ended or self._stop.is_set)

    def start(self) -> None:
        """Begin to read; the iteration does it otherwise. What is done until then is done while the reply comes."""
        if self._reader is None:
            self._reader = Thread(target=self._read, name="llmvision-reader", daemon=True)
            self._reader.start()

    def rest(self) -> list[Item]:
        """Take what has arrived and was in no frame."""
        items: list[Item] = []
        while self._arrived:
            items.append(self._arrived.popleft())
        return items

    def __iter__(self) -> Iterator[Frame[Item]]:
        forget = self._stop.wake(lambda: self._wake.put(None))
        due = self._clock()
        self.start()
        try:
            while self._goes_on:
                if not self.eager:
                    self._wait_until(due)
                if not self._arrived:
                    self._idle = True
                    if not self._arrived and not self._ended:
                        self._wait(TICK)
                    self._idle = False
                    if not self._arrived:
                        if self._goes_on:
                            yield Frame([], self._clock() - self._last)
                        continue
                if self.eager:
                    self._wait_until(self._clock() + FIRST_DELAY)
                if not self._goes_on:
                    break
                self._last = begin = self._clock()
                items = self.rest()
                self._rests = not self.eager and len(items) < MANY
                self._read_at = begin + self.interval - AHEAD
                yield Frame(items, 0.0)
                due = begin + self.interval
        finally:
            if not self._ended:  # the caller left early: nobody wants the rest
                self._stop.set("abandoned")
            forget()
            if self._reader is not None:
                self._reader.join(timeout=0.1)
