"""Joined chunks: the HTTP library reads the same from them, or fails as it would have, wherever they are cut."""

from __future__ import annotations

import socket
import threading

import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deadline import DEADLINE

from llmvision_magic.backends.wire.chunked_body import ChunkedBody
from llmvision_magic.backends.wire.transport import watch

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def framed(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


BODY = framed(b"data: 1\r\n\r\n", b"x", b"0\r\n\r\n", b"y" * 30, b"data: [DONE]\n\n")
WHOLE = HEAD + BODY + b"0\r\n\r\n"


def read(pieces: list[bytes]) -> tuple[bytes, list[type], int]:
    """What h11 makes of bytes that come in these pieces and then end: data, how it ended, how many pieces of data."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    data, kinds, count = b"", [], 0
    try:
        for piece in [*pieces, b""]:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    data += bytes(event.data)
                    count += 1
                    continue
                kinds.append(type(event))
                if event is h11.PAUSED or isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    return data, kinds, count
    except h11.RemoteProtocolError as error:
        kinds.append(type(error))
    return data, kinds, count


def joined(pieces: list[bytes]) -> list[bytes]:
    """The same pieces as the library reads them; an empty one would say that the connection has ended."""
    response = ChunkedBody()
    parts = []
    for piece in pieces:
        response.feed(piece)
        while part := response.hand_on():
            parts.append(part)
    return parts


def taken(pieces: list[bytes]) -> tuple[bytes, list[bytes]]:
    """What can be taken of the body when the head was read, and what the library reads."""
    response = ChunkedBody()
    body, parts = b"", []
    for piece in pieces:
        response.feed(piece)
        if response._head:
            parts.append(response.hand_on())
        body += response.take()
        if not response.is_open:
            parts.append(response.hand_on())
    return body, [part for part in parts if part]


def assert_same(pieces: list[bytes]) -> None:
    pieces = [piece for piece in pieces if piece]
    data, kinds, _ = read(pieces)
    assert read(joined(pieces))[:2] == (data, kinds)
    body, parts = taken(pieces)
    rest, ending, _ = read(parts)
    assert (body + rest, ending) == (data, kinds)


def test_chunks_of_one_read_become_one():
    """That is what it is for; and the library does not see them where the body is taken."""
    data = b"data: 1\r\n\r\nx0\r\n\r\n" + b"y" * 30 + b"data: [DONE]\n\n"
    assert read([HEAD, BODY])[2] == 5
    assert joined([HEAD, BODY]) == [HEAD, framed(data)]
    assert taken([HEAD + BODY[:9], BODY[9:], b"0\r\n\r\n"]) == (data, [HEAD, b"0\r\n\r\n"])


def test_response_cut_at_every_byte_is_the_same():
    """Cut in two anywhere, and byte by byte; nothing that came is held back but what stands between two chunks."""
    for cut in range(len(WHOLE) + 1):
        assert_same([WHOLE[:cut], WHOLE[cut:]])
        assert_same([WHOLE[:cut]])
    assert_same([WHOLE[i : i + 1] for i in range(len(WHOLE))])


HEADS = [
    HEAD,
    HEAD.replace(b"Transfer-Encoding: chunked", b"tRANSFER-eNCODING:chunked \t"),
    HEAD.replace(b"Transfer", b"Content-Length: 7\r\nTransfer"),
    HEAD.replace(b"chunked\r\n", b"chunked\r\n \r\n"),
    HEAD.replace(b"chunked", b"gzip, chunked"),
    HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 20"),
    HEAD.replace(b"Transfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked"),
    HEAD.replace(b"\r\n", b"\n"),
    HEAD.replace(b"\r\n\r\n", b"\n\r\n"),
    HEAD.replace(b"Transfer", b"\r\nTransfer"),
    HEAD.replace(b"1.1", b"1.0"),
    HEAD.replace(b"200 OK", b"200"),
    HEAD.replace(b"200 OK", b"204 Nothing"),
    HEAD.replace(b"200 OK", b"500 Error"),
    b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + HEAD,
    b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n" + HEAD,
    HEAD.replace(b"Content", b"X: " + b"x" * 70_000 + b"\r\nContent"),
    b"\r\n" + HEAD,
    b"",
]
BODIES = [
    BODY + b"0\r\n\r\n",
    BODY,
    BODY + b"0\r\nTrailer: x\r\n\r\n",
    BODY + b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    BODY + b"000\r\n\r\n",
    b"0\r\n\r\n",
    b"5;name=value\r\nabcde\r\n" + BODY + b"0\r\n\r\n",
    framed(b"x") + b"5 \t\r\nabcde\r\n" + BODY + b"0\r\n\r\n",
    framed(b"x") + b"0005\r\nabcde\r\n" + BODY + b"0\r\n\r\n",
    b"1\r\nab\r\n" + BODY + b"0\r\n\r\n",
    b"1\r\na5\r\nabcde\r\n0\r\n\r\n",
    b"1\r\na\r5\r\nabcde\r\n0\r\n\r\n",
    b"1\r\na\n5\r\nabcde\r\n0\r\n\r\n",
    framed(b"a") + b"5\nabcde\r\n0\r\n\r\n",
    framed(b"a") + b"\r\n5\r\nabcde\r\n0\r\n\r\n",
    framed(b"a") + b"x\r\n" + BODY,
    framed(b"a") + b"-1\r\n" + BODY,
    framed(b"a") + b"f" * 8 + b"\r\n" + BODY,
    framed(b"a") + b"1" * 20 + b"\r\n" + BODY,
    framed(b"a") + b"1" * 21 + b"\r\n" + BODY,
    b"data: no chunk\n\n",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_other_responses_are_the_same(head, body):
    """Whatever the head declares and whatever is wrong with the body: the same data, the same end or error."""
    whole = head + body
    for cut in range(max(len(head) - 3, 0), len(whole) + 1):
        assert_same([whole[:cut], whole[cut:]])


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=5), st.sampled_from(BODIES)), max_size=4), st.data())
def test_any_bytes_cut_anywhere_are_the_same(parts, data):
    """Bytes of all kinds after a head, in pieces of all kinds."""
    whole = HEAD + b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(len(HEAD) - 5, len(whole)), max_size=6)))
    assert_same([whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)])


def test_connection_joins_the_chunks_of_each_response():
    """Through the whole library, over one connection; a body that only begins is no end of the connection."""
    pieces = [[WHOLE], [HEAD, BODY[:10], BODY[10:11], BODY[11:] + b"0\r\n\r\n"], [b"HTTP/1.1 200 OK\r\n\r\n" + BODY]]

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for response in pieces:
                connection.recv(65536)
                for piece in response:
                    connection.sendall(piece)
                    if piece is not response[-1]:
                        assert go_on.wait(DEADLINE)
                        go_on.clear()

    go_on = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, httpx.Client(trust_env=False) as client:
        watch(client)
        thread = threading.Thread(target=serve)
        thread.start()
        data = b"data: 1\r\n\r\nx0\r\n\r\n" + b"y" * 30 + b"data: [DONE]\n\n"
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with client.stream("GET", url) as response:
            assert list(response.iter_raw()) == [data]
        with client.stream("GET", url) as response:
            go_on.set()
            found = []
            for chunk in response.iter_raw():
                found.append(chunk)
                go_on.set()
            assert b"".join(found) == data
            assert len(found) < 5
        with client.stream("GET", url) as response:
            assert response.read() == BODY
        thread.join()
