"""Replies from a real server: streamed and whole, well-formed and not."""

from __future__ import annotations

import gzip

import pytest
from support.servers.scripting import (
    EVENT_STREAM,
    answer,
    close,
    completion,
    done,
    event,
    json_answer,
    raw,
    reply,
    reset,
    sse,
    sse_usage,
    stream,
    text_stream,
    wait,
)

from llmvision_magic.backends.wire import Client, Parameters, Request
from llmvision_magic.errors import (
    BadResponse,
    KeyRefused,
    ReplyCut,
    ServerBusy,
)
from llmvision_magic.messages import Delta, Message, Usage

HELLO = (Message("user", "Hello!"),)
REQUEST = Request("m", HELLO)
WHOLE = Request("m", HELLO, stream=False)


@pytest.fixture
def client(chat_server):
    with Client(chat_server.url, trust_env=False) as client:
        yield client


def text_of(items):
    return "".join(item.text for item in items if isinstance(item, Delta))


@pytest.mark.parametrize("request_", [REQUEST, WHOLE], ids=["streamed", "whole"])
def test_reply_arrives_with_all_the_server_told(client, request_):
    """Streamed or not: text, usage, finish reason, model, id, created, and the seconds it took."""
    got = client.complete(request_)
    assert got.text.startswith("echo: Hello!\n")
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens
    assert (got.finish_reason, got.model, got.id, got.status) == ("stop", "test-model", "chatcmpl-1", "complete")
    assert got.created
    assert got.seconds > 0


def test_deltas_arrive_while_the_server_waits(chat_server, client):
    """Text is handed out before the reply is over."""
    chat_server.script(stream(sse("Hel"), wait(), sse("lo"), sse(finish="stop"), done()))
    deltas = client.stream(REQUEST)
    assert next(deltas).text == "Hel"
    chat_server.holding()
    chat_server.release()
    assert text_of(deltas) == "lo"


def test_bytes_cut_anywhere_on_the_wire(chat_server, client):
    """Chunks of HTTP that end within a character, a line end or a field change nothing."""
    body = (sse("é🙂").replace("\n", "\r\n") + sse("x", finish="stop") + done()).encode()
    for cut in (1, body.index(b"\xf0") + 2, body.index(b"\r") + 1, body.index(b"\r") + 3, len(body) - 1):
        chat_server.script(stream(body[:cut], body[cut:]))
        assert client.complete(REQUEST).text == "é🙂x"


def test_server_that_does_not_stream_is_understood(chat_server, client):
    """JSON in answer to the request for a stream is a whole reply, whatever type it declares."""
    for headers in ({}, EVENT_STREAM, {"Content-Type": "text/plain"}):
        chat_server.script(json_answer(completion("whole"), headers=headers))
        assert text_of(client.stream(REQUEST)) == "whole"


def test_server_that_always_streams_is_understood(chat_server, client):
    """An event stream in answer to a request for a whole reply is read as one."""
    chat_server.script(text_stream("a b"))
    assert client.complete(WHOLE).text == "a b"


def test_events_declared_as_plain_text_are_read(chat_server, client):
    """Some servers declare the wrong type or none."""
    for headers in ({"Content-Type": "text/plain"}, {}):
        chat_server.script(answer("\n", text_body(), headers=headers))
        assert client.complete(REQUEST).text == "a"


def text_body() -> str:
    return sse("a") + sse(finish="stop") + done()


def test_compressed_answer_is_read(chat_server, client):
    """A content encoding nobody asked for is decoded."""
    body = gzip.compress(text_body().encode())
    chat_server.script(stream(body[:10], body[10:], headers={"Content-Encoding": "gzip"}))
    assert client.complete(REQUEST).text == "a"


