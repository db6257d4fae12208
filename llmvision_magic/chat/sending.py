"""Sending: which turns fit into the model's context, and what is tried when a server objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llmvision_magic.chat.reply_stream import Event, RequestSent
from llmvision_magic.errors import ContextTooLong, KeyRefused, RequestRefused, ServerBusy
from llmvision_magic.messages import Delta, Message, image_count

if TYPE_CHECKING:
    from llmvision_magic.backends.backend import Backend
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.chat.plan import TurnPlan
    from llmvision_magic.conversation import Turn
    from llmvision_magic.stop import Stop


def send(
    plan: TurnPlan, connections: Connections, take: Callable[[Event], None], pause: Callable[[], None], stop: Stop
) -> None:
    """Send a prompt and read its reply; runs in the reading thread.

    Args:
        take: Called with each event.
        pause: Called when all that was read is handed out, before more is waited for.

    Raises:
        ChatError: The reply did not come, or not to its end.
    """
    line = connections.open(plan.target, plan.settings, take, stop, plan.cell_context)
    sizes = _sizes(plan.history())
    left_out = 0 if stop.is_set else _left_out_beforehand(plan, line, sizes)
    asked = False
    while not stop.is_set:
        request = plan.request(line.model, left_out, asked=asked)
        take(RequestSent(left_out, asked, line.recorded(request) if line.recorded else None))
        began = False
        try:
            for event in line.client.stream(request, stop, before_reading=pause):
                began = began or isinstance(event, Delta)
                take(event)
            return
        except ContextTooLong as error:
            if began or left_out >= len(sizes):
                raise
            from llmvision_magic.chat.context_window import more_to_leave_out

            excess = None
            if error.prompt_tokens and error.context_tokens:
                excess = 1 - 0.9 * error.context_tokens / error.prompt_tokens
            left_out = more_to_leave_out(sizes, left_out, excess)
        except RequestRefused as error:
            # Some servers want the last message to be the user's, and say so with one of these.
            if began or asked or not plan.ask.begun or error.status not in (400, 422):
                if not isinstance(error, ServerBusy | KeyRefused) or "image" in error.server_message.lower():
                    hint_at_images(error, plan.messages(left_out), is_embedded=plan.target.is_embedded)
                raise
            asked = True


def _sizes(turns: list[Turn]) -> list[int]:
    """Bytes of each turn; see `size_of`. A first prompt, which has none, need not load what counts them."""
    if not turns:
        return []
    from llmvision_magic.chat.context_window import size_of

    return [size_of(turn.prompt) + size_of(turn.text) for turn in turns]


def _left_out_beforehand(plan: TurnPlan, line: Backend, sizes: list[int]) -> int:
    if line.recorded is not None:  # as many as when it was recorded
        counts = range(len(sizes) + 1)
        return next((count for count in counts if line.recorded(plan.request(line.model, count))), 0)
    if line.context_tokens is None or line.count_tokens is None:
        return 0
    from llmvision_magic.chat.context_window import fit

    return fit(plan.messages, sizes, line.context_tokens, plan.parameters.max_tokens, line.count_tokens)


def hint_at_images(error: RequestRefused, messages: Sequence[Message], *, is_embedded: bool) -> None:
    """Say that the images may be the reason for what a server said; the embedded one's own words say nothing else."""
    count = sum(image_count(message.content) for message in messages)
    images = "an image" if count == 1 else f"{count} images"
    if count and is_embedded and "image" in error.server_message.lower():
        error.args = (
            f"The embedded model reads text only, and the messages hold {images}: ask without, or set the key or the "
            "base URL of a server whose model takes images.",
        )
    elif count:
        error.args = (f"{error} The messages hold {images}: the model may not take any; `-m MODEL` asks another.",)
