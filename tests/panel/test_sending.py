"""The panel's input in Chromium: files, sending, stopping, and what is said meanwhile."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.panel_harness.harness import Panel, block, turn
from support.panel_harness.pages import browser, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

TRANSFER = """
const transferOf = (files, text) => {
  const transfer = new DataTransfer();
  if (text) transfer.setData('text/plain', text);
  for (const {name, type, base64, size} of files) {
    const bytes = base64 === undefined
      ? new Uint8Array(size).fill(97)
      : Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    transfer.items.add(new File([bytes], name, {type}));
  }
  return transfer;
};
"""


def file(name: str, kind: str, content: bytes = b"", size: int | None = None) -> dict[str, Any]:
    """A file to paste or drop: its bytes, or only how many."""
    if size is not None:
        return {"name": name, "type": kind, "size": size}
    return {"name": name, "type": kind, "base64": base64.b64encode(content).decode()}


def paste(panel: Panel, *files: dict[str, Any], text: str = "") -> bool:
    """Paste into the input; gives whether the browser would have pasted something itself."""
    return panel.page.evaluate(
        f"""([files, text]) => {{ {TRANSFER}
          const data = {{clipboardData: transferOf(files, text), bubbles: true, cancelable: true}};
          return document.querySelector('.lp-input').dispatchEvent(new ClipboardEvent('paste', data));
        }}""",
        [list(files), text],
    )


def drag(panel: Panel, kind: str, *files: dict[str, Any], text: str = "") -> None:
    panel.page.evaluate(
        f"""([kind, files, text]) => {{ {TRANSFER}
          const data = {{dataTransfer: transferOf(files, text), bubbles: true, cancelable: true}};
          document.querySelector('.lp-scroller').dispatchEvent(new DragEvent(kind, data));
        }}""",
        [kind, list(files), text],
    )


# -- files -------------------------------------------------------------------------------------------------------------


def test_pasted_images_and_dropped_texts_go_along(page: Page):
    panel = Panel(page)
    panel.answer("ask", {"kind": "done", "key": ""})
    assert paste(panel, file("plot.png", "image/png", PIXEL)) is False
    chips = panel.root.locator(".lp-file")
    expect(chips).to_have_count(1)
    expect(chips.first).to_contain_text(f"plot.png{len(PIXEL)} bytes")
    assert page.evaluate("() => document.querySelector('.lp-file img').complete")
    drag(panel, "dragenter", file("a.csv", "text/csv", b"a,b\n"))
    expect(panel.root).to_have_attribute("data-dropping", "")
    drag(panel, "drop", file("a.csv", "text/csv", b"a,b\n"), file("b.py", "", b"x = 1\n"))
    expect(chips).to_have_count(3)
    expect(panel.root).not_to_have_attribute("data-dropping", "")
    panel.input.fill("Look")
    panel.input.press("Enter")
    message = panel.wait_sent("ask")[0]
    assert message["conversation"] == "main"
    assert message["files"] == [
        {"name": "plot.png", "type": "image/png"},
        {"name": "a.csv", "type": "text/csv"},
        {"name": "b.py", "type": "text/plain"},
    ]
    assert message["buffers"] == [len(PIXEL), 4, 6]
    expect(chips).to_have_count(0)


def test_text_is_pasted_as_text_also_where_it_brings_a_picture_of_itself(page: Page):
    panel = Panel(page)
    assert paste(panel, file("cells.png", "image/png", PIXEL), text="1\t2") is True
    assert panel.root.locator(".lp-file").count() == 0


def test_files_are_chosen_by_a_button_and_removed_by_the_keyboard(page: Page):
    panel = Panel(page)
    with page.expect_file_chooser() as choosing:
        panel.button("Attach images or text files").click()
    choosing.value.set_files(
        [{"name": f"{name}.txt", "mimeType": "text/plain", "buffer": name.encode()} for name in ("one", "two")]
    )
    expect(panel.root.locator(".lp-file")).to_have_count(2)
    panel.button("Remove one.txt").focus()
    page.keyboard.press("Enter")
    assert panel.focused() == "Remove two.txt"
    page.keyboard.press("Space")
    assert panel.focused() == "Prompt"
    expect(panel.root.locator(".lp-file")).to_have_count(0)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("application/zip", b"PK\x03\x04\x00\x00", "it is neither a text nor an image as PNG, JPEG, GIF or WebP"),
        ("image/tiff", b"II*", "it is neither a text nor an image as PNG, JPEG, GIF or WebP"),
        ("text/plain", b"caf\xe9", "it is neither a text nor an image as PNG, JPEG, GIF or WebP"),
    ],
)
def test_other_files_are_refused_in_one_sentence(page: Page, kind: str, content: bytes, words: str):
    panel = Panel(page)
    paste(panel, file("it.bin", kind, content))
    expect(panel.root.get_by_role("alert")).to_have_text(f"“it.bin” was not attached: {words}.")
    assert panel.root.locator(".lp-file").count() == 0


def test_files_that_are_too_large_or_too_many_are_refused(page: Page):
    panel = Panel(page)
    paste(panel, file("big.txt", "text/plain", size=10_000_001))
    expect(panel.root.get_by_role("alert")).to_have_text(
        "“big.txt” was not attached: it has 10 MB, and a file may have up to 10 MB."
    )
    paste(panel, *[file(f"{number}.txt", "text/plain", b"x") for number in range(9)])
    expect(panel.root.locator(".lp-file")).to_have_count(8)
    expect(panel.root.get_by_role("alert")).to_have_text(
        "“8.txt” was not attached: up to 8 files can be attached to one prompt."
    )


def test_files_that_are_too_large_together_are_refused(page: Page):
    """A Jupyter server closes a connection on which more than 10 MiB come at once."""
    panel = Panel(page)
    paste(panel, *[file(f"{number}.txt", "text/plain", size=4_000_000) for number in range(3)])
    expect(panel.root.locator(".lp-file")).to_have_count(2)
    expect(panel.root.get_by_role("alert")).to_have_text(
        "“2.txt” was not attached: with it there would be 12 MB, and up to 10 MB go with one prompt."
    )


@pytest.mark.parametrize("letter", ["x", "é", "\\"])
def test_prompt_that_no_connection_takes_comes_back(page: Page, letter: str):
    panel = Panel(page)
    paste(panel, file("big.txt", "text/plain", size=9_900_000))
    expect(panel.root.locator(".lp-file")).to_have_count(1)
    text = "a" + letter * 600_000
    panel.input.fill(text)
    panel.input.press("Enter")
    expect(panel.root.get_by_role("alert")).to_contain_text("up to 10 MB go with one prompt")
    assert panel.sent("ask") == []
    assert panel.input.input_value() == text
    expect(panel.root.locator(".lp-file")).to_have_count(1)
    expect(panel.root.locator("[data-status=waiting]")).to_have_count(0)


def test_draft_goes_to_the_next_panel_of_the_notebook(page: Page):
    """A cell that is run again, as the panel itself asks for when its kernel is gone, takes its panel away."""
    panel = Panel(page)
    paste(panel, file("notes.txt", "text/plain", b"abc"))
    panel.input.fill("typed but not sent")
    again = """async () => {
      cleanup();
      document.querySelector('#place').replaceChildren();
      window.cleanup = await showPanel(kernel, widget, document.querySelector('#place'));
    }"""
    page.evaluate(again)
    expect(panel.input).to_have_value("typed but not sent")
    expect(panel.root.locator(".lp-file")).to_have_text(re.compile("notes.txt"))
    panel.input.fill("")
    panel.button("Remove notes.txt").click()
    page.evaluate(again)
    expect(panel.input).to_have_value("")


# -- sending and stopping ----------------------------------------------------------------------------------------------


def test_what_is_sent_shows_at_once_and_says_when_the_kernel_is_away(page: Page):
    page.clock.install(time="2030-01-01")
    panel = Panel(page)
    page.clock.pause_at("2030-01-02")
    panel.hold()
    panel.input.fill("During a cell")
    panel.input.press("Enter")
    waiting = panel.root.get_by_role("article", name="Waiting prompt")
    expect(waiting).to_contain_text("During a cell")
    page.clock.run_for(250)
    assert "waiting for the kernel" not in waiting.inner_text()
    page.clock.run_for(100)
    expect(waiting).to_contain_text("waiting for the kernel")
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.show_turn(turn(1, "During a cell", None))
    expect(waiting).to_have_count(0)
    panel.free()
    expect(panel.turn("t1")).to_be_visible()
    expect(panel.root.locator(".lp-turn")).to_have_count(1)


def test_a_prompt_that_was_taken_stays_until_its_turn_is_there(page: Page):
    """Its turn may show another text, when values of the notebook stand in it."""
    panel = Panel(page)
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.input.fill("Of {{n}}")
    panel.input.press("Enter")
    panel.wait_sent("ask")
    expect(panel.root.get_by_role("article", name="Waiting prompt")).to_have_count(1)
    panel.show_turn(turn(1, "Of 7", None))
    expect(panel.root.get_by_role("article", name="Waiting prompt")).to_have_count(0)


def test_turns_of_cells_are_not_taken_for_the_prompt_that_waits(page: Page):
    panel = Panel(page)
    panel.hold()
    panel.input.fill("Say **it** of {{df}}")
    panel.input.press("Enter")
    panel.show_turn(turn(1, "Of a cell", asked_in="cell"))
    expect(panel.root.get_by_role("article", name="Waiting prompt")).to_have_count(1)
    panel.show_turn(turn(2, "Say **it** of {{df}}", None))
    expect(panel.root.get_by_role("article", name="Waiting prompt")).to_have_count(0)


def test_recalled_text_is_sent_as_it_was(page: Page):
    """Double braces that were text, of a file or of somebody else's conversation, are none the less text now."""
    panel = Panel(page, [turn(1, "Hello {{ user }}", raw=True), turn(2, "Of {{n}}")])
    for text in ("Of {{n}}", "Hello {{ user }}"):
        panel.answer("source", {"kind": "source", "turn": None, "text": text})
        panel.input.press("ArrowUp")
        expect(panel.input).to_have_value(text)
    expect(panel.input).to_have_value("Hello {{ user }}")
    expect(panel.root.locator(".lp-status")).to_have_text("Double braces are sent as text")
    panel.input.press("End")
    panel.input.press_sequentially("!")
    panel.input.press("Enter")
    [asked] = panel.wait_sent("ask")
    assert (asked["text"], asked["raw"]) == ("Hello {{ user }}!", True)
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.input.fill("")
    panel.input.fill("Of {{n}}")
    expect(panel.root.locator(".lp-status")).not_to_have_text("Double braces are sent as text")


