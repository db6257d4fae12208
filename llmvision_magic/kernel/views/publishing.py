"""Messages of one cell that follow each other fast."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmvision_magic.kernel.views.other_outputs import Noted, OtherOutputs

Publisher = Any
"""IPython's display publisher; IPython publishes no types for it."""

NOTHING = {"text/html": "", "text/plain": ""}
"""What an output shows that is needed no more, for no output can be taken away alone."""

Update = Callable[[dict[str, str], dict[str, object]], None]
"""Shows a bundle with its metadata in place of what an output showed."""


def updater(publisher: Publisher, display_id: str) -> Update:
    """What updates an output from any thread, as a message of the cell that runs now.

    The publisher's own methods would name the cell that runs then.
    """
    parent = publisher.parent_header

    def update(bundle: dict[str, str], metadata: dict[str, object]) -> None:
        content = {"data": bundle, "metadata": metadata, "transient": {"display_id": display_id}}
        publisher.session.send(
            publisher.pub_socket, "update_display_data", content, parent=parent, ident=publisher.topic
        )

    return update


class UpdatableOutput:
    """Shows bundles in one output of the running cell, made with the first of them.

    Where outputs are captured only the reply itself is shown, the bundle with metadata: each would be kept, or the
    first alone.

    Args:
        others: What others show in a cell that is ours alone: it stays. None where the cell is not.
    """

    def __init__(self, publisher: Publisher, others: OtherOutputs | None = None) -> None:
        self._publisher = publisher
        self._others = others
        self._only_the_end = is_captured(publisher)
        self._display_id = uuid.uuid4().hex[:12]
        if others is not None:
            others.ours.add(self._display_id)
        self._is_shown = False

    def show(self, bundle: dict[str, str], metadata: dict[str, object]) -> None:
        """Show a bundle in place of what is there."""
        if self._only_the_end and not metadata:
            return
        noted: list[Noted] = []
        if self._is_shown and self._others is not None and metadata:
            # What replies came to does not depend on an update being applied: some front ends know none.
            noted = self._others.clear()
            self._is_shown = False
        transient = {"display_id": self._display_id}
        self._publisher.publish(bundle, metadata=metadata, transient=transient, update=self._is_shown)
        self._is_shown = True
        if self._others is not None and noted:
            self._others.show(noted)

    @property
    def stays(self) -> bool:
        """Whether it is there and cannot be taken away: outputs are, only all together."""
        return self._is_shown and self._others is None

    def clear(self) -> None:
        """Take it away, where the cell is ours; an error message follows."""
        if self._is_shown and self._others is not None:
            self._others.show(self._others.clear())


def is_captured(publisher: Publisher) -> bool:
    """Whether outputs go for now where no update reaches them: into a variable (``%%capture``), into a widget."""
    return not hasattr(publisher, "parent_header") or _goes_into_a_widget(publisher.parent_header)


def _goes_into_a_widget(request: Mapping[str, object]) -> bool:
    """Whether an `ipywidgets.Output` takes what is shown for a request, given its header.

    Such a widget says whose outputs are its own by the request's id, while its ``with`` block runs. It appends what is
    displayed, and beside that knows only `clear_output`, which would take away what else it shows.
    """
    # Who has not imported it has no such widget. All that live are kept there; the public name for them is deprecated.
    module = sys.modules.get("ipywidgets.widgets.widget_output")
    live = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    if module is None or not request.get("msg_id"):
        return False
    widgets = [one for one in list(live.values()) if isinstance(one, module.Output)]
    return any(one.msg_id == request["msg_id"] for one in widgets)


@contextmanager
def without_flushing(publisher: Publisher) -> Iterator[None]:
    """While inside, messages do not wait for what was printed before them.

    ipykernel flushes both print streams before each message and waits for its output thread to have done so: half of
    the CPU time of a reply that arrives slowly. For the first message of a reply the order matters; between the frames
    of a reply nothing of this cell is printed. A private method is put aside for that; where there is none, as with
    other publishers, every message is sent as ever.
    """
    if not callable(getattr(publisher, "_flush_streams", None)):
        yield
        return
    publisher.__dict__["_flush_streams"] = _nothing
    try:
        yield
    finally:
        publisher.__dict__.pop("_flush_streams", None)


def _nothing() -> None:
    """In place of a flush."""
