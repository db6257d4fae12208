"""Ctrl-C and the stop button, while a reply arrives."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from llmvision_magic.stop import Stop


@contextmanager
def interrupting(stop: Stop) -> Iterator[None]:
    """While inside, the first interrupt sets `stop`; a second one is an ordinary KeyboardInterrupt.

    A KeyboardInterrupt may strike between any two instructions, in the middle of a message to the front end too.
    Setting a flag lets the reply end in order: what arrived is kept, and the cell gets its final output.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread only; whoever runs us elsewhere stops by the object
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        if stop.is_set:
            raise KeyboardInterrupt
        stop.set("interrupted")

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.default_int_handler)
