"""A reply in terminal IPython: finished blocks are printed once, the last one is redrawn in place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from llmvision_magic.chat.pacing import INTERVAL
from llmvision_magic.kernel.views.terminal_markdown import Lines, drawn
from llmvision_magic.rendering import Block, Blocks, further_choices, plain_for_terminal

if TYPE_CHECKING:
    from llmvision_magic.chat.outcome import Outcome
    from llmvision_magic.chat.view import ReplyView


def view_for(stream: TextIO, *, as_text: bool = False) -> ReplyView:
    """The view that fits where the output goes: a terminal, or a file or pipe; `as_text` writes the text as it is."""
    console = Console(file=stream, highlight=False)
    return TerminalView(console) if _can_draw(console) and not as_text else PlainView(stream)


def print_page(markdown: str, stream: TextIO) -> None:
    """Print a page of ours."""
    console = Console(file=stream, highlight=False)
    if not console.encoding.startswith("utf"):
        stream.write(_encodable(markdown, stream) + "\n")
        return
    space = 0
    for block in _blocks_of(markdown):
        console.print(Lines(drawn(block), space=space), end="")
        space = 1


def _can_draw(console: Console) -> bool:
    # A file may be taken for a terminal when FORCE_COLOR is set; nothing can be redrawn there.
    return console.is_terminal and console.file.isatty() and console.encoding.startswith("utf")


def _blocks_of(text: str) -> list[Block]:
    blocks = Blocks()
    update = blocks.feed(text)
    return [block for block in [*update.finished, update.tail] if block.source.strip()]


def _encodable(text: str, stream: TextIO) -> str:
    """The text with its control characters, and what the stream cannot encode, made visible."""
    encoding = stream.encoding or "utf-8"
    return plain_for_terminal(text).encode(encoding, "backslashreplace").decode(encoding)


class _Slot:
    """What the live part shows; read anew whenever it is drawn."""

    content: RenderableType = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.content


class TerminalView:
    """Shows one reply on a terminal.

    The unfinished part stands at the bottom and is redrawn; what is finished is printed above it, for good.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._blocks = Blocks()
        self._tail = _Slot()
        self._live = Live(self._tail, console=console, auto_refresh=False, transient=True)
        self._length = 0  # characters of the reply taken in so far
        self._printed = False
        self._shown: RenderableType | None = None  # the unfinished block

    interval = INTERVAL

    def prepare(self) -> None:
        """Load what drawing needs, in the time that the first text takes to arrive."""
        drawn(Block(""))

    def wait(self, line: str) -> None:
        """Show a quiet line under what there is; the next text takes it away."""
        quiet = Text(plain_for_terminal(line), style="dim", no_wrap=True, overflow="ellipsis")
        self._draw(quiet if self._shown is None else Group(self._shown, quiet))

    def add(self, text: str) -> None:
        """Print the blocks that are finished, redraw the last one."""
        self._length += len(text)
        update = self._blocks.feed(text)
        finished = [block for block in update.finished if block.source.strip()]
        shown = self._lines(update.tail, after=self._printed or bool(finished), rows=max(self._console.height - 2, 1))
        self._shown = shown
        if not finished:
            self._draw(shown)
            return
        # What is printed while the live part stands goes above it, in one write: nothing is seen to jump.
        self._live.start()
        self._tail.content = shown
        self._print_blocks(finished)

    def _draw(self, renderable: RenderableType) -> None:
        self._live.start()
        self._tail.content = renderable
        self._live.refresh()

    def _print_blocks(self, blocks: list[Block]) -> None:
        parts = []
        for block in blocks:
            parts.append(self._lines(block, after=self._printed))
            self._printed = True
        if parts:  # before rich 15, printing nothing is an empty line, whatever the end
            self._console.print(*parts, sep="", end="")

    def _lines(self, block: Block, *, after: bool, rows: int | None = None) -> RenderableType:
        """A block, apart from what stands before it; only the last rows of it where not all can be seen."""
        if rows is not None:
            block = Block(_end_of(block.source, rows), block.definitions)
        return Lines(drawn(block), space=int(after), last=rows)

    def finish(self, outcome: Outcome) -> None:
        """Print what is left of the text, further choices, and the footer."""
        reply = outcome.reply
        update = self._blocks.feed(reply.text[self._length :])
        self.leave()
        self._print_blocks([block for block in [*update.finished, update.tail] if block.source.strip()])
        further = further_choices(reply)
        for which, text in further.texts:
            self._console.print(Text(f"\n{which}", style="dim"))
            self._print_blocks(_blocks_of(text))
        if further.note:
            self._console.print(Text(f"\n{further.note}", style="dim"))
        footer = [
            Text(plain_for_terminal(line), style=style)
            for line, style in ((outcome.notice, "yellow"), (" · ".join(outcome.facts()), "dim"))
            if line
        ]
        if footer:
            self._console.print(Lines(Group(*footer), space=int(self._printed)), end="")

    def clear(self) -> None:
        """Take away the waiting line; the error message follows."""
        self.leave()

    def leave(self) -> None:
        """Give the terminal back as it is."""
        # Emptied first: rich prints all of it at the end, also what is too high for the screen to be taken away again.
        self._tail.content = ""
        self._live.stop()


def _end_of(source: str, rows: int) -> str:
    """The last lines of a block that is too long to be seen, so that redrawing costs the same however long it gets."""
    lines = source.splitlines(keepends=True)
    if len(lines) <= 2 * rows:
        return source
    fence = lines[:1] if lines[0].lstrip().startswith(("```", "~~~")) else []
    return "".join([*fence, *lines[-rows:]])


class PlainView:
    """Writes one reply to a file or a pipe: the text as it is, block by block. What is not the text goes to stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._blocks = Blocks()
        self._length = 0

    interval = INTERVAL

    def prepare(self) -> None:
        """Nothing has to be drawn."""

    def wait(self, line: str) -> None:
        """Nobody sits there."""

    def add(self, text: str) -> None:
        """Write the blocks that are finished."""
        self._length += len(text)
        self._write("".join(block.source for block in self._blocks.feed(text).finished))

    def finish(self, outcome: Outcome) -> None:
        """Write what is left of the text, further choices, and, for a person who watches, the footer."""
        reply = outcome.reply
        update = self._blocks.feed(reply.text[self._length :])
        self._write("".join(block.source for block in [*update.finished, update.tail]))
        if reply.text and not reply.text.endswith("\n"):
            self._write("\n")
        further = further_choices(reply)
        for which, text in further.texts:
            self._write(f"\n{which}\n\n{text}\n")
        if further.note:
            self._write(f"\n{further.note}\n")
        for line in (outcome.notice, " · ".join(outcome.facts())):
            if line:
                print(_encodable(line, sys.stderr), file=sys.stderr)  # noqa: T201  # stderr is where it belongs

    def _write(self, text: str) -> None:
        self._stream.write(_encodable(text, self._stream))
        self._stream.flush()

    def clear(self) -> None:
        """Nothing was shown."""

    def leave(self) -> None:
        """What is written is written."""
