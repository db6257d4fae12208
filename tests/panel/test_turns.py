"""What can be done with a turn of the panel, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support.panel_harness.harness import Panel, block, turn
from support.panel_harness.pages import browser, opened_page, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser

CODE = "Try this:\n\n```python\nfor n in range(3):\n    print(n)\n```\n\n> ```\n> quoted\n> ```\n"


def clipboard(page: Page) -> str:
    return page.evaluate("() => navigator.clipboard.readText()")


def tool(panel: Panel, turn_id: str, name: str) -> Locator:
    """A button of a turn, which shows under the pointer."""
    panel.turn(turn_id).hover()
    return panel.turn(turn_id).get_by_role("button", name=name, exact=True)


def test_a_reply_is_copied_as_markdown(page: Page):
    panel = Panel(page, [turn(1, reply="**Bold**")])
    panel.answer("text", {"kind": "text", "turn": None, "text": "**Bold**"})
    tool(panel, "t1", "Copy the reply as Markdown").click()
    page.wait_for_function("async () => await navigator.clipboard.readText() === '**Bold**'")
    expect(panel.root.locator("[aria-live]")).to_contain_text("The reply was copied.")


def test_a_copy_that_waits_for_the_kernel_says_so(page: Page):
    page.clock.install(time="2030-01-01")
    panel = Panel(page, [turn(1)])
    page.clock.pause_at("2030-01-02")
    panel.hold()
    tool(panel, "t1", "Copy the reply as Markdown").click()
    page.clock.run_for(350)
    expect(panel.root.locator(".lp-status")).to_have_text("Waits for the kernel")
    panel.answer("text", {"kind": "text", "turn": None, "text": "Late"})
    panel.free()
    expect(panel.root.locator(".lp-status")).not_to_have_text("Waits for the kernel")


def test_code_is_copied(page: Page):
    panel = Panel(page, [turn(1, reply=CODE)])
    panel.turn("t1").locator("pre").first.hover()
    panel.turn("t1").get_by_role("button", name="Copy this code").first.click()
    page.wait_for_function("async () => await navigator.clipboard.readText() !== ''")
    assert clipboard(page) == "for n in range(3):\n    print(n)"


def test_code_that_has_just_arrived_is_copied_too(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [], block("```\nunfinished"))
    expect(panel.turn("t1").get_by_role("button", name="Copy this code")).to_have_count(0)
    panel.more("t1", 0, [block("```\nfinished\n```")])
    panel.turn("t1").locator("pre").hover()
    panel.turn("t1").get_by_role("button", name="Copy this code").click()
    page.wait_for_function("async () => await navigator.clipboard.readText() === 'finished'")


def test_code_becomes_a_cell_below_the_active_one(page: Page):
    panel = Panel(page, [turn(1, reply=CODE)])
    page.evaluate(
        """() => document.body.insertAdjacentHTML('beforeend', `<div class="jp-NotebookPanel"><div class="jp-Notebook">
          <div class="jp-Cell" data-windowed-list-index="0"></div>
          <div class="jp-Cell jp-mod-active" data-windowed-list-index="1"></div></div></div>`)"""
    )
    panel.turn("t1").get_by_role("button", name="Put this code into a new cell").nth(1).focus()
    page.keyboard.press("Enter")
    inserted = page.evaluate("() => kernel.insertedCells")
    assert [(one["index"], one["cell_type"], one["source"]) for one in inserted] == [(2, "code", "quoted")]


def test_code_becomes_a_cell_below_that_of_the_panel(page: Page):
    panel = Panel(page, [turn(1, reply=CODE)])
    page.evaluate(
        """() => {
          const place = document.querySelector('#place');
          place.className = 'jp-Cell';
          place.dataset.windowedListIndex = '0';
        }"""
    )
    panel.turn("t1").get_by_role("button", name="Put this code into a new cell").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("() => kernel.insertedCells[0].index") == 1


def test_where_there_is_no_notebook_the_code_is_copied_and_that_is_said(page: Page):
    panel = Panel(page, [turn(1, reply=CODE)])
    page.evaluate("() => { kernel.hasNotebook = false }")
    panel.turn("t1").get_by_role("button", name="Put this code into a new cell").first.focus()
    page.keyboard.press("Enter")
    expect(panel.root.get_by_role("alert")).to_contain_text(
        "Cells cannot be added from here: the code was copied instead."
    )
    assert clipboard(page).startswith("for n in range(3):")


def test_without_a_clipboard_the_page_still_copies(page: Page):
    """A server without TLS: the browser gives such pages no clipboard."""
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    panel = Panel(page, [turn(1, reply=CODE)])
    page.evaluate(
        "() => document.addEventListener('copy', () => { window.copied = String(document.activeElement.value) }, true)"
    )
    panel.turn("t1").get_by_role("button", name="Copy this code").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.copied?.startsWith('for n in')")
    assert panel.focused() == "Copy this code"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Retry", {"do": "retry", "turn": "t2"}),
        ("Leave out of what is sent", {"do": "exclude", "turn": "t2", "excluded": True}),
    ],
)
def test_buttons_of_a_turn_ask_the_kernel(page: Page, name: str, message: dict[str, object]):
    panel = Panel(page, [turn(1), turn(2)])
    tool(panel, "t2", name).click()
    sent = panel.wait_sent(str(message["do"]))[0]
    assert {key: sent[key] for key in message} == message


def test_a_refused_button_says_why(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("retry", {"kind": "sorry", "key": "", "text": "A reply is arriving; stop it first."})
    tool(panel, "t1", "Retry").click()
    expect(panel.root.get_by_role("alert")).to_contain_text("A reply is arriving; stop it first.")


def test_an_old_refusal_goes_with_the_next_thing_that_is_done(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("retry", {"kind": "sorry", "key": "", "text": "A reply is still arriving."})
    tool(panel, "t1", "Retry").click()
    expect(panel.root.get_by_role("alert")).to_contain_text("A reply is still arriving.")
    panel.answer("retry", {"kind": "done", "key": ""})
    tool(panel, "t1", "Retry").click()
    expect(panel.root.get_by_role("alert")).to_be_hidden()


def test_a_turn_that_is_left_out_is_dimmed_says_so_and_can_be_taken_in(page: Page):
    panel = Panel(page, [turn(1), turn(2)])
    colour = "() => getComputedStyle(document.querySelector('[data-turn=t1] .lp-reply')).color"
    before = page.evaluate(colour)
    panel.show_turn(turn(1, excluded=True))
    assert page.evaluate(colour) != before
    expect(panel.turn("t1")).to_contain_text("Not sent to the model")
    tool(panel, "t1", "Take in again").click()
    assert panel.wait_sent("exclude")[0]["excluded"] is False


def test_versions_of_a_turn_are_walked(page: Page):
    panel = Panel(page, [turn(1, siblings=["a", "t1", "b"])])
    expect(panel.turn("t1")).to_contain_text("2 of 3")
    tool(panel, "t1", "Previous version").click()
    tool(panel, "t1", "Next version").click()
    assert [message["turn"] for message in panel.wait_sent("branch", 2)] == ["a", "b"]
    panel.show_turn(turn(1, siblings=["a", "t1"]))
    expect(panel.turn("t1").get_by_role("button", name="Next version")).to_have_attribute("aria-disabled", "true")
    panel.show_turn(turn(1))
    expect(panel.turn("t1").get_by_role("button", name="Previous version")).to_be_hidden()


def test_versions_are_walked_by_keyboard(page: Page):
    """The version that takes the place has the focus where the other had it."""
    panel = Panel(page, [turn(1, id="b", siblings=["a", "b"])])
    back = panel.turn("b").get_by_role("button", name="Previous version")
    back.focus()
    back.press("Enter")
    panel.wait_sent("branch")
    other = turn(1, id="a", siblings=["a", "b"])
    panel.say({"kind": "turns", "conversation": "main", "before": None, "turns": [other], "more": False, "total": 1})
    expect(panel.turn("a").get_by_role("button", name="Previous version")).to_be_focused()


def test_a_prompt_is_edited_in_its_place_and_sent_again(page: Page):
    panel = Panel(page, [turn(1, "Of **this**"), turn(2)])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Of **this**"})
    panel.hold()
    tool(panel, "t1", "Edit and send again").click()
    panel.free()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    expect(editor).to_have_value("Of **this**")
    expect(editor).to_be_focused()
    expect(panel.turn("t1").locator(".lp-prompt")).to_be_hidden()
    editor.press("End")
    editor.press("Shift+Enter")
    editor.press_sequentially("and that")
    panel.answer("edit", {"kind": "done", "key": ""})
    editor.press("Enter")
    message = panel.wait_sent("edit")[0]
    assert (message["turn"], message["text"]) == ("t1", "Of **this**\nand that")
    expect(editor).to_have_count(0)
    assert panel.focused() == "Edit and send again"


def test_an_edit_is_given_up_with_escape(page: Page):
    panel = Panel(page, [turn(1, "Keep me")], busy="t2")
    panel.answer("source", {"kind": "source", "turn": None, "text": "Keep me"})
    tool(panel, "t1", "Edit and send again").click()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    editor.fill("Lost")
    editor.press("Escape")
    expect(editor).to_have_count(0)
    expect(panel.turn("t1").locator(".lp-prompt")).to_have_text("Keep me")
    assert panel.sent("edit") == panel.sent("stop") == []
    assert panel.focused() == "Edit and send again"


def test_an_edit_says_which_braces_are_text_and_what_is_evaluated(page: Page):
    panel = Panel(page, [turn(1)])
    answer = {"kind": "source", "turn": None, "text": "Of {{n}}", "raw": True, "anew": "-a secret()"}
    panel.answer("source", answer)
    tool(panel, "t1", "Edit and send again").click()
    told = panel.turn("t1").locator(".lp-editor .lp-beside")
    expect(told).to_have_text("Double braces are sent as text. Evaluated anew: -a secret()")


def test_an_edit_of_files_alone_may_be_empty(page: Page):
    """Their names stand in the turn, which has no other prompt."""
    panel = Panel(page, [turn(1, files=["notes.txt"], prompt_html="")])
    expect(panel.turn("t1").locator(".lp-beside").first).to_have_text("notes.txt")
    expect(panel.turn("t1").locator(".lp-prompt")).to_be_hidden()
    panel.answer("source", {"kind": "source", "turn": None, "text": "", "raw": False, "anew": ""})
    tool(panel, "t1", "Edit and send again").click()
    panel.turn("t1").get_by_role("textbox", name="Edit the prompt").press("Enter")
    assert panel.wait_sent("edit")[0]["text"] == ""


@pytest.mark.parametrize("name", ["Retry", "Put this code into a new cell"])
def test_a_double_click_does_it_once(page: Page, name: str):
    panel = Panel(page, [turn(1, reply=CODE)])
    panel.turn("t1").locator("pre").first.hover()
    panel.turn("t1").get_by_role("button", name=name, exact=True).first.dblclick()
    page.wait_for_function("() => kernel.insertedCells.length + kernel.sent.filter((one) => one.do === 'retry').length")
    assert len(page.evaluate("() => kernel.insertedCells")) + len(panel.sent("retry")) == 1


def test_enter_twice_sends_an_edit_once(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Again"})
    tool(panel, "t1", "Edit and send again").click()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    panel.hold()
    editor.press("Enter")
    editor.press("Enter")
    assert len(panel.sent("edit")) == 1


def test_code_of_which_only_the_beginning_is_shown_is_not_given_for_all(page: Page):
    panel = Panel(page, [turn(1, reply="```\nwhole\n```\n\n```\ncut", shortened=True)])
    panel.turn("t1").locator("pre").last.hover()
    panel.turn("t1").get_by_role("button", name="Put this code into a new cell").last.click()
    expect(panel.root.get_by_role("alert")).to_contain_text("Only the beginning of this code is shown")
    assert page.evaluate("() => kernel.insertedCells") == []
    panel.turn("t1").locator("pre").first.hover()
    panel.turn("t1").get_by_role("button", name="Put this code into a new cell").first.click()
    page.wait_for_function("() => kernel.insertedCells.length === 1")


def test_a_refused_edit_stays_open_with_the_sentence(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Of {{n}}"})
    panel.answer("edit", {"kind": "sorry", "key": "", "text": "There is no variable `n`.", "braces": True})
    tool(panel, "t1", "Edit and send again").click()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    editor.press("Enter")
    expect(panel.turn("t1").get_by_role("alert")).to_have_text("There is no variable `n`.")
    expect(editor).to_have_value("Of {{n}}")
    expect(editor).to_be_editable()
    panel.answer("edit", {"kind": "done", "key": ""})
    panel.button("Send as text").click()
    assert panel.wait_sent("edit", 2)[1]["raw"] is True
    expect(editor).to_have_count(0)


def test_an_edit_survives_news_of_its_turn(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Draft"})
    tool(panel, "t1", "Edit and send again").click()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    editor.fill("A longer draft")
    panel.show_turn(turn(1, excluded=True))
    panel.say({"kind": "turns", "conversation": "main", "before": None, "turns": [turn(1)], "more": False, "total": 1})
    expect(editor).to_have_value("A longer draft")
    expect(editor).to_be_focused()


def test_the_focus_is_not_lost_when_its_button_goes(page: Page):
    panel = Panel(page, [turn(1, status="interrupted", notice="Interrupted.", unfinished=True), turn(2)])
    panel.turn("t1").get_by_role("button", name="Continue").focus()
    panel.show_turn(turn(1))
    assert panel.focused() == "Prompt"
    panel.turn("t2").get_by_role("button", name="Retry").focus()
    panel.say({"kind": "turns", "conversation": "main", "before": None, "turns": [turn(1)], "more": False, "total": 1})
    assert panel.focused() == "Prompt"


def test_quiet_buttons_show_with_the_keyboard_and_on_touch_screens(browser: Browser, page: Page):
    panel = Panel(page, [turn(1), turn(2)])
    opacity = "() => Number(getComputedStyle(document.querySelector('[data-turn=t1] .lp-tools')).opacity)"
    page.mouse.move(0, 0)
    page.wait_for_function(f"() => ({opacity})() === 0")
    panel.turn("t1").get_by_role("button", name="Retry").focus()
    page.wait_for_function(f"() => ({opacity})() === 1")
    with opened_page(browser, has_touch=True, is_mobile=True) as touched:
        Panel(touched, [turn(1, reply=CODE), turn(2)])
        assert touched.evaluate(opacity) == 1
        assert touched.evaluate("() => getComputedStyle(document.querySelector('.lp-code-tools')).opacity") == "1"
