"""The panel's transcript in Chromium: what is shown of turns and replies."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.panel_harness.harness import LONG, Panel, block, turn
from support.panel_harness.pages import browser, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser


def turns(count: int) -> list[dict[str, Any]]:
    return [turn(number) for number in range(1, count + 1)]


# -- turns -------------------------------------------------------------------------------------------------------------


def test_a_panel_shows_the_turns_of_its_conversation_at_the_end(page: Page):
    panel = Panel(page, [turn(1, "First?", LONG), turn(2, "**Second**?", "The `reply`.", facts=["tiny", "5 tokens"])])
    second = panel.turn("t2")
    expect(second).to_contain_text("The reply.")
    expect(second.locator(".lp-prompt strong")).to_have_text("Second")
    expect(second.locator(".lp-facts")).to_have_text("tiny · 5 tokens")
    panel.frames()
    assert panel.to_end() < 2
    assert not panel.errors


def test_notes_and_images_of_a_prompt_stand_below_it(page: Page):
    panel = Panel(page, [turn(1, images=2, notes=["`df` has 12 rows more"])])
    expect(panel.turn("t1").locator(".lp-beside")).to_have_text("2 images · `df` has 12 rows more")


def test_lines_of_a_prompt_stay_lines(page: Page):
    panel = Panel(page, [turn(1, "one\ntwo"), turn(2, "one two")])
    heights = [panel.turn(name).locator(".lp-prompt").bounding_box()["height"] for name in ("t1", "t2")]
    assert heights[0] > heights[1] + 10


def test_only_the_kernels_own_html_is_html(page: Page):
    text = "<img src=x onerror='window.ran = true'>"
    bad = turn(1, notes=[text], facts=[text], status="failed", notice=text, html="", images=0)
    conversations = [{"name": text, "turns": 1}]
    panel = Panel(page, [bad], conversation=text, conversations=conversations, where={"model": text, "server": text})
    panel.say({"kind": "sorry", "key": "", "text": text})
    expect(panel.root.get_by_role("alert")).to_contain_text(text)
    expect(panel.turn("t1")).to_contain_text(text)
    assert panel.root.locator("img").count() == 0
    assert not page.evaluate("() => window.ran ?? false")


def test_arriving_blocks_are_appended_and_never_drawn_again(page: Page):
    """Finished blocks' elements stay, whatever follows; only the element of the last one changes."""
    panel = Panel(page, [turn(1, reply=None, line="waiting for tiny, 1 s")], busy="t1")
    expect(panel.turn("t1").locator(".lp-line")).to_have_text("waiting for tiny, 1 s")
    panel.more("t1", 0, [block("One.")], block("Tw"))
    page.evaluate(
        """() => {
          window.changes = [];
          window.first = document.querySelector('[data-turn=t1] .lp-reply .llmvm');
          const noted = ({target, removedNodes}) => [target.className, removedNodes.length];
          new MutationObserver((records) => changes.push(...records.map(noted)))
            .observe(document.querySelector('.lp-turns'), {subtree: true, childList: true, characterData: true});
        }"""
    )
    panel.more("t1", 1, [block("Two.")], block("- Thr"))
    panel.more("t1", 2, [], block("- Three\n- Four"))
    panel.more("t1", 2, [block("- Three\n- Four")], None)
    panel.show_turn(turn(1, reply=None, status="complete", facts=["tiny"]))
    reply = panel.turn("t1").locator(".lp-reply")
    expect(reply).to_have_text("One.\nTwo.\n\nThree\nFour\n", use_inner_text=False)
    assert page.evaluate(
        "() => first.isConnected && first === document.querySelector('[data-turn=t1] .lp-reply .llmvm')"
    )
    removed = page.evaluate("() => changes.filter(([, removed]) => removed > 0).map(([name]) => name)")
    assert set(removed) <= {"llmvm", "lp-reply", "lp-line"}, removed
    assert page.evaluate("() => document.querySelectorAll('[data-turn=t1] .lp-reply > .llmvm').length") == 3
    # A page asked for by another view says the same again: nothing is drawn anew.
    page.evaluate("() => { window.blocks = [...document.querySelectorAll('[data-turn=t1] .llmvm')] }")
    panel.say({"kind": "turns", "conversation": "main", "before": None, "more": False, "total": 1,
               "turns": [turn(1, reply="One.\n\nTwo.\n\n- Three\n- Four", facts=["tiny"])]})  # fmt: skip
    assert page.evaluate(
        "() => blocks.every((one, i) => one === document.querySelectorAll('[data-turn=t1] .llmvm')[i])"
    )


