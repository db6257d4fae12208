"""A turn of the panel that is asked again: what went along goes along again, and nothing runs that nobody typed."""

from __future__ import annotations

from typing import Any

import pytest
from support.kernels import next_cell
from support.panels import PanelPage, kernel_process, page, sent
from support.servers.scripting import done, sse, stream, wait

__all__ = ["kernel_process", "page"]


HARM = "{{open('harm', 'w').close()}}"
"""What must not run: nobody has typed it."""


def edited(page: PanelPage, turn: str, text: str) -> None:
    key = f"edit-{len(page.messages)}"
    page.send({"do": "edit", "key": key, "turn": turn, "text": text})
    page.answer("done", key=key)


def source_of(page: PanelPage, turn: str) -> dict[str, Any]:
    page.send({"do": "source", "turn": turn})
    return page.answer("source", turn=turn)


@pytest.mark.parametrize(("typed", "then"), [("", ""), ("Sum it up.", "Sum it up, please.")])
def test_file_goes_along_with_an_edit_and_nothing_in_it_is_evaluated(
    kernel, page, chat_server, tmp_path, typed: str, then: str
):
    """Also where nothing was typed beside it; the turn names it."""
    kernel.ok(f"%cd -q {tmp_path}")
    page.ask(typed, f"notes {HARM}".encode(), files=[{"name": "notes.txt", "type": "text/plain"}])
    page.until(lambda: [turn["status"] for turn in page.turns()] == ["complete"])
    [turn] = page.turns()
    assert turn["files"] == ["notes.txt"]
    assert "harm" not in turn["prompt"]
    assert source_of(page, turn["id"])["text"] == typed
    for _ in range(2):
        edited(page, turn["id"], then)
        page.until(lambda: [turn["status"] for turn in page.turns()] == ["complete"])
        [turn] = page.turns()
        assert turn["files"] == ["notes.txt"]
        last = sent(chat_server.requests()[-1])[-1]
        assert last.startswith(f"{then}\n\n`notes.txt`" if then else "`notes.txt`")
        assert last.count(f"notes {HARM}") == 1
    assert len(chat_server.requests()) == 3
    cell = next_cell(kernel.ok("%chat edit"))
    assert HARM in cell
    kernel.ok(cell)
    assert sent(chat_server.requests()[-1])[-1] == last
    assert not (tmp_path / "harm").exists()


def test_braces_that_nobody_typed_stay_text_when_a_turn_is_edited(kernel, page, chat_server, tmp_path):
    """Of `%chat fix`, which quotes a cell."""
    kernel.ok(f"%cd -q {tmp_path}")
    kernel.run(f'text = """{HARM}"""\n1/0')
    kernel.ok("%chat fix")
    [turn] = page.turns()
    assert turn["raw"] is True
    source = source_of(page, turn["id"])
    assert source["raw"] is True
    assert HARM in source["text"]
    edited(page, turn["id"], source["text"])
    page.until(lambda: len(chat_server.requests()) == 2)
    assert HARM in sent(chat_server.requests()[-1])[-1]
    assert not (tmp_path / "harm").exists()


def test_what_an_edit_evaluates_anew_is_told(kernel, page, chat_server):
    """A saved conversation of somebody else's may name any expression."""
    kernel.ok("x = 1")
    kernel.ok("%%chat -a x\nWhat is it?")
    [turn] = page.turns()
    source = source_of(page, turn["id"])
    assert (source["text"], source["raw"], source["anew"]) == ("What is it?", False, "-a x")


@pytest.mark.parametrize("do", ["retry", "edit", "continue"])
def test_while_a_reply_arrives_no_turn_is_asked_again(kernel, page, chat_server, do):
    """The reply that arrives would be hidden, and go on where nobody stops it."""
    chat_server.script(
        stream(sse("One"), sse(finish="length"), done()), stream(sse("Begun"), wait(), sse(finish="stop"), done())
    )
    page.ask("one")
    first = page.ended("one")
    page.ask("two")
    page.until(lambda: any("Begun" in str(message.get("tail")) for message in page.messages))
    text = {"text": "again"} if do == "edit" else {}
    page.send({"do": do, "key": "again", "turn": first["id"], **text})
    assert "still arriving" in page.answer("sorry", key="again")["text"]
    assert len(chat_server.requests()) == 2
    chat_server.release()
    page.ended("two")
