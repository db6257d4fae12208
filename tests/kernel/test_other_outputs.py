"""What is shown in a cell besides its reply stays there, and what a reply needs no more does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.control import ChatServer
from support.servers.scripting import answer, done, sse, stream, text_stream, wait

THREAD = """
import pathlib, sys, threading, time
from IPython.display import HTML, display
go = pathlib.Path({go!r})
go.unlink(missing_ok=True)
def work():
    while not go.exists():
        time.sleep(0.01)
    print("one of a thread")
    handle = display(HTML("shown <i>once</i>"), display_id=True)
    print("a warning of it", file=sys.stderr, flush=True)
    handle.update(HTML("shown <i>by it</i>"))
    print("two of it", flush=True)
thread = threading.Thread(target=work)
thread.start()
"""


@pytest.fixture(scope="module")
def kernel_process(chat_server_process) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        kernel.watched = True
        yield kernel


@pytest.fixture
def thread(kernel: Kernel, chat_server: ChatServer, tmp_path: Path) -> Callable[[str], Callable[[Cell], None]]:
    """A thread of the user's in the kernel; gives what lets it write while a cell shows a text, and the reply go on."""
    go = tmp_path / "go"
    kernel.ok(THREAD.format(go=str(go)))

    def when_shown(text: str) -> Callable[[Cell], None]:
        once = released_once(chat_server)

        def look(cell: Cell) -> None:
            if text in cell.html:
                go.touch()
            if "two of it" in cell.plain and "by it" in cell.html:
                once()

        return look

    return when_shown


def released_once(chat_server: ChatServer) -> Callable[[], None]:
    """Lets the reply that is held back go on, at its first call."""
    called: list[bool] = []

    def release() -> None:
        if not called:
            called.append(True)
            chat_server.holding()
            chat_server.release()

    return release


def seen(cell: Cell) -> list[str]:
    """All outputs but replies and errors, in words."""
    return [one.text if one.kind == "stream" else one.html for one in cell.outputs if "llmvision" not in one.metadata]


WRITTEN = ["one of a thread\n", "shown <i>by it</i>", "a warning of it\n", "two of it\n"]


@pytest.mark.parametrize("begin", ["First.\n\nSecond.\n\nHalf", "\n\n".join(f"Block {n}." for n in range(70))])
def test_what_a_thread_shows_during_a_reply_stays(kernel, chat_server, thread, begin):
    """Printed, displayed and updated; below the reply, which is one output as ever, however many it had."""
    chat_server.script(stream(sse(begin), wait(), sse(" and more."), sse(finish="stop"), done()))
    cell = kernel.ok("%%chat\nHello", on_output=thread(begin.split()[-1]))
    assert cell.outputs[0].plain == f"{begin} and more."
    assert seen(cell) == WRITTEN
    assert len(cell.outputs) == 5


def test_what_a_thread_shows_stays_when_many_outputs_become_one(kernel, chat_server, thread):
    """Before the end, too: JupyterLab hides what comes after 50 outputs."""
    later = "\n\n".join(f"{n} {'long ' * 300}" for n in range(60))
    chat_server.script(stream(sse("Half"), wait(), sse(f"\n\n{later}"), sse(finish="stop"), done()))
    cell = kernel.ok("%%chat\nHello", on_output=thread("Half"))
    assert seen(cell) == WRITTEN
    assert len(cell.outputs) == 5


def test_what_a_thread_shows_stays_when_no_reply_comes(kernel, chat_server, thread):
    """The error takes the waiting line's place, and nothing else."""
    chat_server.script(answer(wait(), '{"error": {"message": "too odd"}}', status=401))
    cell = kernel.run("%%chat\nHello", on_output=thread("waiting for"))
    assert seen(cell)[:4] == WRITTEN
    assert [one.kind for one in cell.outputs][4:] == ["error"]


def test_what_an_expression_prints_stays(kernel, chat_server):
    """It is evaluated before anything is asked."""
    kernel.ok("def told():\n    print('told by a function')\n    return 'x'")
    chat_server.script(text_stream("One.\n\nTwo."))
    cell = kernel.ok("%%chat\n{{told()}}")
    assert seen(cell) == ["told by a function\n"]
    assert [one.plain for one in cell.outputs if one.kind != "stream"] == ["One.\n\nTwo."]


@pytest.mark.parametrize("line", ["", "--compare seed=1,2"])
def test_reply_that_fails_in_a_shared_cell_leaves_no_empty_output(kernel, chat_server, line):
    """The sentence takes the place of the waiting line, and is not said twice; the cell fails all the same."""
    answers = [answer(wait(), '{"error": {"message": "too odd"}}', status=401)] * (2 if line else 1)
    chat_server.script(*answers)
    waiting = []

    def go_on(cell: Cell) -> None:
        if "waiting for" in cell.html and not waiting:
            waiting.append(cell.html)
            chat_server.holding(count=len(answers))
            chat_server.release(count=len(answers))

    failed = kernel.run(f"print('before')\nget_ipython().run_cell_magic('chat', '{line}', 'Hello')", on_output=go_on)
    assert waiting
    assert failed.status == "error"
    before, sentence = failed.outputs
    assert before.plain == "before\n"
    assert "too odd" in sentence.html
    assert "too odd" in sentence.plain
    kernel.ok("1")
