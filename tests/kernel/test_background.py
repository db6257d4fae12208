"""`%%chat --background` in a real kernel: the cell ends at once, its output goes on."""

from __future__ import annotations

import contextvars
import json
import re
import time
from collections.abc import Iterator

import pytest
from support.deadline import DEADLINE
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import done, failure, sse, stream, text_stream, tokens, wait

from llmvision_magic.threads import in_thread


@pytest.fixture(scope="module")
def kernel_process(chat_server_process) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        kernel.watched = True
        yield kernel


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server) -> Iterator[Kernel]:
    """A kernel with the extension freshly loaded, and all that it has sent."""
    kernel_process.ok("%load_ext llmvision_magic")
    kernel_process.heard = []
    yield kernel_process
    kernel_process.unload()


def follow(kernel: Kernel, cell: Cell, text: str) -> Cell:
    """Do what a front end does with messages that belong to a cell that has ended, until it shows the text."""
    request = cell.messages[0]["parent_header"]["msg_id"]
    end = time.monotonic() + DEADLINE
    while True:
        seen = {message["header"]["msg_id"] for message in cell.messages}
        for message in kernel.heard:
            if message["header"]["msg_id"] in seen or message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "update_display_data":
                cell.apply(message)
        if text in cell.plain or text in cell.html:
            return cell
        assert time.monotonic() < end, cell.plain
        kernel.heard.append(kernel.client.get_iopub_msg(timeout=DEADLINE))


def held(text: str, rest: str, name: str = "", **options):
    """A reply that stops in the middle until it is released."""
    return stream(sse(text), wait(name), sse(rest), sse(finish="stop"), done(), **options)


def contents(request) -> list[str]:
    return [message["content"] for message in request.json["messages"]]


def test_notebook_that_a_program_runs_has_the_reply_in_its_cell(kernel, chat_server):
    """nbclient and those like it leave out what comes for a cell that has ended."""
    cell = kernel.ok("%%chat --background -o shown\nSay it.", watched=False)
    assert cell.only.plain == kernel.value("shown.text")
    assert cell.only.metadata["llmvision"]["turn_id"]


def test_captured_cell_has_no_background(kernel, chat_server):
    """It is said, and nothing waits for a reply that never began."""
    cell = kernel.run("%%capture out\n%%chat --background\nSay it.")
    assert "leave out `--background`" in cell.plain
    assert "Traceback" not in cell.plain
    kernel.ok("%%chat\nAnd now?")
    assert [contents(request) for request in chat_server.requests()] == [["And now?"]]


def test_cell_ends_at_once_and_its_output_goes_on_while_others_run(kernel, chat_server):
    """The end is one output, the contract's; nothing lands in another cell; -o is bound then."""
    chat_server.script(held("So far", " and the end."))
    cell = kernel.ok("%%chat --background -o answer\nHello")
    assert "arriving in the background" in cell.only.plain
    other = kernel.ok("for _ in range(3): print('mine')")
    follow(kernel, cell, "So far")
    assert kernel.value("'answer' in globals()") is False
    assert "still arriving" in kernel.ok("%chat history").plain
    chat_server.release()
    follow(kernel, cell, "So far and the end.")
    follow(kernel, cell, "test-model")
    assert set(cell.only.data) == {"text/plain", "text/html", "text/markdown"}
    assert cell.only.plain == "So far and the end."
    assert cell.only.metadata["llmvision"]["status"] == "complete"
    assert other.only.text == "mine\n" * 3
    assert kernel.value("answer.text") == "So far and the end."
    assert {one["parent_header"]["msg_id"] for one in kernel.heard if one["msg_type"] == "update_display_data"} == {
        cell.messages[0]["parent_header"]["msg_id"]
    }


def test_prompt_of_the_kernel_is_back_before_the_server_says_anything(kernel, chat_server):
    """It may be silent for good."""
    chat_server.script(stream(wait()))
    kernel.ok("%%chat --background\nHello")
    [request] = chat_server.requests(1)
    assert request.ended is None


def test_several_at_once_and_each_in_its_own_output(kernel, chat_server):
    """They do not wait for each other in conversations of their own."""
    chat_server.script(
        held("Left begins", ", left ends.", "left", contains="in left"),
        held("Right begins", ", right ends.", "right", contains="in right"),
    )
    left = kernel.ok("%%chat --background -n left\nin left")
    right = kernel.ok("%%chat --background -n right\nin right")
    follow(kernel, left, "Left begins")
    follow(kernel, right, "Right begins")
    chat_server.release("right")
    follow(kernel, right, "right ends.")
    chat_server.release("left")
    assert "Right" not in follow(kernel, left, "left ends.").plain


