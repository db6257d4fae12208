"""The embedded model itself: real weights, real engine. Fetched into the user's cache when first run."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.local_fixtures import eventually, is_gone, post

from llmvision_magic.backends.local import LocalServer, model_path
from llmvision_magic.errors import ModelNotStarted

pytestmark = pytest.mark.model

HELLO = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8, "temperature": 0}


@pytest.fixture(scope="module")
def model() -> Path:
    """The model's file."""
    return model_path()


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[LocalServer]:
    """A running server, shared by the tests that do not harm it."""
    with LocalServer(model) as running:
        yield running


def test_model_answers(server: LocalServer) -> None:
    """A request with the key has a reply with text, the model's name and the usage."""
    status, _, text = post(server.base_url, "/chat/completions", HELLO, server.api_key)
    reply = json.loads(text)
    assert status == 200
    assert reply["choices"][0]["message"]["content"].strip()
    assert reply["model"] == server.model == "SmolLM2-135M-Instruct"
    assert reply["usage"]["completion_tokens"] >= 1


def test_reply_streams_and_tells_usage(server: LocalServer) -> None:
    """A streamed reply comes as events, with the usage when asked for, and ends with its mark."""
    body = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
    _, headers, text = post(server.base_url, "/chat/completions", body, server.api_key)
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    assert any(json.loads(event).get("usage") for event in events[:-1])


@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_the_key_nothing_is_answered(server: LocalServer, key: str | None) -> None:
    """Another user of the machine gets 401."""
    status, _, _ = post(server.base_url, "/chat/completions", HELLO, key)
    assert status == 401


def test_web_pages_are_not_let_in(server: LocalServer) -> None:
    """No answer allows a page of another origin to read it."""
    _, headers, _ = post(server.base_url, "/chat/completions", HELLO, server.api_key)
    assert headers.get("access-control-allow-origin", "") == ""


def test_context_is_the_models(server: LocalServer) -> None:
    """The size told is in use: a prompt beyond it is refused and names it."""
    assert 1024 <= server.context_tokens <= 8192
    long = HELLO | {"messages": [{"role": "user", "content": "hi " * (server.context_tokens + 100)}]}
    status, _, text = post(server.base_url, "/chat/completions", long, server.api_key)
    assert status == 400
    assert json.loads(text)["error"]["n_ctx"] == server.context_tokens


def test_context_beyond_the_training_is_not_used(model: Path) -> None:
    """More tokens than the model was trained for are not taken."""
    with LocalServer(model, context_tokens=100_000) as running:
        assert running.context_tokens <= 8192


def test_key_is_nowhere_to_be_read(server: LocalServer) -> None:
    """Neither the log nor the process's command line nor its environment has the key."""
    post(server.base_url, "/chat/completions", HELLO, "wrong")
    assert server.log_path is not None
    assert server.api_key not in server.log_path.read_text(encoding="utf-8")
    if sys.platform == "linux":
        for name in ("cmdline", "environ"):
            assert server.api_key.encode() not in Path(f"/proc/{server.pid}/{name}").read_bytes()


def test_prompt_is_not_logged(server: LocalServer) -> None:
    """What is said to the model is not in the log."""
    body = HELLO | {"messages": [{"role": "user", "content": "xylophone-secret"}]}
    post(server.base_url, "/chat/completions", body, server.api_key)
    assert server.log_path is not None
    assert "xylophone" not in server.log_path.read_text(encoding="utf-8")


def test_damaged_model_is_told_with_the_engines_words(model: Path, tmp_path: Path) -> None:
    """Half a model file ends the start with what the engine found."""
    half = tmp_path / "half.gguf"
    with model.open("rb") as file:
        half.write_bytes(file.read(8 << 20))
    with pytest.raises(ModelNotStarted, match="failed to load model") as caught:
        LocalServer(half).start()
    assert "corrupted or incomplete" in str(caught.value)


def test_files_beside_the_notebook_do_not_break_the_server(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file named like a module in the current folder, or found through PYTHONPATH, is not what the child imports."""
    for name in ("types.py", "xllamacpp.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('wrong module')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with LocalServer(model) as running:
        assert running.is_running


def test_crash_and_restart(model: Path) -> None:
    """A killed engine is replaced by the next start, and the replacement answers with the same key."""
    with LocalServer(model) as running:
        assert running.pid is not None
        os.kill(running.pid, signal.SIGKILL)
        assert eventually(lambda: not running.is_running)
        running.start()
        assert post(running.base_url, "/chat/completions", HELLO, running.api_key)[0] == 200


PARENT = """
import os, subprocess, sys
from pathlib import Path
from llmvision_magic.backends.local import LocalServer
server = LocalServer(Path(sys.argv[1]))
server.start()
descriptors = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2] if sys.argv[2] == "holder" else []
if descriptors:  # another child inherits everything this process has open, the server's pipe among it
    descriptors = [d for d in descriptors if os.path.exists(f"/proc/self/fd/{d}")]
    subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=descriptors)
sys.stdout.write(f"{server.pid}\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    "how", ["alone", pytest.param("holder", marks=pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"))]
)
def test_engine_ends_with_a_killed_parent(model: Path, how: str) -> None:
    """After kill -9 of the parent the engine ends, even while another process holds the pipe open."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(model), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
        parent.wait()
        assert eventually(lambda: is_gone(pid))


def test_client_that_leaves_frees_the_engine(server: LocalServer) -> None:
    """When a reader hangs up in the middle of a long reply, the next request is answered."""
    host = server.base_url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    body = HELLO | {"stream": True, "max_tokens": 7000, "ignore_eos": True}
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    assert response.readline()
    response.close()
    connection.close()
    assert post(server.base_url, "/chat/completions", HELLO, server.api_key)[0] == 200
