"""Looking for a secret in all that a kernel says and keeps."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from support.kernels import Kernel


def places_of(secret: str, kernel: Kernel, home: Path) -> list[str]:
    """Where a secret is found: kinds of messages, names of files."""
    found = [one["msg_type"] for one in kernel.heard or [] if secret in json.dumps(one, default=str)]
    for path in home.rglob("*"):
        # A database's journal may be gone again.
        with contextlib.suppress(OSError):
            if path.is_file() and secret.encode() in path.read_bytes():
                found.append(str(path.relative_to(home)))
    return found
