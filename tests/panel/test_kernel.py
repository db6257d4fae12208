"""The panel through a real kernel: what its page would send, and what it gets."""

from __future__ import annotations

import pytest
from support.panels import PanelPage, kernel_process, page, sent, shown_text
from support.servers.scripting import done, failure, sse, stream, text_stream, wait

from llmvision_magic.rendering import reply_html

__all__ = ["kernel_process", "page"]


def test_panel_and_cells_are_one_conversation(kernel, page, chat_server):
    """What is asked in one appears in the other, and the model is sent both."""
    kernel.ok("%%chat\nfrom a cell")
    in_cell = page.ended("from a cell")
    page.ask("from the panel")
    in_panel = page.ended("from the panel")
    assert (in_cell["asked_in"], in_panel["asked_in"]) == ("cell", "panel")
    assert in_panel["parent"] == in_cell["id"]
    kernel.ok("%%chat\nagain from a cell")
    assert sent(chat_server.requests()[-1])[::2] == ["from a cell", "from the panel", "again from a cell"]
    assert [turn["number"] for turn in page.turns()] == [1, 2, 3]


def test_reply_of_a_cell_streams_into_the_panel(kernel, page, chat_server):
    """Block by block, while it arrives, and it ends as the whole text is rendered."""
    text = "First paragraph.\n\n* one\n* two\n\n```python\nprint(1)\n```\n\nThe end."
    chat_server.script(stream(sse(text[:30]), wait(), sse(text[30:]), sse(finish="stop"), done()))
    seen: list[str] = []

    def look(cell) -> None:
        if not seen and any(message["kind"] == "more" and message["blocks"] for message in page.messages):
            seen.append(page.messages[-1]["turn"])
            chat_server.release()

    kernel.ok("%%chat\nShow me.", on_output=look)
    turn = page.ended("Show me.")
    assert shown_text(page, turn["id"]) == reply_html(text)


def test_only_what_is_new_crosses_the_wire(kernel, page, chat_server):
    """Each finished block once; at the end nothing again when the blocks are the whole."""
    text = "\n\n".join(f"Paragraph {number} with some words." for number in range(200))
    chat_server.script(text_stream(text))
    page.ask("long")
    turn = page.ended("long")
    assert turn["html"] is None
    assert shown_text(page, turn["id"]) == reply_html(text)
    blocks = [html for message in page.messages if message["kind"] == "more" for html, _ in message["blocks"]]
    assert len(blocks) == len(set(blocks)) == 199


def test_stop_ends_a_silent_reply_and_keeps_what_came(kernel, page, chat_server):
    """The conversation goes on after it."""
    chat_server.script(stream(sse("Begun, and "), wait(), sse("never"), done()))
    page.ask("slow")
    page.until(lambda: any("Begun" in str(message.get("tail")) for message in page.messages))
    page.send({"do": "stop"})
    turn = page.ended("slow", status="interrupted")
    assert "what had arrived is kept" in turn["notice"]
    assert turn["unfinished"] is True
    chat_server.script(text_stream("finished."))
    page.send({"do": "continue", "turn": turn["id"]})
    page.until(lambda: page.turns()[-1]["html"] == "<p>Begun, and finished.</p>\n")


def test_stop_in_the_panel_ends_the_reply_of_a_cell(kernel, page, chat_server):
    """While the cell runs: the message goes to a subshell, as JupyterLab sends it."""
    subshell = kernel.subshell()
    chat_server.script(stream(sse("Begun, and "), wait(), sse("never"), done()))
    stopped: list[bool] = []

    def look(cell) -> None:
        if not stopped and "Begun" in cell.html:
            stopped.append(True)
            page.send({"do": "stop"}, subshell=subshell)

    cell = kernel.run("%%chat\nslow", on_output=look)
    assert cell.status == "error"
    assert "Interrupted" in cell.only.html


def test_failed_prompt_shows_the_sentence_and_can_be_asked_again(kernel, page, chat_server):
    """A turn without text is no part of the branch; the panel shows it all the same, at the end."""
    chat_server.script(failure(403, "No such thing."))
    page.ask("doomed")
    turn = page.ended("doomed", status="failed")
    assert "No such thing." in turn["notice"]
    assert page.turns()[-1]["id"] == turn["id"]
    page.send({"do": "retry", "turn": turn["id"]})
    page.until(lambda: page.turns()[-1]["status"] == "complete")
    assert len(page.turns()) == 1