def test_second_prompt_waits_for_the_reply_it_follows(kernel, chat_server):
    """In the background and in a cell that waits: nothing is lost, and each knows what was said before."""
    chat_server.script(held("One", " and done.", contains="first"))
    first = kernel.ok("%%chat --background\nfirst")
    second = kernel.ok("%%chat --background\nsecond")
    follow(kernel, first, "One")
    follow(kernel, second, "waiting for the reply before it")
    assert len(chat_server.requests()) == 1
    released = []

    def release(cell: Cell) -> None:
        if "waiting for the reply before it" in cell.plain and not released:
            released.append(True)
            chat_server.release()

    third = kernel.ok("%%chat\nthird", on_output=release)
    assert released
    assert "echo: third" in third.only.plain
    assert "echo: second" in follow(kernel, second, "echo: second").plain
    assert contents(chat_server.requests()[2])[:2] == ["first", "One and done."]
    assert contents(chat_server.requests()[2])[2] == "second"
    assert contents(chat_server.requests()[2])[4] == "third"


def test_interrupt_of_another_cell_does_not_end_it(kernel, chat_server):
    """Nor of one that waits for it."""
    chat_server.script(held("So far", " and on."))
    cell = kernel.ok("%%chat --background\nHello")
    follow(kernel, cell, "So far")
    sent = []

    def interrupt(running: Cell) -> None:
        if running.plain and not sent:
            sent.append(True)
            kernel.interrupt()

    assert kernel.run("%%chat\nnext", on_output=interrupt).status == "error"
    chat_server.release()
    assert "Interrupted" not in follow(kernel, cell, "So far and on.").html
    kernel.ok("%%chat\nafter")
    assert contents(chat_server.requests()[1]) == ["Hello", "So far and on.", "after"]


def test_stop_ends_all_or_one(kernel, chat_server):
    """By number, by conversation, all; what has arrived is kept and can go on."""
    chat_server.script(*(held(f"Begin {name}", "never", contains=name) for name in ("alpha", "beta", "gamma")))
    cells = {}
    for name in ("alpha", "beta", "gamma"):
        cells[name] = kernel.ok(f"%%chat --background -n {name} -o {name}\n{name}")
        follow(kernel, cells[name], f"Begin {name}")
    assert "there are: 1 (alpha), 2 (beta), 3 (gamma)" in kernel.run("%chat stop 7").only.text
    assert "2 · beta" in kernel.ok("%chat stop 2").plain
    follow(kernel, cells["beta"], "Interrupted")
    assert cells["beta"].only.plain == "Begin beta"
    assert kernel.value("beta.status") == "interrupted"
    assert "1 · alpha" in kernel.ok("%chat stop alpha").plain
    assert "3 · gamma" in kernel.ok("%chat stop").plain
    assert {request.ended for request in chat_server.ended(3)} == {"client gone"}
    assert "No reply" in kernel.run("%chat stop").only.text
    chat_server.script(text_stream(" goes on."))
    kernel.ok("%chat use gamma")
    assert kernel.ok("%chat continue").only.plain == "Begin gamma goes on."


def test_error_is_shown_where_the_reply_would_stand(kernel, chat_server):
    """One sentence in the one output; the history is as it was."""
    chat_server.script(failure(403, "Too odd."))
    cell = kernel.ok("%%chat --background\nodd")
    follow(kernel, cell, "Too odd.")
    assert "Too odd." in cell.only.plain
    kernel.ok("%%chat\neven")
    assert contents(chat_server.requests()[-1]) == ["even"]


def test_cell_run_again_ends_its_own_reply(kernel, chat_server):
    """The old reply has no output any more; what arrived of it stays in the tree."""
    chat_server.script(held("Old", "never"))
    cell = kernel.ok("%%chat --background\nHello", cell_id="a")
    follow(kernel, cell, "Old")
    again = kernel.ok("%%chat --background\nHello again", cell_id="a")
    follow(kernel, again, "echo: Hello again")
    assert contents(chat_server.requests()[1]) == ["Hello again"]
    assert "(interrupted)" in kernel.ok("%chat history --tree").plain


