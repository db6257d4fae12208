"""``make demo``: the reader's own copy of the lessons, and JupyterLab on it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from support.lab import DEADLINE, Notebook
from nbformat.sign import NotebookNotary
from playwright.sync_api import Page
from support.seen import browser, page, picture

ROOT = Path(__file__).parents[2]

__all__ = ["browser", "page"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make demo` needs of the repository, all of it committed, and nothing to be installed."""
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "poet.md")
    for name in ("notebooks", ".demo"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("Makefile", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=all")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def copy(clone: Path, home: Path) -> list[str]:
    """Copy the lessons as `make demo` does; the lines that it prints."""
    home.mkdir(exist_ok=True)
    run = subprocess.run(
        [sys.executable, ".demo/copies.py", "notebooks", "my-notebooks"],
        cwd=clone,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


def environment(home: Path, **settings: str) -> dict[str, str]:
    """That of a person with an empty home."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "LLMVISION_", "XDG_", "MAKE"))
    }
    return {**inherited, "HOME": str(home), **settings}


def test_copy_is_whole_trusted_and_unknown_to_git(clone: Path, tmp_path: Path):
    """All that lies beside a lesson comes along; Jupyter shows its outputs as they are meant."""
    (clone / "notebooks" / "data").mkdir()
    (clone / "notebooks" / "data" / "table.csv").write_text("a,b\n")
    (clone / "notebooks" / ".env").write_text("LLMVISION_API_KEY=mine\n")
    before = git(clone, "status", "--porcelain")
    lines = copy(clone, tmp_path / "home")
    assert lines == ["The lessons are in my-notebooks/, a copy of notebooks/: run, change and save them there."]
    mine = clone / "my-notebooks"
    copied = {str(path.relative_to(mine)) for path in mine.rglob("*") if path.is_file()}
    lessons = {
        path.name for path in (ROOT / "notebooks").iterdir() if path.suffix in {".ipynb", ".jsonl", ".png", ".md"}
    }
    assert copied - {"poet.md"} == (lessons - {"poet.md"}) | {"data/table.csv", ".copied.json"}
    assert git(clone, "status", "--porcelain") == before
    notary = NotebookNotary(data_dir=str(tmp_path / "home" / ".local" / "share" / "jupyter"))
    try:
        assert all(notary.check_signature(nbformat.read(path, 4)) for path in mine.glob("*.ipynb"))
    finally:
        notary.store.close()  # the notary of nbformat 5.10.0 has no close of its own


def test_second_copy_renews_what_is_unchanged_and_keeps_what_is_not(clone: Path, tmp_path: Path):
    """Also where the repository has another one now; a recording stays with the notebook that asks for it."""
    theirs, mine, home = clone / "notebooks", clone / "my-notebooks", tmp_path / "home"
    copy(clone, home)
    assert copy(clone, home) == []
    (mine / "panel.ipynb").write_text("my panel")
    (mine / "quickstart.ipynb").write_text("my quickstart")
    (mine / "poet.md").write_text("my poet")
    (mine / "own.ipynb").write_text("my own")
    assert copy(clone, home) == [
        "Kept in my-notebooks/ as you saved them: panel.ipynb, quickstart.ipynb; delete one to have it copied anew."
    ]
    (theirs / "README.md").write_text("new page")
    (theirs / "quickstart.ipynb").write_text("new quickstart")
    (theirs / "quickstart.jsonl").write_text("new recording")
    (theirs / "03-data.jsonl").write_text("new data")
    (theirs / "poet.md").write_text("their poet")
    recording = (mine / "quickstart.jsonl").read_text()
    assert copy(clone, home) == [
        "Renewed in my-notebooks/, as you had not changed them: 03-data.jsonl, README.md.",
        "Kept in my-notebooks/ as you saved them: panel.ipynb, poet.md, quickstart.ipynb; "
        "notebooks/ has newer ones of poet.md, quickstart.ipynb, quickstart.jsonl; delete one to have it copied anew.",
    ]
    assert (mine / "README.md").read_text() == "new page"
    assert (mine / "03-data.jsonl").read_text() == "new data"
    for name, text in {"panel": "my panel", "quickstart": "my quickstart", "own": "my own"}.items():
        assert (mine / f"{name}.ipynb").read_text() == text
    assert (mine / "quickstart.jsonl").read_text() == recording
    assert (mine / "poet.md").read_text() == "my poet"


def test_deleted_copy_is_made_anew_with_its_recording(clone: Path, tmp_path: Path):
    """As the line about kept ones says."""
    theirs, mine, home = clone / "notebooks", clone / "my-notebooks", tmp_path / "home"
    copy(clone, home)
    (theirs / "quickstart.jsonl").write_text("new recording")
    (mine / "quickstart.ipynb").unlink()
    copy(clone, home)
    assert (mine / "quickstart.ipynb").read_bytes() == (theirs / "quickstart.ipynb").read_bytes()
    assert (mine / "quickstart.jsonl").read_text() == "new recording"


@pytest.mark.parametrize("record", [None, '{"README.md": '])
def test_without_a_record_nothing_is_overwritten(clone: Path, tmp_path: Path, record: str | None):
    """Where it cannot be known what the reader has changed, all may be."""
    mine, home = clone / "my-notebooks", tmp_path / "home"
    copy(clone, home)
    (mine / "README.md").write_text("my page")
    (mine / ".copied.json").unlink()
    if record is not None:
        (mine / ".copied.json").write_text(record)
    assert "README.md" in copy(clone, home)[0]
    assert (mine / "README.md").read_text() == "my page"


def test_folder_that_cannot_be_made_is_said_in_a_sentence(clone: Path, tmp_path: Path):
    """And `make` ends there."""
    (clone / "my-notebooks").write_text("a file")
    run = subprocess.run(
        [sys.executable, ".demo/copies.py", "notebooks", "my-notebooks"],
        cwd=clone,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.fullmatch(r"The lessons were to be copied to my-notebooks/, but .*File exists.*\.\n", run.stderr)


@contextmanager
def running_demo(clone: Path, home: Path, **settings: str) -> Iterator[str]:
    """`make demo` in this environment, without a browser; the address that it prints."""
    home.mkdir()
    log = home / "make.log"
    with log.open("wb") as output:
        make = subprocess.Popen(
            [
                *("make", f"BIN={Path(sys.executable).parent}", "--old-file=.venv/demo.done", "demo"),
                "LAB_FLAGS=--allow-root --no-browser --expose-app-in-browser --ServerApp.port=0",
            ],
            cwd=clone,
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 2 * DEADLINE  # three programs start, one after the other
        while not (
            printed := re.findall(r"^ +(http://(?:localhost|127\.0\.0\.1):\S+)$", log.read_text(), re.MULTILINE)
        ):
            assert make.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield printed[-1]
    finally:
        os.killpg(make.pid, signal.SIGTERM)  # its own group
        make.wait(15)


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_demo_opens_trusted_copies_and_leaves_the_repository_as_it_was(
    clone: Path, tmp_path: Path, page: Page, chat_server
):
    """The quickstart, opened at the printed address, run and saved, with no question over it."""
    home, model = tmp_path / "home", tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    settings = {"LLMVISION_LOCAL_MODEL": str(model), "LLMVISION_BASE_URL": chat_server.url, "LLMVISION_JOURNAL": "off"}
    with running_demo(clone, home, **settings) as address:
        notebook = Notebook.opened(page, address)
        reply = page.locator(".jp-CodeCell .llmvm").first
        assert reply.evaluate("one => getComputedStyle(one).maxWidth") != "none", "its style was taken away"
        assert page.locator(".jp-OutputArea-output.jp-mod-trusted").count() == 6
        notebook.run_all()
        notebook.wait_idle()
        notebook.save()
        assert page.get_by_text("notified about official Jupyter news").count() == 0
        picture(page, "demo-light")
    assert git(clone, "status", "--porcelain") == ""
    assert "echo" in (clone / "my-notebooks" / "quickstart.ipynb").read_text()
    assert list(home.rglob("notification.jupyterlab-settings")) == []
    assert [line.split(";")[0] for line in copy(clone, home)] == [
        "Kept in my-notebooks/ as you saved them: quickstart.ipynb"
    ]