def test_expressions_of_the_prompt_are_evaluated(kernel, page, chat_server):
    """As in a cell; a name that does not exist is said, and nothing is sent."""
    kernel.ok("answer = 41 + 1")
    page.ask("What is {{answer}}?")
    page.ended("{{answer}}")
    assert sent(chat_server.requests()[-1]) == ["What is 42?"]
    page.ask("And {{nothing_here}}?", key="bad")
    refused = page.answer("sorry", key="bad")
    assert "nothing_here" in refused["text"]
    assert "--raw" not in refused["text"]  # which is said to cells; the page has a button
    assert refused["braces"] is True
    assert len(page.turns()) == 1


@pytest.mark.parametrize("text", ["Hello {{ user }}", "{{#each items}}{{this}}{{/each}}"])
def test_braces_that_are_meant_as_text_are_sent(kernel, page, chat_server, text):
    """Also when the prompt is asked again, and when it is edited."""
    page.ask(text, key="bad")
    assert page.answer("sorry", key="bad")["braces"] is True
    page.send({"do": "ask", "key": "good", "text": text, "files": [], "raw": True})
    turn = page.ended(text)
    assert sent(chat_server.requests()[-1]) == [text]
    page.send({"do": "retry", "key": "again", "turn": turn["id"]})
    page.answer("done", key="again")
    page.until(lambda: len(chat_server.requests()) == 2)
    page.ended(text, after=len(page.messages))
    page.send({"do": "edit", "key": "edit", "turn": page.turns()[-1]["id"], "text": f"Once more: {text}"})
    page.ended("Once more")
    assert sent(chat_server.requests()[-1]) == [f"Once more: {text}"]


def test_names_of_the_notebook_complete(kernel, page):
    """Also attributes, and what stands before the word does not matter."""
    kernel.ok("import math\nmeasurements = [1]")
    page.send({"do": "names", "key": "a", "text": "len(measu"})
    assert page.answer("names", key="a")["names"] == ["measurements"]
    page.send({"do": "names", "key": "b", "text": "math.sq"})
    assert page.answer("names", key="b")["names"] == ["math.sqrt"]


