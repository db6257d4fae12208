"""Decoding: the same bytes cut anywhere give the same deltas, and nothing a server sends raises a Python error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.servers.scripting import completion, done, event, sse, sse_usage

from llmvision_magic.backends.wire import stream_decoder
from llmvision_magic.backends.wire.chat_completion import whole_deltas
from llmvision_magic.backends.wire.response_body import kind_of, not_json
from llmvision_magic.backends.wire.server_messages import Server
from llmvision_magic.backends.wire.stream_decoder import StreamDecoder
from llmvision_magic.errors import BadResponse, ChatError, ContextTooLong, ReplyCut, RequestRefused, ServerBusy
from llmvision_magic.messages import ReplyBuilder, Usage

SERVER = Server("http://host/v1", ("secret",))

# Byte order mark, all three line ends, comments, an event over two data lines, characters of 2, 3 and 4 bytes, fields
# to be ignored, and an end without blank line.
AWKWARD = (
    "\ufeff"
    + sse(role="assistant", text="")
    + ": hello\n\n"
    + sse("é€🙂").replace("\n", "\r\n")
    + sse("\r\n# Title\n").replace("\n\n", "\r\r")
    + "event: message\nid: 7\nretry: 10\n"
    + 'data: {"choices": [{"index": 0, "delta":\ndata: {"content": "two lines"}}]}\n\n'
    + ": ping\n\n"
    + event({"choices": []})
    + event({"choices": [{"index": 0, "delta": {"content": None}}]})
    + event({"choices": [{"index": 0}]})
    + event({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": " parts"}, {"type": "x"}]}}]})
    + sse(finish="stop")
    + sse_usage(3, 5)
    + done().rstrip("\n")
).encode()
TEXT = "é€🙂\r\n# Title\ntwo lines parts"


def decode(*chunks: bytes, **options):
    return list(StreamDecoder(chunks, SERVER, **options).deltas())


def built(deltas):
    builder = ReplyBuilder()
    for delta in deltas:
        builder.add(delta)
    return builder.reply()


def lead(*chunks: str | bytes):
    """The text that came and the error that ended it."""
    text = []
    try:
        for delta in StreamDecoder([c.encode() if isinstance(c, str) else c for c in chunks], SERVER).deltas():
            text.append(delta.text)
    except ChatError as error:
        return "".join(text), error
    raise AssertionError("no error came")


def test_awkward_stream_is_read_whole():
    """Text, role, finish reason, usage and origin all arrive."""
    assert decode(AWKWARD)[0].role == "assistant"
    reply = built(decode(AWKWARD))
    assert (reply.text, reply.finish_reason, reply.usage) == (TEXT, "stop", Usage(3, 5, 8))
    assert (reply.id, reply.created, reply.model) == ("chatcmpl-1", 1_700_000_000, "test-model")


def test_stream_cut_at_every_byte_is_the_same():
    """Wherever the bytes are cut in two, multi-byte characters included, the deltas are equal."""
    whole = decode(AWKWARD)
    for cut in range(len(AWKWARD) + 1):
        assert decode(AWKWARD[:cut], AWKWARD[cut:]) == whole


def test_stream_byte_by_byte_is_the_same():
    """Each byte alone gives equal deltas too."""
    assert decode(*[AWKWARD[i : i + 1] for i in range(len(AWKWARD))]) == decode(AWKWARD)


def test_stream_ending_at_every_byte_is_a_prefix_or_whole():
    """A stream that ends anywhere gives a prefix of the text; before the finish reason that is an error, ReplyCut."""
    finish = AWKWARD.index(b'"finish_reason": "stop"')
    for end in range(len(AWKWARD)):
        text = ""
        try:
            for delta in StreamDecoder([AWKWARD[:end]], SERVER).deltas():
                text += delta.text
        except ReplyCut:
            assert end < AWKWARD.index(b"\n\n", finish)
        else:
            assert end > finish
            assert text == TEXT
        assert TEXT.startswith(text)


@pytest.mark.parametrize("ending", [done(), sse(finish="length"), sse(finish="stop") + done(), "data:[DONE]\n\n"])
def test_end_mark_or_finish_reason_ends_the_reply(ending):
    """Either is a proper end."""
    assert built(decode((sse("a") + ending).encode())).text == "a"


def test_nothing_is_read_after_the_end_mark():
    """What follows the end mark is not looked at."""
    assert built(decode((sse("a") + done() + "data: rubbish\n\n").encode())).text == "a"


def test_several_choices_keep_their_index():
    """Interleaved choices are told apart, and only when all have ended the reply has."""
    body = (sse("a") + sse("b", index=1) + sse(finish="stop") + sse("c", index=1)).encode()
    for unfinished in (body, (sse("a") + sse(finish="stop")).encode()):
        with pytest.raises(ReplyCut):
            decode(unfinished, choices=2)
    reply = built(decode(body + sse(finish="stop", index=1).encode(), choices=2))
    assert [choice.message.content for choice in reply.choices] == ["a", "bc"]


def test_usage_comes_once():
    """Usage in a chunk with text belongs to one delta."""
    [delta] = decode((sse("a", usage={"prompt_tokens": 1, "completion_tokens": 2}, finish="stop")).encode())
    assert delta.usage == Usage(1, 2, None)


def test_surrogate_pairs_cut_between_events_are_joined():
    """Halves of a character in two events become the character; a stray half becomes the replacement character."""
    halves = [json.dumps({"choices": [{"delta": {"content": half}}]}) for half in ("a\ud83d", "\ude42b", "\ud83d")]
    body = "".join(f"data: {half}\n\n" for half in halves) + sse(finish="stop")
    assert built(decode(body.encode())).text == "a🙂b\ufffd"


def test_each_event_is_heard_even_without_text():
    """Events that say nothing count; comments and empty events do not."""
    heard = []
    body = ": ping\n\n" + "id: 1\n\n" + event({}) + event({"choices": []}) + sse("a") + done()
    decode(body.encode(), on_event=lambda: heard.append(1))
    assert len(heard) == 4


def test_error_object_before_text_is_a_refusal():
    """Its words are told, and the key is not."""
    text, error = lead(sse(role="assistant"), event({"error": {"message": "no secret for you", "type": "x"}}))
    assert (text, type(error), error.status, error.server_message) == ("", RequestRefused, None, "no ••• for you")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"error": {"message": "m", "code": "context_length_exceeded"}}, ContextTooLong),
        ({"error": {"message": "m", "type": "overloaded_error"}}, ServerBusy),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, ServerBusy),
        ({"error": {"message": "m", "code": 503}}, ServerBusy),
        ({"error": "words"}, RequestRefused),
        ({"error": [["odd"]]}, RequestRefused),
        ({"object": "error", "message": "m", "code": [1]}, RequestRefused),
    ],
)
def test_error_objects_are_told_apart(value, kind):
    """By code and type, in a stream and in a whole answer alike."""
    assert type(lead(event(value))[1]) is kind
    with pytest.raises(kind):
        whole_deltas(json.dumps(value).encode(), SERVER)


@pytest.mark.parametrize(
    "body", ["event: error\ndata: it broke\n\n", 'event: error\ndata: {"message": "it broke"}\n\n']
)
def test_error_event_is_an_error(body):
    """An event of that name is one, whether JSON or not."""
    assert "it broke" in str(lead(body)[1])


def test_error_after_text_cuts_the_reply():
    """The text stays, and the server's words are told."""
    text, error = lead(sse("Hel") + sse("lo") + event({"error": {"message": "it broke"}}))
    assert (text, type(error)) == ("Hello", ReplyCut)
    assert "it broke" in str(error)


