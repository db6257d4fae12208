"""The life of the server's process: starts, is late, never comes, dies, will not die, ends with its parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.local_fixtures import eventually, is_gone, write_program

from llmvision_magic.backends.local import LocalServer
from llmvision_magic.backends.local.logs import log_tail, new_log
from llmvision_magic.errors import Interrupted, ModelNotStarted
from llmvision_magic.stop import Stop

# Python 3.12 and newer warn of any fork beside threads; that such forks do no harm is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("LLMVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that passes for a model where no engine looks at it."""
    path = tmp_path / "Tiny-1M-Instruct.Q4_1.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture
def server(tmp_path: Path, model: Path) -> Iterator[LocalServer]:
    """A server whose program behaves well; not started."""
    with_program = LocalServer(model, program=write_program(tmp_path, "good"), start_seconds=DEADLINE)
    yield with_program
    with_program.stop()


def test_server_starts_and_stops(server: LocalServer) -> None:
    """Between start and stop it runs and says where; afterwards its process is gone, not even a zombie."""
    assert not server.is_running
    assert server.pid is None
    with pytest.raises(RuntimeError, match="start"):
        _ = server.base_url
    server.start()
    pid = server.pid
    assert pid is not None
    assert server.is_running
    assert server.base_url.startswith("http://127.0.0.1:")
    assert server.base_url.endswith("/v1")
    assert server.model == "Tiny-1M-Instruct"
    server.stop()
    assert not server.is_running
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_context_is_what_the_server_uses(server: LocalServer) -> None:
    """The size told is the server's own word, not what was asked for."""
    assert server.context_tokens == 8192
    server.start()
    assert server.context_tokens == 2048


def test_start_of_a_running_server_changes_nothing(server: LocalServer) -> None:
    """start() is idempotent."""
    server.start()
    before = (server.pid, server.base_url)
    server.start()
    assert (server.pid, server.base_url) == before


def test_many_threads_start_one_server(server: LocalServer) -> None:
    """Threads that start at once share one process."""
    pids: set[int | None] = set()

    def start() -> None:
        server.start()
        pids.add(server.pid)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 1
    assert None not in pids


def test_crashed_server_is_started_again(server: LocalServer) -> None:
    """A killed child is noticed and collected, and the next start makes another."""
    server.start()
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: not server.is_running)
    with pytest.raises(ChildProcessError):
        os.waitpid(first, 0)
    server.start()
    assert server.is_running
    assert server.pid != first


def test_stopped_server_can_be_started_again(server: LocalServer) -> None:
    """stop() is no farewell."""
    server.start()
    server.stop()
    server.start()
    assert server.is_running


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("early exit", "exit code 7"),
        ("no engine", "ImportError: no such wheel"),
        ("illegal instruction", "lacks instructions"),
        ("killed", "lack of memory"),
    ],
)
def test_early_end_is_told(tmp_path: Path, model: Path, program: str, words: str) -> None:
    """A child that ends before it is ready is an error at once, which says why and names the ways out."""
    broken = LocalServer(model, program=write_program(tmp_path, program), start_seconds=3600)
    with pytest.raises(ModelNotStarted, match=words) as caught:
        broken.start()
    assert "LLMVISION_BASE_URL" in str(caught.value)
    assert broken.pid is None


def test_log_is_quoted_without_the_key(tmp_path: Path, model: Path) -> None:
    """The error carries what the child said last; the key in it is masked."""
    broken = LocalServer(model, program=write_program(tmp_path, "early exit"))
    with pytest.raises(ModelNotStarted) as caught:
        broken.start()
    assert "E model: it is broken, ****" in str(caught.value)
    assert broken.api_key not in str(caught.value)
    assert str(broken.log_path) in str(caught.value)


@pytest.mark.parametrize("program", ["never ready", "unhealthy"])
def test_server_that_is_never_ready(tmp_path: Path, model: Path, program: str) -> None:
    """At the deadline the child is ended and the error says how long it had."""
    late = LocalServer(model, program=write_program(tmp_path, program), start_seconds=0.3)
    with pytest.raises(ModelNotStarted, match=r"within 0\.3 s"):
        late.start()
    assert late.pid is None


def test_child_that_ignores_term_is_killed(tmp_path: Path, model: Path) -> None:
    """stop() returns with the child gone, whatever the child thinks of it."""
    stubborn = LocalServer(model, program=write_program(tmp_path, "will not die"), start_seconds=DEADLINE)
    stubborn.start()
    pid = stubborn.pid
    assert pid is not None
    stubborn.stop()
    assert is_gone(pid)


def test_stopped_start_goes_on_by_itself(tmp_path: Path, model: Path) -> None:
    """A start that is stopped raises Interrupted; the next one waits for the same child."""
    slow = LocalServer(model, program=write_program(tmp_path, "waits for file"), start_seconds=DEADLINE)
    stop = Stop()

    def stop_when_started() -> None:
        eventually(lambda: slow.pid is not None)
        stop.set()

    watcher = threading.Thread(target=stop_when_started)
    watcher.start()
    with pytest.raises(Interrupted):
        slow.start(stop)
    watcher.join()
    pid = slow.pid
    assert pid is not None
    assert not slow.is_running
    model.with_name(model.name + ".go").touch()
    with slow:
        assert slow.pid == pid


