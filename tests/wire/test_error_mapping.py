"""Failures: every exception of the HTTP library and every status has one of our errors, and no secret leaks."""

from __future__ import annotations

import inspect

import httpx
import pytest

from llmvision_magic.backends.wire import Timeouts, error_mapping, server_errors
from llmvision_magic.backends.wire.server_messages import Server, message_of, passwords
from llmvision_magic.errors import (
    BadResponse,
    ChatError,
    ContextTooLong,
    InvalidInput,
    KeyRefused,
    NoReply,
    NotConnected,
    ReplyCut,
    RequestRefused,
    ServerBusy,
)

SERVER = Server("http://host/v1", ("sk-123",))
EXCEPTIONS = [
    value for value in vars(httpx).values() if inspect.isclass(value) and issubclass(value, Exception)
]  # fmt: skip
EXPECTED = {
    "CloseError": NotConnected,
    "ConnectError": NotConnected,
    "ConnectTimeout": NotConnected,
    "CookieConflict": BadResponse,
    "DecodingError": BadResponse,
    "HTTPError": NotConnected,
    "HTTPStatusError": BadResponse,
    "InvalidURL": InvalidInput,
    "LocalProtocolError": InvalidInput,
    "NetworkError": NotConnected,
    "PoolTimeout": NotConnected,
    "ProtocolError": NotConnected,
    "ProxyError": NotConnected,
    "ReadError": NotConnected,
    "ReadTimeout": NoReply,
    "RemoteProtocolError": BadResponse,
    "RequestError": NotConnected,
    "RequestNotRead": NotConnected,
    "ResponseNotRead": NotConnected,
    "StreamClosed": NotConnected,
    "StreamConsumed": NotConnected,
    "StreamError": NotConnected,
    "TimeoutException": NoReply,
    "TooManyRedirects": BadResponse,
    "TransportError": NotConnected,
    "UnsupportedProtocol": InvalidInput,
    "WriteError": NotConnected,
    "WriteTimeout": NoReply,
}


def instance(kind: type[Exception], message: str = "") -> Exception:
    parameters = inspect.signature(kind).parameters
    values = {"message": message, "request": httpx.Request("GET", "http://host"), "response": httpx.Response(500)}
    return kind(**{name: values[name] for name in parameters if name in values})


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_http_exception_is_one_of_ours(kind):
    """Before the reply each has its error, after its beginning all mean a cut; a new one makes this test fail."""
    error = instance(kind)
    assert isinstance(error, error_mapping.HTTP_EXCEPTIONS)
    assert type(error_mapping.from_exception(error, SERVER, Timeouts(), began=False)) is EXPECTED[kind.__name__]
    assert type(error_mapping.from_exception(error, SERVER, Timeouts(), began=True)) is ReplyCut


@pytest.mark.parametrize(
    "message",
    ["Server disconnected without sending a response.", "peer closed connection without sending complete message body"],
)
def test_hangup_is_a_lost_connection(message):
    """A server that goes away speaks HTTP all right."""
    error = httpx.RemoteProtocolError(message)
    assert type(error_mapping.from_exception(error, SERVER, Timeouts(), began=False)) is NotConnected


def test_limits_are_told_in_seconds():
    """Each limit's error names its number."""
    timeouts = Timeouts(connect=1, first_event=2, between_events=3)
    sentences = [
        str(error_mapping.from_exception(httpx.ConnectTimeout(""), SERVER, timeouts, began=False)),
        str(error_mapping.from_exception(httpx.ReadTimeout(""), SERVER, timeouts, began=False)),
        str(error_mapping.from_exception(httpx.ReadTimeout(""), SERVER, timeouts, began=True)),
    ]
    assert all(f" {number} s" in sentence for number, sentence in enumerate(sentences, 1))


