"""A recording in words, for pages and answers of verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmvision_magic.kernel.markdown import code_span, counted

if TYPE_CHECKING:
    from llmvision_magic.backends.recording import Player, Recorder

PACES = {0.0: "at once", 1.0: "as fast as recorded"}


def described(tape: Recorder | Player) -> str:
    """What is recorded or replayed, in Markdown."""
    doing = "recording into" if tape.verb == "record" else "replaying"
    text = f"{doing} {code_span(tape.file.shown)}, {counted(len(tape.file.entries()), 'request')}{pace_of(tape)}"
    trouble = tape.trouble if tape.verb == "record" else ""
    return "; ".join(filter(None, (text, code_span(trouble or tape.file.damaged() or None))))


def pace_of(tape: Recorder | Player) -> str:
    """How fast it is replayed, in words with a comma before them; "" where nothing is to be said."""
    if tape.verb == "record":
        return ""
    speed = "" if tape.speed is None else f", {PACES.get(tape.speed, f'{tape.speed:g} times as fast as recorded')}"
    return speed + (", what is not in it from the model" if tape.else_live else "")
