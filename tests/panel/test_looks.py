"""How the panel looks and reads, in Chromium: themes, widths, and what a screen reader is told."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from support.panel_harness.harness import Panel, block, turn
from support.panel_harness.pages import browser, opened_page, page
from support.seen import ARTEFACTS

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser

REPLY = """A list comprehension builds a list in one expression: **what** each element is, and *where* it comes from.

```python
squares = [n * n for n in range(10) if n % 2 == 0]  # a comment long enough to be scrolled sideways in a narrow one
print("sum:", sum(squares))
```

1. `n * n` is each element,
2. `for n in range(10)` where it comes from.

| form | makes | and a column that is wide | and one more that is wide |
| --- | --- | --- | --- |
| `[x for x in xs]` | a list | all of its elements at once | with `append` in a loop |

> Often faster than a loop. See [the tutorial](https://docs.python.org/3/tutorial/).

The sum is $\\sum_{n} n^2$.
"""

CONVERSATION = [
    turn(1, "Explain list comprehensions with one example.", REPLY),
    turn(2, "And a *generator*?", "It makes its elements one after the other.", siblings=["x", "t2", "y"], images=1),
    turn(3, "Left out", "`x = 1`\n\n```python\ndef f(): return 'text'\n```", excluded=True),
    turn(4, "Long", "It begins", status="interrupted", notice="Interrupted.", unfinished=True),
    turn(5, "Fails", html="", status="failed", notice="The server did not answer within 30 s; try again.", facts=[]),
    turn(6, "Arrives", None, blocks=[block("One.")], tail=block("Tw"), line="nothing from the server for 4 s"),
]

LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "light": ("light", {}),
    "dark": ("dark", {"color_scheme": "dark"}),
    "high-contrast": ("dark-high-contrast", {"color_scheme": "dark", "contrast": "more"}),
    "forced-colours": ("light", {"forced_colors": "active"}),
    "elsewhere": ("", {}),
    "elsewhere-dark": ("", {"color_scheme": "dark"}),
}


def settle(page: Page) -> None:
    """Let what fades end, so that it is seen as it stays."""
    page.evaluate(
        "() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity)"
        ".map((one) => one.finished.catch(() => {})))"  # one whose element goes is cancelled
    )


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the panel."""
    settle(page)
    found = Axe().run(page, context=".llmvm-panel").response["violations"]
    return [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found for node in one["nodes"]]


def empty(panel: Panel) -> None:
    panel.say({"kind": "turns", "conversation": "main", "before": None, "turns": [], "more": False, "total": 0})


def reading(panel: Panel) -> None:
    """At the first turn, its buttons shown."""
    panel.scroller.evaluate("one => { one.scrollTop = 0 }")
    panel.turn("t1").locator("pre").hover()


def arriving(panel: Panel) -> None:
    panel.change("busy", "t6")


def adjusting(panel: Panel) -> None:
    """The settings, one of them set."""
    panel.change("temperature", 0.2)
    panel.button("Settings").click()


def asking(panel: Panel) -> None:
    """Names listed, a file attached, something refused, a question in the head."""
    panel.button("Drop this conversation").click()
    panel.say({"kind": "sorry", "key": "", "text": "temperature: expected a number from 0 to 1, got 7."})
    panel.answer("names", {"kind": "names", "key": "", "names": ["data", "dates", "df"]})
    with panel.page.expect_file_chooser() as choosing:
        panel.button("Attach images or text files").click()
    choosing.value.set_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"text"}])
    panel.input.press_sequentially("What stands out in {{d")
    expect(panel.root.get_by_role("listbox")).to_be_visible()


def editing(panel: Panel) -> None:
    panel.answer("source", {"kind": "source", "turn": None, "text": "And a *generator*?"})
    panel.turn("t2").hover()
    panel.turn("t2").get_by_role("button", name="Edit and send again").click()
    expect(panel.turn("t2").get_by_role("textbox")).to_be_visible()


