"""What a reply that arrives does to the other outputs of a notebook in JupyterLab: nothing."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect
from support.lab import Notebook, running_lab, write_notebook
from support.seen import browser, page, picture
from support.servers.scripting import done, failure, reply, sse, stream, text_stream, wait

__all__ = ["browser", "page"]

pytestmark = pytest.mark.browser

WORDS = "Words that fill more than one line of any page, and then some more of them. " * 4

EVERYTHING = f"""# A heading

{WORDS}

---

- a list
  1. in a list
- [x] done

| a table | of two columns |
| :-- | --: |
| one | two |

> A quote with `code` and $x^2$.

```python
def one(two: int) -> str:  # three
    return f"four {'{5}'}"
```

A [link](https://example.org) and a note[^1].

[^1]: The note.
"""

THERE = {
    "%load_ext llmvision_magic": None,
    "%%chat\nWords, please.": text_stream(WORDS, contains="Words, please."),
    "%%chat\nAll at once.": text_stream(EVERYTHING, contains="All at once."),
    "%%chat --no-stream\nNot streamed.": reply(EVERYTHING, contains="Not streamed."),
    "%%chat -f text\nAs text.": text_stream(EVERYTHING, contains="As text."),
    "%%chat\nSome code.": text_stream(f"{WORDS}\n\n```python\nx = 1\n```\n", contains="Some code."),
    "%%chat\nOnly a table.": text_stream(EVERYTHING[EVERYTHING.index("|") : EVERYTHING.index(">")], contains="Only a"),
    "%%chat\nOnly a rule.": text_stream(f"{WORDS}\n\n---\n\n{WORDS}", contains="Only a rule."),
    "%%chat --compare max_tokens=5,6,7\nSide by side.": text_stream(EVERYTHING, contains="Side by side.", repeat=True),
    "%%chat\nA reply that breaks.": stream(sse(EVERYTHING), contains="A reply that breaks."),
    "%%chat\nA refusal.": failure(400, "No, never."),
    "%%chat --background -o later\nIn the background.": text_stream(EVERYTHING, contains="In the background."),
    "print('asked:')\n%chat ask Among others.\nprint('and so on')": text_stream(EVERYTHING, contains="Among others."),
    "%chat status": None,
    "%chat history": None,
    "%chat help": None,
    "%%chat --dry-run\nWhat would be sent.": None,
    "later": None,
    "print('a line')": None,
    "import this": None,
    "1 / 0": None,
    "from IPython.display import HTML, Markdown, display\ndisplay(Markdown('## A heading\\n\\n---\\n\\n| a |\\n|---|\\n'))": None,
    "HTML('<table class=\"columns\"><tr><td>one</td><td>two</td></tr></table><hr><p class=\"foot\">three</p>')": None,
    "%chat panel": None,
    "%chat panel --side\nimport ipywidgets\ndisplay(ipywidgets.IntSlider(description='a slider'))": None,
}
"""Cells whose outputs are there, and what the server says to them."""

ARRIVING = {
    "%%chat\nArriving alone.": ".jp-OutputArea",
    "%%chat --no-stream\nArriving whole.": None,
    "%%chat -f text\nArriving as text.": ".jp-OutputArea",
    "%%chat --compare max_tokens=5,6\nArriving side by side.": ".columns",
    "%%chat --background\nArriving in the background.": ".jp-OutputArea",
    "print('asked:')\n%chat ask Arriving among others.": ".jp-OutputArea",
}
"""Cells whose replies arrive one after the other, and where the first words of each are seen."""

MEASURED = """
cell => {
  const cells = [...document.querySelectorAll('.jp-CodeCell')].filter((_, at) => at !== cell);
  const ours = '.jp-OutputArea, .jp-OutputArea-output, .llmvm-panel, .llmvm, .llmvm *';
  // Made anew: JupyterLab's numbers for its table of contents, what is kept of a panel (hidden or folded), its turns.
  const others = '.numbering-entry, .jp-OutputArea-child:has(.llmvm-kept) *, .llmvm-panel *';
  const boxes = cells.flatMap(one => [...one.querySelectorAll(ours)]).filter(one => !one.matches(others));
  const sizes = boxes.map(() => new Set());
  window.frames = 0;
  window.measuring = true;
  const measure = () => {
    boxes.forEach((box, at) => {
      const { width, height } = box.getBoundingClientRect();
      sizes[at].add(`${Math.round(width * 10) / 10} x ${Math.round(height * 10) / 10}`);
    });
    window.frames += 1;
    if (window.measuring) requestAnimationFrame(measure);
  };
  window.changed = () => {
    window.measuring = false;
    return boxes.flatMap((box, at) => sizes[at].size > 1 ? [`${box.localName}.${box.className} in cell ` +
      `${[...document.querySelectorAll('.jp-CodeCell')].indexOf(box.closest('.jp-CodeCell'))}: ${[...sizes[at]]}`] : []);
  };
  measure();
  return boxes.length;
}
"""
"""Measure, at each frame from now on, everything that the outputs of other cells show."""

SOME_FRAMES = "frames => window.frames > frames + 3"


def test_no_reply_that_arrives_changes_another_output(page: Page, tmp_path: Path, chat_server):
    """Widths and heights of more than twenty outputs of all kinds, at each frame while replies of each kind arrive."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "calm.ipynb", *THERE, *ARRIVING)
    keep_going(work / "calm.ipynb")
    chat_server.script(*(answer for answer in THERE.values() if answer is not None))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url, LLMVISION_RETRIES="0") as address:
        page.set_viewport_size({"width": 1900, "height": 1000})
        notebook = Notebook(page, address, "calm.ipynb")
        run(page, 0, len(THERE))
        notebook.wait_idle()
        page.locator(".llmvm-panel").nth(1).wait_for()
        page.locator(".jp-CodeCell").nth(11).get_by_text("A quote with").wait_for()
        expect(page.get_by_text("a slider", exact=True)).to_be_visible()
        shown = notebook.outputs()[: len(THERE)]
        assert sum(1 for count in shown if count) > 20
        picture(page, "others-before-light")
        for number, (cell, place) in enumerate(ARRIVING.items(), start=len(THERE)):
            prompt = cell.split("Arriving", 1)[1]
            held = stream(sse(EVERYTHING), wait(), sse(EVERYTHING), done(), contains=f"Arriving{prompt}", repeat=True)
            whole = reply(EVERYTHING, contains=f"Arriving{prompt}")
            chat_server.script(held if place else whole)
            assert page.evaluate(MEASURED, number) > 300
            run(page, number, number + 1)
            if place:
                output = page.locator(".jp-CodeCell").nth(number).locator(place).first
                output.get_by_text("A quote with").first.wait_for()
                page.wait_for_function(SOME_FRAMES, arg=page.evaluate("() => window.frames"))
                picture(page, f"others-while-arriving-{number - len(THERE)}-light")
                for _ in range(2 if "--compare" in cell else 1):
                    chat_server.release()
            notebook.wait_idle()
            page.locator(".jp-CodeCell").nth(number).locator(".foot").first.wait_for()
            page.wait_for_function(SOME_FRAMES, arg=page.evaluate("() => window.frames"))
            assert page.evaluate("() => window.changed()") == [], cell


def keep_going(path: Path) -> None:
    """Mark all cells as such that may fail."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.metadata.tags = ["raises-exception"]
    nbformat.write(notebook, path)


def run(page: Page, first: int, end: int) -> None:
    """Run the cells from one to before another, without waiting for their end."""
    page.evaluate(
        """async ([first, end]) => {
          const { shell, commands } = window.jupyterapp;
          const notebook = shell.currentWidget.content;
          notebook.deselectAll();
          for (let at = first; at < end; at++) {
            notebook.activeCellIndex = at;
            void commands.execute('notebook:run-cell');
            await null;
          }
        }""",
        [first, end],
    )
