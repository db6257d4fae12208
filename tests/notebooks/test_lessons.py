"""The lessons in `notebooks/` as a student and a teacher meet them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from support.kernels import Kernel, running_kernel
from support.lab import Notebook, running_lab
from playwright.sync_api import Page
from support.seen import browser, page, picture

from llmvision_magic.backends.recording.cassette import Cassette

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
ASK_WHATEVER_IS_SET = {"panel", "quickstart"}
"""Those that name no recording: they are for trying the extension with one's own server, too."""

NOT_COMPARED = {"02-conversations": 2, "03-data": 1, "04-reading-errors": 2, "quickstart": 1}
"""Cells that nbval only runs; `notebooks/README.md` says why."""

WATCHED = """
import sys
opened = []
def _watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        opened.append(event)
    elif event == "subprocess.Popen" and "llmvision_magic" in str(arguments):
        opened.append(str(arguments))
sys.addaudithook(_watch)

from llmvision_magic.backends.recording import Player
given, _take = [], Player.take
def _noted(player, *arguments):
    entry = _take(player, *arguments)
    given.append(entry and player.file.number_of(entry))
    return entry
Player.take = _noted
"""
"""Notes each connection and look-up, whether a model is started, and which lines of a recording are given."""

__all__ = ["browser", "page"]  # fixtures

