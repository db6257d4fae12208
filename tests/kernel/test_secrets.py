"""A key that comes back from a server, or was typed at a wrong place, is shown, logged and kept nowhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Kernel, running_kernel
from support.secrets import places_of
from support.servers.control import ChatServer
from support.servers.listeners import raw_server
from support.servers.scripting import done, event, failure, json_answer, reply, sse, stream

KEY = "sk-unmistakable-7f3a91c2e8d4"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The user's folder, where the journal is too, and what the HTTP library logs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, home: Path) -> Iterator[Kernel]:
    """One kernel that logs all there is to log into a file."""
    environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
    environment |= {"LLMVISION_JOURNAL": str(home / "journal.db"), "NO_PROXY": "*"}
    given = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_API_KEY": KEY}
    with running_kernel(cwd=home, log=home / "kernel.log", **environment, **given) as kernel:
        kernel.ok(
            "import logging, os\n"
            "for name in ('httpx', 'httpcore', 'llmvision_magic'):\n"
            "    logging.getLogger(name).setLevel(logging.DEBUG)\n"
            "    logging.getLogger(name).addHandler(logging.FileHandler('library.log'))"
        )
        yield kernel


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer, home: Path) -> Iterator[Kernel]:
    """The kernel with the extension freshly loaded; afterwards the key is nowhere."""
    kernel_process.heard = []
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()
    assert places_of(KEY, kernel_process, home) == []
    assert "send_request_headers" in (home / "library.log").read_text()


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_key_in_a_streamed_reply_is_masked(kernel, chat_server, size):
    """Shown, bound and kept without it, however the server cuts its text; what only begins like it is whole."""
    text = f"You sent {KEY}. A risk-averse sk- and sk-unmis, twice: {KEY}{KEY}!"
    pieces = [sse(text[start : start + size]) for start in range(0, len(text), size)]
    chat_server.script(stream(*pieces, sse(finish="stop"), done()))
    cell = kernel.ok("%%chat -o answered\nWhat did I send?")
    shown = kernel.value("answered.text")
    assert shown.count("•••") == 3
    assert "A risk-averse sk- and sk-unmis, twice" in shown
    assert cell.only.plain == shown
    kernel.ok("%chat history")
    kernel.ok("%chat log send")


def test_key_that_ends_a_cut_reply_is_masked(kernel, chat_server):
    """Most of a key is one; the first letters of one are text."""
    chat_server.script(stream(sse("Hello sk-"), sse(KEY[3:-4])))
    assert "sk-" not in kernel.run("%%chat -o half\nHello").only.plain
    assert kernel.value("half.text") == "Hello •••"
    chat_server.script(stream(sse("Hello sk-")))
    kernel.run("%%chat -o half\nHello")
    assert kernel.value("half.text") == "Hello sk-"


def test_key_in_a_whole_reply_and_around_it_is_masked(kernel, chat_server):
    """In the text, the model's name, the id, the finish reason."""
    chat_server.script(reply(f"You sent {KEY}.", finish=f"stop {KEY}"))
    kernel.run("%%chat --no-stream\nHello")
    chat_server.script(
        stream(sse("Hi", model=f"model-{KEY}", id=KEY), sse(finish="stop", model=f"model-{KEY}"), done())
    )
    assert "model-•••" in kernel.ok("%%chat\nHello").only.html
    chat_server.script(stream(sse("Hi"), sse(finish=KEY), done()))
    kernel.run("%%chat\nHello")


def test_key_in_log_probabilities_is_masked(kernel, chat_server):
    """Which repeat the reply token by token."""
    pieces = ["You sent ", KEY[:9], KEY[9:20], KEY[20:], "."]
    chunks = [
        {"index": 0, "delta": {"content": one}, "logprobs": {"content": [{"token": one, "logprob": -1}]}}
        for one in pieces
    ]
    chat_server.script(stream(*(event({"choices": [chunk]}) for chunk in chunks), sse(finish="stop"), done()))
    kernel.ok("%%chat -o answered --param logprobs=true\nHello")
    assert kernel.value("answered.text") == "You sent •••."
    assert kernel.value("[one.token for one in answered.logprobs]") == ["You sent ", "•••", "•••", "•••", "."]


def test_key_in_every_field_of_every_piece_is_masked(kernel, chat_server):
    """Also for who reads the pieces: id, kind, role; log probabilities beside another text, and of short tokens."""
    names = {"id": f"x-{KEY}", "object": f"o-{KEY}", "model": f"m-{KEY}"}
    halves = [KEY[at : at + 2] for at in range(0, len(KEY), 2)]
    told = [
        {"index": 0, "delta": {"content": one}, "logprobs": {"content": [{"token": one, "logprob": -1}]}}
        for one in halves
    ]
    beside = {"token": "hi", "logprob": -1, "top_logprobs": [{"token": KEY, "logprob": -2}]}
    told.append({"index": 0, "delta": {"content": "hi", "role": KEY}, "logprobs": {"content": [beside]}})
    chat_server.script(
        stream(*(event({"choices": [one], **names}) for one in told), sse(finish="stop", **names), done())
    )
    kernel.ok("import llmvision_magic\npieces = list(llmvision_magic.ChatClient().stream('Hello'))\nprint(pieces)")
    tokens = kernel.value("''.join(one.token for piece in pieces for one in piece.logprobs or ())")
    assert KEY[4:] not in tokens


def test_key_in_the_list_of_models_is_masked(kernel, chat_server):
    """In the page, and in what Tab offers."""
    listed = json_answer({"data": [{"id": f"model-{KEY}"}, {"id": "other"}]}, path="/v1/models", repeat=True)
    chat_server.script(listed)
    assert "model-•••" in kernel.ok("%chat models").plain
    offered = kernel.complete("%%chat -m ")
    assert "other" in offered
    assert KEY not in str(offered)


