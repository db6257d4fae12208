"""The panel as a person meets it: JupyterLab and Notebook 7 in Chromium, on a real kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from support.hostile_replies import hostile_replies, streamed
from support.lab import CONNECTED, Notebook, running_lab, write_notebook
from support.seen import browser, page, picture
from support.servers.scripting import done, failure, sse, stream, text_stream, wait
from support.watched import LOOKS, Watch, assert_quiet, wait_until_set, watch

__all__ = ["browser", "page", "watch"]

pytestmark = pytest.mark.browser

LOAD = "%load_ext llmvision_magic"


@dataclass
class Opened:
    """A notebook with a panel in its second cell.

    Attributes:
        panel: The panel's root.
        input: Where one types.
        path: Where it is saved.
    """

    notebook: Notebook
    panel: Locator
    path: Path

    @property
    def input(self) -> Locator:
        return self.panel.get_by_role("textbox", name="Prompt")

    def ask(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def turn(self, number: int) -> Locator:
        return self.panel.locator(".lp-turn").nth(number)


@dataclass
class Lab:
    """A server that all tests of this file use, each with a notebook and a kernel of its own."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, chat_server_process) -> Iterator[Lab]:
    """JupyterLab, which serves Notebook 7 too, in its light theme; its kernels ask `chat_server`."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    with running_lab(home, home / "work", LLMVISION_BASE_URL=chat_server_process.url) as address:
        yield Lab(address, home / "work")


@contextmanager
def opened(page: Page, lab: Lab, *cells: str, app: str = "lab") -> Iterator[Opened]:
    """A notebook, all cells run. Its kernel ends with it."""
    name = f"panel-{len(list(lab.folder.glob('*.ipynb')))}.ipynb"
    write_notebook(lab.folder / name, LOAD, "%chat panel", *cells)
    notebook = Notebook(page, lab.address, name, app=app)
    notebook.run_all()
    panel = page.locator(".llmvm-panel").first
    panel.wait_for()
    try:
        yield Opened(notebook, panel, lab.folder / name)
    finally:
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().catch(() => {})")


@pytest.mark.model
@pytest.mark.parametrize(("app", "dark"), [("lab", False), ("lab", True), ("notebook", False)])
def test_panel_and_cells_are_one_conversation(page: Page, tmp_path: Path, app: str, dark: bool):
    """On the embedded model: what a cell asks appears in the panel, and the panel's reply goes on from it."""
    cell = "%%chat --max-tokens 60\nName two colours, in Markdown with a list."
    (tmp_path / "work").mkdir()
    with (
        running_lab(tmp_path, tmp_path / "work", dark=dark) as address,
        opened(page, Lab(address, tmp_path / "work"), cell, app=app) as there,
    ):
        expect(there.turn(0)).to_contain_text("Name two colours")
        there.notebook.wait_idle()
        there.ask("And one more, with a Python example.")
        expect(there.turn(1)).to_have_attribute("data-status", "complete")
        expect(there.turn(1)).to_contain_text("SmolLM2")
        expect(there.turn(1).locator(".llmvm").nth(1)).not_to_be_empty()
        assert there.notebook.outputs()[2] == 1
        picture(page, f"panel-{app}-{'dark' if dark else 'light'}")


def test_empty_panel_offers_examples(page: Page, lab: Lab, chat_server):
    """Three prompts that one can click; a click puts one into the input."""
    with opened(page, lab) as there:
        examples = there.panel.locator(".lp-example")
        expect(examples).to_have_count(3)
        picture(page, "panel-empty-light")
        examples.first.click()
        expect(there.input).not_to_have_value("")
        there.input.press("Enter")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")