def test_broken_content_encoding_is_a_bad_response(chat_server, client):
    """Bytes that are not what the header says."""
    chat_server.script(stream("not gzip at all", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadResponse):
        client.complete(REQUEST)


def test_missing_usage_stays_missing(chat_server, client):
    """No number is invented."""
    chat_server.script(text_stream("a"))
    assert client.complete(REQUEST).usage is None


def test_usage_in_the_last_chunk_is_taken(chat_server, client):
    """After the finish reason, in a chunk without choices."""
    chat_server.script(stream(sse("a"), sse(finish="stop"), sse_usage(2, 3), done()))
    assert client.complete(REQUEST).usage == Usage(2, 3, 5)


def test_error_status_whose_body_breaks_off_is_still_told(chat_server, client):
    """The status alone says enough."""
    chat_server.script(answer("half", close(), status=403))
    with pytest.raises(KeyRefused):
        client.complete(REQUEST)


def test_page_in_place_of_a_reply_is_quoted_by_its_title(chat_server, client):
    """A proxy's login page is not taken for a reply."""
    chat_server.script(answer("<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}))
    with pytest.raises(BadResponse, match="Sign in"):
        client.complete(REQUEST)


@pytest.mark.parametrize("body", ["", "Hello", '{"choices": []}', "[]"])
@pytest.mark.parametrize("request_", [REQUEST, WHOLE], ids=["streamed", "whole"])
def test_other_answers_are_bad_responses(chat_server, client, body, request_):
    """Nothing, plain text, no choices, other JSON."""
    chat_server.script(answer(body, headers={"Content-Type": "application/json"}))
    with pytest.raises(BadResponse):
        client.complete(request_)


def test_endless_event_is_given_up(chat_server, client):
    """A line of more than 16 MiB ends the reading."""
    chat_server.script(stream("data: ", *["x" * 1024 * 1024] * 17, wait()))
    with pytest.raises(BadResponse, match="16 MiB"):
        client.complete(REQUEST)


def test_endless_whole_answer_is_given_up(chat_server, client):
    """The same for an answer in one piece."""
    chat_server.script(answer('{"choices": "', *["x" * 1024 * 1024] * 17, wait()))
    with pytest.raises(BadResponse, match="16 MiB"):
        client.complete(WHOLE)


@pytest.mark.parametrize(
    "ending", [close(), reset(), raw("zz\r\n"), raw("0\r\n\r\n")], ids=["close", "reset", "rubbish", "end"]
)
def test_reply_that_breaks_off_keeps_what_came(chat_server, client, ending):
    """The text arrives first, then ReplyCut; not a whole reply by mistake."""
    chat_server.script(stream(sse("Hel"), wait(), ending, close()))
    deltas = client.stream(REQUEST)
    assert next(deltas).text == "Hel"
    chat_server.release()
    with pytest.raises(ReplyCut, match="What had arrived is kept"):
        next(deltas)


def test_line_lost_after_the_finish_reason_is_a_whole_reply(chat_server, client):
    """Everything had come; the end mark is missed by nobody."""
    chat_server.script(stream(sse("a"), sse(finish="stop"), reset()))
    assert client.complete(REQUEST).finish_reason == "stop"


def test_error_inside_a_stream_after_text_cuts_it(chat_server, client):
    """With the server's words."""
    chat_server.script(stream(sse("Hel"), event({"error": {"message": "out of memory"}})))
    deltas = client.stream(REQUEST)
    assert next(deltas).text == "Hel"
    with pytest.raises(ReplyCut, match="out of memory"):
        next(deltas)


def test_error_inside_a_stream_before_text_is_not_sent_again(chat_server, client):
    """It is an event, and after an event nothing is ever sent again."""
    chat_server.script(stream(event({"error": {"message": "full", "type": "overloaded_error"}})))
    with pytest.raises(ServerBusy, match="full"):
        client.complete(REQUEST)
    assert len(chat_server.requests()) == 1


def test_answer_that_is_not_http_is_a_bad_response(chat_server, client):
    """The sentence says to check the base URL."""
    chat_server.script(answer(raw("x"), status=99, chunked=False))
    with pytest.raises(BadResponse, match="base URL"):
        client.complete(REQUEST)


def test_closing_the_generator_closes_the_connection(chat_server, client):
    """The server sees its client leave."""
    chat_server.script(stream(sse("a"), wait()))
    deltas = client.stream(REQUEST)
    next(deltas)
    deltas.close()
    assert chat_server.ended()[0].ended == "client gone"


def test_reply_with_several_choices(chat_server, client):
    """All completions asked for arrive, also when the first ends before the second begins."""
    chat_server.script(
        stream(sse("a"), sse(finish="stop"), wait(), sse("b", index=1), sse(finish="stop", index=1), done())
    )
    request = Request("m", HELLO, Parameters(extra={"n": 2}))
    deltas = client.stream(request)
    assert next(deltas).text == "a"
    chat_server.release()
    assert [(delta.index, delta.text) for delta in deltas] == [(0, ""), (1, "b"), (1, "")]


def test_whole_reply_has_a_delta_for_each_choice(chat_server, client):
    """With the usage in the last."""
    choices = [{"index": i, "message": {"content": text}, "finish_reason": "stop"} for i, text in enumerate("ab")]
    chat_server.script(reply(choices=choices, usage={"total_tokens": 3}))
    first, last = client.stream(WHOLE)
    assert (first.text, first.usage, last.text, last.usage) == ("a", None, "b", Usage(None, None, 3))