def test_files_go_along(kernel, page, chat_server):
    """A text file as text, an image as an image."""
    png = kernel.value(
        "__import__('base64').b64encode((lambda b: (__import__('PIL.Image').Image.new('RGB', (2, 2)).save(b, 'PNG'), "
        "b.getvalue())[1])(__import__('io').BytesIO())).decode()"
    )
    import base64

    files = [{"name": "notes.txt", "type": "text/plain"}, {"name": "dot.png", "type": "image/png"}]
    secret = b"sk-1234567890abcdef1234"
    page.ask("What is this?", b"line one " + secret, base64.b64decode(png), files=files)
    turn = page.ended("What is this?")
    assert turn["images"] == 1
    [message] = chat_server.requests()[-1].json["messages"]
    text, image = message["content"]
    assert "`notes.txt`, a file:" in text["text"]
    assert "line one •••" in text["text"]
    assert "1 secret masked" in turn["facts"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_file_that_is_neither_text_nor_image_is_refused_in_a_sentence(kernel, page, chat_server):
    """Nothing is sent, and the page can put the prompt back."""
    page.ask("Look", b"\x00\xff\xfe", files=[{"name": "x.bin", "type": "application/octet-stream"}], key="f")
    assert "x.bin" in page.answer("sorry", key="f")["text"]
    page.ask("Look", b"no image", files=[{"name": "x.png", "type": "image/png"}], key="g")
    sentence = page.answer("sorry", key="g")["text"]
    assert sentence.startswith("x.png: expected an image")
    page.ask("Look", b"", files=[{"name": "__init__.py", "type": "text/x-python"}], key="h")
    assert "'__init__.py' is empty" in page.answer("sorry", key="h")["text"]
    assert chat_server.requests() == []


def test_edit_and_retry_make_branches_that_can_be_walked(kernel, page, chat_server):
    """The old turn stays, with what followed it."""
    for prompt in ("one", "two", "three"):
        page.ask(prompt)
        page.ended(prompt)
    first, second, _ = page.turns()
    page.send({"do": "source", "turn": second["id"]})
    assert page.answer("source", turn=second["id"])["text"] == "two"
    page.send({"do": "edit", "key": "e", "turn": second["id"], "text": "TWO"})
    changed = page.ended("TWO")
    assert [turn["id"] for turn in page.turns()] == [first["id"], changed["id"]]
    assert changed["siblings"] == [second["id"], changed["id"]]
    page.send({"do": "branch", "turn": second["id"]})
    page.until(lambda: len(page.turns()) == 3)
    assert [turn["number"] for turn in page.turns()] == [1, 2, 3]


def test_turn_of_a_cell_is_asked_again_as_it_was_asked(kernel, page, chat_server):
    """With the options of its line, and what was attached anew."""
    kernel.ok("data = [1, 2]")
    kernel.ok("%%chat -t 0.3 -a data\nSum?")
    turn = page.ended("Sum?")
    page.send({"do": "retry", "turn": turn["id"]})
    page.until(lambda: len(chat_server.requests()) == 2)
    kernel.ok("data = [3]")
    page.until(lambda: page.turns()[-1]["status"] == "complete")
    page.send({"do": "edit", "key": "e", "turn": page.turns()[-1]["id"], "text": "Product?"})
    page.ended("Product?")
    first, again, edited = [request.json for request in chat_server.requests()]
    assert first == again
    assert edited["temperature"] == 0.3
    assert "[3]" in edited["messages"][0]["content"]
    assert edited["messages"][0]["content"].startswith("Product?")


def test_turn_that_is_left_out_is_not_sent(kernel, page, chat_server, tmp_path):
    """It stays where it is, marked, and comes back."""
    page.ask("secret")
    turn = page.ended("secret")
    page.send({"do": "exclude", "turn": turn["id"], "excluded": True})
    page.until(lambda: page.turns()[0]["excluded"])
    assert "left out in the panel" in kernel.ok("%chat history").plain
    page.ask("next")
    page.ended("next")
    assert sent(chat_server.requests()[-1]) == ["next"]
    kernel.ok(f"%chat save {tmp_path / 'kept.json'}")
    assert '"excluded": true' in (tmp_path / "kept.json").read_text()
    page.send({"do": "exclude", "turn": turn["id"], "excluded": False})
    page.until(lambda: not page.turns()[0]["excluded"])
    page.ask("last")
    page.ended("last")
    assert sent(chat_server.requests()[-1])[::2] == ["secret", "next", "last"]


def test_conversations_are_made_used_renamed_and_dropped(kernel, page):
    """As by the verbs; the cells go along."""
    page.send({"do": "new", "name": "tutor"})
    page.until(lambda: page.state["conversation"] == "tutor")
    assert "**tutor**" in kernel.ok("%chat use").plain
    page.send({"do": "rename", "name": "tutor", "to": "teacher"})
    page.until(lambda: page.state["conversation"] == "teacher")
    page.send({"do": "use", "name": "main"})
    page.until(lambda: page.state["conversation"] == "main")
    page.send({"do": "drop", "name": "teacher"})
    page.until(lambda: [one["name"] for one in page.state["conversations"]] == ["main"])
    page.send({"do": "use", "name": "teacher", "key": "gone"})
    assert "There is no conversation `teacher`" in page.answer("sorry", key="gone")["text"]


def test_parameters_are_those_of_the_conversation(kernel, chat_server):
    """Both ways: from Python, from the page, from `%chat set`; unset is a state of its own."""
    page = PanelPage(kernel, "from llmvision_magic import ChatPanel\npanel = ChatPanel()\npanel")
    assert page.state["temperature"] is None
    kernel.ok("panel.temperature = 0.2")
    page.until(lambda: page.state["temperature"] == 0.2)
    assert "0.2" in kernel.ok("%chat set").plain
    page.set(max_tokens=50, temperature=None)
    page.until(lambda: page.state["max_tokens"] == 50)
    assert kernel.value("[panel.max_tokens, panel.temperature]") == [50, None]
    kernel.ok("%chat set top_p 0.5")
    page.until(lambda: page.state["top_p"] == 0.5)
    kernel.ok("%%chat\nHello")
    body = chat_server.requests()[-1].json
    assert (body["max_tokens"], body["top_p"], "temperature" in body) == (50, 0.5, False)
    cell = kernel.run("panel.temperature = 7")
    assert "temperature is a number from 0 to 2; 7.0 came." in cell.plain
    assert "Traceback" not in cell.plain
    kernel.ok("panel.system = 'Be brief.'")
    page.until(lambda: page.state["system"] == "Be brief.")
    kernel.ok("%%chat\nHello")
    assert sent(chat_server.requests()[-1])[0] == "Be brief."


HOSTILE = [
    None,
    [],
    "ask",
    {},
    {"do": None},
    {"do": "__init__"},
    {"do": "run"},
    {"do": "ask"},
    {"do": "ask", "text": 7},
    {"do": "ask", "text": "x", "files": "y"},
    {"do": "ask", "text": "x", "files": [{"name": "a", "type": "b"}]},
    {"do": "show", "before": 3, "count": 5},
    {"do": "show", "before": None, "count": 10**9},
    {"do": "show", "before": None, "count": True},
    {"do": "retry", "turn": "nothing"},
    {"do": "branch", "turn": ["x"]},
    {"do": "rename", "name": "main", "to": "<b>x</b>"},
    {"do": "rename", "name": "main", "to": "--side"},
    {"do": "rename", "name": "main", "to": "x" * 10_000},
    {"do": "new", "name": "../../etc"},
    {"do": "exclude", "turn": "x", "excluded": "yes"},
    {"do": "names", "text": "__import__('os').system('x').", "key": {}},
]


def test_hostile_messages_of_the_page_change_nothing(kernel, page, chat_server):
    """Each is answered by a sentence, at most; nothing is sent, and the panel goes on."""
    before = kernel.ok("%chat list").plain
    for content in HOSTILE:
        page.send(content)
    page.set(_esm="alert(1)", _css="x", conversation="x", busy="y", panel_id="z", temperature="hot", stop=[1], model={})
    page.ask("still there")
    page.ended("still there")
    assert len(chat_server.requests()) == 1
    assert kernel.ok("%chat list").plain.count("\n") == before.count("\n")
    sorry = [message["text"] for message in page.messages if message["kind"] == "sorry"]
    assert len(sorry) >= len(HOSTILE) - 1
    assert not any("Traceback" in text for text in sorry)
    assert page.state["temperature"] is None
    assert page.state["conversation"] == "main"


def test_model_that_holds_is_told_with_where_it_comes_from(kernel, page):
    """Also where nobody has chosen one."""
    assert page.state["effective"]["temperature"]["high"] == 2
    assert page.state["effective"]["model"] == {"value": "SenseCharacter-20250124-01", "source": "default"}
    kernel.ok("%chat set model other")
    page.until(lambda: page.state["model"] == "other")


def test_reply_of_blanks_alone_is_called_empty(kernel, page, chat_server):
    """Nobody sees what it holds: it failed, and is not sent with the next prompt."""
    chat_server.script(text_stream(" \n\n  "))
    page.ask("blank")
    turn = page.ended("blank", status="failed")
    assert turn["notice"].startswith("The server sent an empty reply.")
    page.ask("next")
    page.ended("next")
    assert [one["content"] for one in chat_server.requests()[-1].json["messages"]] == ["next"]


def test_two_panels_of_one_conversation_agree(kernel, chat_server):
    """Each gets what happens through the other."""
    left, right = PanelPage(kernel), PanelPage(kernel)
    left.ask("hello")
    assert left.ended("hello")["id"] == right.ended("hello")["id"]
    later = PanelPage(kernel)
    assert {tuple(one.turns()[0]["facts"]) for one in (left, right, later)} == {tuple(left.ended("hello")["facts"])}
    right.set(temperature=0.5)
    left.until(lambda: left.state["temperature"] == 0.5)
    assert [turn["id"] for turn in left.turns()] == [turn["id"] for turn in right.turns()]


def test_panel_of_a_named_conversation_stays_with_it(kernel, chat_server):
    """Another one goes with what is current."""
    kernel.ok("%chat new tutor")
    kernel.ok("%chat use main")
    page = PanelPage(kernel, "%chat panel tutor")
    follower = PanelPage(kernel)
    kernel.ok("%%chat\nin main")
    follower.ended("in main")
    assert page.state["conversation"] == "tutor"
    assert page.turns() == []


def test_closing_leaves_nothing_behind(kernel, chat_server):
    """No watcher, no comm, no thread, no callback; the conversation stays."""
    count = "[len(get_ipython()._llmvision_magic.magics.session.listeners), __import__('threading').active_count(), "
    count += "len(__import__('comm').get_comm_manager().comms), len(get_ipython()._llmvision_magic.magics._closing)]"
    kernel.ok("%%chat\nfirst")
    kernel.ok("from llmvision_magic import ChatPanel\nChatPanel().close()")  # the first loads what widgets need
    before = kernel.value(count)
    page = PanelPage(kernel, "from llmvision_magic import ChatPanel\npanel = ChatPanel()\npanel")
    page.ask("hello")
    page.ended("hello")
    kernel.ok("panel.close()\ndel panel")
    page.until(lambda: page.closed)
    page.until(lambda: kernel.value(count) == before, "what is left")
    kernel.ok("%%chat\nlast")
    assert sent(chat_server.requests()[-1])[::2] == ["first", "hello", "last"]


def test_closed_panel_shows_what_was_said(kernel, page, chat_server):
    """It was kept in a variable, and is shown again: no traceback, and a word on how to go on."""
    page.ask("said before")
    page.ended("said before")
    kernel.ok("from llmvision_magic.panel import ChatPanel\npanel = ChatPanel('main')\npanel.close()")
    cell = kernel.ok("panel")
    assert "said before" in cell.plain
    assert "closed" in cell.plain
    assert not any("widget-view" in kind for output in cell.outputs for kind in output.data)


def test_unloading_closes_the_panels(kernel, page):
    """Their pages are told so."""
    kernel.ok("%unload_ext llmvision_magic")
    page.until(lambda: page.closed)


def test_transcript_is_saved_as_html_and_text(kernel, page, chat_server):
    """In an output before the widget, brought up to date after each turn: what a notebook without its kernel shows."""
    kept, widget = page.cell.outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "application/vnd.jupyter.widget-view+json" not in kept.data
    chat_server.script(text_stream("A **bold** reply with <b onclick=x>html</b>."))
    updates: list[dict] = []
    kernel.listeners.append(lambda message: message["msg_type"] == "update_display_data" and updates.append(message))
    page.ask("Say it.")
    page.until(lambda: updates)
    data = updates[-1]["content"]["data"]
    assert updates[-1]["content"]["transient"]["display_id"] == kept.display_id
    assert "<strong>bold</strong>" in data["text/html"]
    assert "<b onclick" not in data["text/html"]
    assert "Say it." in data["text/html"]
    assert "**bold**" in data["text/plain"]


def test_page_that_comes_late_gets_the_reply_that_is_arriving(kernel, page, chat_server):
    """As after a reload in the middle of a reply."""
    chat_server.script(stream(sse("Half of it.\n\nAnd "), wait(), sse("the rest."), sse(finish="stop"), done()))
    page.ask("slow")
    page.until(lambda: any(message["kind"] == "more" and message["blocks"] for message in page.messages))
    [turn] = page.turns()
    assert turn["status"] == "partial"
    assert turn["blocks"][0][0] == "<p>Half of it.</p>\n"
    assert page.state["busy"] == turn["id"]
    chat_server.release()
    page.ended("slow")
    page.until(lambda: page.state["busy"] == "")


def test_old_turns_come_as_one_scrolls(kernel, page, tmp_path):
    """Pages of at most fifty, until the first."""
    kernel.ok(
        "import json\nfrom llmvision_magic import Conversation, Reply\n"
        "session = get_ipython()._llmvision_magic.magics.session\nlong = session.new('long')\n"
        "for n in range(120):\n    turn = long.begin(f'question {n}', parent=long.head)\n"
        "    long.settle(turn.id, Reply(f'answer {n}'), None)"
    )
    newest = page.turns()
    assert (len(newest), newest[-1]["number"]) == (50, 120)
    numbers = [turn["number"] for turn in newest]
    while numbers[0] > 1:
        before = next(
            turn["id"]
            for message in page.messages
            if message["kind"] == "turns"
            for turn in message["turns"]
            if turn["number"] == numbers[0]
        )
        page.send({"do": "show", "before": before, "count": 50})
        older = page.answer("turns", before=before)
        numbers = [turn["number"] for turn in older["turns"]] + numbers
        assert older["more"] is (numbers[0] > 1)
    assert numbers == list(range(1, 121))


def test_asking_waits_for_a_running_cell_and_showing_does_not(kernel, page, chat_server, tmp_path):
    """A message that comes in a subshell while a cell runs."""
    subshell = kernel.subshell()
    asked: list[bool] = []
    go = tmp_path / "go"

    def look(cell) -> None:
        if not asked and "running" in cell.plain:
            asked.append(True)
            page.ask("waits", subshell=subshell)
            page.send({"do": "names", "key": "now", "text": "prin"}, subshell=subshell)

    def hear(message) -> None:
        if any(one["kind"] == "names" for one in page.messages):
            go.touch()  # what was sent before it has been heard, too

    kernel.listeners.append(hear)
    cell = kernel.ok(
        "import pathlib, time\nprint('running', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "print(len(get_ipython()._llmvision_magic.magics.session.conversation().turns))",
        on_output=look,
    )
    assert cell.plain.split()[-1] == "0"
    page.ended("waits")


def test_changes_are_counted(page):
    """So that the page can tell older values from newer ones: each change of what stands around the transcript."""
    known = page.state["revision"]
    page.ask("Hello")
    page.ended("Hello")
    page.until(lambda: page.state["busy"] == "")
    assert page.state["revision"] >= known + 2  # a reply arrives, and arrives no more
    known = page.state["revision"]
    page.turns()
    assert page.state["revision"] == known


def test_without_a_notebook_it_says_so():
    """Outside IPython, and in a terminal."""
    from llmvision_magic import ChatPanel, errors

    with pytest.raises(errors.InvalidInput, match="shown in a notebook"):
        ChatPanel()
