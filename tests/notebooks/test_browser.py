"""What a person sees: JupyterLab in Chromium, the quickstart on the embedded model, and scripted replies."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from support.lab import Notebook, running_lab, write_notebook
from playwright.sync_api import Page
from support.seen import browser, page, picture
from support.servers.scripting import done, sse, sse_usage, stream, text_stream, tokens, wait

__all__ = ["browser", "page"]

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]


@pytest.mark.model
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_quickstart_runs_streams_and_leaves_one_output_per_cell(page: Page, tmp_path: Path, theme: str):
    """Run all with no key: text grows while it streams, and each cell ends with exactly one output."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(ROOT / "notebooks" / "quickstart.ipynb", work)
    with running_lab(tmp_path, work, dark=theme == "dark") as address:
        notebook = Notebook(page, address, "quickstart.ipynb")
        notebook.run_all()
        notebook.wait_idle()
        outputs = notebook.outputs()
        assert outputs[0] == 0
        assert set(outputs[1:]) == {1}
        for cell in (1, 2):
            lengths = [row[cell] for row in notebook.grown()]
            assert len(set(lengths)) > 3, "the text did not grow in steps"
        assert "embedded model" in notebook.output_text(1)
        notebook.save()
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:move-cursor-up')")
        page.locator(".jp-CodeCell").nth(1).scroll_into_view_if_needed()
        picture(page, f"quickstart-{theme}")
        page.locator(".jp-CodeCell").nth(3).scroll_into_view_if_needed()
        picture(page, f"quickstart-code-{theme}")
        page.locator(".jp-CodeCell").nth(5).scroll_into_view_if_needed()
        picture(page, f"quickstart-status-{theme}")
    saved = nbformat.read(work / "quickstart.ipynb", as_version=4)
    chat = [cell for cell in saved.cells if cell.cell_type == "code"][1]
    assert len(chat.outputs) == 1
    assert {"text/html", "text/markdown", "text/plain"} == set(chat.outputs[0].data)
    assert chat.outputs[0].metadata["llmvision"]["conversation"] == "main"


SAMPLE = """## A reply with everything

A paragraph with **strong**, *emphasis*, `code`, ~~struck~~ text, a [link](https://example.org) and a footnote[^1].
It costs $5, or $10 for two; the area is $\\pi r^2$ and \\(e^{i\\pi} + 1 = 0\\).

\\[
\\int_0^1 x^2 \\, dx = \\frac{1}{3}
\\]

| language | typed | year |
| --- | :-: | ---: |
| Python | dynamically | 1991 |
| Rust | statically | 2015 |

- [x] done
- [ ] to do
  1. nested
  2. list

A picture: ![a red dot](data:image/png;base64,PICTURE)

> A quotation that is long enough to be broken over more than one line, so that its left edge can be seen.

```python
def area(radius: float) -> float:
    \"\"\"The area of a circle.\"\"\"
    return 3.14159 * radius**2  # close enough
```

[^1]: The footnote.
""".replace(
    "PICTURE",
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==",
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_markdown_has_is_set_well(page: Page, tmp_path: Path, chat_server, theme: str):
    """A picture for people; for the machine: the elements are there and nothing sticks out of the page."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "sample.ipynb", "%load_ext llmvision_magic", "%%chat\nShow me everything.")
    chat_server.script(text_stream(SAMPLE))
    with running_lab(tmp_path, work, dark=theme == "dark", LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "sample.ipynb")
        notebook.run_all()
        notebook.wait_idle()
        output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
        for element in ("h2", "strong", "em", "code", "table", "blockquote", "pre", "math", "sup", "s"):
            assert output.locator(element).count() >= 1, element
        assert output.locator("img").evaluate("image => image.complete && image.naturalWidth") == 5
        assert "It costs $5, or $10 for two" in output.inner_text()
        assert output.locator("mjx-container").count() == 0
        assert output.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
        picture(page, f"sample-{theme}")


TOPS = """
() => [...document.querySelectorAll('.jp-CodeCell')[1].querySelectorAll(
  '.llmvm :is(h2, p, table, li, blockquote, pre)')].map(node => Math.round(node.getBoundingClientRect().top))
"""


def test_nothing_jumps_when_the_reply_is_complete(page: Page, tmp_path: Path, chat_server):
    """Blocks in outputs of their own stand where they stand in the one output at the end."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "calm.ipynb", "%load_ext llmvision_magic", "%%chat\nShow me everything.")
    body, _, note = SAMPLE.partition("[^1]: ")
    chat_server.script(stream(tokens(body, 100), wait(), sse("[^1]: " + note), sse(finish="stop"), done()))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "calm.ipynb")
        notebook.run_all()
        page.get_by_text("close enough").wait_for()
        chat_server.holding()
        while_streaming = page.evaluate(TOPS)
        assert notebook.outputs()[1] > 1
        chat_server.release()
        notebook.wait_idle()
        at_the_end = page.evaluate(TOPS)
        assert notebook.outputs()[1] == 1
    moved = [abs(before - after) for before, after in zip(while_streaming, at_the_end, strict=False)]
    assert len(moved) > 8
    assert max(moved) <= 3  # pixels


