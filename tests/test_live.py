"""What is seen while a reply arrives, and how an interrupt ends it, in a real kernel."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import ChatServer
from kernels import Cell, Kernel, running_kernel
from servers.listeners import full_listener
from servers.scripting import done, failure, repeated, silent, sse, stream, text_stream, wait

LONG_ENOUGH = 20.0
"""Seconds within which an interrupt ends the cell on any machine. What is measured is printed: `pytest -rP`."""

LONG = 1000
"""Seconds of a limit that must not matter."""


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer) -> Iterator[Kernel]:
    """One kernel for this file."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url, LLMVISION_MODEL="test-model") as kernel:
        yield kernel


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer) -> Iterator[Kernel]:
    """The kernel with the extension freshly loaded."""
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()


# -- what is seen --------------------------------------------------------------------------------------------------

# Each shorter than the plain text that is sent while a reply arrives.
PIECES = {
    "words": ["Once", " upon", " a", " time", ",", " there", " was", " a", " wolf", "."],
    "letters": list("Wolf!"),
    "fence": ["```py", "thon\n", "x", " = 1\n", "y = 2", "\n```", "\n"],
    "list": ["- one", "\n- two", "\n  - th", "ree", "\n\n1. a", "\n1", ". b"],
    "table": ["| a | b |", "\n| - |", " - |\n", "| 1", " | 2 |\n| 3"],
    "heading": ["# He", "ading", "\nText", "\n\n## Next"],
    "maths": ["The area $\\pi", " r^2$ is", "\n\n\\[x", "^2\\]\n\n$$y", "$$"],
    "quote": ["> so", " he\n> said", "\nlazily\n\n", "> more"],
    "definitions": ["See [a] and [^1].\n\n", "[a]: https://example.org\n", "\nMore.", "\n\n[^1]: A note"],
    "half of what may be markup": ["**b", "** *i", "* `c", "` [li", "nk](http", "s://e.org) <b", ">"],
}


def letters_of(text: str) -> str:
    """What of a Markdown text is surely seen as it stands, in its order."""
    return re.sub(r"\W|_", "", text)


@pytest.mark.parametrize("name", PIECES)
def test_text_appears_though_nothing_follows_it(kernel, chat_server, name):
    """The server holds after each piece; the next is sent only when all there is can be seen in the cell."""
    pieces = PIECES[name]
    held = [step for piece in pieces for step in (sse(piece), wait())]
    chat_server.script(stream(*held, sse(finish="stop"), done()))
    awaited = [letters_of("".join(pieces[: count + 1])) for count in range(len(pieces))]

    def look(cell: Cell) -> None:
        # A piece without letters or digits shows nothing of its own that could be waited for.
        while awaited and awaited[0] in letters_of("".join(output.plain for output in cell.outputs)):
            awaited.pop(0)
            chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert awaited == []
    assert cell.only.plain == "".join(pieces)


@pytest.mark.parametrize("name", ["words", "fence", "table"])
def test_what_is_shown_is_in_both_formats(kernel, chat_server, name):
    """While it arrives, what a reader of HTML sees and what a reader of plain text sees is the same text."""
    pieces = PIECES[name]
    chat_server.script(stream(*map(sse, pieces), wait(), sse(finish="stop"), done()))
    awaited = [letters_of("".join(pieces))]

    def look(cell: Cell) -> None:
        shown = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", "", "".join(output.html for output in cell.outputs))
        if awaited and letters_of(shown) == awaited[0].removeprefix("python"):
            awaited.clear()
            chat_server.release()

    kernel.ok("%%chat\nHello", on_output=look)
    assert awaited == []


def test_silent_server_is_waited_for_with_a_line_that_counts(kernel, chat_server):
    """Before the first token: who is waited for and for how many seconds; nothing of it is left in the end."""
    chat_server.script(stream(wait(), sse("Here."), sse(finish="stop"), done()))
    seen: list[str] = []

    def look(cell: Cell) -> None:
        for found in re.findall(r"waiting for test-model, (\d+) s", cell.plain):
            if found not in seen:
                seen.append(found)
                if len(seen) == 3:
                    chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert [int(one) for one in seen] == sorted(map(int, seen))
    assert cell.only.plain == "Here."
    assert "waiting" not in str(cell.only.data)


