"""The client against a real server: what is sent where, what never is, and how refusals are told."""

from __future__ import annotations

import threading

import pytest
from support.servers.scripting import (
    answer,
    done,
    failure,
    json_answer,
    sse,
    stream,
    text_stream,
    tokens,
    wait,
)

from llmvision_magic.backends.wire import Client, Parameters, Request, Timeouts
from llmvision_magic.backends.wire.token_count import count_tokens
from llmvision_magic.errors import (
    BadResponse,
    ContextTooLong,
    InvalidInput,
    KeyRefused,
    NotConnected,
    RequestRefused,
    ServerBusy,
)
from llmvision_magic.messages import Message
from llmvision_magic.stop import Stop

HELLO = (Message("user", "Hello!"),)
REQUEST = Request("m", HELLO)
KEY = "sk-0123456789"


@pytest.fixture
def client(chat_server):
    with Client(chat_server.url, KEY, trust_env=False) as client:
        yield client


def test_what_is_sent_is_the_body_of_the_request(chat_server, client):
    """Path, method, headers, and exactly the JSON that `body` shows."""
    request = Request("m", HELLO, Parameters(temperature=0.5, stop=["x"], extra={"seed": 1}))
    client.complete(request)
    [received] = chat_server.requests()
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert "text/event-stream" in received.headers["accept"]
    assert received.json == request.body()


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_there_is_no_authorization(chat_server, key):
    """No header rather than an empty one."""
    with Client(chat_server.url, key, trust_env=False) as client:
        client.complete(REQUEST)
    assert "authorization" not in chat_server.requests()[0].headers


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_final_slashes_of_the_base_url_do_not_matter(chat_server, ending):
    """The path is the same."""
    with Client(chat_server.url + ending, trust_env=False) as client:
        assert client.base_url == chat_server.url
        client.complete(REQUEST)
    assert chat_server.requests()[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("status", [400, 422])
def test_server_that_refuses_stream_options_is_asked_without(chat_server, client, status):
    """Once more without the question, and never with it again."""
    refusal = failure(status, "unknown field stream_options")
    chat_server.script(refusal, text_stream("a"), text_stream("b"))
    assert client.complete(REQUEST).text == "a"
    assert client.complete(REQUEST).text == "b"
    assert ["stream_options" in received.json for received in chat_server.requests()] == [True, False, False]


def test_refusal_of_something_else_is_told_after_one_more_try(chat_server, client):
    """If the request without the question is refused too, that is the error, and the question is asked again later."""
    chat_server.script(failure(400, "first"), failure(400, "second"), text_stream("a"))
    with pytest.raises(RequestRefused, match="second"):
        client.complete(REQUEST)
    client.complete(REQUEST)
    assert ["stream_options" in received.json for received in chat_server.requests()] == [True, False, True]


def test_server_known_to_accept_stream_options_is_believed(chat_server, client):
    """After a success a 400 means what it says."""
    chat_server.script(text_stream("a"), failure(400, "no"))
    client.complete(REQUEST)
    with pytest.raises(RequestRefused):
        client.complete(REQUEST)
    assert len(chat_server.requests()) == 2


def test_too_long_a_context_is_not_taken_for_a_refusal_of_stream_options(chat_server, client):
    """It is told at once, with the server's numbers."""
    chat_server.script(failure(400, "too big", type="exceed_context_size_error", n_prompt_tokens=9031, n_ctx=8192))
    with pytest.raises(ContextTooLong, match=r"9031 tokens .* 8192") as caught:
        client.complete(REQUEST)
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (9031, 8192)
    assert len(chat_server.requests()) == 1


def test_own_stream_options_are_never_dropped(chat_server, client):
    """What the user asks for by `--param` is sent, or the refusal is told."""
    chat_server.script(failure(400, "no"))
    with pytest.raises(RequestRefused):
        client.complete(Request("m", HELLO, Parameters(extra={"stream_options": {"x": 1}})))
    assert len(chat_server.requests()) == 1


def test_key_is_redacted_from_what_the_server_says(chat_server, client):
    """A server that echoes the key is quoted without it."""
    chat_server.script(failure(401, f"Incorrect API key provided: {KEY}."))
    with pytest.raises(KeyRefused) as caught:
        client.complete(REQUEST)
    assert KEY not in str(caught.value) + caught.value.server_message + repr(caught.value)
    assert "Incorrect API key" in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(chat_server, client, status):
    """The target is named, nothing is sent to it."""
    target = f"{chat_server.root}/other/v1/chat/completions"
    chat_server.script(answer(status=status, headers={"Location": target.replace("//", f"//me:{KEY}@")}))
    with pytest.raises(RequestRefused) as caught:
        client.complete(REQUEST)
    assert target in str(caught.value)
    assert "base URL" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(chat_server.requests()) == 1


def test_no_cookies_are_kept(chat_server, client):
    """What a server sets is not sent back."""
    chat_server.script(stream(sse("a"), done(), headers={"Set-Cookie": "track=1; Path=/"}))
    client.complete(REQUEST)
    client.complete(REQUEST)
    assert all("cookie" not in received.headers for received in chat_server.requests())


def test_unknown_model_or_address_names_both(chat_server, client):
    """404 can mean either."""
    chat_server.script(failure(404, "no such thing"))
    with pytest.raises(RequestRefused, match=r"no such thing") as caught:
        client.complete(REQUEST)
    assert chat_server.url in str(caught.value)
    assert "'m'" in str(caught.value)


def test_connection_is_used_again(chat_server, client):
    """Two replies, one connection."""
    client.complete(REQUEST)
    client.complete(REQUEST)
    first, second = chat_server.requests()
    assert first.connection == second.connection


def test_replies_of_several_threads_do_not_mix(chat_server, client):
    """One client serves many at once."""
    names = [f"thread-{number}" for number in range(8)]
    chat_server.script(*(stream(wait(), tokens(f"{n} {n}"), sse(finish="stop"), done(), contains=n) for n in names))
    texts = {}

    def run(name):
        texts[name] = client.complete(Request("m", (Message("user", name),))).text

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    chat_server.holding(count=len(names))
    chat_server.release(count=len(names))
    for thread in threads:
        thread.join()
    assert texts == {name: f"{name} {name}" for name in names}


def test_models_are_listed_in_order(chat_server, client):
    """By their names; entries without one are left out."""
    assert client.models() == ["test-model", "test-model-large"]
    assert chat_server.requests()[0].path == "/v1/models"
    chat_server.script(json_answer({"data": [{"id": "b"}, {"id": 3}, {}, None, "a"]}))
    assert client.models() == ["b", "a"]


@pytest.mark.parametrize("body", ["{}", '{"data": 3}', "[]", "<html>", ""])
def test_models_of_another_shape_are_a_bad_response(chat_server, client, body):
    """No Python error, whatever comes."""
    chat_server.script(answer(body))
    with pytest.raises(BadResponse):
        client.models()


def test_models_refused(chat_server, client):
    """A refusal is told as for replies, and not repeated."""
    chat_server.script(failure(503, "full"))
    with pytest.raises(ServerBusy, match="full"):
        client.models()
    assert len(chat_server.requests()) == 1


def test_tokens_are_counted_by_the_server(chat_server, client):
    """The template is applied first, at the root of the server."""
    chat_server.script(
        json_answer({"prompt": "<s>Hello!"}, path="/apply-template"),
        json_answer({"tokens": [1, 2, 3]}, path="/tokenize"),
    )
    assert count_tokens(client, HELLO) == 3
    assert chat_server.requests()[1].json["content"] == "<s>Hello!"


def test_server_that_cannot_count_says_so(chat_server, client):
    """RequestRefused from a server without the service, BadResponse from one that answers something else."""
    with pytest.raises(RequestRefused):
        count_tokens(client, HELLO)
    chat_server.script(json_answer({}))
    with pytest.raises(BadResponse):
        count_tokens(client, HELLO)


@pytest.mark.parametrize("key", ["sk-\n123", "sk-ключ", "sk 123", "sk-123\n", "\x00"])
def test_key_that_no_header_can_carry_is_refused_unseen(key):
    """The sentence says what is wrong and does not show the key."""
    with pytest.raises(InvalidInput, match="The key holds a character") as caught:
        Client("http://host/v1", key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "host/v1", "ftp://host/v1", "http://", "http:///v1", "http://host:99999", "http://host:0", "http://host:port",
     "http://" + "a" * 70 + ".com", "http://host/v1#x", "http://[::1", "file:///etc/passwd"],
)  # fmt: skip
def test_base_url_is_checked(url):
    """http or https, a host, a possible port, and nothing after the path."""
    with pytest.raises(InvalidInput, match="base URL"):
        Client(url)


