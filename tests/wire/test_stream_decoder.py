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
from llmvision_magic.messages import TokenLogprob, Usage
from llmvision_magic.reply_builder import ReplyBuilder

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
    """Interleaved choices are told apart, and only when all that came have ended the reply has."""
    body = (sse("a") + sse("b", index=1) + sse(finish="stop") + sse("c", index=1)).encode()
    with pytest.raises(ReplyCut):
        decode(body, choices=2)
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


@pytest.mark.parametrize("data", ["{broken", "[1", "Internal Server Failure", "[" * 100_000, "1" * 10_000])
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
        ("text/event-stream", b"data:", "events"),
        ("text/event-stream", b"{", "json"),
        ("text/event-stream", b"", "events"),
        ("application/json", b"{", "json"),
        ("application/json", b"", "json"),
        ("", b"{", "json"),
        ("", b"data:", "events"),
        ("text/plain", b": ping", "events"),
        ("text/plain", b"Hello", "other"),
        ("text/plain", b"error code: 502", "other"),
        ("application/json", b"data: {", "events"),
        ("application/json; charset=utf-8", b"event:", "events"),
        ("application/json", b":", "events"),
        ("application/json", b"error: {", "events"),
        ("text/html", b"data: {", "events"),
        ("text/html", b"data missing", "other"),
        ("application/json", b"<html>", "other"),
    ],
)
def test_kind_of_answer(content_type, head, kind):
    """How the body begins decides, then the type that the server declares."""
    assert kind_of(content_type, head) == kind


NO_CHUNKS = {
    "null": "data: null\n\n",
    "true": "data: true\n\n",
    "number": "data: 17\n\n",
    "text": 'data: "processing"\n\n',
    "empty list": "data: []\n\n",
    "list of nothing": "data: [null, 1]\n\n",
    "empty object": "data: {}\n\n",
    "event of another name": "event: ping\ndata: 2026-01-01T00:00:00\n\n",
    "JSON of another name": 'event: status\ndata: {"queue": 3, "message": "waiting", "code": 0}\n\n',
    "words of another name": 'event: progress\ndata: {"detail": "loading", "code": 3, "message": "loading"}\n\n',
    "broken JSON of another name": "event: metrics\ndata: {oops\n\n",
    "word": "data: ping\n\n",
    "field of no name": "nonsense: 1\n\n",
}


@pytest.mark.parametrize("name", NO_CHUNKS)
def test_event_that_is_no_chunk_is_skipped(name):
    """Before the text, within it, after it, and after the finish reason."""
    odd, heard = NO_CHUNKS[name], []
    body = odd + sse("a") + odd + sse("b") + odd + odd + sse("c") + sse(finish="stop") + odd + done()
    reply = built(decode(body.encode(), on_event=lambda: heard.append(1)))
    assert (reply.text, reply.finish_reason, reply.notice) == ("abc", "stop", "")
    assert len(heard) >= 5


def test_chunks_in_a_list_are_chunks():
    """Nothing of the reply is lost."""
    chunks = [json.loads(sse(text).removeprefix("data: ")) for text in "ab"]
    assert built(decode((event(chunks) + sse(finish="stop")).encode())).text == "ab"


@pytest.mark.parametrize("name", ["", "event: message\n", "event: chunk\n"])
def test_broken_chunk_is_not_skipped(name):
    """Text of the reply may be lost with it."""
    text, error = lead(sse("a") + name + 'data: {"choices": [{]\n\n' + sse("b") + sse(finish="stop"))
    assert (text, type(error)) == ("a", ReplyCut)


