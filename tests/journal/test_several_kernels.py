"""One journal, several kernels: what arrives in one is seen in the other, and what one drops stays dropped."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.kernels import Cell, Kernel, running_kernel
from support.servers.control import ChatServer
from support.servers.scripting import done, sse, stream, text_stream, wait

Start = Callable[[], AbstractContextManager[Kernel]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The journal's."""
    return tmp_path / "kept" / "journal.sqlite3"


@pytest.fixture
def start(chat_server: ChatServer, tmp_path: Path, file: Path) -> Start:
    """Starts kernels that share a journal."""

    def started() -> AbstractContextManager[Kernel]:
        return running_kernel(cwd=tmp_path, LLMVISION_BASE_URL=chat_server.url, LLMVISION_JOURNAL=str(file))

    return started


@pytest.fixture
def one(start: Start) -> Iterator[Kernel]:
    """A kernel with the extension loaded."""
    with start() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


@pytest.fixture
def other(start: Start) -> Iterator[Kernel]:
    """Another."""
    with start() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


def held(text: str, rest: str):
    """A reply that stops in the middle until it is released."""
    return stream(sse(text), wait(), sse(rest), sse(finish="stop"), done())


def contents(request) -> list[str]:
    return [message["content"] for message in request.json["messages"]]


def on_disk(file: Path, statement: str) -> list[tuple]:
    """What another process reads."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def wait_for_text(kernel: Kernel, chat_server: ChatServer, file: Path, text: str) -> None:
    """Until the newest reply on disk is the text: the thread that reads it writes within a second."""
    chat_server.holding()  # it has the request, so the disk has the turn
    while on_disk(file, "SELECT text FROM reply ORDER BY turn DESC LIMIT 1") != [(text,)]:
        kernel.ok("import time; time.sleep(0.05)")


def kill(kernel: Kernel) -> None:
    """End a kernel as `kill -9` does."""
    os.kill(kernel.pid, signal.SIGKILL)
    kernel.manager.provisioner.process.wait()


# -- a reply that arrives in another kernel ---------------------------------------------------------------------------


def test_reply_that_still_arrives_in_another_kernel_is_not_cut(one, other, chat_server, file):
    """It is told where it arrives; how far it is and its end are seen as they come."""
    chat_server.script(held("So far", " and the end."))
    one.ok("%%chat --background\nfirst", watched=True)
    wait_for_text(one, chat_server, file, "So far")
    said = other.ok("%chat resume main").plain
    assert "still arriving in another kernel" in said
    assert "ended while" not in said
    assert "not of the other one, which is still running" in said
    history = other.ok("%chat history").plain
    assert "So far" in history
    assert "*still arriving* It arrives in another kernel." in history
    assert "still arriving, in another kernel" in other.run("%chat continue").only.text
    assert "(arriving)" in other.ok("%chat history --tree").plain
    chat_server.release()
    wait_for_text(one, chat_server, file, "So far and the end.")
    while "arriv" in (history := other.ok("%chat history").plain):  # its text may be on disk before its end is
        assert "So far" in history
    assert "So far and the end." in history
    other.ok("%%chat\nsecond")
    assert contents(chat_server.requests()[1]) == ["first", "So far and the end.", "second"]


def test_prompt_after_a_reply_in_another_kernel_waits_for_it(one, other, chat_server, file):
    """As after one in the background; and an interrupt ends the waiting, and nothing else."""
    chat_server.script(held("So far", " and the end."))
    one.ok("%%chat --background\nfirst", watched=True)
    wait_for_text(one, chat_server, file, "So far")
    other.ok("%chat resume main")
    pressed = []

    def when_it_waits(action: Callable[[], None]) -> Callable[[Cell], None]:
        def look(cell: Cell) -> None:
            if "which arrives in another kernel" in cell.plain and not pressed:
                pressed.append(True)
                action()

        return look

    assert other.run("%%chat\nimpatient", on_output=when_it_waits(other.interrupt)).status == "error"
    pressed.clear()
    cell = other.ok("%%chat\nsecond", on_output=when_it_waits(chat_server.release))
    assert pressed
    assert "echo: second" in cell.only.plain
    assert contents(chat_server.requests()[1]) == ["first", "So far and the end.", "second"]


def test_reply_of_a_kernel_that_is_killed_is_cut_then(one, other, chat_server, file):
    """Also where it was resumed before, and where a process that the kernel had forked lives on."""
    chat_server.script(held("So far", " never"), text_stream(" and on."))
    forking = "import os, time\npid = os.fork()\nif not pid:\n    time.sleep(600)\n    os._exit(0)\nprint(pid)"
    child = int(one.ok(forking).only.text)
    try:
        one.ok("%%chat --background -t 0.25 -m first-model\nfirst", watched=True)
        wait_for_text(one, chat_server, file, "So far")
        assert "still arriving" in other.ok("%chat resume main").plain
        kill(one)
        os.kill(child, 0)  # it is there
        history = other.ok("%chat history").plain
        assert "The kernel ended while this reply arrived" in history
        output = other.ok("%chat continue").only
    finally:
        os.kill(child, signal.SIGKILL)
    assert output.plain == "So far and on."
    request = chat_server.requests()[1].json
    assert (request["temperature"], request["model"]) == (0.25, "first-model")


def test_reply_without_a_word_of_a_kernel_that_is_killed(one, other, chat_server):
    """The conversation stands where it stood; the prompt can be asked again as it was asked."""
    chat_server.script(text_stream("One."), stream(wait()))
    one.ok("%%chat\nfirst")
    one.ok("%%chat --background -t 0.25\nunanswered", watched=True)
    chat_server.holding()
    assert "still arriving" in other.ok("%chat resume main").plain
    kill(one)
    assert "unanswered" not in other.ok("%chat history").plain
    other.ok("%chat use main@1")
    other.ok("%%chat\nsecond")
    assert contents(chat_server.requests()[2]) == ["first", "One.", "second"]


def test_restarted_kernel_has_no_variables(one, chat_server):
    """The front end calls it by the same id, and it is new."""
    one.ok("%%chat -t 0.25\nfirst")
    one.manager.restart_kernel(now=True)
    one.client.wait_for_ready(timeout=DEADLINE)
    one.ok("%load_ext llmvision_magic")
    assert "The kernel is new: the variables of the old one are gone." in one.ok("%chat resume main").plain
    one.ok("%chat retry")
    assert chat_server.requests()[1].json["temperature"] == 0.25


def test_options_survive_a_notebook_too(one, chat_server, tmp_path):
    """They stand in the outputs' metadata, with what was typed."""
    cells = []
    one.ok("x = 1")
    for source in ("%%chat -t 0.25 -a x -o answer\nIs {{x}} odd?", "%chat retry -m other"):
        output = one.ok(source).only
        shown = {"output_type": "display_data", "data": output.data, "metadata": output.metadata}
        cells = [{"cell_type": "code", "source": source, "outputs": [shown]}]
    (tmp_path / "lecture.ipynb").write_text(json.dumps({"cells": cells}))
    one.load_anew()
    one.ok("%chat resume --from lecture.ipynb")
    payload = one.ok("%chat edit").reply["payload"]
    code = re.sub(r"--replace [0-9a-f]+ ", "", payload[0]["text"])
    assert code == "%%chat -n main -t 0.25 -o answer -a x -m other\nIs {{x}} odd?"
    one.ok("%chat retry")
    request = chat_server.requests()[-1].json
    assert (request["temperature"], request["model"]) == (0.25, "other")


