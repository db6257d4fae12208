"""Ctrl-C and the stop button, while a reply arrives."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from llmvision_magic.errors import Interrupted
from llmvision_magic.stop import Stop

PATIENCE = 1.0
"""Seconds that an orderly end may take before another interrupt ends it at once."""


@contextmanager
def ordinary_interrupts(stop: Stop) -> Iterator[None]:
    """Inside `interrupting`, around code of the user's: an interrupt ends it where it is, as in any cell.

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
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None
    finally:
        signal.signal(signal.SIGINT, ours)


@contextmanager
def interrupting(stop: Stop) -> Iterator[None]:
    """While inside, the first interrupt sets `stop`; one that comes a second later is an ordinary KeyboardInterrupt.

    A KeyboardInterrupt may strike between any two instructions, in the middle of a message to the front end too.
    Setting a flag lets the reply end in order: what arrived is kept, and the cell gets its final output.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread only; whoever runs us elsewhere stops by the object
        return

    asked = 0.0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not stop.is_set:
            asked = time.monotonic()
            stop.set("interrupted")
        elif time.monotonic() - asked > PATIENCE:  # who presses twice at once means one thing
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.default_int_handler)