def test_text_is_seen_before_the_reply_is_complete_and_stop_ends_it(page: Page, tmp_path: Path, chat_server):
    """The stop button ends the cell, keeps the text, says so, and the next cell does not run."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "stop.ipynb", "%load_ext llmvision_magic", "%%chat\nTell me a long story.", "print('never')")
    chat_server.script(stream(sse("Once upon a time\n\nthere was"), wait(), sse("nothing"), done()))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "stop.ipynb")
        notebook.run_all()
        page.get_by_text("there was").wait_for()
        notebook.command("notebook:interrupt-kernel")
        page.get_by_text("Interrupted").wait_for()
        notebook.wait_idle()
        assert notebook.outputs() == [0, 1, 0]
        assert "Once upon a time" in notebook.output_text(1)
        assert notebook.executed()[2] is False
        picture(page, "interrupted-light")


def test_hostile_reply_runs_nothing_and_asks_the_network_for_nothing(page: Page, tmp_path: Path, chat_server):
    """In a notebook that ran here (and is trusted), while streaming, at the end and after a reload."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "hostile.ipynb", "%load_ext llmvision_magic", "%%chat\nHello")
    hostile = (
        "<img src=x onerror='window.ran=1'><script>window.ran=2</script>\n\n"
        "![pixel](https://tracker.invalid/pixel.png) [click](javascript:window.ran=3) <svg onload='window.ran=4'>\n\n"
        "$$\\href{javascript:window.ran=5}{x}$$ \\(\\style{position:fixed}{y}\\)\n\n"
        "</div></div><style>*{display:none}</style>\n"
    )
    chat_server.script(stream(sse(hostile), wait(), sse("\n\nThe end."), sse(finish="stop"), done()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "hostile.ipynb")
        notebook.run_all()
        page.get_by_text("pixel").first.wait_for()
        chat_server.release()
        page.get_by_text("The end.").wait_for()
        notebook.wait_idle()
        notebook.save()
        page.reload()
        page.get_by_text("The end.").wait_for()
        assert page.evaluate("() => window.ran") is None
        assert [url for url in asked if "tracker.invalid" in url] == []
        assert page.locator(".jp-OutputArea-output img").count() == 0


def test_failed_cell_shows_one_sentence(page: Page, tmp_path: Path, refused_url: str):
    """An error reads as a sentence, not as a traceback."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "failed.ipynb", "%load_ext llmvision_magic", "%%chat\nHello")
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=refused_url) as address:
        notebook = Notebook(page, address, "failed.ipynb")
        notebook.run_all()
        page.get_by_text("NotConnected").wait_for()
        notebook.wait_idle()
        assert notebook.outputs()[1] == 1
        assert "Traceback" not in notebook.output_text(1)
        picture(page, "failed-light")


def test_reply_in_the_background_streams_into_its_own_cell(page: Page, tmp_path: Path, chat_server):
    """While another cell runs; a long one shows its end, and complete it is there as a whole, as one output."""
    work = tmp_path / "work"
    work.mkdir()
    busy = "import os, time\nprint('mine')\nwhile not os.path.exists('go'):\n    time.sleep(0.05)\nprint('mine too')"
    write_notebook(work / "background.ipynb", "%load_ext llmvision_magic", "%%chat --background\nTell me all.", busy)
    long = "".join(f"Step {number}: take the *{number}th* stone and put it `there`.\n\n" for number in range(400))
    chat_server.script(stream(sse("## How it begins\n\nSo far"), wait(), tokens(f".\n\n{long}", 2000), wait(), done()))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "background.ipynb")
        notebook.run_all()
        output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea")
        output.get_by_text("So far").wait_for()
        page.locator(".jp-CodeCell").nth(2).get_by_text("mine").last.wait_for()
        picture(page, "background-begins-light")
        chat_server.release()
        output.get_by_text("Step 399").wait_for()
        line = output.get_by_text("characters before this, shown when the reply is complete")
        line.scroll_into_view_if_needed()
        assert output.get_by_text("Step 0:").count() == 0
        picture(page, "background-long-light")
        chat_server.release()
        output.get_by_text("Step 0:").wait_for()
        assert page.locator(".jp-CodeCell .jp-InputPrompt").nth(2).inner_text() == "[*]:"
        (work / "go").touch()
        notebook.wait_idle()
        assert notebook.outputs() == [0, 1, 1]
        assert notebook.output_text(2).split() == ["mine", "mine", "too"]
        assert "before this" not in notebook.output_text(1)
        output.get_by_text("Step 399").scroll_into_view_if_needed()
        picture(page, "background-ended-light")


COLUMNS = {
    0.0: "A list comprehension builds a list in **one expression**:\n\n"
    "```python\nsquares = [n * n for n in range(10)]\n```\n",
    0.5: "Three things to know:\n\n1. the expression\n2. the loop\n3. the condition\n\n"
    "| part | example |\n| --- | --- |\n| expression | `n * n` |\n| loop | `for n in range(10)` |\n",
    1.0: "> *Imagine a machine that turns each number of a row into its square.*\n\nThat is all; see $n^2$ and "
    "[the tutorial](https://docs.python.org/3/tutorial/). ",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_compared_replies_stream_side_by_side(page: Page, tmp_path: Path, chat_server, theme: str):
    """All columns grow while none has ended; the end is one output; a narrow page scrolls the table and not itself."""
    for value, text in COLUMNS.items():
        chat_server.script(
            stream(
                sse(text[:40]),
                wait(),
                sse(text[40:]),
                sse(finish="stop"),
                sse_usage(9, 40),
                done(),
                contains=f'"temperature":{value}}}',
            )
        )
    work = tmp_path / "work"
    work.mkdir()
    cell = "%%chat --compare temperature=0,0.5,1 -o replies\nExplain list comprehensions with one example."
    write_notebook(work / "compare.ipynb", "%load_ext llmvision_magic", cell)
    with running_lab(tmp_path, work, dark=theme == "dark", LLMVISION_BASE_URL=chat_server.url) as address:
        notebook = Notebook(page, address, "compare.ipynb")
        notebook.run_all()
        chat_server.holding(count=3)
        for text in ("A list comprehension", "Three things to know", "Imagine a machine"):
            page.wait_for_selector(f".columns td:has-text('{text}')")
        picture(page, f"compare-arriving-{theme}")
        chat_server.release(count=3)
        notebook.wait_idle()
        page.wait_for_selector(".columns .foot:has-text('9 → 40 tokens') >> nth=2")
        assert notebook.outputs() == [0, 1]
        picture(page, f"compare-{theme}")
        widths = page.locator(".columns > tbody > tr > td").evaluate_all("all => all.map(one => one.offsetWidth)")
        assert max(widths) - min(widths) <= 2
        page.set_viewport_size({"width": 700, "height": 900})
        page.wait_for_function(
            "() => { const one = document.querySelector('.wide:has(> .columns)');"
            " return one.scrollWidth > one.clientWidth + 50; }"
        )
        assert page.locator(".columns > tbody > tr > td").first.evaluate("one => one.offsetWidth") >= 180
        picture(page, f"compare-narrow-{theme}")
        notebook.save()
