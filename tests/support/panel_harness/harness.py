"""The panel's front end in Chromium, without JupyterLab: the kernel behind it is the test's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from llmvision_magic import rendering
from llmvision_magic.panel import assets
from llmvision_magic.rendering import render

HERE = Path(__file__).parent
REPLY_STYLE = (Path(rendering.__file__).parent / "style.css").read_text()
ADDRESS = "http://localhost:9/panel"  # answered by the test, nothing listens there
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"

LONG = "\n\n".join(f"Paragraph {number} of a long reply, with words enough for a line." for number in range(40))
"""A reply longer than the panel is high."""

TRAITS: dict[str, Any] = {
    "conversation": "main",
    "conversations": [{"name": "main", "turns": 0}, {"name": "tutor", "turns": 4}],
    "busy": "",
    "revision": 1,
    **dict.fromkeys(
        ("model", "temperature", "top_p", "max_tokens", "stop", "presence_penalty", "frequency_penalty", "system")
    ),
    "effective": {
        "model": {"value": "SmolLM2-135M", "source": "default"},
        "temperature": {"value": 0.7, "source": "ipython_config.py"},
        "top_p": {"value": None, "source": "default"},
        "max_tokens": {"value": None, "source": "default"},
        "stop": {"value": None, "source": "default"},
        "presence_penalty": {"value": None, "source": "default"},
        "frequency_penalty": {"value": None, "source": "default"},
    },
    "models": [],
    "where": {"model": "SmolLM2-135M", "server": "http://127.0.0.1:8000/v1", "embedded": True},
    "panel_id": "0123456789abcdef",
}


def turn(number: int, prompt: str = "", reply: str | None = "", **changes: Any) -> dict[str, Any]:
    """A turn as the kernel sends it; its prompt and its reply are Markdown. A reply of None is one that arrives."""
    turn_id = changes.pop("id", f"t{number}")
    return {
        "id": turn_id,
        "parent": f"t{number - 1}" if number > 1 else None,
        "number": number,
        "prompt": changes.pop("prompt_html", render(prompt or f"Question {number}?")),
        "images": 0,
        "notes": [],
        "html": None if reply is None else render(reply or f"Answer {number}."),
        "blocks": [],
        "tail": None,
        "line": "",
        "status": "partial" if reply is None else "complete",
        "notice": "",
        "facts": [] if reply is None else ["SmolLM2-135M", "12 tokens", "0.8 s"],
        "unfinished": False,
        "siblings": [turn_id],
        "excluded": False,
        "asked_in": "panel",
        **changes,
    }


def block(markdown: str, joined: bool = False) -> list[Any]:
    """A finished block as the kernel sends it."""
    return [render(markdown), joined]


class Panel:
    """A panel in a page.

    Args:
        turns: The conversation at the beginning.
        theme: "light", "dark", "dark-high-contrast" of JupyterLab, or "" for a page that is not JupyterLab's.
        traits: Other values than `TRAITS`.
    """

    def __init__(
        self, page: Page, turns: list[dict[str, Any]] | None = None, theme: str = "light", **traits: Any
    ) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route(
            ADDRESS, lambda route: route.fulfill(body=(HERE / "page.html").read_text(), content_type="text/html")
        )
        page.goto(ADDRESS)
        page.add_script_tag(
            content=(HERE / "model.js").read_text() + "\nwindow.Kernel = Kernel; window.showPanel = showPanel;"
        )
        theme_css = (THEMES / f"theme-{theme}-extension" / "index.css").read_text() if theme else ""
        page.evaluate(
            """async ([esm, css, theme, traits, turns]) => {
              document.querySelector('#panel').textContent = css;
              document.querySelector('#theme').textContent = theme;
              const url = URL.createObjectURL(new Blob([esm], {type: 'text/javascript'}));
              window.widget = (await import(url)).default;
              window.kernel = new Kernel(traits, turns);
              window.cleanup = await showPanel(kernel, widget, document.querySelector('#place'));
            }""",
            [assets.module(), REPLY_STYLE + assets.stylesheet(), theme_css, {**TRAITS, **traits}, turns or []],
        )
        self.root = page.locator(".llmvm-panel").first

    @property
    def input(self) -> Locator:
        """The textarea for a prompt."""
        return self.root.get_by_role("textbox", name="Prompt", exact=True)

    @property
    def scroller(self) -> Locator:
        """What scrolls."""
        return self.root.locator(".lp-scroller")

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def turn(self, turn_id: str) -> Locator:
        """The element of a turn."""
        return self.root.locator(f'[data-turn="{turn_id}"]')

    def frames(self, count: int = 2) -> None:
        """Let the page be drawn."""
        for _ in range(count):
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")

    def scroll_to(self, top: int) -> None:
        """Scroll as a reader does, and wait until the page knows."""
        self.scroller.evaluate(
            """(scroller, top) => new Promise((done) => {
              scroller.scrollTop = top;
              requestAnimationFrame(() => requestAnimationFrame(done));
            })""",
            top,
        )

    def to_end(self) -> float:
        """Pixels of the transcript below what is seen of it."""
        return self.scroller.evaluate("one => one.scrollHeight - one.clientHeight - one.scrollTop")

    def sent(self, do: str = "") -> list[dict[str, Any]]:
        """What the page has asked for, of one kind or of all."""
        messages = self.page.evaluate("() => kernel.sent")
        return [message for message in messages if do in ("", message["do"])]

    def wait_sent(self, do: str, count: int = 1) -> list[dict[str, Any]]:
        """The same, once there are so many."""
        self.page.wait_for_function(
            "([what, count]) => kernel.sent.filter((one) => one.do === what).length >= count", arg=[do, count]
        )
        return self.sent(do)

    def say(self, message: dict[str, Any]) -> None:
        """Send a message of the kernel's to all views."""
        self.page.evaluate("message => kernel.say(message)", message)

    def show_turn(self, data: dict[str, Any]) -> None:
        """A turn is new or has changed."""
        self.page.evaluate("data => kernel.turn(data)", data)

    def more(self, turn_id: str, at: int, blocks: list[Any], tail: Any = None, line: str = "") -> None:
        """Some of a reply has arrived."""
        self.page.evaluate("([...all]) => kernel.more(...all)", [turn_id, at, blocks, tail, line])

    def away(self, is_away: bool) -> None:
        """The connection is lost, or there again; nobody has noticed."""
        self.page.evaluate("isAway => { kernel.isAway = isAway }", is_away)

    def change(self, name: str, value: Any) -> None:
        """The kernel changes a trait."""
        self.page.evaluate("([name, value]) => kernel.change(name, value)", [name, value])

    def answer(self, do: str, *messages: dict[str, Any]) -> None:
        """Answer such a request so from now on. A key "" and a turn None are those of the request."""
        self.page.evaluate("([what, messages]) => { kernel.answers[what] = messages }", [do, messages])

    def hold(self) -> None:
        """A cell runs: nothing but turns is answered, until `free`."""
        self.page.evaluate("() => { kernel.isFree = false }")

    def free(self) -> None:
        """The cell has ended."""
        self.page.evaluate("() => kernel.free()")

    def focused(self) -> str:
        """Name of what has the focus."""
        return self.page.evaluate(
            "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
        )