def test_waiting_for_another_threads_start_can_be_stopped(tmp_path: Path, model: Path) -> None:
    """The second caller's stop ends the second caller's wait; the first goes on."""
    slow = LocalServer(model, program=write_program(tmp_path, "waits for file"), start_seconds=DEADLINE)
    first = threading.Thread(target=slow.start)
    first.start()
    assert eventually(lambda: slow.pid is not None)
    stop = Stop()
    stop.set()
    with pytest.raises(Interrupted):
        slow.start(stop)
    model.with_name(model.name + ".go").touch()
    first.join()
    assert slow.is_running
    slow.stop()


def test_fork_leaves_the_server_to_its_parent(server: LocalServer) -> None:
    """In a fork the server does not run; the fork's end, even an orderly one, does not end it for the parent."""
    server.start()
    pid = server.pid
    fork = os.fork()
    if fork == 0:
        code = 1 if server.is_running or server.pid is not None else 0
        server.stop()
        os._exit(code)
    _, status = os.waitpid(fork, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert server.is_running
    assert server.pid == pid


PARENT = """
import os, sys
from pathlib import Path
from llmvision_magic.backends.local import LocalServer
server = LocalServer(Path(sys.argv[1]), program=Path(sys.argv[2]))
server.start()
sys.stdout.write(f"{server.pid}\\n")
sys.stdout.flush()
if sys.argv[3] == "fork" and os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
if sys.argv[3] == "fork, orderly" and os.fork() == 0:
    sys.exit()
sys.stdin.readline()
"""


def run_parent(tmp_path: Path, model: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    """Start a process that starts a server; the process and the server's pid."""
    program = write_program(tmp_path, "good")
    parent = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            PARENT,
            str(model),
            str(program),
            how,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_server_ends_with_a_killed_parent(tmp_path: Path, model: Path, how: str) -> None:
    """After kill -9 of the parent the server ends by itself, though a fork of the parent lives on."""
    parent, pid = run_parent(tmp_path, model, how)
    with parent:
        assert not is_gone(pid)
        parent.kill()
        parent.wait()
        assert eventually(lambda: is_gone(pid))  # before the block's end closes the fork's standard input


def test_server_ends_with_an_orderly_parent(tmp_path: Path, model: Path) -> None:
    """At the parent's normal end the server is gone; a fork that ended before, orderly too, did not end it."""
    parent, pid = run_parent(tmp_path, model, "fork, orderly")
    with parent:
        assert not is_gone(pid)
        parent.communicate("\n")
    assert parent.returncode == 0
    assert eventually(lambda: is_gone(pid))


def test_interrupt_of_the_terminal_does_not_reach_the_server(server: LocalServer) -> None:
    """The child leads a session of its own, out of reach of Ctrl-C and of Jupyter's interrupt to the group."""
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid


def test_start_works_in_a_deleted_folder(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder may be gone."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    server.start()
    assert server.is_running


def test_missing_model_file_is_told(tmp_path: Path) -> None:
    """A file that has gone since it was found is one sentence with what to do."""
    with pytest.raises(ModelNotStarted, match="python -m llmvision_magic model"):
        LocalServer(tmp_path / "absent.gguf").start()


def test_model_too_big_for_memory_is_told(tmp_path: Path) -> None:
    """A model that cannot fit is refused with both numbers, before a process is started."""
    path = tmp_path / "huge.gguf"
    path.write_bytes(b"GGUF")
    os.truncate(path, 1 << 43)  # 8 TiB, all of it a hole
    huge = LocalServer(path)
    with pytest.raises(ModelNotStarted, match=r"needs about \d+ MB of memory, but \d+ MB are free"):
        huge.start()
    assert huge.log_path is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct"),
        ("qwen2.5-0.5b-instruct-iq3_xs.gguf", "qwen2.5-0.5b-instruct"),
        ("model-f16.gguf", "model"),
        ("my model", "my model"),
    ],
)
def test_model_is_named_after_its_file(file: str, name: str) -> None:
    """The name has neither folder nor ending nor quantisation."""
    assert LocalServer(Path("/some/where", file)).model == name


def test_logs_of_the_dead_are_removed(tmp_path: Path) -> None:
    """A new log is private and empty; logs of processes that are gone are removed, others stay."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, other, foreign = (tmp_path / f"server-{n}-x1.log" for n in (dead.pid, os.getppid(), "abc"))
    for path in (old, other, foreign):
        path.touch()
    log = new_log(tmp_path)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {log.name, other.name, foreign.name}


def test_log_goes_elsewhere_when_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only cache with a model in it is enough to start."""
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert new_log(tmp_path / "file" / "logs").parent == tmp_path / "tmp"


def test_restarts_leave_one_log(server: LocalServer, cache: Path) -> None:
    """Each start has a fresh log, and the one before goes."""
    for _ in range(3):
        server.start()
        server.stop()
    assert list((cache / "logs").iterdir()) == [server.log_path]


def test_tail_prefers_errors(tmp_path: Path) -> None:
    """Of a log with errors only these are quoted, the last few; of another its last lines; of an empty one nothing."""
    log = tmp_path / "log"
    log.write_text("0.1 W warn\n0.2 E first\n\n0.3 W more\n0.4 E second\n0.5 I done\n", encoding="utf-8")
    assert log_tail(log) == "0.2 E first\n0.4 E second"
    log.write_text("\n".join(map(str, range(9999))), encoding="utf-8")
    assert log_tail(log).splitlines()[-1] == "9998"
    assert len(log_tail(log).splitlines()) < 10
    log.write_text("", encoding="utf-8")
    assert log_tail(log) == ""
    assert log_tail(tmp_path / "absent") == ""