def refused(panel: Panel) -> None:
    """An edit and a prompt whose braces are no expression."""
    no_name = {"kind": "sorry", "key": "", "text": "`{{ user }}` failed: name 'user' is not defined.", "braces": True}
    panel.answer("edit", no_name)
    panel.answer("ask", no_name)
    editing(panel)
    panel.turn("t2").get_by_role("textbox").press("Enter")
    panel.input.fill("Hello {{ user }}")
    panel.input.press("Escape")
    panel.input.press("Enter")
    expect(panel.root.get_by_role("button", name="Send as text")).to_have_count(2)


def waiting(panel: Panel) -> None:
    panel.hold()
    panel.input.fill("And then?")
    panel.input.press("Enter")
    expect(panel.root.get_by_text("waiting for the kernel")).to_be_visible()


def gone(panel: Panel) -> None:
    panel.page.evaluate("() => kernel.die()")
    expect(panel.input).to_be_disabled()


STATES = (empty, reading, arriving, adjusting, asking, editing, refused, waiting, gone)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_any_state(browser: Browser, look: str):
    """Roles, names, focus and contrast, in each theme and in each state; pictures of all are kept."""
    theme, options = LOOKS[look]
    ARTEFACTS.mkdir(exist_ok=True)
    found = {}
    with opened_page(browser, **options) as page:
        for state in STATES:
            panel = Panel(page, CONVERSATION, theme)
            expect(panel.turn("t6")).to_be_visible()
            state(panel)
            if bad := violations(page):
                found[state.__name__] = bad
            page.screenshot(path=ARTEFACTS / f"panel-{look}-{state.__name__}.png")
            assert not panel.errors
    assert not found, "\n".join(f"{state}: {one}" for state, bad in found.items() for one in bad)


@pytest.mark.parametrize("width", [320, 480, 900, 1600])
def test_nothing_is_wider_than_the_panel(page: Page, width: int):
    page.set_viewport_size({"width": width + 24, "height": 760})
    for state in STATES:
        panel = Panel(page, CONVERSATION)
        expect(panel.turn("t6")).to_be_visible()
        state(panel)
        settle(page)
        wide = page.evaluate(
            """() => {
              const panel = document.querySelector('.llmvm-panel');
              const edge = panel.getBoundingClientRect().right + 0.5;
              const scrollers = panel.querySelectorAll('.lp-scroller, .lp-controls, .lp-names');
              const sideways = [panel, ...scrollers].filter((one) => one.scrollWidth > one.clientWidth + 1);
              const beyond = [...panel.querySelectorAll('*')].filter((one) =>
                !one.closest('pre, .wide, .lp-unseen, svg') && one.getBoundingClientRect().right > edge);
              return [...sideways, ...beyond].map((one) => one.outerHTML.slice(0, 120));
            }"""
        )
        assert wide == [], state.__name__
        assert panel.root.bounding_box()["width"] == pytest.approx(width, abs=1)
        page.screenshot(path=ARTEFACTS / f"panel-{width}-{state.__name__}.png")


def test_lines_of_text_are_not_too_long_to_read(page: Page):
    page.set_viewport_size({"width": 1800, "height": 760})
    panel = Panel(page, CONVERSATION)
    assert panel.turn("t1").bounding_box()["width"] < 780


def test_the_panel_has_a_height_of_its_own_and_can_be_made_higher(page: Page):
    panel = Panel(page, CONVERSATION)
    box = panel.root.bounding_box()
    assert box["height"] == pytest.approx(0.7 * 760, abs=2)
    corner = (box["x"] + box["width"] - 5, box["y"] + box["height"] - 5)
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0], corner[1] + 90, steps=4)
    page.mouse.up()
    assert panel.root.bounding_box()["height"] > box["height"] + 60