@pytest.mark.parametrize("data", ["{broken", "[1]", "3", "[" * 100_000, "1" * 10_000])
def test_rubbish_is_a_bad_response_or_a_cut(data):
    """Before any text the answer is not the API; after text the reply is cut."""
    event_text = f"data: {data}\n\n"
    assert type(lead(event_text, sse("a"))[1]) is BadResponse
    text, error = lead(sse("a") + event_text, sse("b"))
    assert (text, type(error)) == ("a", ReplyCut)


def test_stream_without_any_choice_is_a_bad_response():
    """An end mark alone is no reply."""
    assert type(lead(done())[1]) is BadResponse


def test_stream_that_is_empty_is_cut():
    """Nothing at all is a reply that did not come to its end."""
    assert type(lead()[1]) is ReplyCut


@pytest.mark.parametrize("line", [b"data: ", b": "])
def test_event_without_end_is_bounded(monkeypatch, line):
    """A line that never ends is given up at the bound, not at the end of memory."""
    monkeypatch.setattr(stream_decoder, "LARGEST_EVENT", 1000)

    def endless():
        yield line
        while True:
            yield b"x" * 100

    with pytest.raises(BadResponse, match="an event of more than"):
        list(StreamDecoder(endless(), SERVER).deltas())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
FIELDS = ["id", "created", "model", "usage", "choices", "error", "object", "detail"]
PIECES = st.fixed_dictionaries({}, optional=dict.fromkeys(["role", "content"], JSON)) | JSON
CHOICES = st.fixed_dictionaries({}, optional={"index": JSON, "delta": PIECES, "message": PIECES, "finish_reason": JSON})
CHUNKS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)) | st.fixed_dictionaries(
    {"choices": st.lists(CHOICES | JSON, max_size=3)},
    optional={"usage": JSON | st.fixed_dictionaries({"prompt_tokens": JSON})},
)