def test_resume_brings_what_another_kernel_has_said_since(one, other, chat_server, file):
    """Into the tree, where the conversation is here already: each kernel stands where it stood, and can go there."""
    one.ok("%%chat\nfirst")
    other.ok("%chat resume main")
    other.ok("%%chat\nmine")
    one.ok("%%chat\ntheirs")
    chat_server.script(held("So far", " and the end."))
    one.ok("%%chat --background\nmore of theirs", watched=True)
    wait_for_text(one, chat_server, file, "So far")
    said = other.ok("%chat resume main").plain
    assert "is here already" in said
    assert "2 turns that another kernel asked" in said
    [way] = re.findall("%chat use main@[0-9a-f]+", said)
    tree = other.ok("%chat history --tree").plain
    assert "theirs" in tree
    assert "mine  ← here" in tree
    assert "more of theirs  (arriving)" in tree
    chat_server.release()
    wait_for_text(one, chat_server, file, "So far and the end.")
    assert "after turn 3 (`more of theirs`)" in other.ok(way).plain
    assert "So far and the end." in other.ok("%chat history").plain
    assert "that another kernel" not in other.ok("%chat resume main").plain


# -- a conversation that is dropped in another kernel -----------------------------------------------------------------


def kept(file: Path) -> list[str]:
    """The prompts on disk, in order."""
    return [json.loads(prompt) for (prompt,) in on_disk(file, "SELECT prompt FROM turn ORDER BY number")]


