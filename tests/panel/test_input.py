"""The panel's input in Chromium: keys, and names of the notebook."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from support.panel_harness.harness import Panel, turn
from support.panel_harness.pages import browser, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser


# -- keys --------------------------------------------------------------------------------------------------------------


def test_enter_sends_and_shift_enter_breaks_the_line(page: Page):
    panel = Panel(page)
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.input.press_sequentially("one")
    panel.input.press("Shift+Enter")
    panel.input.press_sequentially("two")
    assert panel.sent("ask") == []
    panel.input.press("Enter")
    assert panel.wait_sent("ask")[0]["text"] == "one\ntwo"
    expect(panel.input).to_have_value("")


def test_enter_while_an_input_method_composes_sends_nothing(page: Page):
    panel = Panel(page)
    panel.input.fill("日本")
    page.evaluate(
        """() => {
          const press = (more) => document.querySelector('.lp-input')
            .dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...more}));
          press({isComposing: true});
          press({keyCode: 229});
        }"""
    )
    assert panel.sent("ask") == []
    expect(panel.input).to_have_value("日本")


def test_nothing_is_sent_without_a_prompt(page: Page):
    panel = Panel(page)
    panel.input.fill("  \n ")
    panel.input.press("Enter")
    expect(panel.button("Send (Enter)")).to_have_attribute("aria-disabled", "true")
    panel.button("Send (Enter)").click(force=True)
    assert panel.sent("ask") == []


def test_the_input_grows_with_its_text_up_to_a_bound_and_then_scrolls(page: Page):
    panel = Panel(page)
    heights = []
    for lines in (1, 2, 4, 60):
        panel.input.fill("\n".join(["line"] * lines))
        heights.append(panel.input.bounding_box()["height"])
    assert heights[0] < 60
    assert heights[0] + 15 < heights[1] < heights[2] < heights[3] <= 170
    assert page.evaluate(
        "() => { const a = document.querySelector('.lp-input'); return a.scrollHeight > a.clientHeight }"
    )
    panel.input.fill("")
    assert panel.input.bounding_box()["height"] == heights[0]


def test_the_transcript_stays_at_its_end_while_the_input_grows(page: Page):
    panel = Panel(page, [turn(1, reply="Text.\n\n" * 60)])
    panel.wait_sent("show")
    panel.input.fill("\n".join(["line"] * 8))
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    scroller = "const s = document.querySelector('.lp-scroller')"
    assert page.evaluate(f"() => {{ {scroller}; return s.scrollHeight - s.clientHeight - s.scrollTop }}") < 2


def test_escape_stops_the_reply(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.input.press("Escape")
    assert len(panel.wait_sent("stop")) == 1
    panel.input.press("Escape")
    assert len(panel.sent("stop")) == 1


def test_escape_with_nothing_to_stop_does_nothing(page: Page):
    panel = Panel(page)
    panel.input.fill("Draft")
    panel.input.press("Escape")
    assert panel.sent("stop") == []
    expect(panel.input).to_have_value("Draft")


def test_keys_do_not_reach_the_page_around(page: Page):
    """JupyterLab and Notebook 7 listen on the document, and leave alone what carries the attribute."""
    panel = Panel(page, [turn(1)])
    expect(panel.root).to_have_attribute("data-lm-suppress-shortcuts", "true")
    page.evaluate(
        """() => {
          window.heard = [];
          for (const kind of ['keydown', 'keyup', 'keypress', 'paste', 'copy', 'cut'])
            document.addEventListener(kind, (event) => heard.push([kind, event.key]));
        }"""
    )
    panel.input.press_sequentially("abdd")
    for key in ("Enter", "ArrowUp", "Escape", "Control+s", "Control+v"):
        panel.input.press(key)
    panel.turn("t1").get_by_role("button", name="Retry").focus()
    page.keyboard.press("a")
    page.keyboard.press("d")
    assert page.evaluate("() => heard") == []
    assert page.evaluate("() => kernel.saved") == 1, "Ctrl+S would have saved the page instead of the notebook"


def test_shortcuts_that_hear_a_key_first_leave_it_alone(page: Page):
    """Notebook 7 hears keys before the panel does. Its rule: from the focused element upwards, up to the attribute, ask
    whether a shortcut's selector matches; that of the command mode matches the focused element itself."""
    panel = Panel(page, [turn(1, reply="[a link](https://example.org)\n\n```\ncode\n```")])
    panel.button("Settings").click()
    expect(panel.turn("t1")).to_be_visible()
    page.evaluate(
        """() => {
          document.querySelector('#place').className = 'jp-Notebook jp-mod-commandMode';
          window.fired = [];
          document.addEventListener('keydown', ({target}) => {
            for (let one = target; one && !one.hasAttribute('data-lm-suppress-shortcuts'); one = one.parentElement)
              if (one.matches('.jp-Notebook.jp-mod-commandMode :focus:not(:read-write)')) fired.push(target.outerHTML);
          }, true);
        }"""
    )
    focusable = panel.root.locator("button:visible, a, select, input:visible, textarea, [tabindex='0']")
    count = focusable.count()
    assert count > 25
    for index in range(count):
        focusable.nth(index).focus()
        page.keyboard.press("Shift")
    assert page.evaluate("() => fired") == []