def test_what_is_selected_in_a_finished_block_stays_selected(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("One.")], block("Tw"))
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('.lp-reply p'))")
    panel.more("t1", 1, [block("Two.")], block("Thr"))
    assert page.evaluate("() => String(getSelection())") == "One."


def test_a_reply_that_ends_as_another_is_shown_as_it_ended(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("See [it][1].")], None)
    panel.show_turn(turn(1, reply="See [it][1].\n\n[1]: https://example.org"))
    expect(panel.turn("t1").locator(".lp-reply a")).to_have_text("it")


def test_a_reply_that_ends_with_an_open_block_keeps_it(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("One.")], block("Tw"))
    panel.show_turn(turn(1, reply=None, status="interrupted", notice="Interrupted."))
    expect(panel.turn("t1").locator(".lp-reply")).to_contain_text("Tw")
    expect(panel.turn("t1").locator(".lp-notice")).to_have_text("Interrupted.")


def test_code_does_not_move_when_it_is_finished(page: Page):
    """It gets its buttons then."""
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    code = "```python\nprint(1)\n```"
    panel.more("t1", 0, [block("Before.")], block(code))
    places = "() => [...document.querySelectorAll('.lp-reply .llmvm :is(p, pre)')].map((one) => one.offsetTop)"
    before = page.evaluate(places)
    panel.more("t1", 1, [block(code), block("After.")], None)
    panel.more("t1", 3, [], block(code))
    assert page.evaluate(places)[: len(before)] == before
    panel.show_turn(turn(1, reply=None, status="complete"))
    first, code_top, after, second = page.evaluate(places)[:4]
    assert [first, code_top] == before[:2]
    assert code_top - first == second - after


def test_parts_of_one_block_stand_close(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("- one", joined=True)], block("- two"))
    assert panel.turn("t1").locator(".llmvm-on").count() == 1


def test_missing_parts_of_a_reply_are_asked_for_again(page: Page):
    """Also one that would only have made the unfinished block longer."""
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [], block("One"))
    panel.away(True)
    panel.more("t1", 0, [], block("One, tw"))
    panel.away(False)
    panel.wait_sent("show")
    panel.more("t1", 0, [block("One, two.")])
    panel.wait_sent("show", 2)


def test_end_of_a_reply_of_which_parts_are_missing_is_not_taken_for_all_of_it(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("One.")], block("Tw"))
    panel.away(True)
    panel.more("t1", 1, [block("Two.")], block("Three."))
    panel.away(False)
    ended = {**turn(1, reply="One.\n\nTwo.\n\nThree."), "parts": 2}
    page.evaluate("turns => { kernel.turns = turns }", [ended])
    panel.say({"kind": "turn", "conversation": "main", "turn": {**ended, "html": None}})
    expect(panel.turn("t1").locator(".lp-reply")).to_have_text("One.\nTwo.\nThree.")


def test_a_new_turn_is_appended_and_a_stray_one_asks_anew(page: Page):
    panel = Panel(page, turns(2))
    panel.show_turn(turn(3))
    expect(panel.turn("t3")).to_be_visible()
    assert len(panel.sent("show")) == 1
    panel.say({"kind": "turn", "conversation": "main", "turn": turn(9)})
    panel.wait_sent("show", 2)