def test_dropped_conversation_stays_dropped_where_another_kernel_goes_on_with_it(one, other, chat_server, file):
    """Its next turns are kept as a new one; one line says so, once."""
    one.ok("%%chat\nunmistakable-first")
    other.ok("%chat resume main")
    other.ok("%%chat\nunmistakable-second")
    one.ok("%chat drop main")
    other.ok("%chat system Be kind.")
    assert kept(file) == []
    output = other.ok("%%chat\nthird").only
    assert "was dropped in another kernel" in output.html
    assert "kept as a new one" in output.html
    assert contents(chat_server.requests()[-1])[1::2] == ["unmistakable-first", "unmistakable-second", "third"]
    assert kept(file) == ["third"]
    assert "dropped" not in other.ok("%%chat\nfourth").only.html
    assert kept(file) == ["third", "fourth"]
    assert "after 2 turns" in one.ok("%chat resume main").plain
    assert "Be kind." in one.ok("%chat system").plain
    assert "Nothing that is kept" in one.ok("%chat log unmistakable-first").plain
    assert on_disk(file, "SELECT count(*) FROM reply WHERE text LIKE '%unmistakable%'") == [(0,)]


def test_dropped_words_are_gone_from_the_disk_while_other_kernels_have_it_open(one, other, file):
    """From the file of the journal and from those beside it."""
    other.ok("%%chat\nsomething else")
    one.ok("%%chat -n secret\nunmistakable-qzjxv")
    assert "unmistakable-qzjxv" in other.ok("%chat log unmistakable").plain
    one.ok("%chat drop secret")
    for word in ("unmistakable", "qzj"):  # the index of the search has three letters each
        assert [path.name for path in file.parent.iterdir() if word.encode() in path.read_bytes()] == []
    assert "something else" in other.ok("%chat log something").plain


def test_reply_that_arrives_while_its_conversation_is_dropped_in_another_kernel(one, other, chat_server, file):
    """It is not kept; what is asked afterwards is."""
    one.ok("%%chat\nfirst")
    other.ok("%chat resume main")
    chat_server.script(held("So far", " and the end."))
    dropped = []

    def drop(cell: Cell) -> None:
        if "So far" in cell.html and not dropped:
            dropped.append(True)
            wait_for_text(one, chat_server, file, "So far")
            one.ok("%chat drop main")
            chat_server.release()

    output = other.ok("%%chat\nsecond", on_output=drop).only
    assert output.plain == "So far and the end."
    assert "was dropped in another kernel" in output.html
    assert kept(file) == []
    assert "dropped" not in other.ok("%%chat\nthird").only.html
    assert kept(file) == ["third"]


def test_dropped_while_a_reply_arrives_that_is_seen_elsewhere(one, other, chat_server, file):
    """The kernel that only looked on keeps what it had seen of it, in memory."""
    chat_server.script(held("So far", " and the end."))
    one.ok("%%chat --background\nfirst", watched=True)
    wait_for_text(one, chat_server, file, "So far")
    other.ok("%chat resume main")
    one.ok("%chat drop main")
    history = other.ok("%chat history").plain
    assert "So far" in history
    assert "was dropped in the kernel in which this reply arrived" in history
    chat_server.release()
    assert "was dropped in another kernel" in other.ok("%%chat\nsecond").only.html
    assert kept(file) == ["second"]
