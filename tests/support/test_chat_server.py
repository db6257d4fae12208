"""The test server keeps what its docstrings promise; seen with a plain HTTP client."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest

from support.deadline import DEADLINE
from support.servers.control import PROGRAM
from support.servers.scripting import close, done, failure, reset, silent, sse, stream, text_stream, tokens, wait

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "one two"}]}


def ask(server, **options):
    return httpx.post(f"{server.url}/chat/completions", json=QUESTION | options, trust_env=False)


def test_default_reply_echoes_the_last_user_message(chat_server):
    """Unscripted and unstreamed, the reply contains the question and tells usage."""
    body = ask(chat_server).json()
    assert body["choices"][0]["message"]["content"].startswith("echo: one two\n")
    assert body["usage"]["prompt_tokens"] == 2


def test_default_stream_says_the_same_as_the_default_reply(chat_server):
    """Streamed and unstreamed default replies have the same text."""
    whole = ask(chat_server).json()["choices"][0]["message"]["content"]
    lines = [line[6:] for line in ask(chat_server, stream=True).text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    assert "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines) == whole


def test_max_tokens_cuts_the_default_reply(chat_server):
    """`max_tokens` counts words and is told in the finish reason."""
    choice = ask(chat_server, max_tokens=2).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("echo: one", "length")


def test_models_are_listed(chat_server):
    """Two models."""
    assert len(httpx.get(f"{chat_server.url}/models", trust_env=False).json()["data"]) == 2


def test_requests_are_recorded(chat_server):
    """Method, path, headers and body are there for the test to look at."""
    ask(chat_server)
    [received] = chat_server.ended()
    assert (received.method, received.path, received.ended) == ("POST", "/v1/chat/completions", "complete")
    assert received.json == QUESTION


def test_script_is_used_in_order_and_by_match(chat_server):
    """The first answer that matches is taken; others stay in the queue."""
    chat_server.script(text_stream("b", contains="nowhere"), failure(429, "x"), text_stream("a"))
    assert ask(chat_server).status_code == 429
    assert ask(chat_server).text == sse("a") + sse(finish="stop") + done()


def test_wait_holds_until_released(chat_server):
    """What precedes a wait has arrived while it holds; what follows comes after the release."""
    chat_server.script(stream(sse("a"), wait("gate"), sse("b")))
    with httpx.stream("POST", f"{chat_server.url}/chat/completions", json=QUESTION, trust_env=False) as response:
        pieces = response.iter_text()
        assert next(pieces) == sse("a")
        chat_server.holding("gate")
        chat_server.release("gate")
        assert "".join(pieces) == sse("b")


def test_client_that_leaves_is_noticed(chat_server):
    """A connection closed by the client while the server is silent is recorded as such."""
    chat_server.script(stream(sse("a"), silent()))
    with httpx.stream("POST", f"{chat_server.url}/chat/completions", json=QUESTION, trust_env=False) as response:
        next(response.iter_text())
    assert chat_server.ended()[0].ended == "client gone"


@pytest.mark.parametrize(("ending", "error"), [(close(), httpx.RemoteProtocolError), (reset(), httpx.ReadError)])
def test_connection_can_break(chat_server, ending, error):
    """`close` and `reset` end the connection in the middle of the body."""
    chat_server.script(stream(tokens("a b"), ending))
    with pytest.raises(error):
        ask(chat_server)


def test_server_ends_with_its_standard_input():
    """No server outlives its parent."""
    with subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(DEADLINE) == 0