def test_headers_alone_do_not_end_the_waiting_line(kernel, chat_server):
    """Status, headers and a first event without text are no text."""
    chat_server.script(stream(sse(role="assistant"), wait(), sse("Here."), sse(finish="stop"), done()))
    seen = []

    def look(cell: Cell) -> None:
        if "waiting for" in cell.plain and not seen:
            seen.append(True)
            chat_server.release()

    assert kernel.ok("%%chat\nHello", on_output=look).only.plain == "Here."
    assert seen


@pytest.mark.alone
@pytest.mark.parametrize(("option", "at_least"), [("", 1), ("--no-stream", 20)])
def test_fast_reply_is_one_message(kernel, chat_server, option, at_least):
    """No waiting line ever; and if all of it is there at once no frame, no clearing: some tools know no updates."""
    kernel.ok("%%chat\nSo that all is loaded and connected.")
    at_once = 0
    for _ in range(20):
        cell = kernel.ok(f"%%chat --once {option}\nHello")
        assert "waiting" not in str(cell.messages)
        assert len(cell.outputs) == 1
        at_once += not {"clear_output", "update_display_data"} & {one["msg_type"] for one in cell.messages}
    # On a busy machine the pieces of a streamed reply do not always come together.
    assert at_once >= at_least


# -- interrupts ----------------------------------------------------------------------------------------------------


class Interrupter:
    """Interrupts the kernel once, when the cell shows the text, and measures how long the cell then takes to end."""

    def __init__(self, kernel: Kernel, text: str) -> None:
        self._kernel = kernel
        self._text = text
        self._sent: float | None = None
        self.seconds = 0.0

    def __call__(self, cell: Cell) -> None:
        if self._sent is not None:
            self.seconds = time.monotonic() - self._sent
        elif self._text in cell.plain or self._text in cell.html:
            self._sent = time.monotonic()
            self._kernel.interrupt()

    @property
    def sent(self) -> bool:
        return self._sent is not None


@pytest.fixture
def interrupted(kernel: Kernel, request: pytest.FixtureRequest) -> Callable[..., Cell]:
    """Runs a prompt, interrupts it when a text is seen, and checks how the cell ended."""

    def run(when: str, code: str = "%%chat -o reply\nHello") -> Cell:
        interrupter = Interrupter(kernel, when)
        cell = kernel.run(code, on_output=interrupter)
        assert interrupter.sent, cell.plain
        print(f"{request.node.name}: the cell ended {interrupter.seconds:.3f} s after the interrupt")
        assert cell.status == "error"
        assert cell.reply["ename"] == "Interrupted"
        assert "Traceback" not in str(cell.messages)
        assert "Interrupted" in cell.only.html
        assert interrupter.seconds < LONG_ENOUGH
        return cell

    return run


@pytest.fixture(autouse=True)
def next_cell_works(kernel: Kernel, chat_server: ChatServer) -> Iterator[None]:
    """After each test of this file the kernel answers as ever."""
    yield
    chat_server.reset()
    kernel.ok("%chat new afterwards")
    assert kernel.ok("%%chat\nafterwards").only.plain.startswith("echo: afterwards")
    assert kernel.run("import time; time.sleep(0)").status == "ok"


def test_interrupt_while_connecting(kernel, interrupted):
    """The port takes no connection; the attempt is left behind."""
    with full_listener() as port:
        kernel.ok(f"%chat set connect_timeout {LONG}")
        kernel.ok(f"%chat set base_url http://127.0.0.1:{port}/v1")
        cell = interrupted("waiting for")
        assert cell.only.plain == ""
        kernel.ok("%chat unset base_url")


def test_interrupt_before_the_headers(interrupted, chat_server):
    """The request is sent, nothing came; the server sees the client leave."""
    chat_server.script(stream(wait(), sse("never")))
    assert interrupted("waiting for").only.plain == ""
    assert chat_server.ended()[0].ended == "client gone"


def test_interrupt_before_the_first_event(interrupted, chat_server):
    """Headers came, no text."""
    chat_server.script(stream(sse(role="assistant"), silent()))
    assert interrupted("waiting for").only.plain == ""
    assert chat_server.ended()[0].ended == "client gone"