def test_key_in_an_error_is_masked(kernel, chat_server):
    """Its sentence, and all frames."""
    chat_server.script(failure(403, f"you sent {KEY}"))
    assert "you sent •••" in kernel.run("%%chat\nHello").plain
    assert "Traceback" in kernel.run("%tb").plain


@pytest.mark.parametrize(
    "sent",
    [
        f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nX {KEY}\r\n\r\n".encode(),
        HEAD + f"X-Echo: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
        HEAD + f"Content-Length: {KEY}\r\n\r\n".encode(),
        f"{KEY}\r\n".encode(),
    ],
    ids=["status line", "header line", "chunk", "length", "no HTTP"],
)
def test_key_in_broken_http_is_masked(kernel, sent):
    """What the HTTP library says of it, in its errors and in its log, quotes what came."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(sent)

    with raw_server(serve) as port:
        kernel.ok(f"%chat set base_url http://127.0.0.1:{port}/v1")
        assert kernel.run("%%chat\nHello").status == "error"
        assert "Traceback" in kernel.run("%tb").plain


def test_key_in_an_expression_that_fails_is_masked(kernel):
    """Python's own words about it hold what it was given."""
    cell = kernel.run(
        "%%chat\nRead {{open(os.environ['LLMVISION_API_KEY'])}} and {{int(os.environ['LLMVISION_API_KEY'])}}"
    )
    assert cell.status == "error"
    assert "•••" in cell.plain
    kernel.run("%tb")
    kernel.run("%%chat -a int(os.environ['LLMVISION_API_KEY'])\nHello")
    kernel.run("%tb")


VERBS = ("", "status", "set", "models")

TYPED = "sk-typed-at-a-wrong-place-" + "4f1e" * 6
"""Another key, which nobody but its typist knows."""


@pytest.mark.parametrize(
    "code",
    [
        "%chat set model {}",
        "%chat set {} x",
        "%chat set temperature {}",
        "%chat set base_url {}",
        "%chat {}",
        "%chat use {}",
        "%chat new {}",
        "%chat drop {}",
        "%chat use-server {}",
        "%chat help {}",
        "%chat key {}",
        "%chat load {}",
        "%chat undo {}",
        "%%chat -m {}\nHello",
        "%%chat -n {}\nHello",
        "%%chat -t {}\nHello",
        "%%chat --kye {}\nHello",
        "%%chat {}\nHello",
        "%%chat -f {}\nHello",
    ],
)
def test_key_typed_at_a_wrong_place_is_not_repeated(kernel, chat_server, code):
    """One sentence without it; no conversation and no model is called so, and nothing is sent."""
    seen = len(kernel.heard)
    cell = kernel.run(code.format(TYPED))
    assert cell.status == "error"
    kernel.ok("%chat status")
    kernel.ok("%chat list")
    said = [one["content"] for one in kernel.heard[seen:] if one["msg_type"] != "execute_input"]
    assert TYPED not in json.dumps(said, default=str)
    assert chat_server.requests() == []


def test_own_key_as_a_model_is_not_repeated(kernel, chat_server):
    """The key in use, whatever it looks like."""
    kernel.ok("import os; os.environ['LLMVISION_API_KEY'] = 'swordfish-and-more'")
    try:
        cell = kernel.run("%chat set model swordfish-and-more")
        assert "looks like a key" in cell.plain
        assert "swordfish" not in cell.plain
    finally:
        kernel.ok(f"os.environ['LLMVISION_API_KEY'] = {KEY.replace('7f3a', '7F3A')!r}.replace('7F3A', '7f3a')")


def test_secret_of_the_environment_in_an_address_is_masked(kernel, chat_server):
    """A gateway's address may hold a token; the request goes there, and no page or sentence shows it."""
    token = "gateway-t0ken-of-the-env"
    kernel.ok(f"os.environ |= {{'GATEWAY_TOKEN': {token!r}, 'LLMVISION_BASE_URL': '{chat_server.root}/{token}/v1'}}")
    try:
        seen = len(kernel.heard)
        chat_server.script(failure(404, path=f"/{token}/v1/chat/completions"))
        for code in (
            "%%chat\nHello",
            "%chat status",
            "%chat",
            "%chat set",
            "%chat models",
            "%%chat --dry-run\nHello",
            "%tb",
        ):
            kernel.run(code)
        assert token in chat_server.requests()[0].path
        said = [one["content"] for one in kernel.heard[seen:] if one["msg_type"] != "execute_input"]
        assert token not in json.dumps(said, default=str)
        assert "/•••/v1" in json.dumps(said, default=str, ensure_ascii=False)
    finally:
        kernel.ok(f"del os.environ['GATEWAY_TOKEN']; os.environ['LLMVISION_BASE_URL'] = {chat_server.url!r}")


def test_placeholder_for_a_key_is_a_word(kernel, chat_server):
    """Servers that want no key are given one out of their documentation; a reply may name it."""
    kernel.ok("os.environ['LLMVISION_API_KEY'] = 'lm-studio'")
    try:
        chat_server.script(stream(sse("Start lm-studio first."), sse(finish="stop"), done()))
        assert "Start lm-studio first." in kernel.ok("%%chat\nHow?").only.plain
    finally:
        kernel.ok(f"os.environ['LLMVISION_API_KEY'] = {KEY.replace('7f3a', '7F3A')!r}.replace('7F3A', '7f3a')")