def test_turns_of_another_conversation_are_not_shown(page: Page):
    panel = Panel(page, turns(1))
    panel.say({"kind": "turn", "conversation": "tutor", "turn": turn(2)})
    panel.say({"kind": "turns", "conversation": "tutor", "before": None, "turns": turns(5), "more": False, "total": 5})
    assert panel.root.locator("[data-turn]").count() == 1


def test_another_conversation_takes_the_place_of_this_one(page: Page):
    panel = Panel(page, turns(2))
    page.evaluate("data => { kernel.turns = data }", [turn(1, "Other?", id="o1")])
    panel.change("conversation", "tutor")
    expect(panel.turn("o1")).to_be_visible()
    expect(panel.turn("t1")).to_have_count(0)
    expect(panel.root.get_by_role("combobox", name="Conversation")).to_have_value("tutor")


def test_another_branch_keeps_what_both_have(page: Page):
    panel = Panel(page, turns(3))
    panel.wait_sent("show")
    page.evaluate("() => { window.kept = document.querySelector('[data-turn=t1]') }")
    branch = turn(2, "Other?", id="b2", parent="t1", siblings=["t2", "b2"])
    panel.say(
        {"kind": "turns", "conversation": "main", "before": None, "turns": [turn(1), branch], "more": False, "total": 2}
    )
    expect(panel.turn("b2")).to_be_visible()
    expect(panel.turn("t2")).to_have_count(0)
    assert page.evaluate("() => kept.isConnected")


# -- states ------------------------------------------------------------------------------------------------------------


def test_an_empty_conversation_offers_three_prompts(page: Page):
    panel = Panel(page, [])
    examples = panel.root.locator(".lp-example")
    expect(examples).to_have_count(3)
    examples.nth(2).click()
    assert "{{" in panel.input.input_value()
    assert panel.focused() == "Prompt"
    assert page.evaluate("() => getSelection().toString()") == "name"
    panel.input.fill("Hello")
    panel.input.press("Enter")
    expect(examples.first).to_be_hidden()


def test_a_failed_turn_says_why_and_can_be_tried_again(page: Page):
    sentence = "The server did not answer within 30 s; try again."
    panel = Panel(page, [turn(1, html="", status="failed", notice=sentence, facts=[])])
    expect(panel.turn("t1").locator(".lp-notice")).to_have_text(sentence)
    panel.answer("retry", {"kind": "done", "key": ""})
    panel.turn("t1").get_by_role("button", name="Retry").click()
    assert panel.wait_sent("retry")[0]["turn"] == "t1"


def test_a_failure_of_several_lines_keeps_them(page: Page):
    """As the one that shows how a prompt differs from the recorded one."""
    sentence = "The nearest one differs:\n    - recorded\n    + asked"
    panel = Panel(page, [turn(1, html="", status="failed", notice=sentence, facts=[])])
    assert panel.turn("t1").locator(".lp-notice").inner_text() == sentence


def test_a_retried_turn_gives_way_to_its_new_version(page: Page):
    panel = Panel(page, turns(3))
    panel.wait_sent("show")
    again = turn(2, reply=None, id="r2", parent="t1", siblings=["t2", "r2"], parts=0)
    page.evaluate("data => { kernel.turns = data }", [turn(1), again])
    page.evaluate("() => { kernel.page = () => {} }")  # it shows before the kernel could say all again
    panel.say({"kind": "turn", "conversation": "main", "turn": again})
    expect(panel.turn("r2")).to_be_visible()
    expect(panel.turn("t3")).to_have_count(0)
    panel.more("r2", 0, [], block("Ne"))
    expect(panel.turn("r2")).to_contain_text("Ne")