def test_interrupt_of_a_reply_that_is_not_streamed(interrupted, chat_server):
    """There is nothing to keep."""
    chat_server.script(stream(wait(), sse("never")))
    assert interrupted("waiting for", "%%chat --no-stream\nHello").only.plain == ""


@pytest.mark.parametrize("steps", [[silent()], ["data: {", silent()], [": ping\n\n", silent()]], ids=str)
def test_interrupt_between_two_events(kernel, interrupted, chat_server, steps):
    """What had arrived is kept, shown and bound."""
    chat_server.script(stream(sse("So far,\n\nso"), sse(" good"), *steps))
    assert interrupted("good").only.plain == "So far,\n\nso good"
    assert kernel.value("[reply.text, reply.status]") == ["So far,\n\nso good", "interrupted"]
    assert chat_server.ended()[0].ended == "client gone"


def test_interrupt_while_waiting_to_ask_again(interrupted, chat_server):
    """The pause ends at once; nothing more is sent."""
    chat_server.script(failure(503, "overloaded", headers={"Retry-After": "50"}))
    assert interrupted("retrying in").only.plain == ""
    assert len(chat_server.requests()) == 1


PARAGRAPH = "Some words of *Markdown* text with `code`, **more** words and a [link](https://example.org).\n" * 10 + "\n"
ENDLESS = {
    "paragraphs": PARAGRAPH,
    "one line": "word " * 200,
    "one code block": "value = 1  # a comment\n" * 40,
    "one list": "- an item with *some* text\n" * 40,
    "one table": "| a cell | another |\n" * 40,
}
BEGINNINGS = {"one code block": "```python\n", "one table": "| a | b |\n| - | - |\n"}
SENT = 400_000
"""Characters that come at full speed before the server holds."""


@pytest.mark.parametrize("name", ENDLESS)
def test_interrupt_in_the_middle_of_a_giant_reply(kernel, interrupted, chat_server, name):
    """Text comes as fast as it can; what had come when the cell ended is kept and shown."""
    unit = ENDLESS[name]
    giant = repeated(sse(unit), SENT // len(unit))
    chat_server.script(stream(sse("Beginning\n\n" + BEGINNINGS.get(name, "")), giant, silent()))
    cell = interrupted("Beginning")
    assert cell.only.plain.startswith("Beginning\n\n" + BEGINNINGS.get(name, ""))
    assert kernel.value("[reply.status, len(reply.text)]") == ["interrupted", len(cell.only.plain)]
    assert chat_server.ended()[0].ended == "client gone"


def test_second_interrupt_is_pythons_own(kernel, chat_server):
    """Whatever hangs, two interrupts end the cell."""
    chat_server.script(stream(sse("So far"), silent()))
    sent = []

    def look(cell: Cell) -> None:
        if "So far" in cell.html and not sent:
            sent.append(True)
            kernel.interrupt()
            kernel.interrupt()

    cell = kernel.run("%%chat\nHello", on_output=look)
    assert cell.status == "error"
    assert cell.reply["ename"] in ("Interrupted", "KeyboardInterrupt")


def test_run_all_stops_at_an_interrupted_cell(kernel, chat_server):
    """Cells that wait behind the interrupted one are not run."""
    chat_server.script(stream(sse("So far"), silent()), text_stream("never"))
    interrupter = Interrupter(kernel, "So far")
    content = {"code": "%%chat\nHello", "silent": False, "store_history": True, "stop_on_error": True}
    messages = [kernel.client.session.msg("execute_request", content | {"code": code}) for code in ("%%chat\na", "1")]
    for message in messages:
        kernel.client.shell_channel.send(message)
    cell, replies = Cell(), []
    while not interrupter.sent:
        received = kernel.client.get_iopub_msg(timeout=LONG_ENOUGH)
        if received["parent_header"].get("msg_id") == messages[0]["header"]["msg_id"]:
            cell.apply(received)
            interrupter(cell)
    while len(replies) < 2:
        replies.append(kernel.client.get_shell_msg(timeout=LONG_ENOUGH)["content"])
    assert [reply["status"] for reply in replies] == ["error", "aborted"]
