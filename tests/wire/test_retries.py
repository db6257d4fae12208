"""Retries: what is sent again, after how long, and that a wait ends at a stop."""

from __future__ import annotations

import email.utils
import socket
import ssl
import subprocess
import sys
import threading
import time

import httpx
import pytest
from support.servers.scripting import answer, close, failure, reply, reset, sse, stream, text_stream

from llmvision_magic.backends.wire import Client, Request, Retrying, retries
from llmvision_magic.errors import NotConnected, ReplyCut, RequestRefused, ServerBusy
from llmvision_magic.messages import Delta, Message
from llmvision_magic.stop import Stop

REQUEST = Request("m", (Message("user", "Hello!"),))
NOW = {"Retry-After": "0"}


@pytest.fixture
def client(chat_server):
    with Client(chat_server.url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_status_that_says_not_now_is_tried_again(chat_server, client, status):
    """The wait is announced before it begins, and the reply of the second try arrives."""
    chat_server.script(failure(status, headers=NOW), text_stream("ok"))
    first, *rest = client.stream(REQUEST)
    assert isinstance(first, Retrying)
    assert (first.seconds, first.attempt) == (0, 1)
    assert str(status) in first.reason
    assert "".join(delta.text for delta in rest) == "ok"


@pytest.mark.parametrize("status", [400, 401, 404, 418, 501])
def test_other_status_is_sent_once(chat_server, client, status):
    """A refusal stays one."""
    chat_server.script(failure(status, headers=NOW), failure(status, headers=NOW))
    with Client(chat_server.url, trust_env=False) as known, pytest.raises(RequestRefused):
        known.complete(Request("m", REQUEST.messages, stream=False))
    assert len(chat_server.requests()) == 1


def test_two_repetitions_at_most(chat_server, client):
    """After the third refusal the error is raised, with the server's words."""
    chat_server.script(failure(503, "full", headers=NOW, repeat=True))
    seen = []
    with pytest.raises(ServerBusy, match="full"):
        seen.extend(client.stream(REQUEST))
    assert len(chat_server.requests()) == 3


def test_attempts_are_counted(chat_server, client):
    """Each announcement says which repetition it is."""
    chat_server.script(failure(503, headers=NOW), failure(429, headers=NOW), text_stream("ok"))
    announced = [item for item in client.stream(REQUEST) if isinstance(item, Retrying)]
    assert announced == [Retrying(0, 1, "busy (503)"), Retrying(0, 2, "busy (429)")]


def test_complete_waits_in_silence(chat_server, client):
    """A reply in one piece comes after a retry as well."""
    chat_server.script(failure(429, headers=NOW), reply("ok"))
    assert client.complete(Request("m", REQUEST.messages, stream=False)).text == "ok"


@pytest.mark.parametrize("ending", [close(), reset()])
def test_nothing_is_sent_again_after_it_was_received(chat_server, client, ending):
    """A connection lost after sending is an error: the server may have begun to work."""
    chat_server.script(answer(ending))
    with pytest.raises(NotConnected, match="not sent again"):
        client.complete(REQUEST)
    assert len(chat_server.requests()) == 1


def test_nothing_is_sent_again_after_the_first_event(chat_server, client):
    """A reply that began is cut, not begun anew."""
    chat_server.script(stream(sse(role="assistant"), reset()))
    with pytest.raises(ReplyCut):
        client.complete(REQUEST)
    assert len(chat_server.requests()) == 1


def test_server_asking_for_too_long_a_wait_is_not_asked_again(chat_server, client):
    """More than 60 s: the error says how long, and nothing waits."""
    chat_server.script(failure(429, headers={"Retry-After": "61"}))
    with pytest.raises(ServerBusy, match="61 s"):
        client.complete(REQUEST)
    assert len(chat_server.requests()) == 1


def test_refused_connection_is_tried_again(refused_url):
    """Nothing was sent, so trying again is safe; a stop during the wait ends it without an error."""
    stop = Stop()
    with Client(refused_url, trust_env=False) as client:
        items = client.stream(REQUEST, stop)
        first = next(items)
        assert first == Retrying(first.seconds, 1, "no connection")
        assert first.seconds > 0
        stop.set()
        assert list(items) == []


def test_refused_connection_without_retries_is_an_error(refused_url):
    """`retries=0` means once; the cause is kept."""
    with (
        Client(refused_url, retries=0, trust_env=False) as client,
        pytest.raises(NotConnected, match="nothing listens") as caught,
    ):
        client.complete(REQUEST)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), None),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "no connection"),
        (ssl.SSLCertVerificationError("self-signed"), None),
        (ConnectionRefusedError(), "no connection"),
    ],
)
def test_what_will_not_change_is_not_tried_again(cause, reason):
    """A name that does not exist and a certificate that is not trusted stay so."""
    error = httpx.ConnectError("")
    error.__cause__ = cause
    assert retries.reason_for_exception(error) == reason


