"""The panel's conversations and settings, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from support.panel_harness.harness import Panel
from support.panel_harness.pages import browser, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser


# -- conversations -----------------------------------------------------------------------------------------------------


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
    expect(panel.input).to_be_focused()


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


def test_a_double_click_renames_once(page: Page):
    panel = Panel(page)
    panel.hold()
    panel.button("Rename this conversation").click()
    panel.root.get_by_role("textbox", name="New name of the conversation").fill("teacher")
    panel.button("Rename").dblclick()
    panel.answer("rename", {"kind": "done", "key": ""})
    panel.free()
    expect(panel.root.get_by_role("textbox", name="New name of the conversation")).to_have_count(0)
    assert len(panel.sent("rename")) == 1


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


@pytest.mark.parametrize(("asks", "does", "do"), [("Drop", "Drop", "drop"), ("Rename", "Rename", "rename")])
def test_a_question_is_about_the_conversation_it_was_asked_for(page: Page, asks: str, does: str, do: str):
    """A cell may go to another one meanwhile, which would be dropped in its place."""
    panel = Panel(page, conversation="tutor")
    panel.button(f"{asks} this conversation").click()
    if do == "rename":
        panel.root.get_by_role("textbox", name="New name of the conversation").fill("teacher")
    panel.change("conversation", "main")
    panel.button(does).click()
    assert panel.wait_sent(do)[0]["name"] == "tutor"


# -- settings ----------------------------------------------------------------------------------------------------------


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
    button.press("Escape")
    expect(drawer).to_be_hidden()


def test_what_is_not_set_is_seen_as_such_with_what_holds_instead(settings: Panel):
    expect(control(settings, "temperature")).to_contain_text("not set · 0.7 from ipython_config.py")
    expect(control(settings, "model")).to_contain_text("not set · SmolLM2-135M by default")
    expect(control(settings, "top_p").locator(".lp-source")).to_have_text("not set")
    expect(settings.root.get_by_label("Temperature, as a number")).to_have_value("")
    expect(settings.root.get_by_label("Temperature", exact=True)).to_have_value("0.7")
    expect(settings.root.get_by_label("Temperature", exact=True)).to_have_attribute("aria-valuetext", "not set, 0.7")
    expect(settings.button("Unset Temperature")).to_be_hidden()


def test_a_system_prompt_that_would_cut_the_connection_is_refused(settings: Panel):
    """What was typed stays, and the value that there was."""
    area = settings.root.get_by_label("System prompt", exact=True)
    area.evaluate("one => { one.value = 'x'.repeat(1_000_001); one.dispatchEvent(new Event('change')); }")
    expect(settings.root.get_by_role("alert")).to_contain_text("up to 1,000,000 characters, got 1,000,001")
    assert settings.page.evaluate("() => kernel.written") == []
    assert area.evaluate("one => one.value.length") == 1_000_001


@pytest.mark.parametrize("typed", ["1e999", "0.1-"])
def test_what_is_no_number_is_refused(settings: Panel, typed: str):
    """The browser gives no value for it; it stays to be mended."""
    number = settings.root.get_by_label("Temperature, as a number")
    number.press_sequentially(typed)
    number.press("Enter")
    expect(settings.root.get_by_role("alert")).to_contain_text("A number was expected; nothing was changed.")
    assert settings.page.evaluate("() => kernel.written") == []


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


def test_temperature_goes_as_far_as_the_server_takes_it(settings: Panel):
    slider, field = (settings.root.get_by_label(f"Temperature{rest}", exact=True) for rest in ("", ", as a number"))
    for high in (2, 1):
        settings.change("effective", {"temperature": {"value": None, "source": "default", "high": high}})
        expect(slider).to_have_attribute("max", str(high))
        expect(field).to_have_attribute("max", str(high))
    settings.change("effective", {})
    expect(slider).to_have_attribute("max", "1")


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
