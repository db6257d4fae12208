"""Conversations on disk: the journal that is kept all the time, and the files a user saves, loads and exports.

Imported when the first prompt is asked; knows no HTTP and no IPython.
"""

from __future__ import annotations

from llmvision_magic.journal.journal import UNRECORDED, Journal, Record
from llmvision_magic.journal.location import THIS_PROCESS, Origin, Place, place_from, shown_path
from llmvision_magic.journal.unavailable import Trouble

__all__ = [
    "THIS_PROCESS",
    "UNRECORDED",
    "Journal",
    "Origin",
    "Place",
    "Record",
    "Trouble",
    "place_from",
    "shown_path",
]