def test_beside_the_notebook_the_panel_fills_its_place(page: Page):
    panel = Panel(page, CONVERSATION)
    page.evaluate(
        """() => {
          const place = document.createElement('div');
          place.className = 'jupyterlab-sidecar';
          place.style.cssText = 'position: fixed; inset: 0 0 0 auto; width: 360px; overflow: auto';
          place.innerHTML = '<div style="padding: 6px"></div>';
          document.body.append(place);
          place.firstChild.append(document.querySelector('.llmvm-panel'));
        }"""
    )
    expect(panel.root).to_have_attribute("data-docked", "")
    for height in (760, 500):
        page.set_viewport_size({"width": 900, "height": height})
        page.wait_for_function(
            """height => {
              const { bottom } = document.querySelector('.llmvm-panel').getBoundingClientRect();
              return Math.abs(bottom - (height - 6)) < 2;
            }""",
            arg=height,
        )
        assert page.evaluate(
            "() => { const p = document.querySelector('.jupyterlab-sidecar'); return p.scrollHeight <= p.clientHeight }"
        )


def test_nothing_moves_for_who_wants_no_motion(browser: Browser):
    with opened_page(browser, reduced_motion="reduce") as page:
        panel = Panel(page, CONVERSATION, busy="t6")
        expect(panel.turn("t6").locator(".lp-line")).to_be_visible()
        panel.turn("t2").hover()
        assert page.evaluate("() => document.getAnimations().length") == 0


# -- reading aloud ----------------------------------------------------------------------------------------------------


def test_finished_blocks_and_the_end_are_announced_and_single_words_are_not(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.wait_sent("show")
    page.evaluate(
        """() => {
          window.said = [];
          const region = document.querySelector('.llmvm-panel [aria-live=polite]');
          const words = ({addedNodes}) => [...addedNodes].map((node) => node.textContent);
          new MutationObserver((records) => said.push(...records.flatMap(words)))
            .observe(region, {childList: true, subtree: true, characterData: true});
        }"""
    )
    panel.more("t1", 0, [], block("On"))
    panel.more("t1", 0, [], block("One thing"))
    panel.more("t1", 0, [block("One thing."), block("- and\n- more")], block("The l"))
    panel.more("t1", 2, [], block("The last."))
    panel.show_turn(turn(1, reply=None, status="complete"))
    assert page.evaluate("() => said") == ["One thing.", "and more", "The last.", "The reply is complete."]


def test_older_turns_and_other_views_are_not_announced(page: Page):
    panel = Panel(page, [turn(number) for number in range(1, 4)])
    page.evaluate("async () => { await showPanel(kernel, widget, document.querySelector('#second')) }")
    panel.show_turn(turn(4, reply=None))
    page.locator("#second").get_by_role("textbox", name="Prompt", exact=True).focus()
    panel.more("t4", 0, [block("Once.")])
    regions = page.locator("[aria-live=polite]")
    expect(regions).to_have_count(2)
    assert regions.evaluate_all("all => all.map((one) => one.textContent)") == ["", "Once."]


def test_a_refusal_and_a_notice_are_announced(page: Page):
    panel = Panel(page, [turn(1, reply=None)], busy="t1")
    panel.show_turn(turn(1, reply=None, status="failed", notice="The server is gone."))
    expect(panel.root.locator("[aria-live=polite]")).to_contain_text("The server is gone.")


def test_the_keyboard_goes_through_the_panel_in_order(page: Page):
    panel = Panel(page, [turn(1, reply=REPLY), turn(2, siblings=["a", "t2", "b"])])
    panel.wait_sent("show")
    panel.input.fill("x")
    page.evaluate("() => document.activeElement.blur()")
    page.evaluate("() => { document.querySelector('main').tabIndex = -1; document.querySelector('main').focus() }")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(panel.focused())
        if seen[-1] == "Send (Enter)":
            break
    order = [
        *(
            "Conversation",
            "New conversation",
            "Rename this conversation",
            "Drop this conversation",
            "Settings",
            "Transcript",
        ),
        *("Edit and send again", "Copy this code", "Put this code into a new cell", "the tutorial"),
        *("Copy the reply as Markdown", "Retry", "Leave out of what is sent"),
        *("Edit and send again", "Previous version", "Next version", "Copy the reply as Markdown", "Retry"),
        *("Leave out of what is sent", "Prompt", "Attach images or text files", "Send (Enter)"),
    ]
    reached = iter(seen)
    assert all(name in reached for name in order), seen
