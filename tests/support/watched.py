"""A page under watch: what it does that no reply may make it do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route

from support.browser_setup import browser_path
from support.hostile_replies import FOLDER
from support.lab import chromium

LOOKS = "() => watchOfTheTest.looks()"


@dataclass
class Watch:
    """What a page did that it should not.

    Attributes:
        outside: Requests to anything but the JupyterLab server, with their Referer.
        moved: Addresses that the page itself went to after it was opened.
        said: What the console and dialogs say that comes from a reply.
    """

    page: Page
    outside: list[tuple[str, str]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lab: str = ""

    def __post_init__(self) -> None:
        self.page.add_init_script(path=FOLDER / "watch.js")
        # Every request passes here, also one of a popup; nothing goes out.
        self.page.context.route(lambda url: True, self._route)
        self.page.on("console", lambda message: self._say(message.text))
        self.page.on("pageerror", lambda error: self._say(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("framenavigated", lambda frame: self.moved.append(frame.url))
        self.page.on("websocket", lambda socket: self._socket(socket.url))

    def _route(self, route: Route) -> None:
        url = route.request.url
        if self.lab and urlsplit(url).netloc == urlsplit(self.lab).netloc:
            route.continue_()
            return
        self.outside.append((url, route.request.headers.get("referer", "")))
        route.fulfill(status=200, content_type="text/html", body="<title>arrived</title>")

    def _socket(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.lab).netloc:
            self.outside.append((url, ""))

    def _say(self, text: str) -> None:
        if re.search(r"hostile\.invalid|Refused to|Not allowed to load|Mixed Content|SyntaxError", text):
            self.said.append(text)

    def caught(self) -> list[str]:
        """What ran, and what stands in the page that must not."""
        return self.page.evaluate("() => watchOfTheTest.state()")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A page under watch."""
    path = browser_path()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine")
    assert path is not None, "no Chromium on this machine"
    with chromium(path) as page:
        yield Watch(page)


def assert_quiet(watch: Watch, before: list[str]) -> None:
    """Nothing ran, nothing was asked, nothing looks different, nothing lies above the page."""
    caught = watch.caught()
    assert not caught, caught
    assert watch.outside == []
    assert watch.said == []
    assert watch.page.evaluate("() => watchOfTheTest.outOfPlace()") == []
    changed = [(old, new) for old, new in zip(before, watch.page.evaluate(LOOKS), strict=True) if old != new]
    assert changed == []


def wait_until_set(page: Page) -> None:
    """Wait until JupyterLab has set all formulas and nothing in the outputs changes any more."""
    page.wait_for_function(
        """() => {
          const length = [...document.querySelectorAll('.jp-OutputArea')].map(one => one.innerHTML.length).join();
          const same = window.__length === length;
          window.__length = length;
          return same;
        }""",
        polling=700,
    )