def test_unload_ends_them(kernel_process, chat_server):
    """The server sees that the client has left; what had arrived is there when the extension is loaded again."""
    kernel_process.ok("%load_ext llmvision_magic")
    chat_server.script(stream(sse("So far"), wait()))
    kernel_process.ok("%%chat --background\nHello")
    chat_server.holding()
    kernel_process.ok("%unload_ext llmvision_magic")
    assert chat_server.ended(1)[0].ended == "client gone"
    kernel_process.ok("%load_ext llmvision_magic")
    assert "So far" in kernel_process.ok("%chat history").plain
    kernel_process.unload()


WIDE = "".join(f"| {number} | {number * number} |\n" for number in range(4000))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            "".join(f"Paragraph number {number} of this *long* text.\n\n" for number in range(1500)),
            "number 1499 of this",
        ),
        ("".join(f"word {number} " for number in range(6000)) + "the end", "word 5999 the end"),
        ("```python\n" + "".join(f"x{number} = f({number}, 'a')  # c\n" for number in range(2500)) + "```\n", "x2499"),
        (f"| n | square |\n| - | - |\n{WIDE}", "<td>3999</td>"),
        (
            "".join(f"- Das Maß {number}: $\\frac{{a_{number}}}{{b}}$ und 漢字漢字漢字\n" for number in range(1200)),
            "1199: ",
        ),
    ],
    ids=["paragraphs", "one line", "code", "table", "formulas"],
)
def test_long_reply_is_on_time_and_costs_little(kernel, chat_server, text, end):
    """While it arrives, its end is sent again and no more, and a line says so; complete, it is there as a whole."""
    lines = text.splitlines(keepends=True) if "\n" in text else re.findall(r"\S+ *", text)
    pieces = [
        "".join(lines[start : start + len(lines) // 8 + 1]) for start in range(0, len(lines), len(lines) // 8 + 1)
    ]
    held = [step for piece in pieces for step in (tokens(piece), wait())]
    chat_server.script(stream(*held, sse(" ."), sse(finish="stop"), done()))
    cell = kernel.ok("%%chat --background\nHello")
    for piece in pieces[:-1]:
        follow(kernel, cell, piece.strip()[-12:])  # though nothing follows it
        chat_server.release()
    follow(kernel, cell, end)
    assert re.search(r"… [\d,]+ characters? before this, shown when the reply is complete", cell.only.html)
    chat_server.release()
    follow(kernel, cell, "test-model")
    *updates, last = [one for one in cell.messages if one["msg_type"] == "update_display_data"]
    sizes = [len(json.dumps(one["content"], ensure_ascii=False).encode()) for one in updates]
    assert max(sizes) <= 12_000
    assert last["content"]["data"]["text/plain"] == cell.only.plain == text + " ."
    assert "before this" not in cell.only.html


def test_text_in_the_background_is_shown_as_it_stands(kernel, chat_server):
    """No mark of Markdown is read, while it arrives and at the end; a long one too."""
    text = "# No *heading*\n\n" + "".join(f"*line* {number}\n" for number in range(2000))
    chat_server.script(
        text_stream("# No *heading*\n\n<b>&</b>"), stream(tokens(text, 2000), wait(), sse(finish="stop"), done())
    )
    cell = kernel.ok("%%chat --background -f text\nSay it.")
    follow(kernel, cell, "test-model")
    assert "# No *heading*\n\n&lt;b&gt;" in cell.only.html
    cell = kernel.ok("%%chat --background -f text\nSay it.")
    follow(kernel, cell, "*line* 1999")
    assert "before this" in cell.only.html
    chat_server.release()
    follow(kernel, cell, "test-model")
    assert cell.only.plain == text
    shown = [one["content"]["data"]["text/html"] for one in cell.messages if "data" in one["content"]]
    assert not any("<h1" in html or "<em>" in html or "~~~" in html for html in shown)


def test_retry_in_the_background_and_a_bad_line(kernel, chat_server):
    """The options of a cell are those of `%chat retry`; a wrong one fails the cell at once."""
    kernel.ok("%%chat\none")
    cell = kernel.ok("%chat retry --background")
    follow(kernel, cell, "echo: one")
    assert kernel.run("%%chat --background -t 3\nHello").status == "error"


def test_thread_runs_in_the_context_of_whoever_makes_it():
    """ipykernel keeps there what a message answers, and some of its releases send none without it."""
    parent: contextvars.ContextVar[str] = contextvars.ContextVar("parent")
    parent.set("the cell")
    seen: list[str] = []
    thread = in_thread(lambda: seen.append(parent.get()), "test")
    parent.set("another cell")
    thread.start()
    thread.join()
    assert seen == ["the cell"]
