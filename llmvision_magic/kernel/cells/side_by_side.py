"""``%%chat --compare``: the same prompt several times at once, a column for each.

Threads write nothing here: each fills its column, and the cell's own thread shows all of them as one output.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from llmvision_magic.chat.comparison import Comparison
from llmvision_magic.errors import Interrupted
from llmvision_magic.kernel.views.notebook import metadata_of
from llmvision_magic.messages import Reply
from llmvision_magic.rendering import MOST_SHOWN, Block, Blocks, Footer, render
from llmvision_magic.rendering.comparison_table import Column, columns_html, comparison_bundle
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.plan import StartedTurn
    from llmvision_magic.chat.session import Session
    from llmvision_magic.kernel.cells.compare_option import ComparedParameter
    from llmvision_magic.kernel.views.publishing import UpdatableOutput

LEAST_INTERVAL = 0.15
"""Seconds between two updates, at least; all columns go along with each."""

CHARACTERS_A_SECOND = 20_000
"""Of the replies together, sent again and again: what bounds the cost of replies that get long."""

POLL = 0.05
"""Seconds between two looks at whether all have ended."""


class ColumnView:
    """One of the replies, while it arrives and when it has ended.

    Args:
        changed: Gets an item when there is something to be shown.

    Attributes:
        head: What it was asked with.
        outcome: What came of it; None while it arrives, and where an exception from outside ended it.
        error: The exception that ended it.
        has_ended: Whether it has.
    """

    interval = LEAST_INTERVAL

    def __init__(self, head: str, changed: SimpleQueue[None]) -> None:
        self.head = head
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self.has_ended = False
        self.length = 0
        self._changed = changed
        self._line = ""
        self._blocks = Blocks(cut_long=True)
        self._shown: tuple[Block, ...] = ()

    @property
    def reply(self) -> Reply:
        """The reply that it has become."""
        return Reply("", status="failed", notice=str(self.error)) if self.outcome is None else self.outcome.reply

    @property
    def footer(self) -> Footer:
        """What stands under it now."""
        if self.outcome is not None:
            return Footer(self.outcome.facts(), self.outcome.notice)
        if self.error is not None:
            return Footer([], str(self.error))
        return Footer([self._line] if self._line else [])

    @property
    def is_empty(self) -> bool:
        """Whether an error message says all that there is to say."""
        return self.outcome is None or not self.outcome.is_shown

    def column(self) -> Column:
        """The column as it is now."""
        return Column(self.head, "".join(block.html for block in self._shown), self.footer)

    def prepare(self) -> None:
        """Load what rendering needs, in the time that the first text takes to arrive."""
        render("")

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is."""
        if line != self._line:
            self._line = line
            self._changed.put(None)

    def add(self, text: str) -> None:
        """Show text that has arrived."""
        update = self._blocks.feed(text[: max(MOST_SHOWN - self.length, 0)])
        self.length += len(text)
        self._line = ""
        self._shown = (*self._shown[:-1], *update.finished, update.tail)
        self._changed.put(None)

    def finish(self, outcome: Outcome) -> None:
        """All columns end together."""

    def clear(self) -> None:
        """The column says why there is no reply."""

    def leave(self) -> None:
        """The column stays as it is."""

    def run(self, session: Session, begun: StartedTurn, stop: Stop) -> None:
        """Ask, and fill the column; in a thread of its own."""
        try:
            self.outcome = session.run(begun, self, stop)
            self.error = self.outcome.error
        except BaseException as error:  # told by the cell's thread, whatever it is
            self.error = error
        finally:
            self.has_ended = True
            self._changed.put(None)


def compare(
    session: Session,
    compared: ComparedParameter,
    asked: Sequence[StartedTurn],
    output: UpdatableOutput | None,
    stop: Stop,
) -> tuple[Comparison, BaseException | None]:
    """Ask with each value, and show the replies.

    Args:
        asked: The prompt with each of the values.
        output: Where a notebook shows them; None in a terminal, where the replies come one after another.

    Returns:
        The replies, and the exception to raise when not all ended well.
    """
    heads = Comparison(compared.name, compared.values, ()).heads()
    if output is None:
        views = _in_terminal(session, heads, asked, stop)
    else:
        views = _in_notebook(session, heads, asked, output, stop)
    replies = tuple(view.reply for view in views)
    comparison = Comparison(compared.name, compared.values[: len(replies)], replies)
    errors = sorted((view.error for view in views if view.error), key=lambda one: not isinstance(one, Interrupted))
    if output is not None and all(view.is_empty for view in views) and not output.stays:
        output.clear()
    elif output is not None:
        bundle = comparison_bundle(comparison.heads(), replies, [view.footer for view in views])
        output.show(bundle, {"llmvision": _metadata(comparison, views)})
        for error in errors[:1]:
            error.shown = True  # type: ignore[attr-defined]  # a ChatError or Interrupted
    return comparison, errors[0] if errors else None