def test_braces_that_are_no_expression_can_be_sent_as_text(page: Page):
    panel = Panel(page)
    panel.answer("ask", {"kind": "sorry", "key": "", "text": "`{{ user }}` failed.", "braces": True})
    panel.input.fill("Hello {{ user }}")
    panel.input.press("Escape")
    panel.input.press("Enter")
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.button("Send as text").click()
    asked = panel.wait_sent("ask", 2)
    assert [(one["text"], one.get("raw")) for one in asked] == [("Hello {{ user }}", None), ("Hello {{ user }}", True)]
    expect(panel.root.get_by_role("alert")).to_be_hidden()
    expect(panel.input).to_have_value("")
    expect(panel.input).to_be_focused()


def test_a_refused_prompt_comes_back_with_its_files_and_the_sentence(page: Page):
    panel = Panel(page)
    panel.answer("ask", {"kind": "sorry", "key": "", "text": "There is no variable `dff`; did you mean `df`?"})
    paste(panel, file("a.txt", "text/plain", b"x"))
    expect(panel.root.locator(".lp-file")).to_have_count(1)
    panel.hold()
    panel.input.fill("Of {{dff}}")
    panel.input.press("Escape")
    panel.input.press("Enter")
    panel.input.fill("typed since")
    panel.free()
    expect(panel.root.get_by_role("alert")).to_contain_text("There is no variable `dff`; did you mean `df`?")
    expect(panel.input).to_have_value("Of {{dff}}\n\ntyped since")
    expect(panel.root.locator(".lp-file")).to_have_count(1)
    expect(panel.root.get_by_role("article")).to_have_count(0)
    expect(panel.button("Send as text")).to_be_hidden()
    panel.button("Close this message").click()
    expect(panel.root.get_by_role("alert")).to_be_hidden()
    assert panel.focused() == "Prompt"


