"""A `.env` file that came with a folder: what it may say, and that prompts go to its server only when that is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.panels import PanelPage

from llmvision_magic.backends.server_consent import is_this_machine

AWAY = "http://llm.example.org/v1"
"""A server elsewhere: the kernels here reach it through a proxy, which is the server of the tests."""

Start = Callable[..., AbstractContextManager[Kernel]]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a notebook and a `.env` file that somebody else has made."""
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / ".env").write_text(f"LLMVISION_BASE_URL={AWAY}\n")
    return folder


@pytest.fixture
def start(tmp_path, folder, chat_server) -> Start:
    """Starts kernels of one user in a folder, the extension loaded."""
    (tmp_path / "home").mkdir()

    @contextmanager
    def start(cwd: Path = folder, **environment: str) -> Iterator[Kernel]:
        home = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home" / ".config")}
        proxy = dict.fromkeys(("http_proxy", "HTTP_PROXY"), chat_server.root) | {"no_proxy": "", "NO_PROXY": ""}
        with running_kernel(cwd=cwd, **home, **proxy, **environment) as kernel:
            kernel.ok("%load_ext llmvision_magic")
            yield kernel

    return start


def answered(kernel: Kernel, code: str, answer: str | None) -> Cell:
    """Run a cell that has to ask, and answer."""
    return kernel.run(code, on_input=lambda: answer)


def test_first_prompt_to_a_server_of_dotenv_is_asked_about(start, folder, chat_server):
    """Nothing goes there before; what was agreed to holds for that folder, also in the next kernel."""
    with start() as kernel:
        cell = answered(kernel, "%%chat\nHello", "n")
        assert cell.status == "error"
        assert AWAY in cell.asked["prompt"]
        assert str(folder) in cell.asked["prompt"]
        assert not cell.asked["password"]
        assert "nothing was sent" in cell.plain
        assert len(cell.plain.strip().splitlines()) == 1
        kernel.complete("%%chat -m ")
        assert chat_server.requests() == []
        assert "nobody has agreed" in kernel.ok("%chat status").plain
        assert answered(kernel, "%%chat\nHello", "y").status == "ok"
        assert "you agreed in this folder" in kernel.ok("%chat status").plain
        kernel.ok("%%chat\nHello again", watched=True)
    with start() as second:
        second.ok("%%chat\nHello", watched=True)
    assert len(chat_server.requests()) == 3


