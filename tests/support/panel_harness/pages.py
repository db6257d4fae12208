"""Fixtures: one browser for a file of tests, and a page of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from support.browser_setup import browser_path
from support.deadline import DEADLINE
from support.lab import FLAGS


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; without one there is nothing to test, and in CI that is a failure."""
    path = browser_path()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine")
    assert path is not None, "no Chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page, which may use the clipboard."""
    with opened_page(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page


@contextmanager
def opened_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of its own; `options` are those of a Playwright context."""
    context = browser.new_context(viewport={"width": 900, "height": 760}, **options)
    page = context.new_page()
    page.set_default_timeout(DEADLINE * 1000)
    yield page
    context.close()