FOR_TEACHERS = re.findall(r"```bash\n(.*?)```", (NOTEBOOKS / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def lesson(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)


def code_of(name: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in lesson(name).cells if cell.cell_type == "code"]


def copied(name: str, folder: Path) -> Path:
    """A folder with nothing but the notebook and its recording."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".ipynb", ".jsonl"):
        shutil.copy(NOTEBOOKS / f"{name}{suffix}", folder)
    return folder


def replay_of(name: str) -> dict[str, str]:
    return {"LLMVISION_REPLAY": f"{name}.jsonl"} if name in ASK_WHATEVER_IS_SET else {}


def run_all(kernel: Kernel, name: str) -> None:
    for number, cell in enumerate(code_of(name)):
        if "raises-exception" in cell.metadata.get("tags", ()):
            assert kernel.run(cell.source, cell_id=str(number)).status == "error"
        else:
            kernel.ok(cell.source, cell_id=str(number))


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_is_whole(name: str):
    """It is short, all of it has run, in order; no error but those that are meant, nothing of a machine, no key."""
    cells, code = lesson(name).cells, code_of(name)
    assert 10 <= len(cells) <= 21
    assert cells[0].source.startswith("# ")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert len({cell.id for cell in cells}) == len(cells)
    for cell in code:
        tags = cell.metadata.get("tags", [])
        kinds = [output.output_type for output in cell.outputs]
        assert kinds.count("error") == ("raises-exception" in tags)
        assert not any(output.get("name") == "stderr" for output in cell.outputs)
    assert sum("nbval-ignore-output" in cell.metadata.get("tags", []) for cell in code) == NOT_COMPARED.get(name, 0)
    both = [(NOTEBOOKS / f"{name}{suffix}").read_text(encoding="utf-8") for suffix in (".ipynb", ".jsonl")]
    for text in both:
        assert not re.search(r"/(home|root|tmp|usr|Users|var|opt)/|[A-Z]:\\\\|site-packages", text)
        assert set(re.findall(r"\bsk-[\w-]{8,}", text)) <= {"sk-made-up-0123456789abcdef"}
        assert "uthorization" not in text


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_needs_nothing_but_its_recording(name: str, tmp_path: Path):
    """It runs to its end in a folder of its own, with no connection and no model, and asks for each line once."""
    folder = copied(name, tmp_path / "student")
    with running_kernel(cwd=folder, LLMVISION_CACHE=str(tmp_path / "no-cache"), **replay_of(name)) as kernel:
        kernel.ok(WATCHED)
        run_all(kernel, name)
        assert kernel.value("opened") == []
        given = kernel.value("given")
    recording = Cassette.at(str(folder / f"{name}.jsonl"))
    recording.read()
    assert recording.damaged() == ""
    assert sorted(given) == [number + 2 for number, _ in enumerate(recording.entries())]


def test_changed_prompt_goes_to_the_model_and_the_lesson_to_the_recording(tmp_path: Path, chat_server):
    """In a lesson as in the quickstart of somebody who has a server."""
    folder = copied("02-conversations", tmp_path / "student")
    begin, first, *_ = [cell.source for cell in code_of("02-conversations")]
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server.url) as kernel:
        kernel.ok(begin)
        assert "replayed" in kernel.ok(first).only.html
        changed = kernel.ok(first.replace("Ada", "Grace")).only.html
        assert "replayed" not in changed
        assert "echo: My name is Grace" in changed
    assert len(chat_server.requests()) == 1
    folder = copied("quickstart", tmp_path / "other")
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server.url) as kernel:
        run_all(kernel, "quickstart")
    assert len(chat_server.requests()) == 4


def test_hostile_reply_of_the_last_lesson_is_harmless():
    """What stands in the saved notebook, which any page may show."""
    shown = next(cell for cell in code_of("06-prompt-injection-and-trust") if "<form" in cell.source)
    html = shown.outputs[0].data["text/html"]
    assert "&lt;script&gt;" in html
    assert not re.search(r"<(script|img|form|input)|javascript:", html)
    assert 'href="https://attacker.example/chart.png' in html


def test_badges_get_the_address_of_the_clone(tmp_path: Path):
    """One for each lesson; the line for teachers writes the names of their own repository into them."""
    page = tmp_path / "notebooks" / "README.md"
    page.parent.mkdir()
    shutil.copy(NOTEBOOKS / "README.md", page)
    opened = re.findall(
        r"\(https://mybinder\.org/v2/gh/(\S+)/HEAD\?urlpath=lab/tree/notebooks/(\S+)\.ipynb\)", page.read_text()
    )
    assert sorted(name for _, name in opened) == LESSONS
    assert {owner for owner, _ in opened} == {"OWNER/REPOSITORY"}
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for url in ("git@github.com:ada/lessons.git", "https://github.com/grace/class-7"):
        subprocess.run(["git", "config", "remote.origin.url", url], cwd=tmp_path, check=True)
        subprocess.run(["bash", "-eu", "-c", FOR_TEACHERS[0]], cwd=tmp_path, check=True)
        owner = url.removesuffix(".git").replace(":", "/").split("github.com/")[-1]
        assert page.read_text().count(f"/gh/{owner}/HEAD?") >= len(LESSONS)
        assert sorted(file.name for file in page.parent.iterdir()) == ["README.md"]


@pytest.mark.model
def test_commands_for_teachers_record_a_lesson_anew(tmp_path: Path):
    """Recorded with the embedded model, saved from a replay, compared; and nothing else is left in the folder."""
    name = "06-prompt-injection-and-trust"
    folder = copied(name, tmp_path / "notebooks")
    before = (folder / f"{name}.jsonl").read_text().splitlines()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("LLMVISION_", "PYTEST_"))}
    cache = {"LLMVISION_CACHE": os.environ["LLMVISION_CACHE"]} if "LLMVISION_CACHE" in os.environ else {}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-eu", "-c", FOR_TEACHERS[1]],
        cwd=tmp_path,
        env={**inherited, **cache, "PATH": path, "NAME": name, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert " passed" in run.stdout
    after = (folder / f"{name}.jsonl").read_text().splitlines()
    assert [json.loads(line).get("request") for line in after] == [json.loads(line).get("request") for line in before]
    saved = nbformat.read(folder / f"{name}.ipynb", 4)
    assert [cell.source for cell in saved.cells] == [cell.source for cell in lesson(name).cells]
    assert all("execution" not in cell.metadata for cell in saved.cells)


@pytest.mark.browser
@pytest.mark.timeout(1800)  # JupyterLab and all lessons, one after the other
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_student_runs_the_lessons_in_jupyterlab(page: Page, tmp_path: Path, theme: str):
    """*Run All* of each from its recording, in the dark of one; the browser's console says no error."""
    names = LESSONS if theme == "light" else ["01-tokens-and-temperature"]
    for name in names:
        folder = copied(name, tmp_path / "work" / name)
        (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in replay_of(name).items()))
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 1100, "height": 1500})
    nowhere = {"LLMVISION_CACHE": str(tmp_path / "no-cache"), "LLMVISION_JOURNAL": "off"}
    with running_lab(tmp_path, tmp_path / "work", dark=theme == "dark", **nowhere) as address:
        for name in names:
            notebook = Notebook(page, address, f"{name}/{name}.ipynb")
            notebook.run_all()
            notebook.wait_idle()
            assert sum(notebook.executed()) == len(code_of(name)), name  # and `%chat fix` may have offered one more
            for number in scrolled(page):
                picture(page, f"lesson-{name}-{theme}-{number}")
    assert errors == []


def scrolled(page: Page) -> Iterator[int]:
    """Show the open notebook from its beginning to its end, one screen after the other."""
    cells = page.locator(".jp-WindowedPanel-outer").first
    height, shown = cells.evaluate(
        "one => [[...one.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect().bottom"
        " - one.getBoundingClientRect().top + one.scrollTop, one.clientHeight]"
    )
    for number, top in enumerate(range(0, int(height), shown)):
        cells.evaluate("(one, top) => { one.scrollTop = top; }", top)
        yield number
