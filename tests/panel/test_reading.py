"""Where the reader of the panel is, in Chromium: nothing that arrives moves the text that is being read."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from support.panel_harness.harness import LONG, Panel, block, turn
from support.panel_harness.pages import browser, page

__all__ = ["browser", "page"]  # fixtures

pytestmark = pytest.mark.browser


def offset_of(panel: Panel, selector: str) -> float:
    return panel.page.evaluate("one => document.querySelector(one).getBoundingClientRect().top", selector)


def test_the_end_is_followed_while_the_reader_is_there(page: Page):
    panel = Panel(page, [turn(1, reply=LONG), turn(2, reply=None)], busy="t2")
    panel.wait_sent("show")
    for number in range(30):
        panel.more("t2", number, [block(f"Paragraph {number}.")], block("…"))
        assert panel.to_end() < 2
    expect(panel.button("New text below")).to_be_hidden()


def test_who_reads_above_stays_there_and_is_told_of_new_text(page: Page):
    panel = Panel(page, [turn(1, reply=LONG), turn(2, reply=None)], busy="t2")
    panel.wait_sent("show")
    panel.frames()
    panel.scroll_to(200)
    before = page.evaluate("() => document.querySelector('.lp-scroller').scrollTop")
    expect(panel.button("New text below")).to_be_hidden()
    for number in range(10):
        panel.more("t2", number, [block(f"Paragraph {number}.")], block("…"))
    panel.frames()
    assert page.evaluate("() => document.querySelector('.lp-scroller').scrollTop") == before
    panel.button("New text below").click()
    expect(panel.button("New text below")).to_be_hidden()
    assert panel.to_end() < 2
    assert panel.focused() == "Prompt"
    panel.more("t2", 10, [block("And it is followed again.")])
    assert panel.to_end() < 2


def test_a_small_step_up_ends_following_at_once(page: Page):
    panel = Panel(page, [turn(1, reply=LONG), turn(2, reply=None)], busy="t2")
    panel.wait_sent("show")
    panel.frames()
    top = page.evaluate("() => document.querySelector('.lp-scroller').scrollTop")
    panel.scroll_to(top - 5)
    panel.more("t2", 0, [block("New.")])
    panel.frames()
    assert page.evaluate("() => document.querySelector('.lp-scroller').scrollTop") == top - 5


def test_what_one_sends_oneself_is_always_in_sight(page: Page):
    panel = Panel(page, [turn(1, reply=LONG)])
    panel.wait_sent("show")
    panel.frames()
    panel.scroll_to(0)
    panel.input.fill("Next?")
    panel.input.press("Enter")
    panel.frames()
    assert panel.to_end() < 2


def test_older_turns_come_above_without_moving_the_reader(page: Page):
    panel = Panel(page, [turn(number, reply=f"Answer {number}.\n\n" * (number % 5 + 1)) for number in range(1, 121)])
    expect(panel.turn("t120")).to_be_visible()
    assert panel.root.locator("[data-turn]").count() < 60
    panel.frames()
    page.evaluate(
        """() => {
          window.seen = [];
          const scroller = document.querySelector('.lp-scroller');
          window.mark = document.querySelector('[data-turn=t93]');
          const look = () => {
            seen.push([document.querySelectorAll('[data-turn]').length, mark.getBoundingClientRect().top]);
            window.looking = requestAnimationFrame(look);
          };
          scroller.scrollTop = mark.offsetTop - scroller.offsetTop;
          requestAnimationFrame(look);
        }"""
    )
    page.wait_for_function("() => document.querySelector('[data-turn=t63]')")
    panel.frames(5)
    seen = page.evaluate("() => seen")
    steady = [top for count, top in seen[2:]]
    assert max(steady) - min(steady) < 2, seen
    # All of them come, the oldest too, as one goes on upwards.
    for _ in range(8):
        panel.scroll_to(0)
        panel.frames(3)
    page.wait_for_function("() => document.querySelector('[data-turn=t1]')")
    numbers = page.evaluate("() => [...document.querySelectorAll('[data-turn]')].map((one) => one.dataset.turn)")
    assert numbers == [f"t{number}" for number in range(1, 121)]
    assert len(panel.sent("show")) == 4


def test_fetching_older_turns_moves_nothing(page: Page):
    """Neither when it begins, nor when they are there: a kernel takes its time to answer."""
    panel = Panel(page, [turn(number) for number in range(1, 121)])
    expect(panel.turn("t120")).to_be_visible()
    panel.frames()
    page.evaluate(
        """() => {
          const { page } = kernel;
          kernel.page = (...asked) => setTimeout(() => page.call(kernel, ...asked), 100);
        }"""
    )
    moved = page.evaluate(
        """async () => {
          const frame = () => new Promise((done) => requestAnimationFrame(done));
          const scroller = document.querySelector('.lp-scroller');
          const { left, top, width, height } = scroller.getBoundingClientRect();
          const seen = () => document.elementFromPoint(left + width / 2, top + height / 2).closest('.lp-turn');
          const moved = [];
          while (!document.querySelector('[data-turn=t61]')) {
            const step = Math.min(40, scroller.scrollTop);
            const mark = seen();
            const before = mark.getBoundingClientRect().top;
            scroller.scrollTop -= step;
            for (let frames = 0; frames < 3; frames += 1) {
              await frame();
              moved.push(mark.getBoundingClientRect().top - before - step);
            }
          }
          return moved;
        }"""
    )
    assert max(map(abs, moved)) < 2, moved


def test_the_reader_stays_when_the_panel_becomes_narrow(page: Page):
    panel = Panel(page, [turn(1, reply=LONG), turn(2, reply=LONG)])
    panel.wait_sent("show")
    panel.frames()
    mark = "[data-turn=t2] .lp-reply p:nth-of-type(9)"
    page.evaluate(
        """mark => {
          const scroller = document.querySelector('.lp-scroller');
          const top = (one) => one.getBoundingClientRect().top;
          scroller.scrollTop += top(document.querySelector(mark)) - top(scroller);
        }""",
        mark,
    )
    panel.frames(3)
    before = offset_of(panel, mark)
    page.set_viewport_size({"width": 360, "height": 760})
    panel.frames(3)
    assert abs(offset_of(panel, mark) - before) < 3


def test_a_panel_that_was_out_of_the_page_is_where_it_was(page: Page):
    """JupyterLab takes cells that are far away out of the page; their scrolling is forgotten by the browser."""
    panel = Panel(page, [turn(1, reply=LONG), turn(2, reply=LONG)])
    panel.wait_sent("show")
    panel.frames()
    panel.scroll_to(300)
    script = """async () => {
      const place = document.querySelector('#place');
      const parent = place.parentElement;
      place.remove();
      await new Promise((done) => setTimeout(done, 60));
      parent.prepend(place);
    }"""
    page.evaluate(script)
    panel.frames(3)
    assert page.evaluate("() => document.querySelector('.lp-scroller').scrollTop") == 300
    page.evaluate("() => { const s = document.querySelector('.lp-scroller'); s.scrollTop = s.scrollHeight }")
    panel.frames(3)
    page.evaluate(script)
    panel.frames(3)
    assert panel.to_end() < 2


def test_a_thousand_turns_scroll_and_stream_without_long_work(page: Page):
    """With all of 1,000 turns in the page, text that arrives and scrolling lay out what is in sight, not all."""
    reply = "A paragraph of **text**.\n\n```python\nprint(1)\n```\n\n- one\n- two\n"
    data = [turn(number, reply=reply) for number in range(1, 1001)]
    panel = Panel(page, [*data, turn(1001, reply=None)], busy="t1001")
    panel.wait_sent("show")
    page.evaluate(
        """async () => {
          const scroller = document.querySelector('.lp-scroller');
          for (let round = 0; round < 200 && !document.querySelector('[data-turn=t1]'); round += 1) {
            scroller.scrollTop = 0;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          }
        }"""
    )
    assert panel.root.locator("[data-turn]").count() == 1001
    most = page.evaluate(
        """async (part) => {
          const scroller = document.querySelector('.lp-scroller');
          const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          const isLaidOut = (turn) => turn.firstElementChild.checkVisibility({ contentVisibilityAuto: true });
          let most = 0;
          for (let step = 0; step < 60; step += 1) {
            scroller.scrollTop = (step * 7919) % scroller.scrollHeight;
            kernel.more('t1001', step, [part], part);
            await frame();
            most = Math.max(most, [...document.querySelectorAll('[data-turn]')].filter(isLaidOut).length);
          }
          return most;
        }""",
        block("Some more text."),
    )
    assert 0 < most < 50
