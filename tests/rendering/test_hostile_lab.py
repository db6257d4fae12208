"""What a stranger's reply does to JupyterLab: nothing. In real Chromium, in a trusted notebook, at every moment.

The collection stands in ``fixtures/hostile``. Each payload is put into every place that Markdown has, hundreds of them
into one reply, and the reply is cut at random places while it streams. A reply is shown three times: by ``%%chat``, by
its ``text/markdown`` alone (which JupyterLab's own renderer shows), and both again after saving and loading the page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page
from support.hostile_replies import ADDRESSES, MARKUP, MATHS, hostile_replies, streamed
from support.lab import Notebook, running_lab, write_notebook
from support.watched import LOOKS, Watch, assert_quiet, wait_until_set, watch

__all__ = ["watch"]

pytestmark = pytest.mark.browser

# Beside a heading JupyterLab itself puts a link to it.
MARKDOWN_LINKS = ".jp-RenderedMarkdown a[href]:not(.jp-InternalAnchorLink)"


def trusted(page: Page) -> list[bool]:
    """Whether JupyterLab takes each code cell for trusted, so that it would run what an output holds."""
    return page.evaluate(
        "() => [...window.jupyterapp.shell.currentWidget.content.widgets]"
        ".filter(cell => cell.model.type === 'code').map(cell => cell.model.trusted)"
    )


SHOWN_ALONE = "display({'text/markdown': reply._repr_mimebundle_()['text/markdown']}, raw=True)"


def test_hostile_replies_do_nothing_in_a_trusted_notebook(watch: Watch, tmp_path: Path, chat_server):
    """While they stream, when they are done, as Markdown alone, and all of it after save and reload; then every kind
    of link is clicked: it opens a page of its own that knows nothing of JupyterLab, which stays where it is."""
    work = tmp_path / "work"
    work.mkdir()
    replies = hostile_replies()
    cells = ["%load_ext llmvision_magic"]
    for number, _ in enumerate(replies):
        cells += [f"%%chat --once -o reply\nNumber {number}.", SHOWN_ALONE]
    write_notebook(work / "hostile.ipynb", *cells)
    chat_server.script(*(streamed(text, number, f"Number {number}.") for number, text in enumerate(replies)))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        watch.lab = address
        page = watch.page
        notebook = Notebook(page, address, "hostile.ipynb")
        before = page.evaluate(LOOKS)
        watch.moved.clear()
        notebook.run_all()
        notebook.wait_idle()
        wait_until_set(page)
        assert notebook.outputs() == [0, *[1] * (2 * len(replies))]
        assert all(trusted(page))
        assert_quiet(watch, before)
        assert page.locator(".jp-RenderedHTMLCommon.jp-RenderedMarkdown").count() >= len(replies)
        notebook.save()
        place = page.url
        assert watch.moved == []
        page.reload()
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.get_by_text("Some words").first.wait_for()
        wait_until_set(page)
        assert all(trusted(page))
        assert notebook.outputs() == [0, *[1] * (2 * len(replies))]
        before = page.evaluate(LOOKS)
        assert_quiet(watch, before)
        watch.moved.clear()
        assert_links_are_harmless(watch, place)


def assert_links_are_harmless(watch: Watch, place: str) -> None:
    """By their attributes all of them; by a click one of each kind, and many addresses."""
    page = watch.page
    ours = links(page, ".llmvm a[href]")
    assert len(ours) > 100
    for link in ours:
        assert re.match(r"(https?://|mailto:)", link["href"], re.IGNORECASE), link
        assert link["attributes"] == "href referrerpolicy rel target", link
        # JupyterLab makes `rel` anew, without "noreferrer"; the policy stays.
        assert (link["target"], link["policy"]) == ("_blank", "no-referrer"), link
        assert "noopener" in link["rel"], link
    labs = links(page, f"{MARKDOWN_LINKS}:not(mjx-container *)")
    assert len(labs) > 100
    for link in labs:
        assert re.match(r"(https?://|mailto:)", link["href"], re.IGNORECASE), link
        assert link["target"] == "_blank", link
        assert "noopener" in link["rel"], link
    # Markdown has no way to say what a link tells of where it stands: there JupyterLab's own rule holds, the origin.
    for selector, told in ((".llmvm a", ""), (MARKDOWN_LINKS, f"{watch.lab}/")):
        addresses = sorted({link["href"] for link in links(page, selector) if link["href"].startswith("http")})
        for href in addresses[:: max(1, len(addresses) // 15)]:
            assert click(watch, f"{selector}[href={quoted(href)}]") == [None, told]
    page.evaluate("() => document.querySelectorAll('.llmvm a[href^=mailto]')[0]?.click()")
    assert page.url == place
    assert watch.moved == []
    assert watch.caught() == []
    assert {referrer for _, referrer in watch.outside} == {"", f"{watch.lab}/"}


def links(page: Page, selector: str) -> list[dict[str, str]]:
    """What the links are that a selector finds."""
    return page.evaluate("selector => watchOfTheTest.links(selector)", selector)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def click(watch: Watch, selector: str) -> list[object]:
    """Click a link: what the page that it opens knows of its opener and of where it was clicked."""
    with watch.page.context.expect_page() as opened:
        watch.page.evaluate("selector => document.querySelector(selector).click()", selector)
    popup = opened.value
    popup.wait_for_load_state()
    known = popup.evaluate("() => [window.opener, document.referrer]")
    popup.close()
    return known


def test_nothing_on_the_page_of_a_reply_takes_a_key_or_a_click(watch: Watch, tmp_path: Path, chat_server):
    """A real mouse over every block and a real click on it, and Tab through it all: nothing runs, nothing moves."""
    work = tmp_path / "work"
    work.mkdir()
    write_notebook(work / "mouse.ipynb", "%load_ext llmvision_magic", "%%chat --once -o reply\nHello", SHOWN_ALONE)
    text = "\n\n".join([*MARKUP[::9], *(f"[click]({one})" for one in ADDRESSES[:40:3]), *MATHS[::9]])
    chat_server.script(streamed(text, 3, "Hello"))
    with running_lab(tmp_path, work, LLMVISION_BASE_URL=chat_server.url) as address:
        watch.lab = address
        page = watch.page
        notebook = Notebook(page, address, "mouse.ipynb")
        before = page.evaluate(LOOKS)
        watch.moved.clear()
        place = page.url
        notebook.run_all()
        notebook.wait_idle()
        wait_until_set(page)
        for block in page.locator(".jp-OutputArea-output p, .jp-OutputArea-output pre").all()[:120:2]:
            block.click(position={"x": 2, "y": 2}, no_wait_after=True)
        for _ in range(40):
            page.keyboard.press("Tab")
        assert_quiet(watch, before)
        assert page.url == place
        assert watch.moved == []


def test_watch_sees_what_it_is_there_for(watch: Watch, tmp_path: Path):
    """The control: what must not happen does happen to text that was not made safe, and is seen."""
    work = tmp_path / "work"
    work.mkdir()
    code = (
        "from IPython.display import HTML, Markdown, display\n"
        "display(HTML('<img src=x onerror=alert(1)><div style=\"position:fixed\" id=a>x</div>'))\n"
        "display(HTML('<link rel=stylesheet href=https://hostile.invalid/l.css><style>h1{color:red}</style>'))\n"
        "display(Markdown('<img src=\"https://hostile.invalid/pixel.png\" onerror=alert(2)>'))"
    )
    write_notebook(work / "control.ipynb", code)
    with running_lab(tmp_path, work) as address:
        watch.lab = address
        page = watch.page
        notebook = Notebook(page, address, "control.ipynb")
        before = page.evaluate(LOOKS)
        notebook.run_all()
        notebook.wait_idle()
        page.wait_for_function("() => watchOfTheTest.caught.some(text => text.startsWith('alert'))")
        wait_until_set(page)
        assert any(one.startswith("element") for one in watch.caught())
        assert {"https://hostile.invalid/l.css", "https://hostile.invalid/pixel.png"} <= {
            url for url, _ in watch.outside
        }
        assert any("fixed" in one for one in page.evaluate("() => watchOfTheTest.outOfPlace()"))
        assert page.evaluate(LOOKS) != before
