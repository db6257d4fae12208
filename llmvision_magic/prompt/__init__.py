"""What a cell asks → the content of a message: ``{{…}}`` evaluated, values attached, images encoded, secrets masked.

Knows a text and a namespace; neither who sends the message nor where the values live.
"""

from __future__ import annotations

from llmvision_magic.prompt.composition import ComposedPrompt, NotebookValues, compose
from llmvision_magic.prompt.correction import FailedCell, fix_prompt
from llmvision_magic.prompt.expressions import ExpressionError
from llmvision_magic.prompt.tracebacks import ErrorHistory
from llmvision_magic.settings.secrets import secret_values

__all__ = [
    "ComposedPrompt",
    "ErrorHistory",
    "ExpressionError",
    "FailedCell",
    "NotebookValues",
    "compose",
    "fix_prompt",
    "secret_values",
]
