"""What goes wrong on the way, in a real kernel: the sentence, what is kept, that the next cell works, and no key."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.secrets import places_of
from support.servers.control import ChatServer, running_chat_server
from support.servers.listeners import Proxy, raw_server
from support.servers.scripting import (
    answer,
    close,
    done,
    failure,
    raw,
    repeated,
    reset,
    send,
    silent,
    sse,
    stream,
    text_stream,
    wait,
)

KEY = "sk-unmistakable-7f3a91c2e8d4"
PASSWORD = "hunter2-unmistakable"
AT_ONCE = {"Retry-After": "0"}


@pytest.fixture(scope="module", autouse=True)
def no_proxy_from_outside() -> Iterator[None]:
    """Kernels inherit this process's environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernel's home and working folder, and its log: all that it writes is in there."""
    return tmp_path_factory.mktemp("home")


def homely(home: Path) -> dict[str, str]:
    """Variables that let a kernel write into its home and nowhere else."""
    folders = {"IPYTHONDIR": ".ipython", "XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}
    return {"HOME": str(home), **{name: str(home / folder) for name, folder in folders.items()}}


@pytest.fixture(scope="module")
def kernel_process(no_proxy_from_outside, chat_server_process: ChatServer, home: Path) -> Iterator[Kernel]:
    """One kernel with a key that cannot be mistaken for anything else."""
    environment = homely(home) | {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_API_KEY": KEY}
    with running_kernel(cwd=home, log=home / "kernel.log", **environment) as kernel:
        yield kernel


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer, home: Path) -> Iterator[Kernel]:
    """The kernel with the extension freshly loaded; after each test the key was sent nowhere but to the server."""
    kernel_process.heard = []
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()
    assert places_of(KEY, kernel_process, home) == []


def contents(request) -> list[tuple[str, str]]:
    """Role and text of the messages of a request."""
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def sentence(cell: Cell) -> str:
    """What the reader of a failed cell is told, wherever it stands: an error output, or the notice in the footer."""
    assert cell.status == "error"
    assert "Traceback" not in str(cell.messages)
    [output] = [output for output in cell.outputs if output.kind != "stream"]
    if output.kind != "error":
        return output.html.rpartition('<p class="foot">')[2]
    assert len(output.text.splitlines()) == 1
    return output.text


def assert_next_cell_works(kernel: Kernel, server: ChatServer, *turns: tuple[str, str]) -> None:
    """A prompt after the failure is answered, and carries the turns that were kept."""
    server.reset()
    cell = kernel.ok("%%chat\nand now?")
    assert cell.only.plain.startswith("echo: and now?")
    assert contents(server.requests()[0]) == [*turns, ("user", "and now?")]


def released_when(server: ChatServer, text: str):
    """Let the server go on once the cell shows the text."""
    sent = []

    def look(cell: Cell) -> None:
        if text in cell.plain and not sent:
            sent.append(True)
            server.release()

    return look


ASKED = ("user", "Hello")
HALF = "Half of the *text*,\n\nand a"
AFTER_TEXT = {
    "reset": ([reset()], "the connection was reset"),
    "closed in the middle of the body": ([close()], "the server closed the connection"),
    "clean end without end mark": ([], "without end mark and without finish reason"),
    "broken JSON": (['data: {"choices": [{]\n\n', sse("more"), done()], "an event that is not JSON"),
    "half an event": (['data: {"choices": [{"del'], "without end mark and without finish reason"),
    "words that are no JSON": (["data: Internal Server Failure\n\n", done()], "an event that is not JSON"),
    "error object": (['data: {"error": {"message": "CUDA is out of memory"}}\n\n'], "CUDA is out of memory"),
    "broken chunk": ([raw("zzz\r\n")], "not HTTP as it should be"),
    "endless event": (["data: ", repeated("x" * 2**20, 20), silent()], "an event of more than 16 MiB"),
    "endless comment": ([repeated(":" * 2**20, 20), silent()], "an event of more than 16 MiB"),
}


@pytest.mark.parametrize("name", AFTER_TEXT)
def test_what_breaks_after_text_cuts_the_reply_and_keeps_the_text(kernel, chat_server, name):
    """The cell fails, says why below what had arrived, binds the reply; the conversation goes on with that text."""
    steps, said = AFTER_TEXT[name]
    chat_server.script(stream(sse(HALF), wait(), *steps))
    cell = kernel.run("%%chat -o half\nHello", on_output=released_when(chat_server, "and a"))
    assert cell.reply["ename"] == "ReplyCut"
    assert said in sentence(cell)
    assert "The reply was cut" in sentence(cell)
    assert cell.only.plain == HALF
    assert cell.only.metadata["llmvision"]["status"] == "cut"
    assert kernel.value("[half.text, half.status, half.finish_reason]") == [HALF, "cut", None]
    assert_next_cell_works(kernel, chat_server, ASKED, ("assistant", HALF))


def test_silence_after_text_cuts_the_reply_after_the_time_that_is_set(kernel, chat_server):
    """`%chat set between_events_timeout` counts; the sentence names the seconds."""
    kernel.ok("%chat set between_events_timeout 0.3")
    chat_server.script(stream(sse("So far") + sse(", so"), silent()))
    cell = kernel.run("%%chat\nHello")
    assert "nothing came for 0.3 s" in sentence(cell)
    assert cell.only.plain == "So far, so"
    assert chat_server.ended()[0].ended == "client gone"
    assert_next_cell_works(kernel, chat_server, ASKED, ("assistant", "So far, so"))


BEFORE_TEXT = {
    "page": (
        answer("<html><title>Sign in &amp; pay</title><p>Hotel</html>", headers={"Content-Type": "text/html"}),
        "BadResponse",
        ["a web page", "Sign in & pay", "check the base URL"],
    ),
    "page that calls itself events": (stream("<!DOCTYPE html><title>Oops</title>"), "BadResponse", ["a web page"]),
    "empty body": (answer(headers={"Content-Type": "application/json"}), "BadResponse", ["nothing came"]),
    "other JSON": (answer('{"hello": 1}', headers={"Content-Type": "application/json"}), "BadResponse", ["choice"]),
    "broken JSON": (stream("data: {oops\n\n"), "BadResponse", ["not JSON", "{oops"]),
    "endless event": (stream("data: ", repeated("x" * 2**20, 20), silent()), "BadResponse", ["more than 16 MiB"]),
    "end mark alone": (stream(done()), "BadResponse", ["without any choice"]),
    "closed at once": (answer(close()), "NotConnected", ["ended before the reply began", "ask again"]),
    "reset at once": (answer(reset()), "NotConnected", ["the connection was reset", "ask again"]),
    "not HTTP": (answer(raw("SSH-2.0\r\n")), None, []),
    "bad request": (failure(400, "temperature is too odd"), "RequestRefused", ["(400)", "temperature is too odd"]),
    "no such model": (failure(404, "no such model"), "RequestRefused", ["404", "%chat models"]),
    "too large": (failure(413, ""), "RequestRefused", ["(413)", "Send less"]),
    "teapot with a page": (answer("<h1>I am a teapot</h1>", status=418), "RequestRefused", ["(418)", "I am a teapot"]),
}


@pytest.mark.parametrize("name", BEFORE_TEXT)
def test_what_is_no_reply_is_one_sentence_and_leaves_no_turn(kernel, chat_server, name):
    """The server's words are quoted; the history is as it was."""
    script, kind, words = BEFORE_TEXT[name]
    kernel.ok("%%chat --once\nWhether the server tells its usage is known after a first reply.")
    chat_server.reset()
    chat_server.script(script)
    cell = kernel.run("%%chat\nHello")
    assert cell.only.kind == "error"
    assert kind in (None, cell.reply["ename"])
    assert [word for word in words if word not in sentence(cell)] == []
    assert len([one for one in chat_server.requests() if one.method == "POST"]) == 1
    assert_next_cell_works(kernel, chat_server)