@given(st.lists(CHUNKS | JSON, max_size=4))
def test_no_type_in_any_field_raises_a_python_error(chunks):
    """Whatever JSON comes, deltas of the right types or an error of ours come out, and text that can be encoded."""
    body = "".join(event(chunk) for chunk in chunks).encode("utf-8", "surrogatepass")
    try:
        deltas = decode(body)
    except ChatError:
        return
    for delta in deltas:
        delta.text.encode()
        assert isinstance(delta.index, int)
        assert isinstance(delta.created, int | None)
        assert isinstance(delta.usage, Usage | None)


@given(CHUNKS | JSON)
def test_no_whole_answer_raises_a_python_error(value):
    """The same for an answer that is not streamed."""
    try:
        deltas = whole_deltas(json.dumps(value).encode(), SERVER)
    except ChatError:
        return
    for delta in deltas:
        delta.text.encode()


@given(st.binary(max_size=60))
def test_no_bytes_raise_a_python_error(body):
    """Bytes that are no event stream at all end as an error of ours."""
    with pytest.raises(ChatError):
        decode(body)


def test_whole_answer_is_a_delta_for_each_choice():
    """Text and finish reason of each, the usage in the last."""
    choices = [
        {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "length"},
    ]
    body = completion(choices=choices, usage={"total_tokens": 9})
    first, last = whole_deltas(json.dumps(body).encode(), SERVER)
    assert (first.text, first.finish_reason, first.usage) == ("a", "stop", None)
    assert (last.text, last.index, last.finish_reason, last.usage) == ("b", 1, "length", Usage(None, None, 9))


def test_whole_answer_without_text_is_a_reply():
    """`content: null` is an empty reply, for it has a choice and an end."""
    [delta] = whole_deltas(json.dumps(completion(None)).encode(), SERVER)
    assert (delta.text, delta.finish_reason) == ("", "stop")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"choices": []}', b'{"choices": {}}', b"{broken"])
def test_whole_answer_without_choices_is_a_bad_response(body):
    """Nothing, other JSON, no choices, broken JSON."""
    with pytest.raises(BadResponse, match="A reply of the Chat Completion API was expected"):
        whole_deltas(body, SERVER)


def test_page_is_quoted_by_its_title_short_and_clean():
    """At most 200 characters, no control characters, no key."""
    page = b"<html><title>Wel\x1b[31mcome secret " + b"x" * 1000 + b"</title><script>y</script>"
    message = str(not_json(page, SERVER))
    quote = message.partition("“")[2].partition("”")[0]
    assert quote.startswith("Welcome •••")
    assert len(quote) == 200


@pytest.mark.parametrize(
    ("content_type", "head", "kind"),
    [
        ("text/event-stream", b"data", "events"),
        ("text/event-stream", b"{", "json"),
        ("text/event-stream", b"", "events"),
        ("application/json", b"{", "json"),
        ("application/json", b"", "json"),
        ("", b"{", "json"),
        ("", b"data", "events"),
        ("text/plain", b": ping", "events"),
        ("text/plain", b"Hello", "other"),
        ("text/html", b"data", "other"),
        ("application/json", b"<html>", "other"),
    ],
)
def test_kind_of_answer(content_type, head, kind):
    """The first character decides, then the type that the server declares."""
    assert kind_of(content_type, head) == kind
