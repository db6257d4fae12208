"""A reply inside ``ipywidgets.Output`` in JupyterLab: on the page, and in the notebook that is saved with its widgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect
from support.lab import Notebook, running_lab, write_notebook
from support.seen import browser, page, picture
from support.servers.scripting import answer, delay, failure, sse, stream, wait

__all__ = ["browser", "page"]

pytestmark = pytest.mark.browser

BEGIN = """import ipywidgets
from IPython.display import display
%load_ext llmvision_magic
def ask(line, prompt):
    get_ipython().run_cell_magic('chat', '--once ' + line, prompt)
def refuse():
    ask('', 'Refused, please.')
def shown(act, kind):
    out = ipywidgets.Output()
    button = ipywidgets.Button(description=kind)
    @out.capture()
    def captured(_):
        act()
    button.on_click(captured)
    display(ipywidgets.VBox([button, out]))"""

CELLS = {
    "in a block": "out = ipywidgets.Output()\ndisplay(out)\nwith out:\n    print('asked:')\n    %chat ask --once Number 1.",
    "captured": "out = ipywidgets.Output()\n@out.capture()\ndef act():\n    ask('--no-stream', 'Number 2.')\nact()\nout",
    "button": "shown(lambda: ask('', 'Number 3.'), 'streamed')",
    "text": "shown(lambda: ask('-f text', 'Number 4.'), 'text')",
    "compare": "shown(lambda: ask('--compare temperature=0,1', 'Number 5.'), 'compare')",
    "error": "shown(refuse, 'error')",
    "interact": "@ipywidgets.interact_manual(number=[6])\ndef act(number):\n    ask('', f'Number {number}.')",
}
BUTTONS = {3: "streamed", 4: "text", 5: "compare", 6: "error", 7: "Run Interact"}
"""Which cells have one, and what stands on it."""

SAVE_WIDGETS = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"


def whole(number: int) -> str:
    return f"The first words of number {number}, and its last."


def test_replies_in_output_widgets_are_whole(page: Page, tmp_path: Path, chat_server):
    """However they are asked: the text is there to its end, an error stands alone, and so it is saved and opened again."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "widgets.ipynb", BEGIN, *CELLS.values())
    for number in range(1, 7):
        text = whole(number)
        steps = (sse(text[:20]), delay(0.6), sse(text[20:]), sse(finish="stop"))
        chat_server.script(stream(*steps, contains=f"Number {number}.", repeat=True))
    refused = failure(403, "You may not.")
    chat_server.script(answer(delay(1.5), *refused["steps"], status=403, headers=refused["headers"]))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "widgets.ipynb")
        notebook.command(SAVE_WIDGETS)
        notebook.run_all()
        notebook.wait_idle()
        for cell, words in BUTTONS.items():
            page.locator(".jp-CodeCell").nth(cell).get_by_role("button", name=words).click()
            notebook.wait_idle()
        look(page)
        picture(page, "output-widgets-end-light")
        page.locator(".jp-CodeCell").nth(1).scroll_into_view_if_needed()
        picture(page, "output-widgets-light")
        notebook.save()
        saved = nbformat.read(work / "widgets.ipynb", 4)
        assert kept(saved) == {number: 2 if number == 5 else 1 for number in range(1, 7)}
        page.reload()
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        look(page)


def look(page: Page) -> None:
    """Each reply is there, by itself; the error is one sentence and no line waits above it."""
    for cell in range(1, 8):
        output = page.locator(".jp-CodeCell").nth(cell).locator(".jupyter-widgets .jp-OutputArea").first
        if cell == 6:
            expect(output).to_contain_text("You may not.")
        else:
            expect(output).to_contain_text(whole(min(cell, 6)))
        expect(output).not_to_contain_text("waiting")
        expect(output.locator(".jp-OutputArea-child")).to_have_count(2 if cell == 1 else 1)


def kept(saved: Any) -> dict[int, int]:
    """How often each reply stands, as the text it is, in the state of the saved notebook's widgets."""
    state = saved.metadata.widgets["application/vnd.jupyter.widget-state+json"].state
    outputs = [output for one in state.values() for output in one.state.get("outputs", ())]
    texts = [output.data["text/plain"] for output in outputs if "llmvision" in output.get("metadata", {})]
    found = {number: sum(text.count(whole(number)) for text in texts) for number in range(1, 7)}
    assert len(texts) == 6
    return found
