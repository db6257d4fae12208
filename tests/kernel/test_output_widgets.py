"""A reply inside ``ipywidgets.Output`` in a real kernel: what such a widget has in the end, which knows no updates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import delay, done, failure, sse, stream, text_stream, wait


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, tmp_path_factory) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    folder = tmp_path_factory.mktemp("notebooks")
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        kernel.ok("import ipywidgets\nout = ipywidgets.Output()")
        kernel.ok("def run(line): get_ipython().run_line_magic('chat', line)")
        kernel.ok("def ask(line, prompt): get_ipython().run_cell_magic('chat', line, prompt)")
        yield kernel


class Page:
    """The outputs of a cell and of its `Output` widgets, as JupyterLab makes them of the cell's messages.

    While a widget's `msg_id` is the id of a request, the messages of that request are the widget's.
    """

    def __init__(self, cell: Cell) -> None:
        self.cell = Cell()
        self.widgets: dict[str, Cell] = {}
        entered: list[str] = []
        for message in cell.messages:
            content = message["content"]
            state = content.get("data", {}).get("state", {}) if message["msg_type"].startswith("comm_") else {}
            if "msg_id" in state:
                widget = content["comm_id"]
                self.widgets.setdefault(widget, Cell())
                if state["msg_id"]:
                    entered.append(widget)
                elif widget in entered:
                    entered.remove(widget)
            elif not entered:
                self.cell.apply(message)
            elif message["msg_type"] != "update_display_data":
                self.widgets[entered[-1]].apply(message)

    @property
    def only(self) -> Cell:
        """The outputs of the one widget; the cell itself has none."""
        assert self.cell.outputs == []
        [widget] = self.widgets.values()
        return widget


SLOW = stream(sse("The first words"), delay(0.2), sse(", some more and the end."), done(), repeat=True)
WHOLE = "The first words, some more and the end."

ASKING = {
    "a verb": "run('ask Say it.')",
    "a cell magic": "ask('', 'Say it.')",
    "as text": "ask('-f text', 'Say it.')",
    "not streamed": "ask('--no-stream', 'Say it.')",
    "side by side": "ask('--compare temperature=0,1', 'Say it.')",
}

PLACES = {
    "with": "with out:\n    {}",
    "capture": "@out.capture()\ndef act():\n    {}\nact()",
    "capture that clears": "@out.capture(clear_output=True, wait=True)\ndef act():\n    {}\nact()",
    "callback": "def act(button):\n    with out:\n        {}\nb = ipywidgets.Button()\nb.on_click(act)\nb.click()",
    "interact": "form = ipywidgets.interactive(lambda: {}, {{'manual': True}})\nform.update()",
    "of a subclass": "class Mine(ipywidgets.Output): pass\nwith Mine():\n    {}",
    "nested": "other = ipywidgets.Output()\nwith other:\n    with out:\n        pass\n    {}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("asking", ASKING)
def test_reply_is_whole_in_the_widget(kernel, chat_server, place: str, asking: str):
    """All ways to ask at all places that an `Output` has: one output, with all formats and the metadata."""
    chat_server.script(SLOW)
    page = Page(kernel.ok(PLACES[place].format(ASKING[asking])))
    [output] = [one for widget in page.widgets.values() for one in widget.outputs]
    assert page.cell.outputs == []
    assert output.plain.count(WHOLE) == (2 if asking == "side by side" else 1)
    assert set(output.data) == {"text/html", "text/markdown", "text/plain"}
    assert "llmvision" in output.metadata


def test_nothing_else_in_the_widget_is_touched(kernel, chat_server):
    """What was printed before and between stays, and so does the first of two replies."""
    chat_server.script(text_stream("One."), text_stream("Two."))
    page = Page(
        kernel.ok("with out:\n    print('a')\n    run('ask 1')\n    print('b')\n    run('ask 2')\n    print('c')")
    )
    assert [one.plain.strip() for one in page.only.outputs] == ["a", "One.", "b", "Two.", "c"]
    page = Page(kernel.ok("run('ask before')\nwith out:\n    run('ask within')\nrun('ask after')"))
    assert [one.plain.split("\n")[0] for one in page.cell.outputs] == ["echo: before", "echo: after"]
    [widget] = page.widgets.values()
    assert widget.only.plain.startswith("echo: within")


@pytest.mark.parametrize("line", ["", "--no-stream", "--compare temperature=0,1"])
def test_error_leaves_its_sentence_and_no_line(kernel, chat_server, line: str):
    """A server that refused after it was silent for as long as a waiting line takes; no reply has begun."""
    refused = failure(403, "You may not.", repeat=True)
    chat_server.script({**refused, "steps": [delay(1.5), *refused["steps"]]})
    page = Page(kernel.run(f"with out:\n    ask('{line}', 'Say it.')"))
    assert page.only.only.kind == "error"
    assert "You may not." in page.only.only.text
    assert "Traceback" not in page.only.only.text


def test_cut_reply_is_kept_in_the_widget(kernel, chat_server):
    """The text, why it ended, and then the error as the widget shows each."""
    chat_server.script(stream(sse("The first words")))
    page = Page(kernel.run("with out:\n    ask('', 'Say it.')"))
    reply, error = page.only.outputs
    assert reply.plain == "The first words"
    assert "<b>" in reply.html
    assert error.kind == "error"


def test_interrupted_reply_is_kept_in_the_widget(kernel, chat_server):
    """Nothing of it was shown before."""
    chat_server.script(stream(sse("So far"), wait(), done()))
    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if cell.messages[-1]["msg_type"] == "comm_msg" and not pressed:  # the block is entered
            pressed.append(True)
            chat_server.holding()
            kernel.interrupt()

    page = Page(kernel.run("with out:\n    ask('', 'Say it.')", on_output=interrupt))
    assert page.only.outputs[0].plain == "So far"
    assert "Interrupted" in page.only.outputs[0].html


def test_widget_takes_no_reply_in_the_background(kernel, chat_server):
    """No update from a thread would reach it; it is said, and nothing is asked."""
    page = Page(kernel.run("with out:\n    ask('--background', 'Say it.')", watched=True))
    assert "leave out `--background`" in page.only.plain
    assert chat_server.requests() == []


def test_cell_streams_as_ever_where_a_widget_lives(kernel, chat_server):
    """One that takes no output now is in nobody's way."""
    chat_server.script(stream(sse("So far"), wait(), sse(" and on."), done()))
    seen: list[str] = []

    def look(cell: Cell) -> None:
        if "So far" in cell.html and not seen:
            seen.append(cell.html)
            chat_server.release()

    kernel.ok("with out:\n    print('a')")
    assert kernel.ok("%%chat\nSay it.", on_output=look).only.plain == "So far and on."
    assert seen