def test_stop_works_at_once_also_for_the_reply_of_a_running_cell(page: Page, lab: Lab, chat_server):
    """JupyterLab sends a widget's messages to a subshell, so that they need not wait for the cell."""
    chat_server.script(stream(sse("Once upon a time, "), wait(), sse("never"), done()))
    with opened(page, lab, "%%chat\nTell me.", "print('never')") as there:
        expect(there.turn(0)).to_contain_text("Once upon a time")
        there.panel.get_by_role("button", name="Stop").click()
        expect(there.turn(0)).to_have_attribute("data-status", "interrupted")
        there.notebook.wait_idle()
        assert there.notebook.executed()[3] is False
        picture(page, "panel-interrupted-light")
        chat_server.script(text_stream("there was a fox."))
        there.panel.get_by_role("button", name="Continue").click()
        expect(there.turn(0)).to_contain_text("Once upon a time, there was a fox.")


def test_what_is_sent_while_a_cell_runs_waits_for_the_kernel(page: Page, lab: Lab, tmp_path: Path, chat_server):
    """It is shown at once, says that it waits, and is asked when the cell has ended."""
    marker = tmp_path / "go"
    cell = f"import time, pathlib\nwhile not pathlib.Path({str(marker)!r}).exists(): time.sleep(0.05)\nprint('done')"
    with opened(page, lab, cell) as there:
        there.ask("Are you there?")
        expect(there.turn(0)).to_contain_text("Are you there?")
        expect(there.turn(0)).to_contain_text("waiting for the kernel")
        picture(page, "panel-waiting-light")
        assert chat_server.requests() == []
        marker.touch()
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        assert "done" in there.notebook.output_text(2)


def run_cell(page: Page, number: int) -> None:
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def test_cells_run_while_a_reply_streams(page: Page, lab: Lab, tmp_path: Path, chat_server):
    """And the reply goes on streaming while a cell runs."""
    chat_server.script(stream(sse("First half. "), wait(), sse("Second half."), wait(), sse(finish="stop"), done()))
    marker = tmp_path / "go"
    marker.touch()
    cell = f"import time, pathlib\nwhile not pathlib.Path({str(marker)!r}).exists(): time.sleep(0.05)\nprint(40 + 2)"
    with opened(page, lab, cell) as there:
        there.notebook.wait_idle()
        there.ask("Go")
        expect(there.turn(0)).to_contain_text("First half.")
        run_cell(page, 2)
        expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)).to_have_text("[4]:")
        assert "42" in there.notebook.output_text(2)
        marker.unlink()
        run_cell(page, 2)
        expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)).to_have_text("[*]:")
        chat_server.release()
        expect(there.turn(0)).to_contain_text("Second half.")
        chat_server.release()
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)).to_have_text("[*]:")
        marker.touch()


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_shortcuts_of_the_notebook_stay_quiet_while_one_types(page: Page, lab: Lab, chat_server, app: str):
    """No cell is added, deleted, run or left; Escape and the arrows belong to the panel."""
    with opened(page, lab, "1 + 1", app=app) as there:
        there.notebook.wait_idle()
        there.input.click()
        before = page.locator(".jp-CodeCell").count()
        page.keyboard.type("a b dd x c v z m y 00 ii j k")
        for key in ("Escape", "ArrowUp", "ArrowDown", "Shift+Enter", "Home", "Delete", "Control+s", "Control+b"):
            page.keyboard.press(key)
        assert page.locator(".jp-CodeCell").count() == before
        assert there.input.evaluate("node => node === document.activeElement")
        assert "b dd x c v z m y 00 ii j k" in there.input.input_value()


def test_code_of_a_reply_becomes_a_cell_below_the_panel(page: Page, lab: Lab, chat_server):
    """In the place one expects, undone as any other cell."""
    chat_server.script(text_stream("Here:\n\n```python\nprint('from the panel')\n```\n"))
    with opened(page, lab, "'last'") as there:
        there.notebook.wait_idle()
        there.ask("Code, please")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        there.turn(0).locator("pre").hover()
        there.turn(0).get_by_role("button", name="Put this code into a new cell").click()
        cell = page.locator(".jp-CodeCell").nth(2)
        expect(cell.locator(".cm-content")).to_contain_text("print('from the panel')")


