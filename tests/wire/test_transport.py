"""Time limits and stopping: at every moment of a request, from threads and from signal handlers.

No test here measures time. Limits that must not matter are so long that the test would be ended from outside; where a
limit matters and a busy machine could come near it, the clock is the test's own.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import ExitStack

import httpcore
import httpx
import pytest
from support.servers.scripting import answer, done, event, failure, pings, silent, sse, stream, tokens, wait

from llmvision_magic.backends.wire import Client, Request, Retrying, Timeouts, retries, transport
from llmvision_magic.backends.wire.transport import Call, WatchedBackend, watch
from llmvision_magic.errors import Interrupted, NoReply, NotConnected, ReplyCut
from llmvision_magic.messages import Message
from llmvision_magic.stop import Stop

REQUEST = Request("m", (Message("user", "Hello!"),))
WHOLE = Request("m", REQUEST.messages, stream=False)
LONG = 1000.0
SHORT = 0.1


def client_with(url: str, *, first_event: float = LONG, between_events: float = LONG, connect: float = LONG) -> Client:
    return Client(url, retries=0, trust_env=False, timeouts=Timeouts(connect, first_event, between_events))


def run_when_holding(server, action, name=""):
    """Do `action` in a thread as soon as the server holds."""

    def run():
        server.holding(name)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("request_", [REQUEST, WHOLE], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    "script",
    [answer(silent()), stream(silent()), stream(pings(200)), stream("data: {"), stream(tokens(""), silent())],
    ids=["no headers", "no body", "only pings", "half an event", "nothing"],
)
def test_silence_before_the_first_event_is_no_reply(chat_server, request_, script):
    """Headers, comment lines and half an event are no event."""
    if script["steps"] and "send" in script["steps"][-1]:
        script["steps"].append(dict(silent()))
    chat_server.script(script)
    with client_with(chat_server.url, first_event=SHORT) as client, pytest.raises(NoReply, match=r"0\.1 s"):
        client.complete(request_)


@pytest.mark.parametrize("rest", [silent(), pings(200), sse("half")[:-3]], ids=["silence", "pings", "half an event"])
def test_silence_between_events_cuts_the_reply(chat_server, rest):
    """What had come is there; comment lines do not prolong the limit."""
    chat_server.script(stream(sse("Hel"), rest, silent()))
    with client_with(chat_server.url, between_events=SHORT) as client:
        deltas = client.stream(REQUEST)
        assert next(deltas).text == "Hel"
        with pytest.raises(ReplyCut, match=r"0\.1 s"):
            next(deltas)


class Clock:
    """The seconds that limits are counted by.

    Attributes:
        each: How much later it is each time somebody looks.
    """

    def __init__(self) -> None:
        self.now = self.each = 0.0

    def monotonic(self) -> float:
        self.now += self.each
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    clock = Clock()
    monkeypatch.setattr(transport, "time", clock)
    return clock


def test_events_without_text_prolong_the_limit(chat_server, clock):
    """An event that says nothing is a sign of life: together they last longer than the limit."""
    count = 12
    steps = [step for _ in range(count) for step in (wait(), event({"choices": []}))]
    chat_server.script(stream(sse("a"), *steps, sse(finish="stop"), done()))

    def release_each():
        for number in range(count):
            chat_server.holding(count=number + 1)
            chat_server.release()

    thread = threading.Thread(target=release_each)
    with client_with(chat_server.url) as client:
        deltas = client.stream(REQUEST)
        next(deltas)
        clock.each = LONG / 3
        thread.start()
        assert [delta.finish_reason for delta in deltas][-1] == "stop"
    thread.join()
    assert clock.now > 2 * LONG


def test_slow_reader_is_not_blamed_on_the_server(chat_server, clock):
    """The limit counts waiting for the server; a consumer that takes its time between two deltas is free to."""
    chat_server.script(stream(sse("a"), wait(), sse("b"), sse(finish="stop"), done()))
    with client_with(chat_server.url) as client:
        deltas = client.stream(REQUEST)
        next(deltas)
        clock.now += 3 * LONG
        chat_server.release()
        assert next(deltas).text == "b"


def test_each_try_has_the_whole_limit(chat_server, clock):
    """The wait for a retry is not taken from the time the server has to answer."""
    chat_server.script(failure(429, headers={"Retry-After": "0"}), stream(sse("a"), done()))
    with Client(chat_server.url, trust_env=False, timeouts=Timeouts(LONG, LONG, LONG)) as client:
        items = client.stream(REQUEST)
        assert isinstance(next(items), Retrying)
        clock.now += 3 * LONG
        assert next(items).text == "a"


def test_server_that_sends_no_end_mark_is_not_waited_for(chat_server):
    """After the finish reason only a moment is given for usage and end mark."""
    chat_server.script(stream(sse("a"), sse(finish="stop"), silent()))
    with client_with(chat_server.url) as client:
        assert client.complete(REQUEST).finish_reason == "stop"


def test_server_that_keeps_the_line_after_the_end_mark_is_not_waited_for(chat_server):
    """The reply ends with the end mark, with or without a finish reason."""
    chat_server.script(stream(sse("a"), done(), silent()))
    with client_with(chat_server.url) as client:
        assert client.complete(REQUEST).text == "a"


def test_connecting_has_a_limit_of_its_own():
    """A server that accepts no connection: NotConnected, with the seconds."""
    with ExitStack() as stack:
        url = stack.enter_context(full_listener())
        client = stack.enter_context(client_with(url, connect=SHORT))
        with pytest.raises(NotConnected, match=r"0\.1 s"):
            client.complete(REQUEST)


def test_stop_while_connecting_ends_without_error(monkeypatch):
    """Connecting itself cannot be woken; when it ends, nothing more happens."""
    stop = Stop()
    connect = httpcore.SyncBackend.connect_tcp

    def stop_and_connect(*args, **options):
        stop.set()
        return connect(*args, **options)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", stop_and_connect)
    with ExitStack() as stack:
        url = stack.enter_context(full_listener())
        client = stack.enter_context(client_with(url, connect=SHORT))
        assert list(client.stream(REQUEST, stop)) == []


class full_listener:  # noqa: N801 - used like a function
    """A base URL whose port takes no further connection: its queue is full and nobody accepts."""

    def __enter__(self) -> str:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.fillers = []
        while True:
            filler = socket.socket()
            self.fillers.append(filler)
            filler.settimeout(SHORT)
            try:
                filler.connect(self.listener.getsockname())
            except TimeoutError:
                return f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def __exit__(self, *exception: object) -> None:
        for each in (*self.fillers, self.listener):
            each.close()


def test_stop_during_the_connect_sends_nothing(chat_server):
    """A connection that comes about after the stop is closed again at once."""
    stop = Stop()

    class StopsOnConnect(httpcore.SyncBackend):
        def connect_tcp(self, *args, **options):
            stream = super().connect_tcp(*args, **options)
            stop.set()
            return stream

    backend = WatchedBackend(StopsOnConnect())
    with Call(stop, LONG) as call:
        call.wait()
        with pytest.raises(httpcore.ConnectError):
            backend.connect_tcp("127.0.0.1", chat_server.port, timeout=LONG, socket_options=[])
        call.go_on()
    assert chat_server.requests() == []


@pytest.mark.parametrize("request_", [REQUEST, WHOLE], ids=["streamed", "whole"])
@pytest.mark.parametrize("first", [(), ('{"choices": ',)], ids=["before the headers", "within the answer"])
def test_stop_wakes_a_blocked_read(chat_server, request_, first):
    """From another thread, while the server is silent; the generator ends without an error, the connection closes."""
    chat_server.script(answer(*first, wait("never")))
    stop = Stop()
    with client_with(chat_server.url) as client:
        thread = run_when_holding(chat_server, stop.set, "never")
        assert list(client.stream(request_, stop)) == []
        thread.join()
    assert chat_server.ended()[0].ended == "client gone"


def test_stop_between_events_keeps_what_came(chat_server):
    """The reply so far is there, marked as interrupted, with the reason."""

    class StopsAfterText(Client):
        def stream(self, request, stop):
            for item in super().stream(request, stop):
                yield item
                stop.set("enough")

    chat_server.script(stream(sse("Hel"), wait("never")))
    with StopsAfterText(chat_server.url, trust_env=False) as client:
        reply = client.complete(REQUEST, Stop())
    assert (reply.text, reply.status, reply.notice) == ("Hel", "interrupted", "enough")


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal on this system")
@pytest.mark.parametrize(
    "script",
    [answer(wait("never")), stream(wait("never")), stream(sse("a"), wait("never"))],
    ids=["before the headers", "before the first event", "between events"],
)
def test_stop_from_a_signal_handler(chat_server, script):
    """The handler runs within the very read that it wakes; no lock is in its way."""
    chat_server.script(script)
    stop = Stop()
    previous = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        with client_with(chat_server.url) as client:
            thread = run_when_holding(chat_server, lambda: os.kill(os.getpid(), signal.SIGUSR1), "never")
            assert len(list(client.stream(REQUEST, stop))) <= 1
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal on this system")
def test_stop_from_a_signal_handler_during_the_wait_for_a_retry(chat_server, monkeypatch):
    """The wait, longer than any test may take, ends."""
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 1e6)
    chat_server.script(failure(429, headers={"Retry-After": "1000000"}))
    stop = Stop()
    previous = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        with Client(chat_server.url, trust_env=False) as client:
            items = client.stream(REQUEST, stop)
            next(items)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert list(items) == []
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_stop_wakes_a_read_on_a_connection_that_is_used_again(chat_server):
    """The second request on a connection can be woken as the first."""
    stop = Stop()
    with client_with(chat_server.url) as client:
        client.complete(REQUEST)
        chat_server.script(answer(wait("never")))
        thread = run_when_holding(chat_server, stop.set, "never")
        assert list(client.stream(REQUEST, stop)) == []
        thread.join()
    first, second = chat_server.requests()
    assert first.connection == second.connection


def test_stop_wakes_a_blocked_write(chat_server):
    """A server that does not read: sending a large body ends at a stop, too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        stop = Stop()
        large = Request("m", (Message("user", "x" * 50_000_000),))

        def accept_and_stop():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                stop.set()

        thread = threading.Thread(target=accept_and_stop)
        thread.start()
        with client_with(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            assert list(client.stream(large, stop)) == []
        thread.join()


def test_stop_set_before_sends_nothing(chat_server):
    """A request that is stopped before it begins is not sent."""
    stop = Stop()
    stop.set()
    with client_with(chat_server.url) as client:
        assert list(client.stream(REQUEST, stop)) == []
    assert chat_server.requests() == []


def test_stop_between_two_deltas_of_one_packet(chat_server):
    """What had been received but not handed out is not handed out after the stop."""
    chat_server.script(stream(sse("a") + sse("b") + sse(finish="stop") + done()))
    stop = Stop()
    with client_with(chat_server.url) as client:
        deltas = client.stream(REQUEST, stop)
        next(deltas)
        stop.set()
        assert list(deltas) == []


def test_stop_of_the_list_of_models_is_an_interruption(chat_server):
    """Where a value is expected, none can be made up."""
    chat_server.script(answer(wait("never")))
    stop = Stop()
    with client_with(chat_server.url) as client:
        thread = run_when_holding(chat_server, stop.set, "never")
        with pytest.raises(Interrupted):
            client.models(stop)
        thread.join()


def test_stop_of_one_request_leaves_the_others(chat_server):
    """Two requests of one client: each has its own stop."""
    chat_server.script(
        stream(sse("a"), wait("one"), contains="first"),
        stream(sse("b"), wait("two"), sse(finish="stop"), done(), contains="second"),
    )
    stop = Stop()
    with client_with(chat_server.url) as client:
        first = client.stream(Request("m", (Message("user", "first"),)), stop)
        second = client.stream(Request("m", (Message("user", "second"),)), Stop())
        assert (next(first).text, next(second).text) == ("a", "b")
        stop.set()
        assert list(first) == []
        chat_server.release("two")
        assert [delta.finish_reason for delta in second] == ["stop"]


def test_generator_may_be_resumed_by_another_thread(chat_server):
    """A stop finds the read wherever it is made."""
    chat_server.script(stream(sse("a"), wait("never")))
    stop = Stop()
    rest = []
    with client_with(chat_server.url) as client:
        deltas = client.stream(REQUEST, stop)
        next(deltas)
        thread = threading.Thread(target=lambda: rest.append(list(deltas)))
        thread.start()
        chat_server.holding("never")
        stop.set()
        thread.join()
    assert rest == [[]]


def test_nothing_of_a_call_stays_with_the_stop(chat_server):
    """A stop that outlives many requests does not collect them."""
    stop = Stop()
    with client_with(chat_server.url) as client:
        client.complete(REQUEST, stop)
        client.stream(REQUEST, stop).close()
    assert stop._callbacks == []


def test_tls_handshake_and_reads_can_be_woken():
    """A server that never answers the handshake: a stop ends the wait, without an error."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        stop = Stop()

        def accept_and_stop():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                stop.set()
                connection.recv(100_000)
                connection.recv(1)

        thread = threading.Thread(target=accept_and_stop)
        thread.start()
        with client_with(f"https://127.0.0.1:{listener.getsockname()[1]}") as client:
            assert list(client.stream(REQUEST, stop)) == []
        thread.join()


def test_library_still_lets_its_connections_be_watched(monkeypatch):
    """The one private place of the HTTP library that is used exists; for proxies, too."""
    with httpx.Client(trust_env=False) as client:
        assert watch(client) == 1
        assert isinstance(client._transport._pool._network_backend, WatchedBackend)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with httpx.Client() as client:
        assert watch(client) == 3


def test_client_without_such_a_place_is_left_as_it_is():
    """Another transport is not an error: it is not watched."""
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200)), trust_env=False) as client:
        assert watch(client) == 0
        assert client.get("http://host").status_code == 200
