"""Ctrl-C and the stop button, while a reply arrives."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from llmvision_magic.errors import Interrupted

if TYPE_CHECKING:
    from llmvision_magic.stop import Stop

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers
"""What `signal.signal` takes and gives."""

PATIENCE = 1.0
"""Seconds that an orderly end may take before another interrupt ends it at once."""


@contextmanager
def ordinary_interrupts(stop: Stop) -> Iterator[None]:
    """Around code of the user's: an interrupt ends it where it is, as in any cell; so does `stop`, set elsewhere.

    Raises:
        Interrupted: In place of the KeyboardInterrupt; also when there was one before.
    """
    if stop.is_set:
        raise Interrupted("Interrupted.")
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with _struck_by(stop):
            yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None
    finally:
        signal.signal(signal.SIGINT, ours)


@contextmanager
def _struck_by(stop: Stop) -> Iterator[None]:
    """While inside, in the main thread, a `stop` that another thread sets is an interrupt here."""
    lock = threading.Lock()
    inside = True

    def strike() -> None:
        with lock:
            if inside and threading.current_thread() is not threading.main_thread():
                _interrupt_main()

    forget = stop.wake(strike)
    try:
        yield
    finally:
        with lock:  # a strike that has begun hits here, where it is expected, and none begins later
            inside = False
        forget()


def _interrupt_main() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)  # ends a sleep too
    else:
        _thread.interrupt_main()


@contextmanager
def interrupting(stop: Stop) -> Iterator[None]:
    """While inside, the first interrupt sets `stop`; one that comes a second later is an ordinary KeyboardInterrupt.

    A KeyboardInterrupt may strike between any two instructions, in the middle of a message to the front end too.
    Setting a flag lets the reply end in order: what arrived is kept, and the cell gets its final output.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread only; whoever runs us elsewhere stops by the object
        return

    asked: float | None = None

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked is None:
            asked = time.monotonic()
            stop.set("interrupted")
        elif time.monotonic() - asked > PATIENCE:  # who presses twice at once means one thing
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    previous = before if before is not None else signal.default_int_handler
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if asked is None else _patient(asked + PATIENCE, previous))


def _patient(until: float, previous: Handler) -> Handler:
    """A handler that gives way to the previous one after a time.

    The second of two interrupts that meant one thing may come when the cell has just ended. There it would hit the
    kernel while it tells the front end so, and the cell would seem to run for ever.

    Args:
        until: By `time.monotonic`.
    """

    def handle(signum: int, frame: FrameType | None) -> None:
        if time.monotonic() > until:
            signal.signal(signal.SIGINT, previous)
            if callable(previous):
                previous(signum, frame)

    return handle
