"""The pictures of the README show what is to be seen today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.pictures import SCENES, read, scenes
from playwright.sync_api import Page
from support.seen import browser, page

ROOT = Path(__file__).parents[2]
MAKE = "it is no longer as it is to be seen; run `make pictures`, look at it and commit it"
MOST_BYTES = 400_000

__all__ = ["browser", "page"]


def test_readme_shows_the_pictures_that_are_made():
    """No other picture of the extension than these stands in it, and none is too heavy for a page."""
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {ROOT / path for path in shown} == {scene.picture for scene in SCENES}
    assert set(ROOT.glob("notebooks/**/*.png")) == {scene.picture for scene in SCENES}
    assert all(scene.picture.stat().st_size < MOST_BYTES for scene in SCENES)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.lesson)
def test_picture_is_of_the_lesson_as_it_is_saved(scene):
    """Its cells and their outputs; a lesson's other cells may change."""
    assert read(scene.picture).saved == scene.saved, f"{scene.picture.name}: {MAKE}."


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_pictures_show_what_jupyterlab_shows(page: Page, tmp_path: Path):
    """The text of each cell, and the markup and the style of replies and panels."""
    for scene, seen in scenes(page, tmp_path):
        assert read(scene.picture) == seen, f"{scene.picture.name}: {MAKE}."