ERRORS = {
    "field of its own": 'error: {"code": 400, "message": "it broke"}\n\n',
    "field of its own, in words": "error: it broke\n\n",
    "words": "data: error: it broke\n\n",
    "words in capitals": "data: [ERROR] it broke\n\n",
    "JSON behind words": 'data: error: {"message": "it broke"}\n\n',
    "JSON text": event("Error: it broke"),
    "detail": event({"detail": "it broke"}),
    "details of a validator": event({"detail": [{"loc": ["body"], "msg": "it broke"}]}),
    "detail as an object": event({"detail": {"message": "it broke"}}),
    "code and message": event({"code": 1302, "message": "it broke"}),
    "code and msg": event({"code": "E17", "msg": "it broke"}),
    "error_code and error_msg": event({"error_code": 336003, "error_msg": "it broke"}),
    "status in base_resp": event({"base_resp": {"status_code": 1004, "status_msg": "it broke"}, "choices": None}),
    "no success": event({"success": False, "message": "it broke"}),
    "type error": event({"type": "error", "message": "it broke"}),
    "list": event([{"error": {"message": "it broke"}}]),
    "in a choice": event({"choices": [{"index": 0, "delta": {}, "error": {"code": 7, "message": "it broke"}}]}),
    "in a choice that ends": event(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "it broke"}}]}
    ),
    "in a delta": event({"choices": [{"index": 0, "delta": {"error": "it broke"}}]}),
    "beside a choice that ends": event(
        {"error": {"message": "it broke"}, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    ),
    "event of that name, a list": 'event: error\ndata: ["it broke"]\n\n',
    "event of a like name": "event: server_error\ndata: it broke\n\n",
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("end", [done(), "", sse(finish="stop") + done()], ids=["end mark", "nothing", "an end"])
def test_error_in_any_form_is_told_in_the_servers_words(name, end):
    """Before text as an error, after text as a cut; whatever follows, the reply is never whole."""
    for form in (ERRORS[name], ERRORS[name].replace("\n", "\r\n")):
        text, error = lead(form + end)
        assert (text, type(error)) == ("", RequestRefused)
        assert "it broke" in str(error)
        text, error = lead(sse("Hel") + sse("lo") + form + end)
        assert (text, type(error)) == ("Hello", ReplyCut)
        assert "the server said: it broke." in str(error)


@pytest.mark.parametrize("name", [name for name, form in ERRORS.items() if form.startswith(("data: {", "data: [{"))])
def test_error_in_place_of_a_whole_answer_is_told_in_the_servers_words(name):
    """In the same forms."""
    with pytest.raises(RequestRefused, match="it broke"):
        whole_deltas(ERRORS[name].removeprefix("data: ").encode(), SERVER)


def test_error_in_a_choice_of_a_whole_answer_keeps_its_text():
    """The text first, then the cut."""
    choice = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop", "error": {"message": "it broke"}}
    texts = []
    with pytest.raises(ReplyCut, match="it broke"):
        texts.extend(delta.text for delta in whole_deltas(json.dumps(completion(choices=[choice])).encode(), SERVER))
    assert texts == ["Hello"]


@pytest.mark.parametrize(
    "value",
    [{"code": 0, "message": "ok"}, {"base_resp": {"status_code": 0}}, {"id": "1", "detail": None}, {"usage": None}],
)
def test_object_that_tells_of_no_error_is_none(value):
    """Some servers say in each event that all is well."""
    assert built(decode((event(value) + sse("a") + event(value) + sse(finish="stop")).encode())).text == "a"


def test_text_that_speaks_of_errors_is_text():
    """Only an event is an error, not a line of a reply."""
    words = ["error: none\n", "\nerror: x", "[ERROR]", '{"detail": "x"}', "\n\nerror: y\n\n"]
    body = "".join(map(sse, words)) + sse(finish="stop") + done()
    assert built(decode(body.encode())).text == "".join(words)


def test_text_beside_an_error_is_kept():
    """The last words come with it."""
    body = sse("Hel") + sse("lo", error={"message": "it broke"})
    text, error = lead(body)
    assert (text, type(error)) == ("Hello", ReplyCut)


CROWDED = "".join(sse(text).replace("\n\n", "\n") for text in ("a", "é", '"\\n', "b")) + sse(finish="stop")[:-1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("body", [CROWDED + "data: [DONE]\n", CROWDED, CROWDED + "\n" + done()])
@pytest.mark.parametrize("first", ["", ": ping\n\n", "event: x\n", "id: 1\n"])
def test_events_without_blank_lines_are_read_and_said(body, end, first):
    """At once or cut anywhere."""
    data = (first + body).replace("\n", end).encode()
    for chunks in ([data], [data[i : i + 1] for i in range(len(data))], [data[:200], data[200:]]):
        reply = built(decode(*chunks))
        assert (reply.text, reply.finish_reason, reply.notice) == ('aé"\\nb', "stop", stream_decoder.CROWDED)


def test_events_without_blank_lines_arrive_one_by_one():
    """Their words are not held back until the end."""
    lines = [f"{line}\n".encode() for line in CROWDED.splitlines()]
    given_ = []

    def chunks():
        for line in lines:
            given_.append(line)
            yield line

    deltas = StreamDecoder(chunks(), SERVER).deltas()
    assert [next(deltas).text, len(given_)] == ["a", 2]
    assert [next(deltas).text, len(given_)] == ["é", 2]
    assert [next(deltas).text, len(given_)] == ['"\\n', 3]


def test_event_over_several_lines_is_not_taken_for_several():
    """As the specification has it, pretty-printed JSON is one."""
    chunk = json.dumps(json.loads(sse("a").removeprefix("data: ")), indent=1)
    body = "".join(f"data: {line}\n" for line in chunk.splitlines()) + "\n"
    reply = built(decode((body + body + sse(finish="stop")).encode()))
    assert (reply.text, reply.notice) == ("aa", "")


def test_refusal_is_the_reply_and_marked():
    """In pieces, and whole."""
    pieces = [
        event({"choices": [{"index": 0, "delta": {"content": None, "refusal": text}}]}) for text in ("I ca", "n't.")
    ]
    streamed = built(decode(("".join(pieces) + sse(finish="stop") + done()).encode()))
    whole = completion(
        choices=[{"index": 0, "message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}]
    )
    for reply in (streamed, built(whole_deltas(json.dumps(whole).encode(), SERVER))):
        assert (reply.text, reply.status) == ("I can't.", "complete")
        assert reply.notice.startswith("The model refused")


BREAKS = [
    *("error", "abort", "aborted", "cancelled", "canceled", "insufficient_system_resource", "network_error"),
    *("timeout", "server_error", "model_error", "interrupted", "ERROR", "Connection-Error", "disconnected"),
]


@pytest.mark.parametrize("reason", BREAKS)
def test_finish_reason_that_means_a_break_cuts_the_reply(reason):
    """After text; before it, it is an error. Streamed or whole; with the usage, that may follow."""
    text, error = lead(sse("Hel") + sse("lo", finish=reason) + sse_usage(1, 2) + done())
    assert (text, type(error)) == ("Hello", ReplyCut)
    assert f"“{reason}”" in str(error)
    assert isinstance(lead(sse(role="assistant") + sse(finish=reason) + done())[1], RequestRefused)
    deltas, texts = iter(whole_deltas(json.dumps(completion("Hello", finish=reason)).encode(), SERVER)), []
    with pytest.raises(ReplyCut, match=reason):
        texts.extend(delta.text for delta in deltas)
    assert texts == ["Hello"]
    with pytest.raises(RequestRefused):
        whole_deltas(json.dumps(completion("", finish=reason)).encode(), SERVER)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls", "eos_token", "end_turn", "STOP"])
def test_other_finish_reasons_end_the_reply(reason):
    """Each server has its own words."""
    reply = built(decode((sse("a", finish=reason) + done()).encode()))
    assert (reply.finish_reason, reply.notice) == (reason, "")


def test_broken_choice_after_the_first_is_said():
    """The first one is whole, and so is the reply."""
    body = sse("a", finish="stop") + sse("b", index=1, finish="error") + done()
    reply = built(decode(body.encode(), choices=2))
    assert (reply.text, reply.notice) == ("a", "Choice 2 broke off (“error”).")


def test_choices_nobody_asked_for_are_told_in_one_sentence():
    """However many break off; and their counts are not added."""
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    choices = [
        {"index": i, "delta": {"content": "x"}, "finish_reason": "error" if i else "stop"} for i in range(20_000)
    ]
    body = event({"choices": choices}) + "".join(sse(index=i, usage=counts) for i in range(2_000)) + done()
    reply = built(decode(body.encode()))
    kept = "The server sent 20,000 choices; the first 1,000 of them are kept."
    assert (reply.text, reply.notice) == ("x", f"{kept} Choice 2 and 19,998 more broke off (“error”).")
    assert reply.usage == Usage(1, 1, None)


@pytest.mark.parametrize("end", [done(), ""])
def test_fewer_choices_than_asked_are_a_reply(end):
    """Streamed or whole."""
    reply = built(decode((sse("a") + sse(finish="stop") + end).encode(), choices=2))
    whole = built(whole_deltas(json.dumps(completion("a")).encode(), SERVER, choices=2))
    for one in (reply, whole):
        assert (one.text, one.finish_reason, len(one.choices)) == ("a", "stop", 1)
        assert "1 of 2 came" in one.notice


def test_error_that_keeps_a_choice_away_is_told():
    """The one that came is whole."""
    body = sse("a") + sse(finish="stop") + event({"error": {"message": "no room for two"}})
    reply = built(decode(body.encode(), choices=2))
    assert reply.text == "a"
    assert "1 of 2 came" in reply.notice
    assert "no room for two" in reply.notice
    assert built(decode(body.encode())).notice == ""


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def test_zeros_are_no_usage():
    """In every chunk; a count that comes among them is one."""
    body = sse("a", usage=ZEROS) + sse("b", usage=ZEROS) + sse(finish="stop", usage=ZEROS)
    assert built(decode((body + done()).encode())).usage is None
    assert built(decode((body + sse_usage(3, 2) + done()).encode())).usage == Usage(3, 2, 5)
    assert built(decode((sse_usage(3, 2) + body + done()).encode())).usage == Usage(3, 2, 5)
    assert built(whole_deltas(json.dumps(completion("a", usage=ZEROS)).encode(), SERVER)).usage is None


def test_usage_that_grows_counts_once():
    """Told again and again, the last one counts."""
    body = "".join(sse("a", usage={"prompt_tokens": 9, "completion_tokens": n}) for n in (1, 2, 3)) + sse(finish="stop")
    assert built(decode(body.encode())).usage == Usage(9, 3, None)


@pytest.mark.parametrize(
    "told",
    [
        sse("a", finish="stop", usage={"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14})
        + sse("b", finish="stop", index=1, usage={"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}),
        sse("a", finish="stop") + sse("b", finish="stop", index=1) + sse_usage(9, 5) + sse_usage(9, 7),
        sse("a", finish="stop") + sse("b", finish="stop", index=1) + sse_usage(9, 12),
        sse("a", finish="stop", usage={"prompt_tokens": 9, "completion_tokens": 5})
        + sse("b", finish="stop", index=1, usage={"prompt_tokens": 9, "completion_tokens": 7})
        + sse_usage(9, 12),
    ],
    ids=["with each choice", "one after another", "once", "for each, then for both"],
)
def test_usage_of_several_choices_is_that_of_all(told):
    """The completion tokens are added, the prompt's are counted once."""
    assert built(decode((told + done()).encode(), choices=2)).usage == Usage(9, 12, 21)


def test_usage_in_the_finish_chunk_or_its_choice_is_taken():
    """Some servers put it there."""
    counts = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": counts}
    for end in (sse(finish="stop", usage=counts), event({"choices": [choice]})):
        assert built(decode((sse("a") + end + done()).encode())).usage == Usage(4, 2, 6)


def logprob(token: str, value: float, *others: tuple[str, float]) -> dict[str, object]:
    """A token as the API tells it."""
    top = [{"token": other, "logprob": number, "bytes": None} for other, number in others]
    return {"token": token, "logprob": value, "bytes": None, "top_logprobs": top}


def with_logprobs(text: str, told: object, index: int = 0) -> str:
    return event({"choices": [{"index": index, "delta": {"content": text}, "logprobs": told, "finish_reason": None}]})


def test_logprobs_are_collected():
    """Streamed and whole, of each choice; pieces without them are pieces."""
    first = {"content": [logprob("Hel", -0.1, ("Hel", -0.1), ("Ho", -2.5))]}
    body = with_logprobs("Hel", first) + with_logprobs("lo", {"content": [logprob("lo", -0.5)]})
    body += (
        with_logprobs("x", {"content": [logprob("x", -1)]}, 1)
        + with_logprobs("!", None)
        + with_logprobs("", {"content": []})
    )
    body += sse(finish="stop") + sse(finish="stop", index=1) + done()
    streamed = built(decode(body.encode(), choices=2))
    message = {"index": 0, "message": {"content": "Hello!"}, "finish_reason": "stop"}
    told = {"content": [first["content"][0], logprob("lo", -0.5)], "refusal": None}
    whole = built(whole_deltas(json.dumps(completion(choices=[message | {"logprobs": told}])).encode(), SERVER))
    expected = (
        TokenLogprob("Hel", -0.1, (TokenLogprob("Hel", -0.1), TokenLogprob("Ho", -2.5))),
        TokenLogprob("lo", -0.5),
    )
    assert (streamed.text, streamed.logprobs) == ("Hello!", expected)
    assert streamed.choices[1].logprobs == (TokenLogprob("x", -1.0),)
    assert whole.logprobs == expected


def test_logprobs_in_the_older_form_are_read():
    """Parallel lists."""
    told = {"tokens": ["a", "b"], "token_logprobs": [None, -1.5], "top_logprobs": [None, {"b": -1.5, "c": -2}]}
    reply = built(decode((with_logprobs("ab", told) + sse(finish="stop")).encode()))
    assert reply.logprobs == (TokenLogprob("b", -1.5, (TokenLogprob("b", -1.5), TokenLogprob("c", -2.0))),)


@given(JSON | st.dictionaries(st.sampled_from(["content", "tokens", "token_logprobs", "top_logprobs"]), JSON))
def test_no_logprobs_raise_a_python_error(told):
    """Whatever stands there."""
    listed = built(decode((with_logprobs("a", told) + sse(finish="stop")).encode("utf-8", "surrogatepass"))).logprobs
    assert listed is None or all(isinstance(one.logprob, float) for one in listed)


def test_half_a_character_at_the_end_is_replaced():
    """It waits for the other half in vain."""
    body = 'data: {"choices": [{"delta": {"content": "a\\ud83d"}}]}\n\n' + sse(finish="stop") + done()
    assert built(decode(body.encode())).text == "a\ufffd"