def _metadata(comparison: Comparison, views: Sequence[ColumnView]) -> dict[str, object]:
    kept = ("model", "status", "finish_reason", "usage")
    told = [metadata_of(view.outcome) if view.outcome else {"status": "failed"} for view in views]
    columns = [
        {"value": value, **{name: one.get(name) for name in kept}}
        for value, one in zip(comparison.values, told, strict=True)
    ]
    return {"compare": comparison.parameter, "columns": columns}


def _in_notebook(
    session: Session, heads: Sequence[str], asked: Sequence[StartedTurn], output: UpdatableOutput, stop: Stop
) -> list[ColumnView]:
    """Ask all at once, and show them while they arrive."""
    changed: SimpleQueue[None] = SimpleQueue()
    views = [ColumnView(head, changed) for head in heads]
    stops = [Stop() for _ in asked]  # one each: a reply that ends in its own way must not end the others

    def pass_on() -> None:
        for one in stops:
            one.set(stop.reason)

    forget = stop.wake(pass_on)
    arriving = _Arriving(output, views)
    is_watched = all(begun.plan.cell_context.interactive for begun in asked)
    try:
        for view, begun, own in zip(views, asked, stops, strict=True):
            threading.Thread(target=view.run, args=(session, begun, own), name="llmvision-column", daemon=True).start()
        while not all(view.has_ended for view in views):
            has_news = _wait(changed)
            if is_watched and not stop.is_set:
                arriving.show(has_news)
    finally:
        forget()
        for one in stops:
            one.set("abandoned")
    return views


def _wait(changed: SimpleQueue[None]) -> bool:
    """Whether there is something new, waited for a short time."""
    try:
        changed.get(timeout=POLL)
    except Empty:
        return False
    with suppress(Empty):
        while True:
            changed.get_nowait()
    return True


class _Arriving:
    """The output while the replies arrive, updated the more rarely the longer they get."""

    def __init__(self, output: UpdatableOutput, views: Sequence[ColumnView]) -> None:
        self._output = output
        self._views = views
        self._is_old = False
        self._due = time.monotonic()

    def show(self, has_news: bool) -> None:
        """Show the columns as they are, if there is something new and it is time."""
        self._is_old = self._is_old or has_news
        if not self._is_old or time.monotonic() < self._due:
            return
        length = sum(min(view.length, MOST_SHOWN) for view in self._views)
        self._is_old, self._due = False, time.monotonic() + LEAST_INTERVAL + length / CHARACTERS_A_SECOND
        plain = ", ".join(f"{view.head}: {view.length:,} characters" for view in self._views)
        bundle = {"text/html": columns_html([view.column() for view in self._views]), "text/plain": plain}
        self._output.show(bundle, {})


def _in_terminal(session: Session, heads: Sequence[str], asked: Sequence[StartedTurn], stop: Stop) -> list[ColumnView]:
    """Ask one after another, each under its heading."""
    from llmvision_magic.kernel.markdown import code_span
    from llmvision_magic.kernel.views.terminal import print_page, view_for
    from llmvision_magic.rendering import plain_for_terminal

    views = []
    for head, begun in zip(heads, asked, strict=True):
        if stop.is_set:
            break
        print_page(code_span(head), sys.stdout)
        view, shown = ColumnView(head, SimpleQueue()), view_for(sys.stdout)
        views.append(view)
        try:
            view.outcome = session.run(begun, shown, stop)
        except BaseException:
            shown.leave()
            raise
        view.error = view.outcome.error
        if view.error is not None:
            if view.is_empty:
                sys.stdout.write(f"{plain_for_terminal(str(view.error))}\n")
            view.error.shown = True  # type: ignore[attr-defined]  # a ChatError or Interrupted
    return views