def test_password_in_the_base_url_is_shown_nowhere(chat_server, refused_url):
    """It is sent as basic authentication where there is no key, and masked everywhere else."""
    with Client(chat_server.url.replace("//", "//me:p%40ss@"), trust_env=False) as client:
        client.complete(REQUEST)
        assert chat_server.requests()[0].headers["authorization"] == "Basic bWU6cEBzcw=="
        assert repr(client) == f"Client({chat_server.url!r})"
        chat_server.script(failure(400, "p@ss or p%40ss", repeat=True))
        with pytest.raises(RequestRefused) as caught:
            client.complete(REQUEST)
        assert "ss" not in caught.value.server_message
    with Client(refused_url.replace("//", "//me:p%40ss@"), retries=0, trust_env=False) as client:
        with pytest.raises(NotConnected) as refused:
            client.complete(REQUEST)
        assert "p%40ss" not in str(refused.value)
    for url in ("http://me:hunter2", "ftp://me:hunter2@host"):
        with pytest.raises(InvalidInput) as invalid:
            Client(url)
        assert "hunter2" not in str(invalid.value)


def test_key_goes_before_a_password_of_the_base_url(chat_server):
    """There is one Authorization header, and it carries the key."""
    with Client(chat_server.url.replace("//", "//me:pw@"), KEY, trust_env=False) as client:
        client.complete(REQUEST)
    assert chat_server.requests()[0].headers["authorization"] == f"Bearer {KEY}"


