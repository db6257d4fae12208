"""The HTTP library's logs without keys. At the level DEBUG it writes what servers send, and one may send a key back."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from llmvision_magic.settings.secrets import MASK

LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")
"""Those that httpx 0.28 and httpcore 1.0 write to for what we do; a filter counts for its own logger alone."""

_SHORTEST = 6
"""Characters; shorter texts are in every line."""


class _SecretsInLogs(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Write every record, without secrets. Asked for records alone that are written at all."""
        message = masked = record.getMessage()
        for secret in sorted(self.secrets, key=len, reverse=True):
            masked = masked.replace(secret, MASK)
        if masked != message:
            record.msg, record.args = masked, None
        return True


_FILTER = _SecretsInLogs()


def hide_in_logs(secrets: Iterable[str]) -> None:
    """From now on these texts are masked in what the HTTP library logs, also as they stand in the `repr` of bytes."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _FILTER.secrets |= {secret, repr(secret.encode())[2:-1]}
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # once: it looks whether it has it