def test_reloaded_page_has_the_transcript_again(page: Page, lab: Lab, chat_server):
    """From the kernel, also in the middle of a reply, which goes on."""
    chat_server.script(
        text_stream("The first reply."),
        stream(sse("Half of the second.\n\nAnd "), wait(), sse("the rest."), sse(finish="stop"), done()),
    )
    with opened(page, lab) as there:
        there.ask("one")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        there.notebook.save()
        there.ask("two")
        expect(there.turn(1)).to_contain_text("Half of the second.")
        page.reload()
        expect(there.turn(0)).to_contain_text("The first reply.")
        expect(there.turn(1)).to_contain_text("Half of the second.")
        chat_server.release()
        expect(there.turn(1)).to_contain_text("And the rest.")
        expect(there.turn(1)).to_have_attribute("data-status", "complete")


class Line:
    """The page's connection to its kernel.

    Attributes:
        dead: Whether what is sent on it gets lost, as at first after a laptop's sleep, when neither side knows.
    """

    def __init__(self, page: Page) -> None:
        self.dead = False
        self._sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/api/kernels/.*/channels"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: None if self.dead else server.send(message))
        server.on_message(lambda message: None if self.dead else socket.send(message))
        self._sockets.append(socket)

    def close(self) -> None:
        """End it; the page makes another one, which lives."""
        self.dead = False
        self._sockets[-1].close()


@pytest.mark.parametrize("dead", [False, True])
def test_connection_that_was_away_costs_nothing(page: Page, lab: Lab, chat_server, dead: bool):
    """What came meanwhile is shown, what was sent meanwhile is asked once."""
    chat_server.script(
        stream(sse("Begun.\n\nAnd "), wait(), sse("more.\n\nMuch more."), sse(finish="stop"), done()),
        text_stream("The second reply."),
    )
    line = Line(page)
    with opened(page, lab) as there:
        there.ask("one")
        expect(there.turn(0)).to_contain_text("And")
        line.dead = dead
        if not dead:
            line.close()
        chat_server.release()
        chat_server.ended(1)
        if dead:
            line.close()
        expect(there.turn(0)).to_contain_text("Much more.")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        line.dead = dead
        if not dead:
            line.close()
        there.ask("two")
        if dead:
            expect(there.panel).to_contain_text("waiting for the kernel")
            line.close()
        expect(there.turn(1)).to_contain_text("The second reply.")
        expect(there.turn(1)).to_have_attribute("data-status", "complete")
        expect(there.panel.get_by_role("button", name="Stop")).to_be_hidden()
        assert len(chat_server.requests()) == 2


def test_notebook_without_its_kernel_shows_the_transcript(page: Page, lab: Lab, tmp_path: Path, chat_server):
    """Saved, closed, opened again by another server; and as nbconvert and a viewer without widgets show it."""
    chat_server.script(text_stream("A **kept** reply."))
    with opened(page, lab) as there:
        there.ask("Keep this.")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        kept = page.locator(".llmvm-kept")
        expect(kept).to_contain_text("A kept reply.")
        expect(kept).to_be_hidden()
        there.notebook.save()
    saved = nbformat.read(there.path, as_version=4)
    [html] = [one.data["text/html"] for one in saved.cells[1].outputs if "text/html" in one.data]
    assert "<strong>kept</strong>" in html
    assert "A **kept** reply." in "".join(one.data["text/plain"] for one in saved.cells[1].outputs)
    exported, _ = HTMLExporter().from_notebook_node(saved)
    assert "<strong>kept</strong>" in exported
    assert "Keep this." in exported
    other = tmp_path / "other"
    other.mkdir()
    with running_lab(other, lab.folder) as address:
        page.goto(f"{address}/lab/tree/{there.path.name}?token=test-token")
        expect(page.locator(".llmvm-kept")).to_be_visible()
        expect(page.locator(".llmvm-kept")).to_contain_text("A kept reply.")
        page.wait_for_function(CONNECTED)
        expect(page.get_by_text("Error displaying widget")).to_be_hidden()
        expect(page.get_by_text("Loading widget")).to_be_hidden()
        picture(page, "panel-reopened-light")