def test_a_stalled_reply_says_so_quietly(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("One.")], block("Tw"), "nothing from the server for 4 s")
    expect(panel.turn("t1").locator(".lp-line")).to_have_text("nothing from the server for 4 s")
    panel.more("t1", 1, [], block("Two"))
    expect(panel.turn("t1").locator(".lp-line")).to_be_hidden()


def test_an_interrupted_turn_can_go_on(page: Page):
    panel = Panel(page, [turn(1, status="interrupted", notice="Interrupted.", unfinished=True)])
    panel.turn("t1").get_by_role("button", name="Continue").click()
    assert panel.wait_sent("continue")[0]["turn"] == "t1"


def test_without_its_kernel_the_panel_can_be_read_and_says_what_to_do(page: Page):
    panel = Panel(page, [turn(1, reply="Still `here`.")])
    panel.input.fill("A draft")
    page.evaluate("() => kernel.die()")
    expect(panel.root).to_contain_text("The kernel that this panel belongs to is gone. Run the cell again to go on")
    expect(panel.input).to_be_disabled()
    expect(panel.input).to_have_value("A draft")
    expect(panel.turn("t1")).to_contain_text("Still here.")
    expect(panel.root.get_by_role("combobox", name="Conversation")).to_be_disabled()
    panel.turn("t1").hover()
    expect(panel.turn("t1").get_by_role("button", name="Retry")).to_be_hidden()


def test_what_waited_when_the_kernel_went_comes_back(page: Page):
    panel = Panel(page, [])
    panel.hold()
    panel.input.fill("Lost?")
    panel.input.press("Enter")
    panel.wait_sent("ask")
    page.evaluate("() => kernel.die()")
    expect(panel.input).to_have_value("Lost?")


def test_a_kernel_that_was_gone_before_is_noticed(page: Page):
    panel = Panel(page, [])
    page.evaluate(
        """async () => {
          kernel.comm_live = false;
          await showPanel(kernel, widget, document.querySelector('#second'));
        }"""
    )
    expect(page.locator("#second .llmvm-panel")).to_contain_text("is gone")
    expect(panel.input).to_be_enabled()


def test_reply_whose_kernel_ended_says_so(page: Page):
    """What had arrived stays; nobody takes it for all of it."""
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.more("t1", 0, [block("Begun.")])
    page.evaluate("() => kernel.die()")
    expect(panel.turn("t1").locator(".lp-reply")).to_contain_text("Begun.")
    expect(panel.turn("t1").locator(".lp-notice")).to_have_text("The kernel ended before this reply did.")
    expect(panel.root).to_contain_text("`%chat resume` brings back what was said")


def test_values_older_than_those_there_were_are_asked_for_anew(page: Page):
    """JupyterLab's widget manager sets what it has asked for, after a reconnection, over what came meanwhile."""
    panel = Panel(page)
    asked = len(panel.wait_sent("show"))
    panel.change("busy", "t1")
    panel.change("revision", 2)
    panel.change("busy", "")
    panel.change("revision", 3)
    assert len(panel.sent("show")) == asked
    panel.change("busy", "t1")
    panel.change("revision", 2)
    assert panel.wait_sent("show", asked + 1)[-1]["again"] is True
    panel.change("busy", "")
    panel.change("revision", 3)
    expect(panel.button("Stop")).to_be_hidden()
    assert len(panel.sent("show")) == asked + 1


def test_what_may_be_lost_with_a_connection_is_asked_and_sent_again(page: Page):
    """Only once it is back; by its key the kernel does it once."""
    panel = Panel(page, [turn(1, reply=None)])
    panel.answer("ask")
    panel.input.fill("Lost?")
    panel.input.press("Enter")
    first = panel.wait_sent("ask")[0]
    for status in ("connecting", "connected"):
        page.evaluate("status => kernel.connectionListeners.forEach((act) => act(null, status))", status)
    assert panel.wait_sent("ask", 2)[1] == first
    assert [message.get("again") for message in panel.sent("show")] == [None, True]


# -- several views, and none -------------------------------------------------------------------------------------------


