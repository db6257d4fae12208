"""Make the pictures of the README from the lessons: ``make pictures``.

Each shows some cells of a lesson in JupyterLab after a replay of the lesson's recording. With a picture, in its PNG, is
kept what was to be seen when it was made; ``test_pictures.py`` compares that with what is to be seen now. Pixels would
differ with each release of Chromium, and sources with each file that is moved.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page

from support.browser_setup import browser_path
from support.lab import Notebook, chromium, running_lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDTH, MARGIN = 900, 8
"""Pixels of the page: about as wide as a README is shown; left free below the last cell."""

SCALE = 2
"""Pixels of the picture to one of the page."""

KEY = "seen"
"""Name of the text in the PNG, a `Seen` as JSON."""


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        lesson: Name of the notebook, and of the picture.
        first, last: The cells to be seen, counted from 0. All cells up to the last have run.
        whole: Whether the output of the last one is to be seen, too.
    """

    lesson: str
    first: int
    last: int
    whole: bool = True

    @property
    def picture(self) -> Path:
        return NOTEBOOKS / f"{self.lesson}.png"

    @property
    def saved(self) -> str:
        """Hash of the cells as they are saved in the lesson: a first look, which takes no browser."""
        cells = nbformat.read(NOTEBOOKS / f"{self.lesson}.ipynb", 4).cells[self.first : self.last + 1]
        outputs = [[one.get("data", {}).get("text/html", "") for one in cell.get("outputs", ())] for cell in cells]
        return _hash([[cell.source for cell in cells], outputs])


SCENES = (Scene("quickstart", 2, 5), Scene("panel", 3, 5, whole=False))


@dataclass(frozen=True)
class Seen:
    """What makes up a picture.

    Attributes:
        saved: As in `Scene.saved`.
        text: What each cell reads.
        markup: Hash of the HTML of replies and panels: its icons, labels and classes.
        style: Hash of the style sheets that are this package's.
    """

    saved: str
    text: list[str]
    markup: str
    style: str


RUN = """
async last => {
  window.ranAll = false;
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = last + 1;
  await window.jupyterapp.commands.execute('notebook:run-all-above');
  window.ranAll = true;
}
"""

TIDY = """
async () => {
  const { commands, shell } = window.jupyterapp;
  if (commands.isToggled('statusbar:toggle')) await commands.execute('statusbar:toggle');
  shell.collapseLeft();
  shell.currentWidget.content.activeCellIndex = 0;  // which is not to be seen
  document.activeElement?.blur();
}
"""

SAVE = """
async () => {
  await window.jupyterapp.commands.execute('docmanager:save');
  window.jupyterapp.shell.currentWidget.context.model.dirty = false;  // a panel may have changed its transcript since
}
"""
"""Else there is a dot in its tab."""

# The parts of the page that a scene shows, for the scripts below.
PARTS = """
  const outer = document.querySelector('.jp-WindowedPanel-outer');
  const parts = [...outer.querySelectorAll('.jp-Cell')].slice(first, last + 1);
  if (!whole) parts.push(parts.pop().querySelector('.jp-Cell-inputWrapper'));
"""

FRAME = f"""
({{ first, last, whole }}) => {{
  {PARTS}
  const place = outer.getBoundingClientRect();
  const [top, bottom] = [parts[0].getBoundingClientRect().top, parts.at(-1).getBoundingClientRect().bottom];
  outer.scrollTop += top - place.top;
  return Math.ceil(window.innerHeight - place.height + bottom - top + {MARGIN});
}}
"""
"""Scroll there; how high a page shows the scene and no more, in pixels."""

SEEN = f"""
({{ first, last, whole }}) => {{
  {PARTS}
  // Not to be seen, and what a screen reader is told depends on how the reply arrived.
  outer.querySelectorAll('[hidden], [aria-live]').forEach(one => one.remove());
  const ours = parts.flatMap(part => [...part.querySelectorAll('.llmvm-panel, .llmvm:not(.llmvm-panel .llmvm)')]);
  const sheets = [...document.querySelectorAll('style')].map(one => one.textContent);
  return {{
    text: parts.map(part => part.innerText),
    markup: ours.filter(one => one.checkVisibility()).map(one => one.outerHTML),
    style: sheets.filter(text => text.includes('llmvm')),
  }};
}}
"""


def scenes(page: Page, folder: Path) -> Iterator[tuple[Scene, Seen]]:
    """Show one scene after the other in the page.

    Args:
        folder: An empty one.
    """
    work = folder / "work"
    for scene in SCENES:
        lesson = work / scene.lesson
        lesson.mkdir(parents=True)
        for suffix in (".ipynb", ".jsonl"):
            shutil.copy(NOTEBOOKS / f"{scene.lesson}{suffix}", lesson)
        (lesson / ".env").write_text(f"LLMVISION_REPLAY={scene.lesson}.jsonl\nLLMVISION_REPLAY_SPEED=0\n")
    with running_lab(folder, work, LLMVISION_JOURNAL="off") as address:
        for scene in SCENES:
            shown = {"first": scene.first, "last": scene.last, "whole": scene.whole}
            page.set_viewport_size({"width": WIDTH, "height": 1000})
            notebook = Notebook(page, address, f"{scene.lesson}/{scene.lesson}.ipynb")
            page.evaluate(RUN, scene.last)
            notebook.wait_idle()
            page.evaluate(TIDY)
            page.set_viewport_size({"width": WIDTH, "height": page.evaluate(FRAME, shown)})
            page.evaluate(FRAME, shown)
            page.evaluate(SAVE)
            yield scene, _seen(scene, **page.evaluate(SEEN, shown))


def _seen(scene: Scene, text: list[str], markup: list[str], style: list[str]) -> Seen:
    # The sign beside a heading is JupyterLab's, for a mouse. Names of elements are made by chance.
    read = [" ".join(part.replace("¶", "").split()) for part in text]
    named = re.compile(r' (id|for|list|data-turn|aria-labelledby|aria-controls)="[^"]*"')
    rules = {" ".join(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL).split()) for sheet in style}
    return Seen(scene.saved, read, _hash([named.sub("", part) for part in markup]), _hash(sorted(rules)))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def write(path: Path, screenshot: bytes, seen: Seen) -> None:
    """Keep a picture, in few bytes: 256 colours are more than a page of text has."""
    kept = PngInfo()
    kept.add_itxt(KEY, json.dumps(asdict(seen), ensure_ascii=False))
    with Image.open(io.BytesIO(screenshot)) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True, pnginfo=kept)


def read(path: Path) -> Seen:
    """What was to be seen when a picture was made."""
    with Image.open(path) as image:
        return Seen(**json.loads(image.text[KEY]))


def main() -> int:
    browser = browser_path()
    if browser is None:
        print("The pictures are taken in Chromium, but there is none; install it.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, chromium(browser, scale=SCALE) as page:
        for scene, seen in scenes(page, Path(folder)):
            write(scene.picture, page.screenshot(animations="disabled"), seen)
            print(scene.picture.relative_to(NOTEBOOKS.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
