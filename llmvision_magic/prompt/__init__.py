"""What a cell asks → the content of a message: ``{{…}}`` evaluated, values attached, images encoded, secrets masked.

Knows a text and a namespace; neither who sends the message nor where the values live.
"""

from __future__ import annotations

from llmvision_magic.prompt.braces import InBraces
from llmvision_magic.prompt.composing import Composed, Values, compose
from llmvision_magic.prompt.failures import Failure, fix_prompt
from llmvision_magic.prompt.secrets import secret_values
from llmvision_magic.prompt.tracebacks import Errors

__all__ = ["Composed", "Errors", "Failure", "InBraces", "Values", "compose", "fix_prompt", "secret_values"]