def test_headings_of_replies_are_none_of_the_notebook(page: Page, lab: Lab, chat_server):
    """The notebook's table of contents would list them, though the transcript that is kept is hidden."""
    chat_server.script(text_stream("# Of the reply\n\nText.\n\n## Second\n"))
    with opened(page, lab, "from IPython.display import HTML; HTML('<h1>Of the notebook</h1>')") as there:
        there.ask("Write headings")
        expect(page.locator(".llmvm-kept h2")).to_be_attached()
        page.evaluate("() => window.jupyterapp.commands.execute('toc:show-panel')")
        contents = page.locator(".jp-TableOfContents-content")
        expect(contents).to_contain_text("Of the notebook")
        expect(contents).not_to_contain_text("Second")


def test_kernel_that_is_gone_is_said(page: Page, lab: Lab, chat_server):
    """The transcript stays readable, the input says what to do."""
    with opened(page, lab) as there:
        there.ask("one")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        page.evaluate("() => { void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
        expect(there.panel).to_contain_text("The kernel that this panel belongs to is gone.")
        expect(there.input).to_be_disabled()
        expect(there.turn(0)).to_be_visible()
        picture(page, "panel-gone-light")


@pytest.mark.parametrize(
    "end",
    [
        "sessionContext.changeKernel({ name: 'python3' })",
        "sessionContext.sessionManager.shutdownAll()",
    ],
    ids=["another kernel", "all are shut down"],
)
def test_kernel_that_is_exchanged_is_said(page: Page, lab: Lab, chat_server, end: str):
    """A panel belongs to one kernel; what was typed is still there."""
    with opened(page, lab) as there:
        there.ask("one")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        there.input.fill("Not sent yet")
        page.evaluate(f"() => {{ void window.jupyterapp.shell.currentWidget.{end}; }}")
        expect(there.panel).to_contain_text("The kernel that this panel belongs to is gone.")
        expect(there.input).to_be_disabled()
        expect(there.input).to_have_value("Not sent yet")


def test_failed_prompt_says_why_and_can_be_tried_again(page: Page, lab: Lab, chat_server):
    """One sentence, and a button."""
    chat_server.script(failure(403, "You may not."))
    with opened(page, lab) as there:
        there.ask("May I?")
        expect(there.turn(0)).to_have_attribute("data-status", "failed")
        expect(there.turn(0)).to_contain_text("You may not.")
        picture(page, "panel-failed-light")
        there.turn(0).get_by_role("button", name="Retry").click()
        expect(there.panel.locator(".lp-turn")).to_have_count(1)
        expect(there.turn(0)).to_have_attribute("data-status", "complete")


def test_names_of_the_notebook_complete_after_two_braces(page: Page, lab: Lab, chat_server):
    """With the keyboard; the value goes along."""
    with opened(page, lab, "measurements = [1, 2, 3]") as there:
        there.notebook.wait_idle()
        there.input.click()
        page.keyboard.type("Sum of {{measu")
        there.panel.get_by_role("option", name="measurements").wait_for()
        page.keyboard.press("Enter")
        value = there.input.input_value()
        assert "{{measurements" in value
        if not value.rstrip().endswith("}}"):
            page.keyboard.type("}}")
        page.keyboard.press("Enter")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        assert chat_server.requests()[-1].json["messages"][-1]["content"] == "Sum of [1, 2, 3]"


def test_file_that_is_dropped_goes_along(page: Page, lab: Lab, chat_server):
    """A text file, from the operating system's file manager."""
    with opened(page, lab) as there:
        transfer = page.evaluate_handle(
            "() => { const it = new DataTransfer();"
            " it.items.add(new File(['a,b\\n1,2'], 'table.csv', {type: 'text/csv'})); return it; }"
        )
        there.input.dispatch_event("drop", {"dataTransfer": transfer})
        expect(there.panel.locator(".lp-file")).to_contain_text("table.csv")
        there.ask("What is in it?")
        expect(there.turn(0)).to_have_attribute("data-status", "complete")
        assert "a,b\n1,2" in chat_server.requests()[-1].json["messages"][-1]["content"]


def test_two_panels_agree(page: Page, lab: Lab, chat_server):
    """Two panels, and two views of one of them."""
    with opened(page, lab, "%chat panel") as there:
        there.notebook.wait_idle()
        panels = page.locator(".llmvm-panel")
        expect(panels).to_have_count(2)
        there.ask("hello")
        for number in (0, 1):
            expect(panels.nth(number).locator(".lp-turn")).to_have_attribute("data-status", "complete")
        assert panels.nth(0).locator(".lp-reply").text_content() == panels.nth(1).locator(".lp-reply").text_content()


FILES_LENGTH = """import ipywidgets as widgets
from llmvision_magic import ChatPanel
widgets.HBox([ChatPanel(), widgets.Label("beside")])"""


def test_panel_in_a_row_of_widgets_has_the_room_that_is_left(page: Page, lab: Lab, chat_server):
    with opened(page, lab, FILES_LENGTH) as there:
        there.notebook.wait_idle()
        row = page.locator(".widget-hbox")
        row.locator(".llmvm-panel").wait_for()
        assert row.locator(".llmvm-panel").bounding_box()["width"] > 0.7 * row.bounding_box()["width"]
        row.scroll_into_view_if_needed()
        page.get_by_text("beside", exact=True).scroll_into_view_if_needed()
        picture(page, "panel-row-light")


def test_panel_docks_beside_the_notebook(page: Page, lab: Lab, chat_server):
    """The cell keeps a line that unfolds; the panel fills its place."""
    page.set_viewport_size({"width": 1500, "height": 900})
    with opened(page, lab, "%chat panel --side") as there:
        there.notebook.wait_idle()
        docked = page.locator(".llmvm-panel").nth(1)
        docked.wait_for()
        box = docked.bounding_box()
        cell = page.locator(".jp-CodeCell").nth(2).bounding_box()
        assert box["x"] >= cell["x"] + cell["width"] - 1
        docked.get_by_role("textbox", name="Prompt").fill("hello")
        docked.get_by_role("textbox", name="Prompt").press("Enter")
        expect(docked.locator(".lp-turn")).to_have_attribute("data-status", "complete")
        picture(page, "panel-side-light")
        tabs = page.locator(".lm-TabBar-tabLabel:text-is('Chat')")
        expect(tabs).to_have_count(1)
        run_cell(page, 2)
        there.notebook.wait_idle()
        expect(page.locator(".llmvm-panel")).to_have_count(2)
        expect(tabs).to_have_count(1)


def test_hostile_replies_do_nothing_in_the_panel(watch: Watch, lab: Lab, chat_server):
    """While they stream, when they are done, and after a reload: the same collection as for cells."""
    page = watch.page
    replies = hostile_replies()
    chat_server.script(*(streamed(text, number, f"Number {number}.") for number, text in enumerate(replies)))
    watch.lab = lab.address
    with opened(page, lab) as there:
        there.notebook.wait_idle()
        before = page.evaluate(LOOKS)
        watch.moved.clear()
        for number, _ in enumerate(replies):
            there.ask(f"Number {number}.")
            expect(there.turn(number)).to_have_attribute("data-status", "complete")
        wait_until_set(page)
        assert_quiet(watch, before)
        links = page.evaluate("() => watchOfTheTest.links('.llmvm-panel .llmvm a[href]')")
        assert len(links) > 100
        assert all(re.match(r"(https?://|mailto:)", link["href"], re.IGNORECASE) for link in links)
        assert watch.moved == []
