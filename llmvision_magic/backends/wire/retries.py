"""When a request may be sent again, and after how long.

Only what the server surely did not begin to answer is sent again: a status that says "not now", or a connection that
was never made.
"""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple

import httpx

from llmvision_magic.backends.wire.error_mapping import causes

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
LONGEST_PAUSE = 60.0  # seconds; nobody watches a cell for longer
SHORTEST_PAUSE = 0.5  # seconds; the first pause of those we choose ourselves
LONGEST_OWN_PAUSE = 8.0  # seconds, before the jitter
JITTER = 0.5  # seconds; a class of learners does not come back in step


class Retrying(NamedTuple):
    """Said before a wait: the request will be sent again.

    Attributes:
        seconds: Length of the wait, in seconds.
        attempt: 1 before the first repetition.
        reason: In a few words: "busy (429)".
    """

    seconds: float
    attempt: int
    reason: str


def reason_for_status(status: int) -> str | None:
    """Why this status is worth another try; None when it is not."""
    if status not in RETRIED_STATUSES:
        return None
    return f"busy ({status})" if status in (429, 503) else f"server error ({status})"


def reason_for_exception(error: Exception) -> str | None:
    """Why a connection that was not made is worth another try; None when it is not, or when something was sent."""
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if not isinstance(error, httpx.ConnectError):
        return None
    for cause in causes(error):
        # An unknown name and a certificate stay as they are; "try again" is the resolver's own word.
        if isinstance(cause, ssl.SSLError):
            return None
        if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
            return None
    return "no connection"


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait (Retry-After, as a number or an HTTP date); None when it does not say."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, date.timestamp() - time.time())


def pause_before(attempt: int, asked: float | None) -> float | None:
    """Seconds to wait before repetition number `attempt` (from 1); None when the server asks for too long a wait."""
    if asked is not None:
        return asked if asked <= LONGEST_PAUSE else None
    # tenacity and not stamina, which is built on it: stamina sleeps by itself, and a wait of ours has to be announced
    # before and to end at a `Stop`. Imported here because most requests are never repeated.
    from tenacity import RetryCallState, wait_exponential, wait_random
    from tenacity import Retrying as TenacityRetrying

    state = RetryCallState(TenacityRetrying(), None, (), {})
    state.attempt_number = attempt
    return (wait_exponential(multiplier=SHORTEST_PAUSE, max=LONGEST_OWN_PAUSE) + wait_random(0, JITTER))(state)