def test_busy_twice_is_asked_three_times_and_answers(kernel, chat_server):
    """429, 429, then a reply: one output, nothing of the waiting is left."""
    busy = failure(429, "slow down", headers=AT_ONCE)
    chat_server.script(busy, busy, text_stream("Here I am."))
    cell = kernel.ok("%%chat\nHello")
    assert cell.only.plain == "Here I am."
    assert len(chat_server.requests()) == 3
    assert_next_cell_works(kernel, chat_server, ASKED, ("assistant", "Here I am."))


def test_failing_always_ends_after_the_retries_with_the_servers_words(kernel, chat_server):
    """500, three times: the sentence, no turn."""
    chat_server.script(failure(500, "The model fell over.", headers=AT_ONCE, repeat=True))
    cell = kernel.run("%%chat\nHello")
    assert cell.reply["ename"] == "ServerBusy"
    assert "failed (500): The model fell over." in sentence(cell)
    assert len(chat_server.requests()) == 3
    assert_next_cell_works(kernel, chat_server)


def test_busy_for_longer_than_anybody_waits_is_told_at_once(kernel, chat_server):
    """An hour is not waited for."""
    chat_server.script(failure(429, "quota used up", headers={"Retry-After": "3600"}))
    cell = kernel.run("%%chat\nHello")
    assert "is busy (429): quota used up. It asks to wait 3,600 s" in sentence(cell)
    assert len(chat_server.requests()) == 1
    assert_next_cell_works(kernel, chat_server)


