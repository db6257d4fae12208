"""Threads that send messages of the kernel."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


def in_thread(action: Callable[[], None], name: str) -> threading.Thread:
    """A thread, to be started, that runs in the context of whoever makes it.

    ipykernel keeps there what its messages answer; 7.0 sends none from a thread that has no such context.
    """
    context = contextvars.copy_context()
    return threading.Thread(target=lambda: context.run(action), name=name, daemon=True)
