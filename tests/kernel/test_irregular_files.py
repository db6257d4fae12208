"""Paths that name no regular file: refused at once, never waited for, never written to, never replaced."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Kernel, running_kernel
from support.servers.control import ChatServer

from llmvision_magic import text_files
from llmvision_magic.errors import InvalidInput


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, folder: Path) -> Iterator[Kernel]:
    """One kernel in a folder of its own."""
    given = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_JOURNAL": "off"}
    with running_kernel(cwd=folder, **given) as kernel:
        yield kernel


@pytest.fixture(params=["pipe", "socket", "link to a pipe"])
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which every name that the tests use is no regular file."""
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    sockets = []
    for suffix in ("md", "ipynb", "html", "json", "jsonl", "toml", "png", "sqlite3", "gguf"):
        name = f"x.{suffix}"
        if request.param == "pipe":
            os.mkfifo(name)
        elif request.param == "socket":
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(name)
        else:
            os.mkfifo(f"{name}-pipe")
            os.symlink(f"{name}-pipe", name)
    yield tmp_path
    for one in sockets:
        one.close()


def kinds_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IFMT(path.lstat().st_mode) for path in folder.iterdir()}


def is_said(text: str) -> bool:
    return len(text.splitlines()) == 1 and ("named pipe" in text or "is a socket" in text)


@pytest.mark.parametrize(
    "line",
    [
        *("record {}/x.jsonl", "replay {}/x.jsonl", "save {}/x.json", "load {}/x.json", "resume --from {}/x.ipynb"),
        *(f"export {{}}/x.{suffix} --overwrite" for suffix in ("md", "ipynb", "html", "json")),
        *("export {}/x.md", "new other --persona {}/x.md", "new other --persona {}/x"),
    ],
)
def test_verb_refuses_what_is_no_file(kernel: Kernel, odd: Path, line: str):
    """One sentence that says what it is, and it is there as it was."""
    kernel.ok("%%chat\nHello")
    before = kinds_in(odd)
    cell = kernel.run(f"%chat {line.format(odd)}")
    assert cell.status == "error"
    assert is_said(cell.only.text), cell.only.text
    assert kinds_in(odd) == before
    assert kernel.ok("%%chat\nAnd now").plain


@pytest.mark.parametrize("verb", ["load", "resume --from", "replay", "new other --persona"])
def test_endless_device_is_not_read(kernel: Kernel, verb: str):
    """Not even its beginning."""
    cell = kernel.run(f"%chat {verb} /dev/zero")
    assert cell.status == "error"
    assert "it is a device and no file" in cell.only.text
    assert len(cell.only.text.splitlines()) == 1


def test_image_and_prices_that_are_no_files_are_refused(kernel: Kernel, odd: Path):
    cell = kernel.run(f"%%chat -i {odd}/x.png\nWhat is this?")
    assert cell.status == "error"
    assert is_said(cell.only.text), cell.only.text
    kernel.ok("%%chat\nHello")
    kernel.ok(f"%chat set prices {odd}/x.json")
    assert "and no file" in kernel.ok("%chat usage").plain
    cell = kernel.run("%%chat -i /dev/zero\nWhat is this?")
    assert "'/dev/zero' is a device" in cell.only.text


def test_persona_beside_pipes_is_found(kernel: Kernel, odd: Path, folder: Path):
    """Names that are offered are looked for in all Markdown files beside the notebook."""
    for name in ("pipe.md", "tutor.md"):
        (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / "pipe.md")
    (folder / "tutor.md").write_text("---\ntemperature: 0.5\n---\nBe kind.")
    cell = kernel.run("%chat new other --persona tuto")
    assert cell.status == "error"
    assert "Did you mean `tutor`?" in cell.only.text
    assert "tutor" in "".join(kernel.complete("%chat new other --persona tu"))


@pytest.mark.parametrize("variable", ["LLMVISION_RECORD", "LLMVISION_REPLAY", "LLMVISION_JOURNAL"])
def test_variable_that_names_no_file_is_said_at_the_first_chat(chat_server: ChatServer, odd: Path, variable: str):
    """The chat goes on where nothing but keeping was asked for."""
    path = odd / ("x.sqlite3" if variable.endswith("JOURNAL") else "x.jsonl")
    before = kinds_in(odd)
    given = {"LLMVISION_BASE_URL": chat_server.url, "LLMVISION_JOURNAL": "off", variable: str(path)}
    with running_kernel(cwd=odd, **given) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        cell = kernel.run("%%chat\nHello")
        assert cell.status == ("error" if variable.endswith("REPLAY") else "ok")
        said = cell.only.text or cell.html
        assert "it is a" in said
        assert "and no file" in said
        assert kernel.ok("%chat status").plain
    assert kinds_in(odd) == before


def test_model_file_that_is_no_file_is_refused(odd: Path):
    with running_kernel(cwd=odd, LLMVISION_JOURNAL="off", LLMVISION_LOCAL_MODEL=str(odd / "x.gguf")) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        cell = kernel.run("%%chat\nHello")
        assert cell.status == "error"
        assert "give the path of the .gguf file itself" in cell.only.text


def test_replay_goes_on_when_its_file_becomes_a_pipe(kernel: Kernel, tmp_path: Path):
    """What was a file at first is looked at again at each request."""
    path = tmp_path / "lesson.jsonl"
    kernel.ok(f"%chat record {path}")
    kernel.ok("%%chat\nHello")
    path.unlink()
    os.mkfifo(path)
    cell = kernel.ok("%%chat\nHello again")
    assert "Not recorded" in cell.html
    assert "and no file" in cell.html
    assert stat.S_ISFIFO(path.lstat().st_mode)
    kernel.ok("%chat live")


@pytest.mark.parametrize(
    "line", ["record {}", "save {}", "load {}", "replay {}", "export {}.md", "new other --persona {}"]
)
@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"], ids=["long", "NUL"])
def test_name_that_no_file_can_have_is_one_sentence(kernel: Kernel, line: str, name: str):
    kernel.ok("%%chat\nHello")
    cell = kernel.run(f"get_ipython().run_line_magic('chat', {line.format(name)!r})")
    assert cell.status == "error"
    assert len(cell.only.text.splitlines()) == 1
    kernel.ok("%chat live")


@pytest.mark.parametrize("line", ["record {}/x.md/a.jsonl", "save {}/x.md/a.json", "export {}/x.md/a.md"])
def test_folder_that_is_a_pipe_is_not_waited_for(kernel: Kernel, odd: Path, line: str):
    """A folder is opened too, to be locked while it is written to."""
    kernel.ok("%%chat\nHello")
    cell = kernel.run(f"%chat {line.format(odd)}")
    assert cell.status == "error"
    assert "cannot be written" in cell.only.text
    assert len(cell.only.text.splitlines()) == 1


def test_what_has_become_a_pipe_meanwhile_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file that is open is looked at, and opening it waits for nobody."""
    os.mkfifo(tmp_path / "x.json")
    monkeypatch.setattr(text_files, "check_regular", lambda path: None)  # as it was a moment ago
    with pytest.raises(InvalidInput, match="it is a named pipe and no file"):
        text_files.read_text(tmp_path / "x.json")


def test_file_that_never_ends_is_read_no_further_than_its_limit(tmp_path: Path):
    """Whatever its size was said to be."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * 5_000_000)
    with pytest.raises(InvalidInput, match=r"larger than the 1,000,000 bytes"):
        text_files.read_bytes(path, most=1_000_000)
    assert len(text_files.read_bytes(path, most=5_000_000)) == 5_000_000
