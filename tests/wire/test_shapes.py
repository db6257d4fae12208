"""Events that are read by their shape: the same deltas and the same errors as from parsing each, and few are parsed."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.servers.scripting import done, event, sse, sse_usage

from llmvision_magic.backends.wire import stream_decoder
from llmvision_magic.backends.wire.event_stream import whole_events
from llmvision_magic.backends.wire.server_messages import Server
from llmvision_magic.backends.wire.stream_decoder import StreamDecoder
from llmvision_magic.errors import ChatError, ReplyCut

SERVER = Server("http://host/v1", ())
PLAIN = sse("word")
BEFORE, AFTER = PLAIN.split("word")


def read(*chunks: bytes, lessons: int = stream_decoder.LESSONS) -> list[object]:
    """The deltas, and the error if one came."""
    decoder = StreamDecoder(chunks, SERVER)
    decoder._lessons = lessons
    found: list[object] = []
    try:
        found.extend(decoder.deltas())
    except ChatError as error:
        found.append((type(error), str(error)))
    return found


def texts(found: list[object]) -> str:
    return "".join(getattr(delta, "text", "") for delta in found)


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """Texts that were given to the parser."""
    given_: list[str] = []
    parser = stream_decoder.read_events

    def noting(text):
        given_.append(text)
        return parser(text)

    monkeypatch.setattr(stream_decoder, "read_events", noting)
    return given_


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
@pytest.mark.parametrize("size", [1, 100_000])
def test_events_of_one_shape_are_parsed_once(parsed, end, size):
    """Byte by byte or all at once, with line ends, quotes and all letters among them."""
    words = ["# Title", "\n\n", " a", '"b\\', "\t", "é", "€", "\u2028", "\u0085", "\x7f"] * 50
    body = "".join(sse(word).replace("\n\n", end) for word in words) + sse(finish="stop") + done()
    data = body.encode()
    found = read(*(data[place : place + size] for place in range(0, len(data), size)))
    assert [delta.text for delta in found][:-1] == words
    assert len(parsed) < 20


@pytest.mark.parametrize("escaped", [True, False])
def test_words_of_all_languages_have_that_shape(parsed, escaped):
    """Written as they are or as escapes; also a first word that stands elsewhere in the event."""
    words = [": ", "你", "好", "，", "content", "é", "🙂"] * 40
    body = "".join(PLAIN.replace("word", json.dumps(word, ensure_ascii=escaped)[1:-1]) for word in words)
    assert texts(read((body + done()).encode())) == "".join(words)
    assert len(parsed) < 12


def test_shape_is_learned_again_when_it_changes(parsed):
    """Some servers date each event: the shape is another one every second."""
    body = "".join(sse(f"w{number} ").replace("1700000000", f"17{number // 40:08}") for number in range(400))
    found = read((body + done()).encode())
    assert texts(found) == "".join(f"w{number} " for number in range(400))
    assert len(parsed) < 60


def test_events_that_are_never_the_same_are_not_learned_for_long(parsed):
    """Some servers put noise into each event: after a few lessons all are parsed as they come."""
    body = "".join(sse(f"w{number} ").replace('"id"', f'"noise": "{number:x}", "id"') for number in range(400))
    assert texts(read((body + done()).encode())).startswith("w0 w1 w2 ")
    assert len(parsed) < 4 * stream_decoder.LESSONS


@pytest.mark.parametrize(
    "between",
    [
        'a"',
        '"a',
        '","b":"',
        'a"}, "index": 0, "delta": {"content": "b',
        'a"}}]}\n\n' + BEFORE + "b",
        "a\\",
        "a\\" + AFTER + BEFORE + "b",
        "a\nb",
        "a\n\nb",
        "a\rdata: b",
        "a\tb",
        "a\x00",
        "\\x",
        "\\u12",
        "\\ud83d",
        "\\ude42",
        "\\ud83d\\ude42",
        "\\",
        "",
        "\\n\\u00e9",
        "\ufeff",
        AFTER.strip(),
    ],
)
def test_what_only_looks_like_the_shape_is_judged_by_the_parser(between):
    """Text that ends the string, breaks the line or is no JSON, between events that are as all others."""
    body = (PLAIN * 3 + BEFORE + between + AFTER + PLAIN * 3 + sse(finish="stop") + done()).encode()
    expected = read(body, lessons=0)
    assert read(body) == expected
    for cut in range(len(PLAIN) * 3, len(PLAIN) * 4 + 10):
        assert read(body[:cut], body[cut:]) == expected


def is_whole(text: str) -> bool:
    """Whether no character is half a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


TEXTS = st.text(max_size=6) | st.sampled_from(
    ["word", " the", "\n", ": ", ", ", "}", "é", "好", '"', "\\", "\\n", "content", "0", "\ud83d", "\ude42"]
)
EVENTS = st.one_of(
    st.builds(lambda text: PLAIN.replace("word", json.dumps(text)[1:-1]), TEXTS),
    st.builds(lambda text: PLAIN.replace("word", json.dumps(text, ensure_ascii=False)[1:-1]), TEXTS.filter(is_whole)),
    st.builds(lambda text: PLAIN.replace("word", text), TEXTS.filter(is_whole)),
    st.builds(lambda text: sse(text, index=1), TEXTS.filter(is_whole)),
    st.builds(lambda text: sse(text).replace("chatcmpl-1", "other"), TEXTS.filter(is_whole)),
    st.sampled_from([PLAIN, PLAIN, sse("\r\n# Title\n").replace("\n\n", "\r\r"), PLAIN.replace("\n", "\r\n")]),
    st.sampled_from(["data: null\n\n", "data: [1]\n\n", "event: ping\ndata: x\n\n", "error: m\n\n"]),
    st.sampled_from([PLAIN.replace('"index"', '"logprobs": {"content": [{"token": "a", "logprob": -1}]}, "index"')]),
    st.sampled_from([": ping\n\n", sse(role="assistant"), sse(finish="stop"), sse_usage(1, 2), "id: 7\n" + PLAIN]),
    st.sampled_from(
        ["data: {broken\n\n", event({"error": {"message": "m"}}), "event: error\n" + PLAIN, "\n", "\r", done()]
    ),
)


@given(st.lists(EVENTS, max_size=30), st.lists(st.integers(0, 9_000), max_size=5))
def test_any_events_cut_anywhere_are_the_same(events, cuts):
    """Read by shape or parsed one by one."""
    body = "".join(events).encode()
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[begin:end] for begin, end in pairwise(places)]
    assert read(*chunks) == read(body, lessons=0)


def test_shape_is_not_read_in_an_event_that_is_cut():
    """The last event came without its end: what is there of it is no text."""
    body = PLAIN * 5
    found = read(body[: -len(AFTER)].encode())
    assert texts(found) == "word" * 4
    assert found[-1][0] is ReplyCut


@given(st.text("\r\nab", max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_pieces_begin_and_end_with_an_event(text, cuts):
    """Nothing is lost, and an event is handed on with its last character."""
    places = [0, *sorted(cuts), len(text)]
    given_ = [text[begin:end] for begin, end in pairwise(places)]
    pieces = list(whole_events(given_))
    lines = [_lines(piece) for piece in pieces]
    assert "".join(lines) == _lines(text)
    assert all(piece.endswith("\n\n") for piece in lines[:-1])


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
