"""Replies that arrive while other cells run (``%%chat --background``).

A thread may not print or display: what it writes would land in whichever cell is running. So the cell makes one output
while it still runs, and the thread updates that output by its display id, as the message of the cell it came from. One
output and no more, for none can be taken away again from a thread, and the cell is to have exactly one in the end.
"""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.execute_request import in_notebook
from llmvision_magic.kernel.markdown import code_span, first_words
from llmvision_magic.kernel.views.publishing import is_captured, updater
from llmvision_magic.kernel.views.single_output import INTERVAL, SingleOutputView
from llmvision_magic.stop import Stop
from llmvision_magic.threads import in_thread

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.plan import StartedTurn, TurnRequest
    from llmvision_magic.chat.session import Session
    from llmvision_magic.chat.view import ReplyView
    from llmvision_magic.settings.layers import Settings

ENDING = 1.0
"""Longest wait, in seconds, until replies that were stopped have ended and are in the history."""

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


@dataclass(frozen=True, slots=True)
class BackgroundReply:
    """A reply in the background.

    Attributes:
        number: From 1 on, for ``%chat stop``.
        conversation: Its name.
        cell: Id of the cell it belongs to, where the front end gives one.
        execution: Which run of the cell asked.
    """

    number: int
    conversation: str
    words: str
    cell: str | None
    execution: str | None
    stop: Stop
    thread: threading.Thread

    @property
    def line(self) -> str:
        """It in a line of Markdown."""
        return f"- {self.number} · {self.conversation} · {code_span(self.words)}"


class BackgroundRunner:
    """The replies that arrive in the background of one kernel."""

    def __init__(self, session: Session, shell: Shell) -> None:
        self._session = session
        self._shell = shell
        self._numbers = itertools.count(1)
        self._arriving: dict[int, BackgroundReply] = {}
        atexit.register(self.close)

    def ask(self, ask: TurnRequest, settings: Settings, out: str | None) -> None:
        """Ask, and return at once.

        Args:
            out: Variable that gets the reply when it has ended.

        Raises:
            InvalidInput: Nothing was sent and nothing changed.
        """
        if in_notebook(self._shell) and is_captured(self._shell.display_pub):
            raise InvalidInput(
                "A reply in the background needs an output of its own, and that of this code is captured by a variable "
                "or an Output widget; leave out `--background`, or ask in a cell of its own."
            )
        begun = self._session.begin(ask, settings)
        if ask.cell is not None:  # run again, a cell has its output anew: what still goes into the old one is not seen
            self._end(
                [one for one in self._arriving.values() if one.cell == ask.cell and one.execution != ask.execution]
            )
        number = next(self._numbers)

        def bind(outcome: Outcome) -> None:
            if out:  # also a reply without text: an older one must not pass for it
                self._shell.user_ns[out] = outcome.reply

        words, stop = first_words(ask.prompt), Stop()
        view = self._view(number, words, bind, as_text=ask.format == "text")
        thread = in_thread(lambda: self._run(number, begun, view, stop), f"llmvision-background-{number}")
        name = begun.plan.conversation.name
        self._arriving[number] = BackgroundReply(number, name, words, ask.cell, ask.execution, stop, thread)
        thread.start()

    def _view(
        self, number: int, words: str, bind: Callable[[Outcome], None], *, as_text: bool
    ) -> SingleOutputView | PrintedAtEndView:
        if not in_notebook(self._shell):
            print(f"The reply is printed when it has ended; %chat stop {number} ends it.")  # noqa: T201  # the cell's
            return PrintedAtEndView(f"{number} · {words}", bind, as_text=as_text)
        display_id = uuid.uuid4().hex[:12]
        where = f"arriving in the background, %chat stop {number} ends it"
        view = SingleOutputView(updater(self._shell.display_pub, display_id), bind, where, as_text=as_text)
        self._shell.display_pub.publish(view.bundle(), transient={"display_id": display_id})
        return view

    def _run(self, number: int, begun: StartedTurn, view: SingleOutputView | PrintedAtEndView, stop: Stop) -> None:
        try:
            outcome = self._session.run(begun, view, stop)
            if outcome.error is not None and not outcome.error_is_shown:
                view.fail(str(outcome.error))
        except Exception as error:  # nobody is there to catch it: it is told where the reply would stand
            view.fail(f"{type(error).__name__}: {error}")
        finally:
            del self._arriving[number]

    def stop(self, which: str) -> list[str]:
        """End replies: all for "", else those of a conversation, or one by its number.

        Returns:
            A line of Markdown for each.

        Raises:
            InvalidInput: There is none.
        """
        there = list(self._arriving.values())
        chosen = [one for one in there if which in ("", str(one.number), one.conversation)]
        if not there:
            raise InvalidInput("No reply is arriving in the background.")
        if not chosen:
            lines = ", ".join(f"{one.number} ({one.conversation})" for one in there)
            raise InvalidInput(f"No reply in the background is `{which}`; there are: {lines}.")
        self._end(chosen)
        return [one.line for one in chosen]

    def _end(self, chosen: list[BackgroundReply]) -> None:
        for one in chosen:
            one.stop.set("interrupted")
        end = time.monotonic() + ENDING
        for one in chosen:
            one.thread.join(max(end - time.monotonic(), 0.0))

    def close(self) -> None:
        """End all replies."""
        atexit.unregister(self.close)
        self._end(list(self._arriving.values()))


class PrintedAtEndView:
    """Prints one reply on the terminal when it has ended: above the prompt, if that is waiting for input.

    Args:
        title: Said before it, for it may stand far from its cell.
        bind: Called with the outcome before it is shown.
        as_text: Show the reply as it is, not as Markdown.
    """

    interval = INTERVAL

    def __init__(self, title: str, bind: Callable[[Outcome], None], *, as_text: bool = False) -> None:
        self._title = title
        self._as_text = as_text
        self._bind = bind

    def prepare(self) -> None:
        """Nothing is drawn while it arrives."""

    def wait(self, line: str) -> None:
        """Nothing is drawn while it arrives."""

    def add(self, text: str) -> None:
        """Nothing is drawn while it arrives."""

    def finish(self, outcome: Outcome) -> None:
        """Print the reply."""
        from llmvision_magic.kernel.views.terminal import view_for

        self._bind(outcome)
        self._say(self._title)
        view: ReplyView = view_for(sys.stdout, as_text=self._as_text)
        view.finish(outcome)

    def clear(self) -> None:
        """An error message follows: `fail`."""

    def leave(self) -> None:
        """What is printed is printed."""

    def fail(self, sentence: str) -> None:
        """Say why there is no reply."""
        self._say(f"{self._title}: {sentence}")

    def _say(self, line: str) -> None:
        from llmvision_magic.rendering import plain_for_terminal

        print(f"\n{plain_for_terminal(line)}\n")  # noqa: T201  # the terminal is where it belongs