def test_consent_is_for_one_folder_and_one_address(start, folder, tmp_path, chat_server):
    """Another folder with the same file, and the same folder with another address, are asked about again."""
    with start() as kernel:
        assert answered(kernel, "%%chat\nHello", "yes").status == "ok"
        (folder / ".env").write_text("LLMVISION_BASE_URL=http://other.example.org/v1\n")
        assert "other.example.org" in answered(kernel, "%%chat\nHello", "").asked["prompt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / ".env").write_text(f"LLMVISION_BASE_URL={AWAY}\n")
    with start(other) as kernel:
        assert answered(kernel, "%%chat\nHello", "").status == "error"
    assert len(chat_server.requests()) == 1


def test_every_way_to_the_server_is_asked_about(start, chat_server):
    """Whatever would send something."""
    ways = ["%chat ask Hello", "%chat models", "%%chat --once\nHello", "%%chat --background\nHello"]
    with start() as kernel:
        for code in (*ways, "%%chat --compare temperature=0,1\nHello"):
            assert answered(kernel, code, "").status == "error", code
    assert chat_server.requests() == []


def test_interrupt_is_a_no(start, chat_server):
    """The cell ends as interrupted, and nothing was sent."""
    with start() as kernel:

        def interrupt() -> None:
            kernel.interrupt()

        cell = kernel.run("%%chat\nHello", on_input=interrupt)
        assert cell.reply["ename"] == "Interrupted"
    assert chat_server.requests() == []


def test_panel_says_where_to_agree(start, chat_server):
    """A panel cannot ask in a cell; what was typed is not lost, and goes there once somebody has agreed."""
    with start() as kernel:
        page = PanelPage(kernel)
        page.ask("Hello", key="first")
        sorry = page.answer("sorry", key="first")
        assert AWAY in sorry["text"]
        assert "`%chat ask Hello`" in sorry["text"]
        assert page.turns() == []
        assert chat_server.requests() == []
        assert answered(kernel, "%chat ask Hello", "y").status == "ok"
        page.ask("And you?", key="second")
        page.ended("And you?")


def test_programs_that_run_notebooks_go_on(start):
    """Nobody can answer there; the footer says where the reply came from."""
    with start() as kernel:
        cell = kernel.ok("%%chat\nHello", watched=False)
        assert "llm.example.org, set by .env" in cell.only.html
        assert "nobody has agreed" in kernel.ok("%chat status").plain


def test_image_says_that_its_dotenv_is_meant(start, folder):
    """By a variable of the environment; a file cannot say it of itself."""
    with start(LLMVISION_TRUST_DOTENV="1") as kernel:
        assert "llm.example.org, set by .env" in kernel.ok("%%chat\nHello", watched=True).only.html
        assert "LLMVISION_TRUST_DOTENV (environment)" in kernel.ok("%chat status").plain
    (folder / ".env").write_text(f"LLMVISION_BASE_URL={AWAY}\nLLMVISION_TRUST_DOTENV=1\n")
    with start() as kernel:
        cell = kernel.run("%%chat\nHello", watched=True)
        assert "trusting itself" in cell.plain


def test_server_on_this_machine_is_named_and_not_asked_about(start, folder, chat_server):
    """The footer says that `.env` set it; one of the environment needs no word."""
    (folder / ".env").write_text(f"LLMVISION_BASE_URL={chat_server.url}\n")
    with start() as kernel:
        assert (
            f"{chat_server.root.removeprefix('http://')}, set by .env"
            in kernel.ok("%%chat\nHello", watched=True).only.html
        )
        kernel.ok(f"import os; os.environ['LLMVISION_BASE_URL'] = {chat_server.url!r}")
        assert "set by .env" not in kernel.ok("%%chat\nHello", watched=True).only.html


def test_what_is_replayed_goes_nowhere(start, folder):
    """A recording answers, so nobody is asked."""
    with start(LLMVISION_TRUST_DOTENV="1") as kernel:
        kernel.ok("%chat record lesson.jsonl\n%chat ask Hello")
    with start() as kernel:
        kernel.ok("%chat replay lesson.jsonl")
        assert "set by .env" not in kernel.ok("%chat ask Hello", watched=True).only.html


def test_consent_that_cannot_be_kept_holds_in_this_kernel(start, tmp_path):
    """Where the user's folder is no folder, too."""
    (tmp_path / "home" / ".config").write_text("")
    with start() as kernel:
        assert answered(kernel, "%%chat\nHello", "y").status == "ok"
        kernel.ok("%%chat\nHello", watched=True)


@pytest.mark.parametrize(
    "base_url", ["http://localhost:1/v1", "http://127.8.0.1/v1", "http://[::1]:8080/v1", "http://a.localhost"]
)
def test_this_machine(base_url):
    """The loopback network and its names."""
    assert is_this_machine(base_url)


@pytest.mark.parametrize(
    "base_url", ["http://localhost.example.org", "http://127.0.0.1.example.org", "http://10.0.0.1", "x", "http://[::1"]
)
def test_other_machines(base_url):
    """Names that only look like it, and what is no address."""
    assert not is_this_machine(base_url)


def test_dotenv_names_no_file_outside_its_folder(start, folder, tmp_path, chat_server):
    """A journal, a recording, a model or a cache elsewhere: one sentence, nothing is sent, nothing is written."""
    outside = tmp_path / "home" / "outside"
    outside.mkdir()
    os.symlink(outside, folder / "link")
    with start(LLMVISION_BASE_URL=chat_server.url) as kernel:
        for name in ("JOURNAL", "RECORD", "LOCAL_MODEL", "CACHE"):
            for path in (str(outside / "x"), "../home/outside/x", "~/outside/x", "link/x"):
                (folder / ".env").write_text(f"LLMVISION_{name}={path}\n")
                cell = kernel.run("%%chat\nHello")
                assert cell.status == "error"
                assert f"outside its own folder (LLMVISION_{name})" in cell.plain
                assert len(cell.plain.strip().splitlines()) == 1
    assert chat_server.requests() == []
    assert list(outside.iterdir()) == []


def test_dotenv_names_files_in_its_folder(start, folder, chat_server):
    """Relative to it, wherever the kernel has gone; and the words that switch something off are no paths."""
    (folder / ".env").write_text(
        "LLMVISION_RECORD=kept/lesson.jsonl\nLLMVISION_JOURNAL=journal\nLLMVISION_REPLAY=off\n"
    )
    (folder / "kept").mkdir()
    with start(LLMVISION_BASE_URL=chat_server.url, LLMVISION_JOURNAL="") as kernel:
        kernel.ok("import os; os.makedirs('elsewhere', exist_ok=True)\n%cd -q elsewhere")
        kernel.ok("%%chat\nHello")
    assert json.loads((folder / "kept" / "lesson.jsonl").read_text().splitlines()[0])
    assert (folder / "journal").exists()
    assert list((folder / "elsewhere").iterdir()) == []
