"""The chat panel: a widget that shows a conversation of this kernel, and takes part in it.

What is asked in a cell appears here and the other way round: the panel watches the kernel's session, and asks in it.
"""

from __future__ import annotations

from llmvision_magic.panel.widget import ChatPanel

__all__ = ["ChatPanel"]