def test_words_of_an_exception_are_cleaned():
    """A server's bytes in an exception's message come without key and control characters."""
    error = httpx.RemoteProtocolError("illegal status line: sk-123 \x1b[0m\x07")
    assert "line: •••)" in str(error_mapping.from_exception(error, SERVER, Timeouts(), began=False))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (302, RequestRefused, "set the base URL"),
        (400, RequestRefused, "(400): it said so"),
        (401, KeyRefused, "%chat key"),
        (403, KeyRefused, "does not allow this (403)"),
        (404, RequestRefused, "either the base URL is wrong or the model 'm' is unknown"),
        (413, RequestRefused, "Send less"),
        (418, RequestRefused, "(418)"),
        (429, ServerBusy, "is busy (429)"),
        (500, ServerBusy, "failed (500)"),
        (503, ServerBusy, "is busy (503)"),
        (529, ServerBusy, "(529)"),
    ],
)
def test_status_decides(status, kind, words):
    """Each status has its error, with the status, the server's words and what to try."""
    error = server_errors.from_status(status, "it said so", None, SERVER, model="m", location="http://other/v1")
    assert (type(error), error.status) == (kind, status)
    assert words in str(error)
    assert ("http://other/v1" if status == 302 else "it said so") in str(error)


@pytest.mark.parametrize(
    ("status", "error", "prompt", "context"),
    [
        (400, {"code": "context_length_exceeded", "message": "x"}, None, None),
        (400, {"type": "exceed_context_size_error", "n_prompt_tokens": 9031, "n_ctx": 8192, "message": ""}, 9031, 8192),
        (413, {"message": "The prompt is too long"}, None, None),
        (
            400,
            {
                "message": "This model's maximum context length is 4,096 tokens. However, your messages resulted in "
                "5031 tokens. Please reduce the length of the messages."
            },
            5031,
            4096,
        ),
        (
            422,
            {"message": "request (9031 tokens) exceeds the available context size (8192 tokens)"},
            9031,
            8192,
        ),
    ],
)
def test_too_long_is_told_apart_with_its_numbers(status, error, prompt, context):
    """By code or by wording; the numbers are there when the server gave them."""
    failure = server_errors.from_status(status, error["message"], {"error": error}, SERVER)
    assert isinstance(failure, ContextTooLong)
    assert (failure.prompt_tokens, failure.context_tokens) == (prompt, context)
    assert all(str(number) in str(failure) for number in (prompt, context) if number)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": " m "}}', "m"),
        (b'{"error": "m"}', "m"),
        (b'{"message": "m"}', "m"),
        (b'{"detail": "m"}', "m"),
        (b'{"detail": [{"loc": ["a"], "msg": "m"}, {"msg": "n"}, 3]}', "m; n"),
        (b'{"error": {"detail": "m"}}', "m"),
        (b'{"error": null}', ""),
        (b'{"error": {"message": {"a": 1}}}', ""),
        (b"[1]", ""),
        (b"m", "m"),
        (b"", ""),
        (b"<html><head><title>T &amp; U</title></head>", "T & U"),
        (b"<p>m</p><script>s</script>", "m"),
        (b"\xff", "\ufffd"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_server_message_is_found(body, message):
    """In all the forms servers use; where there is none, none is made up."""
    assert message_of(body) == message


def test_server_message_is_bounded():
    """At most 300 characters are quoted."""
    error = server_errors.from_status(400, "x" * 10_000, None, SERVER)
    assert len(error.server_message) == 300


@pytest.mark.parametrize("text", ["key sk-123 is bad", "key sk-\x0012\u200b3 is bad", "x" * 296 + "sk-123"])
def test_no_part_of_the_key_is_quoted(text):
    """Neither as it is, nor split by invisible characters, nor cut in the middle."""
    quoted = SERVER.quoted(text)
    assert "sk-" not in quoted.replace(" ", "")


def test_password_of_the_address_is_a_secret():
    """As written in the URL and as meant."""
    assert set(passwords("me:p%40ss")) == {"p%40ss", "p@ss"}
    assert passwords("me") == ()


def test_secrets_are_in_no_repr():
    """A server's repr is safe to log."""
    assert "sk-123" not in repr(SERVER)


def test_long_wait_asked_for_is_told():
    """The number of seconds is in the sentence."""
    assert "300 s" in str(server_errors.from_status(429, "", None, SERVER, asked_pause=300.0))


def test_all_failures_are_chat_errors():
    """The table holds nothing else."""
    assert all(issubclass(kind, ChatError) for kind in error_mapping.BEFORE_REPLY.values())