def test_one_byte_at_a_time_is_the_same_reply(kernel, chat_server):
    """Wherever the network cuts, in the middle of characters too."""
    text = "Ünï*cödé* 🎈 — 日本語\n\n- 𝒳\n"
    body = (sse(role="assistant") + sse(text[:9]) + sse(text[9:]) + sse(finish="stop") + done()).encode()
    chat_server.script(stream(*(send(body[at : at + 1]) for at in range(len(body)))))
    cell = kernel.ok("%%chat\nHello")
    assert cell.only.plain == text
    assert_next_cell_works(kernel, chat_server, ASKED, ("assistant", text))


def dripping(connection: socket.socket) -> None:
    """Never comes to the end of its headers."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    alive = threading.Event()
    while not alive.wait(0.05):
        connection.sendall(b"X-Slow: very\r\n")


def test_headers_that_never_end_are_not_waited_for_longer_than_silence(kernel, chat_server):
    """A byte now and then is no event; the limit for the first event holds."""
    with raw_server(dripping) as port:
        kernel.ok("%chat set first_event_timeout 0.5")
        kernel.ok(f"%chat set base_url http://127.0.0.1:{port}/v1")
        cell = kernel.run("%%chat\nHello")
        assert cell.reply["ename"] == "NoReply"
        assert "sent nothing for 0.5 s" in sentence(cell)
    kernel.ok("%chat unset base_url")
    assert_next_cell_works(kernel, chat_server)


def test_headers_that_come_slowly_are_waited_for(kernel, chat_server):
    """Line by line, but they come."""

    def slowly(connection: socket.socket) -> None:
        connection.recv(65536)
        body = sse("Slow and steady.") + sse(finish="stop") + done()
        for line in ("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Connection: close", "", body):
            connection.sendall(f"{line}\r\n".encode())
            threading.Event().wait(0.1)

    with raw_server(slowly) as port:
        kernel.ok(f"%chat set base_url http://127.0.0.1:{port}/v1")
        assert kernel.ok("%%chat\nHello").only.plain == "Slow and steady."
    kernel.ok("%chat unset base_url")
    assert_next_cell_works(kernel, chat_server, ASKED, ("assistant", "Slow and steady."))


def test_https_to_a_server_without_tls_says_so(kernel, chat_server):
    """The sentence names http against https."""

    def plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with raw_server(plain) as port:
        kernel.ok(f"%chat set base_url https://127.0.0.1:{port}/v1")
        cell = kernel.run("%%chat\nHello")
    assert cell.reply["ename"] == "NotConnected"
    assert "http against https" in sentence(cell)
    kernel.ok("%chat unset base_url")
    assert_next_cell_works(kernel, chat_server)


def test_nothing_listens(kernel, chat_server, refused_url):
    """After the retries: the sentence says what to start."""
    kernel.ok("%chat set retries 0")
    kernel.ok(f"%chat set base_url {refused_url}")
    assert "nothing listens there (connection refused)" in sentence(kernel.run("%%chat\nHello"))
    kernel.ok("%chat unset base_url")
    assert_next_cell_works(kernel, chat_server)


@pytest.fixture
def other_server() -> Iterator[ChatServer]:
    """A second model server: another port, so another origin."""
    with running_chat_server() as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_and_the_key_goes_nowhere(kernel, chat_server, other_server, status):
    """Neither key nor prompt reach the other host; the sentence says where the API may be, without secrets."""
    place = f"http://localhost:{other_server.port}/v1/chat/completions?key={KEY}"
    chat_server.script(answer(status=status, headers={"Location": place, "Content-Length": "0"}, chunked=False))
    cell = kernel.run("%%chat\nHello")
    assert f"redirects ({status}) to http://localhost:{other_server.port}/" in sentence(cell)
    assert "not followed" in sentence(cell)
    assert other_server.requests() == []
    assert_next_cell_works(kernel, chat_server)


def test_server_that_closes_the_idle_connection_is_met_on_a_new_one(kernel, chat_server):
    """Between two cells the server hangs up: the next cell knows nothing of it."""
    hangs_up = stream(sse("One."), sse(finish="stop"), done(), raw("0\r\n\r\n"), wait("idle"), close())
    chat_server.script(hangs_up, text_stream("Two."))
    kernel.ok("%%chat\nfirst")
    chat_server.release("idle")
    chat_server.ended()
    assert kernel.ok("%%chat\nsecond").only.plain == "Two."
    first, second = chat_server.requests()
    assert first.connection != second.connection
    assert len(contents(second)) == 3


def test_connection_is_used_again(kernel, chat_server):
    """The control for the test before: a server that keeps the line gets the next request on it."""
    kernel.ok("%%chat\nfirst")
    kernel.ok("%%chat\nsecond")
    assert len({one.connection for one in chat_server.requests()}) == 1


def test_proxy_of_the_environment_is_asked_and_no_proxy_is_not(chat_server, tmp_path):
    """HTTP_PROXY takes what only it can find, NO_PROXY leaves the rest alone; the proxy's password is shown nowhere."""
    proxy = Proxy(chat_server.port)
    with ExitStack() as stack:
        port = stack.enter_context(raw_server(proxy.serve))
        environment = homely(tmp_path) | {
            "HTTP_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{port}",
            "NO_PROXY": "127.0.0.1",
            "LLMVISION_API_KEY": KEY,
            "LLMVISION_BASE_URL": "http://model.invalid/v1",
        }
        kernel = stack.enter_context(running_kernel(cwd=tmp_path, log=tmp_path / "kernel.log", **environment))
        kernel.heard = []
        kernel.ok("%load_ext llmvision_magic")
        assert kernel.ok("%%chat\nby proxy").only.plain.startswith("echo: by proxy")
        assert proxy.asked == ["http://model.invalid/v1/chat/completions"]
        assert "Proxy-Authorization: Basic" in proxy.heads[0]
        assert [PASSWORD in proxy.heads[0], KEY in proxy.heads[0]] == [False, True]
        kernel.ok(f"%chat set base_url {chat_server.url}")
        assert kernel.ok("%%chat\ndirectly").only.plain.startswith("echo: directly")
        assert len(proxy.asked) == 1
        assert places_of(KEY, kernel, tmp_path) == []
        assert places_of(PASSWORD, kernel, tmp_path) == []