def test_arrows_recall_earlier_prompts_and_the_draft_comes_back(page: Page):
    panel = Panel(page, [turn(1, "First"), turn(2, "Second"), turn(3, "Second")])
    expect(panel.turn("t3")).to_be_visible()
    seen = []
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"):
        panel.input.press(key)
        seen.append(panel.input.input_value())
    assert seen == ["Second", "First", "First", "Second", ""]
    panel.input.fill("draft")
    panel.input.press("ArrowUp")
    expect(panel.input).to_have_value("draft")
    panel.input.press("Home")
    panel.input.press("ArrowUp")
    expect(panel.input).to_have_value("Second")
    panel.input.press("ArrowDown")
    expect(panel.input).to_have_value("draft")


def test_recall_and_completion_can_be_undone(page: Page):
    panel = Panel(page, [turn(1, "First")])
    expect(panel.turn("t1")).to_be_visible()
    panel.answer("names", {"kind": "names", "key": "", "names": ["measurements"]})
    panel.input.press_sequentially("draft")
    panel.input.press("Home")
    panel.input.press("ArrowUp")
    expect(panel.input).to_have_value("First")
    panel.input.press("Control+z")
    expect(panel.input).to_have_value("draft")
    panel.input.press("End")
    panel.input.press_sequentially(" {{meas")
    expect(panel.root.locator(".lp-names li")).to_have_count(1)
    panel.input.press("Enter")
    expect(panel.input).to_have_value("draft {{measurements}}")
    panel.input.press("Control+z")
    expect(panel.input).to_have_value("draft {{meas")


def test_a_recalled_prompt_is_as_it_was_typed(page: Page):
    """What the transcript shows is rendered; the kernel knows what was typed."""
    panel = Panel(page, [turn(1, "Say **this** of {{df}}")])
    panel.answer("source", {"kind": "source", "turn": None, "text": "Say **this** of {{df}}"})
    panel.input.press("ArrowUp")
    expect(panel.input).to_have_value("Say **this** of {{df}}")


def test_a_prompt_that_gave_way_to_the_next_is_recalled(page: Page):
    """One that got no reply is no part of the conversation any more; it was typed all the same."""
    panel = Panel(page, [turn(1, "First")])
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.input.fill("Without a reply")
    panel.input.press("Enter")
    panel.show_turn(turn(2, "Without a reply", status="failed", reply=""))
    panel.input.fill("Next")
    panel.input.press("Enter")
    panel.say(
        {
            "kind": "turns",
            "conversation": "main",
            "before": None,
            "more": False,
            "total": 2,
            "turns": [turn(1, "First"), turn(2, "Next", id="t9")],
        }
    )
    panel.answer("source")
    for text in ("Next", "Without a reply", "First"):
        panel.input.press("ArrowUp")
        expect(panel.input).to_have_value(text)


