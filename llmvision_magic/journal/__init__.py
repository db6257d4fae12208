"""Conversations on disk: the journal that is kept all the time, and the files a user saves, loads and exports.

Imported when the first prompt is asked; knows no HTTP and no IPython.
"""

from __future__ import annotations

from llmvision_magic.journal.journal import Journal
from llmvision_magic.journal.location import THIS_PROCESS, JournalLocation, KernelIdentity, journal_location_from
from llmvision_magic.journal.turn_writer import NO_WRITER

__all__ = [
    "NO_WRITER",
    "THIS_PROCESS",
    "Journal",
    "JournalLocation",
    "KernelIdentity",
    "journal_location_from",
]