def test_proxy_that_is_not_there_is_an_error_without_its_password(refused_url, tmp_path):
    """Nobody listens at the proxy's port: one sentence, no secret."""
    gone = refused_url.removeprefix("http://").removesuffix("/v1")
    environment = homely(tmp_path) | {
        "HTTP_PROXY": f"http://me:{PASSWORD}@{gone}",
        "LLMVISION_API_KEY": KEY,
        "LLMVISION_BASE_URL": "http://model.invalid/v1",
    }
    with running_kernel(cwd=tmp_path, log=tmp_path / "kernel.log", **environment) as kernel:
        kernel.heard = []
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok("%chat set retries 0")
        cell = kernel.run("%%chat\nlost")
        assert cell.reply["ename"] == "NotConnected"
        assert places_of(KEY, kernel, tmp_path) == []
        assert sentence(cell).startswith("NotConnected: No connection to http://model.invalid/v1")
        assert places_of(PASSWORD, kernel, tmp_path) == []


ECHOES = {
    "in an error": failure(401, f"Incorrect API key provided: {KEY}. Find yours on our page."),
    "in an error page": answer(f"<title>Bad key {KEY}</title>", status=403, headers={"Content-Type": "text/html"}),
    "in a page": answer(f"<html>Hi, {KEY}</html>", headers={"Content-Type": "text/html"}),
    "in an event": stream(f'data: {{"error": {{"message": "no {KEY}", "code": 401}}}}\n\n'),
    "in broken JSON": stream(f"data: {{{KEY}\n\n"),
    "with invisible characters": failure(403, f"bad key {KEY[:9]}\u200b{KEY[9:]}"),
    "at the end of a long message": failure(403, "x" * (299 - len(KEY) // 2) + KEY),
}


@pytest.mark.parametrize("name", ECHOES)
def test_server_that_quotes_the_key_is_not_quoted_with_it(kernel, chat_server, name):
    """Nor is it in the frames behind the sentence, with local variables, or in what libraries log."""
    kernel.ok("import logging; logging.basicConfig(level=logging.DEBUG, force=True)")
    kernel.ok("%xmode Verbose")
    chat_server.script(ECHOES[name])
    cell = kernel.run("%%chat\nHello")
    kernel.run("%tb")
    kernel.ok("%xmode Context")
    kernel.ok("logging.basicConfig(level=logging.WARNING, force=True)")
    assert "•••" in sentence(cell) or name == "at the end of a long message"
    assert "DEBUG:httpcore" in cell.plain
    assert KEY[:12] not in json.dumps([one["content"] for one in kernel.heard], default=str)


def test_key_is_not_in_what_is_shown_of_the_settings(kernel):
    """Status, settings, configuration, help, a dry run and the reply itself; the fixture looks."""
    for code in (
        *("%chat", "%chat status", "%chat set", "%config ChatMagics", "%chat help key", "%chat usage", "%chat list"),
        *("%%chat --dry-run\nHello", "%%chat -o reply\nHello", "print(repr(reply)); reply", "%chat history"),
    ):
        kernel.ok(code)


def test_password_in_the_base_url_is_shown_nowhere(kernel, chat_server):
    """Where it is used: status, the list of what is set, a dry run, an error, the reply."""
    address = chat_server.url.replace("://", f"://me:{PASSWORD}@")
    kernel.ok(f"import os; os.environ['LLMVISION_BASE_URL'] = {address!r}")
    seen = len(kernel.heard)
    for code in ("%chat", "%chat status", "%chat set", "%chat models", "%%chat --dry-run\nHello", "%%chat\nHello"):
        kernel.ok(code)
    chat_server.script(failure(403, f"bad password {PASSWORD}"))
    kernel.run("%%chat\nHello")
    kernel.run("%tb")
    kernel.ok(f"os.environ['LLMVISION_BASE_URL'] = {chat_server.url!r}")
    assert PASSWORD not in json.dumps([one["content"] for one in kernel.heard[seen:]], default=str)


def test_search_finds_a_secret_that_is_there(kernel_process, home):
    """The control for all of the above: printed, logged or written it would be found."""
    kernel_process.heard = []
    kernel_process.ok("import os; print(os.environ['LLMVISION_API_KEY'].replace('7f3a', '7F3A'))")
    kernel_process.ok("open('note.txt', 'w').write('sk-unmistakable-' + '7F3A' + '91c2e8d4') and None")
    kernel_process.ok("os.write(2, b'sk-unmistakable-7F3' + b'A91c2e8d4')")
    found = places_of(KEY.replace("7f3a", "7F3A"), kernel_process, home)
    assert "stream" in found
    assert "note.txt" in found
    assert "kernel.log" in found
