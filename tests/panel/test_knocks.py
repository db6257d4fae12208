"""The panel through a real kernel, when things go wrong or come at the wrong moment: nothing of the user's is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.kernels import Cell, Kernel
from support.panels import PanelPage, kernel_process, page
from support.servers.scripting import done, sse, stream, wait

__all__ = ["kernel_process", "page"]


BUSY = "import threading, time\ngo = threading.Event()\nprint('running', flush=True)\ngo.wait()"


def while_it_runs(kernel: Kernel, act: Callable[[str], None], code: str = BUSY, then: str = "go.set()") -> Cell:
    """Run a cell, do something when it has begun; another thread of the kernel lets it end after that.

    Args:
        act: Called with the subshell in which both come; those of two have no order.
    """
    subshell = kernel.subshell()
    acted: list[bool] = []

    def look(cell: Cell) -> None:
        if not acted and "running" in cell.plain:
            acted.append(True)
            act(subshell)
            session = kernel.client.session
            message = session.msg("execute_request", {"code": then, "silent": True, "store_history": False})
            message["header"]["subshell_id"] = subshell
            session.send(kernel.client.shell_channel.socket, message)

    return kernel.run(code, on_output=look)


def test_interrupt_ends_a_slow_expression_of_a_prompt(kernel, page, chat_server, tmp_path):
    """No cell runs then; the page gets its text back all the same."""
    begun = tmp_path / "begun"
    kernel.ok(f"import pathlib, time\ndef slow():\n    pathlib.Path({str(begun)!r}).touch()\n    time.sleep(60)")
    page.ask("{{slow()}}", key="slow")
    page.until(begun.exists)
    kernel.interrupt()
    assert "Interrupted" in page.answer("sorry", key="slow")["text"]
    assert chat_server.requests() == []
    page.ask("still there")
    page.ended("still there")


@pytest.mark.parametrize("expression", ["__import__('sys').exit()", "input()", "1/0"])
def test_expressions_that_would_end_or_ask_are_answered(kernel, page, chat_server, expression):
    page.ask("{{" + expression + "}}", key="bad")
    assert page.answer("sorry", key="bad")["text"]
    assert chat_server.requests() == []
    page.ask("still there")
    page.ended("still there")


def test_stop_takes_back_what_waits_for_the_kernel(kernel, page, chat_server):
    def act(subshell: str) -> None:
        page.ask("too early", key="early", subshell=subshell)
        page.send({"do": "stop", "key": "s"}, subshell=subshell)

    while_it_runs(kernel, act)
    assert page.answer("sorry", key="early")["text"]
    assert page.turns() == []
    assert chat_server.requests() == []


def test_prompt_stays_with_the_conversation_it_was_typed_in(kernel, page, chat_server):
    kernel.ok("%chat new other\n")
    kernel.ok("%chat use main")
    while_it_runs(kernel, lambda subshell: page.ask("for main", subshell=subshell), BUSY + "\n%chat use other")
    page.until(lambda: chat_server.requests())
    kernel.ok("%chat use main")
    page.ended("for main")
    assert [turn["status"] for turn in page.turns()] == ["complete"]


def test_prompt_goes_where_its_page_says(kernel, page, chat_server):
    """What the page showed when it was sent may be another by the time it arrives."""
    kernel.ok("%chat new other\n")
    page.send({"do": "ask", "key": "k", "text": "for main", "files": [], "conversation": "main"})
    page.until(lambda: chat_server.ended(1))
    kernel.ok("%chat use main")
    page.ended("for main")


def test_prompt_for_a_conversation_that_is_gone_is_given_back(kernel, page, chat_server):
    """Another one is not asked in its place; what needs no conversation is done all the same."""
    kernel.ok("%chat new other\n")

    def act(subshell: str) -> None:
        page.ask("for other", key="gone", subshell=subshell)
        page.send({"do": "new", "key": "new", "name": "third"}, subshell=subshell)

    while_it_runs(kernel, act, BUSY + "\n%chat drop other")
    assert "`other`" in page.answer("sorry", key="gone")["text"]
    page.answer("done", key="new")
    assert chat_server.requests() == []


def test_panel_of_a_cell_that_is_run_again_is_closed(kernel, chat_server):
    """Nobody has it any more. Another cell's stays."""
    kernel.ok("%chat panel", cell_id="other")
    for _ in range(5):
        kernel.ok("%chat panel", cell_id="one")
    assert kernel.value("len(get_ipython()._llmvision_magic.magics.session.listeners)") == 2