def test_two_views_agree_and_keep_their_own_place_and_draft(page: Page):
    panel = Panel(page, [turn(number, reply=LONG) for number in range(1, 4)])
    panel.wait_sent("show")
    panel.frames()
    panel.scroll_to(150)
    page.evaluate(
        "async () => { window.cleanupSecond = await showPanel(kernel, widget, document.querySelector('#second')) }"
    )
    second = page.locator("#second .llmvm-panel")
    expect(second.locator("[data-turn]")).to_have_count(3)
    panel.frames()
    assert page.evaluate("() => document.querySelector('.lp-scroller').scrollTop") == 150
    panel.input.fill("mine")
    expect(second.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("")
    panel.change("busy", "t4")
    panel.show_turn(turn(4, reply=None))
    panel.more("t4", 0, [block("To both.")])
    expect(panel.turn("t4")).to_contain_text("To both.")
    expect(second.locator('[data-turn="t4"]')).to_contain_text("To both.")
    # What one view asks for is answered to that one alone.
    panel.input.press("Enter")
    expect(second.locator(".lp-waiting .lp-turn")).to_have_count(0)


def test_a_view_that_is_closed_leaves_nothing_behind(page: Page):
    page.add_init_script(
        """
        window.open_ = {listeners: 0, timers: new Set(), observers: 0};
        const {addEventListener, removeEventListener} = EventTarget.prototype;
        const isOurs = () => new Error().stack.includes('blob:');  // the browser's driver has some too
        const counted = (act, step) => function (...all) {
          if (isOurs()) open_.listeners += step;
          return act.apply(this, all);
        };
        for (const target of [window, document]) {
          target.addEventListener = counted(addEventListener, 1);
          target.removeEventListener = counted(removeEventListener, -1);
        }
        const [set, clear] = [window.setTimeout, window.clearTimeout];
        window.setTimeout = (act, time, ...rest) => {
          const id = set(() => { open_.timers.delete(id); act(...rest) }, time);
          if (isOurs()) open_.timers.add(id);
          return id;
        };
        window.clearTimeout = (id) => { open_.timers.delete(id); clear(id) };
        for (const name of ['ResizeObserver', 'IntersectionObserver', 'MutationObserver']) {
          const Real = window[name];
          window[name] = class extends Real {
            constructor(...all) { super(...all); this.isOurs = isOurs(); open_.observers += this.isOurs }
            disconnect() { super.disconnect(); open_.observers -= this.isOurs }
          };
        }
        """
    )
    panel = Panel(page, [turn(1, reply="```python\nprint(1)\n```")])
    panel.wait_sent("show")
    expect(panel.turn("t1")).to_be_visible()
    panel.hold()
    panel.input.fill("Waits, with {{d")
    panel.wait_sent("names")
    panel.input.press("Enter")
    panel.turn("t1").hover()
    page.evaluate(
        """() => {
          const writeText = () => new Promise((done) => { window.copied = done });
          Object.defineProperty(navigator, 'clipboard', {value: {writeText}});
        }"""
    )
    panel.turn("t1").get_by_role("button", name="Copy this code").click()
    page.wait_for_function("() => window.copied")
    assert page.evaluate("() => kernel.listeners.length") > 0
    page.evaluate("() => cleanup()")
    left = page.evaluate(
        "() => ({listeners: kernel.listeners.length, live: kernel.liveListeners.size, page: open_.listeners,"
        " timers: open_.timers.size, observers: open_.observers, panels: document.querySelectorAll('section').length})"
    )
    assert left == dict.fromkeys(left, 0)
    page.evaluate("() => copied()")  # what was promised before the view was closed comes after
    panel.frames()
    assert page.evaluate("() => open_.timers.size") == 0
    page.evaluate("() => { kernel.free(); kernel.more('t1', 0, [], null); kernel.change('busy', 't1'); kernel.die() }")
    assert not panel.errors