def test_a_prompt_sent_here_is_recalled_before_its_turn_is_there(page: Page):
    panel = Panel(page)
    panel.answer("ask", {"kind": "done", "key": ""})
    panel.input.fill("Just **sent**")
    panel.input.press("Enter")
    panel.input.press("ArrowUp")
    expect(panel.input).to_have_value("Just **sent**")


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def naming(page: Page) -> Panel:
    """A panel with the list of names open."""
    panel = Panel(page)
    panel.answer("names", {"kind": "names", "key": "", "names": ["data", "dates", "df"]})
    panel.input.press_sequentially("About {{d")
    expect(panel.root.get_by_role("listbox")).to_be_visible()
    return panel


def test_names_are_listed_while_an_expression_is_typed(naming: Panel):
    assert naming.sent("names")[-1]["text"] == "d"
    options = naming.root.locator(".lp-names li")
    expect(options).to_have_text(["data", "dates", "df"])
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert naming.input.get_attribute("aria-controls") == naming.root.get_by_role("listbox").get_attribute("id")
    assert naming.input.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    naming.input.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    assert naming.input.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    naming.input.press("ArrowUp")
    naming.input.press("ArrowUp")
    expect(options.nth(2)).to_have_attribute("aria-selected", "true")
    assert naming.focused() == "Prompt"


@pytest.mark.parametrize("key", ["Enter", "Tab"])
def test_a_name_is_taken_with_its_closing_braces(naming: Panel, key: str):
    naming.input.press("ArrowDown")
    naming.input.press(key)
    expect(naming.input).to_have_value("About {{dates}}")
    expect(naming.root.get_by_role("listbox")).to_be_hidden()
    assert naming.input.get_attribute("aria-activedescendant") is None
    assert naming.sent("ask") == []
    naming.input.press_sequentially("!")
    expect(naming.input).to_have_value("About {{dates}}!")


def test_a_name_is_taken_by_a_click(naming: Panel):
    naming.root.get_by_role("listbox").get_by_role("option", name="df").click()
    expect(naming.input).to_have_value("About {{df}}")
    assert naming.focused() == "Prompt"


def test_escape_closes_the_list_before_it_stops(naming: Panel):
    naming.change("busy", "t1")
    naming.input.press("Escape")
    expect(naming.root.get_by_role("listbox")).to_be_hidden()
    assert naming.sent("stop") == []
    naming.input.press("Escape")
    naming.wait_sent("stop")


@pytest.mark.parametrize(("names", "taken"), [(["df.shape"], "df.shape"), (["shape"], "df.shape")])
def test_attributes_are_completed(page: Page, names: list[str], taken: str):
    panel = Panel(page)
    panel.answer("names", {"kind": "names", "key": "", "names": names})
    panel.input.fill("{{}}")
    panel.input.press("ArrowLeft")
    panel.input.press("ArrowLeft")
    panel.input.press_sequentially("len(df.sh")
    expect(panel.root.locator(".lp-names li")).to_have_count(1)
    panel.input.press("Enter")
    expect(panel.input).to_have_value("{{len(" + taken + "}}")


@pytest.mark.parametrize("name", ["größe_groß", "变量"])
def test_names_in_any_script_are_completed(page: Page, name: str):
    panel = Panel(page)
    panel.answer("names", {"kind": "names", "key": "", "names": [name]})
    panel.input.press_sequentially("{{" + name[:-1])
    expect(panel.root.locator(".lp-names li")).to_have_count(1)
    panel.input.press("Enter")
    expect(panel.input).to_have_value("{{" + name + "}}")


def test_no_list_opens_outside_of_braces(page: Page):
    panel = Panel(page)
    panel.answer("names", {"kind": "names", "key": "", "names": ["df"]})
    panel.input.press_sequentially("{x} {{df}} d")
    expect(panel.root.get_by_role("listbox")).to_be_hidden()
    before = len(panel.sent("names"))
    panel.input.press_sequentially(" {{e")
    # The kernel is asked after a pause; what is asked later is asked after what was typed before.
    panel.wait_sent("names", before + 1)
    assert panel.sent("names")[-1]["text"] == "e"
    assert all(message["text"] != " d" for message in panel.sent("names"))