def test_repr_does_not_show_the_key():
    """Nor do its parts."""
    client = Client("http://host/v1", KEY)
    assert KEY not in repr(client) + repr(client._server)


def test_proxy_of_the_environment_is_used(chat_server, monkeypatch):
    """The request for another host goes to the proxy, and its connections are watched too."""
    monkeypatch.setenv("HTTP_PROXY", chat_server.root)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    chat_server.script(text_stream("a"), stream(sse("a"), wait()))
    with Client("http://elsewhere.invalid/v1") as client:
        assert client.complete(REQUEST).text == "a"
        assert chat_server.requests()[0].path == "http://elsewhere.invalid/v1/chat/completions"
        stop = Stop()
        deltas = client.stream(REQUEST, stop)
        next(deltas)
        chat_server.holding()
        thread = threading.Thread(target=stop.set)
        thread.start()
        assert list(deltas) == []
        thread.join()


def test_unusable_proxy_is_told(monkeypatch):
    """A proxy setting that the library cannot use is named as such, without showing it."""
    monkeypatch.setenv("ALL_PROXY", "gopher://me:hunter2@host")
    with Client("http://elsewhere.invalid/v1") as client, pytest.raises(InvalidInput, match="ALL_PROXY") as caught:
        client.complete(REQUEST)
    assert "hunter2" not in str(caught.value)


def test_closed_client_is_a_mistake_of_the_caller(chat_server):
    """Using it raises a builtin error; closing twice does not."""
    client = Client(chat_server.url, trust_env=False)
    client.complete(REQUEST)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.complete(REQUEST)


def test_unsendable_text_is_refused_before_sending(chat_server, client):
    """Half a character in a prompt."""
    with pytest.raises(InvalidInput, match="broken character"):
        client.complete(Request("m", (Message("user", "\ud83d"),)))
    assert chat_server.requests() == []


def test_timeouts_have_defaults():
    """Connecting, waiting and reading need different numbers."""
    assert Client("http://host/v1").timeouts == Timeouts(5.0, 120.0, 60.0)
