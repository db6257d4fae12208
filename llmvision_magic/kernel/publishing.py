"""Messages of one cell that follow each other fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Publisher = Any
"""IPython's display publisher; IPython publishes no types for it."""


@contextmanager
def without_flushing(publisher: Publisher) -> Iterator[None]:
    """While inside, messages do not wait for what was printed before them.

    ipykernel flushes both print streams before each message and waits for its output thread to have done so: half of
    the CPU time of a reply that arrives slowly. For the first message of a reply the order matters; between the frames
    of a reply nothing of this cell is printed. A private method is put aside for that; where there is none, as with
    other publishers, every message is sent as ever.
    """
    if not callable(getattr(publisher, "_flush_streams", None)):
        yield
        return
    publisher.__dict__["_flush_streams"] = _nothing
    try:
        yield
    finally:
        publisher.__dict__.pop("_flush_streams", None)


def _nothing() -> None:
    """In place of a flush."""