def test_stop_stands_where_send_stood(page: Page):
    panel = Panel(page, [turn(1, reply=None)])
    expect(panel.button("Send (Enter)")).to_be_visible()
    place = panel.button("Send (Enter)").bounding_box()
    panel.change("busy", "t1")
    expect(panel.button("Send (Enter)")).to_have_count(0)
    assert panel.button("Stop (Esc)").bounding_box() == place
    panel.button("Stop (Esc)").click()
    panel.wait_sent("stop")
    panel.change("busy", "")
    expect(panel.button("Send (Enter)")).to_be_visible()


def test_a_double_click_on_send_does_not_stop(page: Page):
    panel = Panel(page)
    panel.input.fill("Hello")
    panel.button("Send (Enter)").dblclick()
    panel.wait_sent("ask")
    assert panel.sent("stop") == []


def test_stop_shows_at_once_and_says_when_it_waits_for_the_kernel(page: Page):
    page.clock.install(time="2030-01-01")
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    page.clock.pause_at("2030-01-02")
    panel.hold()
    panel.button("Stop (Esc)").click()
    expect(panel.button("Stopping")).to_be_visible()
    expect(panel.root.locator(".lp-status")).to_have_text("Stopping …")
    page.clock.run_for(250)
    expect(panel.root.locator(".lp-status")).to_have_text("Stopping …")
    page.clock.run_for(100)
    expect(panel.root.locator(".lp-status")).to_have_text("Stopping: waits for the kernel")
    # A reply that goes on arriving is no sign that it was heard.
    panel.more("t1", 0, [block("More.")])
    expect(panel.root.locator(".lp-status")).to_have_text("Stopping: waits for the kernel")
    panel.change("busy", "")
    expect(panel.button("Send (Enter)")).to_be_visible()
    expect(panel.root.locator(".lp-status")).to_have_text("SmolLM2-135M · on this machine")


def test_enter_while_a_reply_arrives_keeps_the_draft(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.input.fill("Next")
    panel.input.press("Enter")
    expect(panel.input).to_have_value("Next")
    expect(panel.root.locator(".lp-status")).to_have_text("A reply is still arriving; Esc stops it.")
    assert panel.sent("ask") == []
    panel.change("busy", "")
    panel.input.press("Enter")
    assert panel.wait_sent("ask")[0]["text"] == "Next"


def test_a_sentence_for_everybody_is_shown_and_that_of_another_view_is_not(page: Page):
    panel = Panel(page)
    panel.say({"kind": "sorry", "key": "of-another-view", "text": "Not for us."})
    expect(panel.root.get_by_role("alert")).to_be_hidden()
    panel.say({"kind": "sorry", "text": "temperature: expected a number from 0 to 1, got 3."})
    expect(panel.root.get_by_role("alert")).to_contain_text("expected a number from 0 to 1")
