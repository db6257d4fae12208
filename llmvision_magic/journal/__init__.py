"""Conversations on disk: the journal that is kept all the time, and the files a user saves, loads and exports.

Imported when the first prompt is asked; knows no HTTP and no IPython.
"""

from __future__ import annotations

from llmvision_magic.journal.journal import Journal
from llmvision_magic.journal.location import THIS_PROCESS, JournalLocation, KernelIdentity, place_from
from llmvision_magic.journal.turn_record import UNRECORDED, TurnRecord
from llmvision_magic.journal.unavailable import JournalUnavailable

__all__ = [
    "THIS_PROCESS",
    "UNRECORDED",
    "Journal",
    "JournalLocation",
    "JournalUnavailable",
    "KernelIdentity",
    "TurnRecord",
    "place_from",
]
