"""Fixtures of tests that look at a page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support.browser_setup import browser_path
from support.lab import chromium

ARTEFACTS = Path(__file__).parents[1] / "artefacts"


@pytest.fixture(scope="session")
def browser() -> str:
    """Path of a Chromium; without one there is nothing to test, and in CI that is a failure."""
    path = browser_path()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine")
    assert path is not None, "no Chromium on this machine"
    return path


@pytest.fixture
def page(browser: str) -> Iterator[Page]:
    """A fresh page."""
    with chromium(browser) as page:
        yield page


def picture(page: Page, name: str) -> None:
    """Keep a screenshot beside the tests, for people to look at."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png")