def test_request_that_is_sent_again_is_done_once(kernel, page, chat_server):
    """A page whose connection was away does not know what came of it."""
    for _ in range(3):
        page.send({"do": "ask", "key": "only", "text": "once", "files": []})
        page.answer("done", key="only")
    page.ended("once")
    page.until(lambda: sum(message["kind"] == "done" for message in page.messages) == 3)
    assert len(page.turns()) == len(chat_server.requests()) == 1


def test_dropped_conversation_ends_its_reply(kernel, page, chat_server):
    chat_server.script(stream(sse("Begun, and "), wait(), sse("never"), done()))
    page.ask("slow")
    page.until(lambda: any("Begun" in str(message.get("tail")) for message in page.messages))
    page.send({"do": "drop", "name": "main", "key": "d"})
    page.answer("done", key="d")
    assert chat_server.ended(1)[0].ended == "client gone"
    page.until(lambda: page.state["busy"] == "")


def test_stop_ends_an_expression_that_is_being_evaluated(kernel, page, chat_server, tmp_path):
    """As an interrupt would end it in a cell; the prompt has its text back, and nothing is sent."""
    begun = tmp_path / "begun"
    subshell = kernel.subshell()
    kernel.ok(
        "import pathlib, time\nended = []\ndef slow():\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        "    try:\n        while True: time.sleep(600)\n"
        "    finally: ended.append(True)\n"
    )
    page.ask("{{slow()}}", key="slow")
    page.until(begun.exists)
    page.send({"do": "stop", "key": "stop"}, subshell=subshell)
    assert "Not asked" in page.answer("sorry", key="slow")["text"]
    assert page.turns() == []
    assert chat_server.requests() == []
    assert "[True]" in kernel.ok("print(ended)").plain
    page.ask("still there")
    page.ended("still there")


def test_expression_that_takes_no_interrupt_sends_nothing_when_it_was_stopped(kernel, page, chat_server, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    subshell = kernel.subshell()
    kernel.ok(
        "import pathlib, time\ndef stubborn():\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n"
        "        try: time.sleep(0.02)\n        except KeyboardInterrupt: pass\n"
    )
    page.ask("{{stubborn()}}", key="slow")
    page.until(begun.exists)
    page.send({"do": "stop", "key": "stop"}, subshell=subshell)
    page.answer("done", key="stop")
    go.touch()
    assert "Not asked" in page.answer("sorry", key="slow")["text"]
    assert page.turns() == []
    assert chat_server.requests() == []


@pytest.mark.parametrize("cell", ["%chat panel", "from llmvision_magic.panel import ChatPanel\nChatPanel('main')"])
def test_panel_that_opens_while_a_reply_arrives_shows_it(kernel, page, chat_server, cell):
    """What there is at once, and what comes: the cell of a panel is run again at any time."""
    steps = (sse("First.\n\nBegun, and "), wait(), sse("more."), wait(), sse(finish="stop"), done())
    chat_server.script(stream(*steps))
    page.ask("slow")
    page.until(lambda: any("Begun" in str(message.get("tail")) for message in page.messages))
    late = PanelPage(kernel, cell)
    [turn] = late.turns()
    assert [block[0] for block in turn["blocks"]] == ["<p>First.</p>\n"]
    assert "Begun" in turn["tail"][0]
    chat_server.release()
    late.until(lambda: any("more." in str(message.get("tail")) for message in late.messages))
    chat_server.release()
    assert late.ended("slow")["html"] is None
    # The page is told first. Whoever shows it is let go of then, or this would not end.
    kernel.ok(
        "import time\nwhile get_ipython()._llmvision_magic.magics.session.listeners._shown:\n    time.sleep(0.01)"
    )


def test_panel_that_opens_before_the_first_word_shows_what_is_waited_for(kernel, page, chat_server):
    chat_server.script(stream(wait(), sse("Late."), sse(finish="stop"), done()))
    page.ask("slow")
    page.until(lambda: any(message.get("line") for message in page.messages))
    late = PanelPage(kernel)
    assert late.turns()[0]["line"]
    chat_server.release()
    late.ended("slow")
