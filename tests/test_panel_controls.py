"""What can be done in the panel, in Chromium: with a turn, with conversations, with the settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from panel_harness.harness import Panel, block, opened_page, started_browser, turn
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

CODE = "Try this:\n\n```python\nfor n in range(3):\n    print(n)\n```\n\n> ```\n> quoted\n> ```\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for this file."""
    with started_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page, which may use the clipboard."""
    with opened_page(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page


def clipboard(page: Page) -> str:
    return page.evaluate("() => navigator.clipboard.readText()")


def tool(panel: Panel, turn_id: str, name: str) -> Locator:
    """A button of a turn, which shows under the pointer."""
    panel.turn(turn_id).hover()
    return panel.turn(turn_id).get_by_role("button", name=name, exact=True)


# -- a turn -----------------------------------------------------------------------------------------------------------


def test_a_reply_is_copied_as_markdown(page: Page):
    panel = Panel(page, [turn(1, reply="**Bold**")])
    panel.answer("text", {"kind": "text", "turn": None, "text": "**Bold**"})
    tool(panel, "t1", "Copy the reply as Markdown").click()
    page.wait_for_function("async () => await navigator.clipboard.readText() === '**Bold**'")
    expect(panel.root.locator("[aria-live]")).to_contain_text("The reply was copied.")


def test_a_copy_that_waits_for_the_kernel_says_so(page: Page):
    page.clock.install()
    panel = Panel(page, [turn(1)])
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


def test_a_refused_edit_stays_open_with_the_sentence(page: Page):
    panel = Panel(page, [turn(1)])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Of {{n}}"})
    panel.answer("edit", {"kind": "sorry", "key": "", "text": "There is no variable `n`."})
    tool(panel, "t1", "Edit and send again").click()
    editor = panel.turn("t1").get_by_role("textbox", name="Edit the prompt")
    editor.press("Enter")
    expect(panel.turn("t1").get_by_role("alert")).to_have_text("There is no variable `n`.")
    expect(editor).to_have_value("Of {{n}}")
    expect(editor).to_be_editable()


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


# -- conversations ----------------------------------------------------------------------------------------------------


def test_another_conversation_is_chosen(page: Page):
    panel = Panel(page)
    select = panel.root.get_by_role("combobox", name="Conversation")
    assert select.locator("option").all_inner_texts() == ["main", "tutor (4)"]
    select.select_option("tutor")
    assert panel.wait_sent("use")[0]["name"] == "tutor"
    panel.change(
        "conversations", [{"name": "main", "turns": 1}, {"name": "tutor", "turns": 4}, {"name": "x", "turns": 0}]
    )
    assert select.locator("option").all_inner_texts() == ["main (1)", "tutor (4)", "x"]


def test_a_conversation_that_cannot_be_chosen_is_not_shown_as_chosen(page: Page):
    panel = Panel(page)
    panel.answer("use", {"kind": "sorry", "key": "", "text": "There is no conversation `tutor`."})
    panel.root.get_by_role("combobox", name="Conversation").select_option("tutor")
    expect(panel.root.get_by_role("alert")).to_contain_text("There is no conversation `tutor`.")
    expect(panel.root.get_by_role("combobox", name="Conversation")).to_have_value("main")


def test_a_new_conversation_is_begun(page: Page):
    panel = Panel(page)
    panel.button("New conversation").click()
    assert panel.wait_sent("new")[0]["name"] == ""


def test_a_conversation_is_renamed(page: Page):
    panel = Panel(page)
    panel.button("Rename this conversation").click()
    field = panel.root.get_by_role("textbox", name="New name of the conversation")
    expect(field).to_have_value("main")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(field).to_have_count(0)
    assert panel.focused() == "Conversation"
    panel.button("Rename this conversation").click()
    panel.answer("rename", {"kind": "sorry", "key": "", "text": "There is a conversation `tutor` already."})
    field.fill("tutor")
    field.press("Enter")
    expect(panel.root.get_by_role("alert")).to_contain_text("There is a conversation `tutor` already.")
    expect(field).to_have_value("tutor")
    panel.answer("rename", {"kind": "done", "key": ""})
    field.fill("teacher")
    panel.button("Rename").click()
    sent = panel.wait_sent("rename", 2)[1]
    assert (sent["name"], sent["to"]) == ("main", "teacher")
    expect(field).to_have_count(0)


def test_dropping_a_conversation_asks_once(page: Page):
    panel = Panel(page, conversation="tutor")
    panel.button("Drop this conversation").click()
    expect(panel.root).to_contain_text("Drop “tutor” with its 4 turns? It cannot be taken back.")
    assert panel.focused() == "Keep"
    page.keyboard.press("Enter")
    expect(panel.button("Keep")).to_have_count(0)
    assert panel.sent("drop") == []
    panel.button("Drop this conversation").click()
    panel.button("Drop").click()
    assert panel.wait_sent("drop")[0]["name"] == "tutor"


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(page: Page) -> Panel:
    """A panel with the settings open."""
    panel = Panel(page)
    panel.button("Settings").click()
    return panel


def control(panel: Panel, name: str) -> Locator:
    return panel.root.locator(f'[data-name="{name}"]')


def written(panel: Panel) -> dict[str, object]:
    """What the page has written last."""
    return panel.page.evaluate("() => kernel.written.at(-1)")


def test_settings_open_and_close(page: Page):
    panel = Panel(page)
    button = panel.button("Settings")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    drawer = panel.root.get_by_role("region", name="Settings of this conversation")
    expect(drawer).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    assert len(panel.wait_sent("models")) == 1
    panel.change("models", ["tiny", "large"])
    assert drawer.locator("datalist option").evaluate_all("all => all.map((one) => one.value)") == ["tiny", "large"]
    panel.root.get_by_label("Temperature", exact=True).focus()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert panel.focused() == "Settings"
    button.click()
    assert len(panel.sent("models")) == 1


def test_what_is_not_set_is_seen_as_such_with_what_holds_instead(settings: Panel):
    expect(control(settings, "temperature")).to_contain_text("not set · 0.7 from ipython_config.py")
    expect(control(settings, "model")).to_contain_text("not set · SmolLM2-135M by default")
    expect(control(settings, "top_p").locator(".lp-source")).to_have_text("not set")
    expect(settings.root.get_by_label("Temperature, as a number")).to_have_value("")
    expect(settings.root.get_by_label("Temperature", exact=True)).to_have_value("0.7")
    expect(settings.root.get_by_label("Temperature", exact=True)).to_have_attribute("aria-valuetext", "not set, 0.7")
    expect(settings.button("Unset Temperature")).to_be_hidden()


def test_a_slider_sets_and_the_kernel_moves_it(settings: Panel):
    slider = settings.root.get_by_label("Temperature", exact=True)
    slider.focus()
    settings.page.keyboard.press("ArrowRight")
    assert written(settings) == {"temperature": 0.71}
    expect(settings.root.get_by_label("Temperature, as a number")).to_have_value("0.71")
    settings.change("temperature", 0.2)
    expect(slider).to_have_value("0.2")
    expect(settings.root.get_by_label("Temperature, as a number")).to_have_value("0.2")
    expect(control(settings, "temperature")).to_contain_text("set for this conversation")
    settings.button("Unset Temperature").click()
    assert written(settings) == {"temperature": None}
    expect(control(settings, "temperature")).to_contain_text("not set · 0.7")
    expect(slider).to_be_focused()


@pytest.mark.parametrize(
    ("label", "typed", "value"),
    [
        ("Model", "large", {"model": "large"}),
        ("System prompt", "Be brief.\nBe kind.", {"system": "Be brief.\nBe kind."}),
        ("Top p, as a number", "0.95", {"top_p": 0.95}),
        ("Longest reply, in tokens", "200", {"max_tokens": 200}),
        ("Presence penalty, as a number", "-1.5", {"presence_penalty": -1.5}),
        ("Frequency penalty, as a number", "0.3", {"frequency_penalty": 0.3}),
        ("Stop before", "END\n\\n\\n", {"stop": ["END", "\n\n"]}),
    ],
)
def test_every_parameter_has_a_control(settings: Panel, label: str, typed: str, value: dict[str, object]):
    field = settings.root.get_by_label(label, exact=True)
    field.fill(typed)
    field.blur()
    assert written(settings) == value
    name, expected = next(iter(value.items()))
    expect(field).to_have_value(typed)
    settings.change(name, None)
    expect(field).to_have_value("")
    settings.change(name, expected)
    expect(field).to_have_value(typed)
    field.fill("")
    field.blur()
    assert written(settings) == {name: None}


def test_what_the_kernel_refuses_goes_back(settings: Panel):
    field = settings.root.get_by_label("Temperature, as a number")
    field.fill("7")
    field.press("Enter")
    assert written(settings) == {"temperature": 7}
    settings.say({"kind": "sorry", "key": "", "text": "temperature: expected a number from 0 to 1, got 7."})
    settings.change("temperature", None)
    expect(field).to_have_value("")
    expect(settings.root.get_by_role("alert")).to_contain_text("expected a number from 0 to 1, got 7")


def test_what_is_being_typed_is_not_overwritten(settings: Panel):
    field = settings.root.get_by_role("textbox", name="System prompt")
    field.focus()
    field.press_sequentially("Half a sen")
    settings.change("effective", {})
    settings.change("system", "From the kernel")
    expect(field).to_have_value("Half a sen")


def test_settings_stand_beside_the_text_where_there_is_room_and_above_it_else(settings: Panel):
    drawer = settings.root.get_by_role("region", name="Settings of this conversation")
    expect(settings.scroller).to_be_visible()
    assert (
        drawer.bounding_box()["x"] >= settings.scroller.bounding_box()["x"] + settings.scroller.bounding_box()["width"]
    )
    settings.page.set_viewport_size({"width": 400, "height": 700})
    assert drawer.bounding_box()["width"] > 350
    expect(settings.input).to_be_visible()
    assert drawer.bounding_box()["y"] + drawer.bounding_box()["height"] <= settings.input.bounding_box()["y"]
