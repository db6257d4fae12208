"""What files may hold: one JSON schema each, and the door at which a value of somebody's file is checked against it."""

from __future__ import annotations

from llmvision_magic.schemas.door import admitted, parsed, plain

__all__ = ["admitted", "parsed", "plain"]