def test_lost_connection_is_not_tried_again():
    """Of the connection's errors only those from before anything was sent."""
    assert retries.reason_for_exception(httpx.ConnectTimeout("")) == "no connection in time"
    assert retries.reason_for_exception(httpx.ReadError("")) is None
    assert retries.reason_for_exception(httpx.RemoteProtocolError("")) is None


def test_wait_ends_at_a_stop_from_another_thread(chat_server, client, monkeypatch):
    """Though it is longer than any test may take."""
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 1e6)
    chat_server.script(failure(429, headers={"Retry-After": "1000000"}))
    stop = Stop()
    items = client.stream(REQUEST, stop)
    assert next(items).seconds == 1e6
    threading.Timer(0.05, stop.set).start()
    assert list(items) == []
    assert len(chat_server.requests()) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("1.5", 1.5),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("٣", None),
        ("1" * 400, float("inf")),
    ],
)
def test_retry_after_in_seconds(value, seconds):
    """A number of seconds; anything else says nothing."""
    assert retries.asked_pause({"retry-after": value}) == seconds


def test_retry_after_as_a_date():
    """The time until then; not below 0."""
    later = email.utils.formatdate(time.time() + 1000, usegmt=True)
    assert 900 < retries.asked_pause({"retry-after": later}) <= 1000
    assert retries.asked_pause({"retry-after": "Fri, 01 Jan 2010 00:00:00 GMT"}) == 0


@pytest.mark.parametrize(("attempt", "low", "high"), [(1, 0.5, 1.0), (2, 1.0, 1.5), (3, 2.0, 2.5), (9, 8.0, 8.5)])
def test_own_pauses_grow_with_jitter_up_to_a_bound(attempt, low, high):
    """They double from half a second, plus up to half a second, to 8 s; and differ."""
    pauses = [retries.pause_before(attempt, None) for _ in range(50)]
    assert all(low <= pause <= high for pause in pauses)
    assert len(set(pauses)) > 1


def test_asked_pause_is_taken_up_to_a_minute():
    """60 s are waited, more are not."""
    assert retries.pause_before(1, 60.0) == 60
    assert retries.pause_before(1, 60.5) is None


def test_stop_set_before_the_wait_ends_it():
    """No race between asking and waiting; and nothing of a wait stays with the stop."""
    stop = Stop()
    assert stop.wait(0) is True
    stop.set()
    assert stop.wait(1000) is False
    assert stop._callbacks == []


def test_retry_library_is_imported_only_for_a_retry(chat_server):
    """A request that succeeds costs no import of it, nor of anything of the notebook."""
    code = (
        "import sys\n"
        "from llmvision_magic.backends.wire import Client, Request\n"
        "from llmvision_magic.messages import Message\n"
        f"Client({chat_server.url!r}, trust_env=False).complete(Request('m', (Message('user', 'x'),)))\n"
        "print(sorted({'tenacity', 'stamina', 'IPython', 'traitlets', 'ipywidgets'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_first_delta_of_the_second_try_is_a_delta(chat_server, client):
    """The consumer can tell announcements from text by type alone."""
    chat_server.script(failure(429, headers=NOW), text_stream("ok"))
    kinds = [type(item) for item in client.stream(REQUEST)]
    assert kinds == [Retrying, Delta, Delta]
