"""Recordings: requests and the timed events of their replies in a file, and answers from it without a model.

What the file holds is written in `cassette_format`. Nothing here is imported before something is recorded or replayed.
"""

from __future__ import annotations

from llmvision_magic.backends.recording.mode import RecordingMode
from llmvision_magic.backends.recording.player import Player
from llmvision_magic.backends.recording.recorder import Recorder

__all__ = ["Player", "Recorder", "RecordingMode"]
