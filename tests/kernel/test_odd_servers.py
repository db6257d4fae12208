"""What servers really send, in a real kernel: what is no part of a reply, what breaks it, what it is counted as."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.control import ChatServer
from support.servers.scripting import (
    EVENT_STREAM,
    JSON,
    answer,
    completion,
    done,
    event,
    json_answer,
    reply,
    sse,
    sse_usage,
    stream,
    text_stream,
    wait,
)

HALF = "Half of the"
REST = " text."
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal's file."""
    return tmp_path_factory.mktemp("journal") / "journal.sqlite"


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, journal: Path) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url, LLMVISION_JOURNAL=str(journal)) as kernel:
        yield kernel


def messages(server: ChatServer) -> list[tuple[str, str]]:
    """Role and text of what the last request held."""
    return [(one["role"], one["content"]) for one in server.requests()[-1].json["messages"]]


def footer(cell: Cell) -> str:
    return cell.only.html.rpartition('<p class="foot">')[2]


def kept(journal: Path) -> list[tuple[str, str]]:
    """Text and status of all replies in the journal, in order."""
    with sqlite3.connect(journal) as connection:
        return connection.execute("SELECT text, status FROM reply ORDER BY turn").fetchall()


NO_CHUNK = 'data: null\n\ndata: true\n\ndata: "waiting"\n\ndata: []\n\nevent: ping\ndata: 12:00\n\n'


def test_events_that_are_no_chunk_change_nothing(kernel, chat_server):
    """Before, between and after the text."""
    texts = NO_CHUNK.join(["", sse("One"), sse(" two."), sse(finish="stop"), sse_usage(3, 2), done()])
    chat_server.script(stream(texts))
    cell = kernel.ok("%%chat\nHello")
    assert cell.only.plain == "One two."
    assert "<b>" not in footer(cell)
    assert "3 → 2 tokens" in footer(cell)


IN_STREAM = {
    "llama.cpp's field": 'error: {"code": 400, "message": "no slot left"}\n\n',
    "detail": event({"detail": "no slot left"}),
    "code and message": event({"code": 77, "message": "no slot left"}),
    "words": "data: error: no slot left\n\n",
    "in a choice": event({"choices": [{"index": 0, "delta": {}, "error": {"message": "no slot left"}}]}),
}


@pytest.mark.parametrize("name", IN_STREAM)
def test_error_in_place_of_a_reply_is_told_in_the_servers_words(kernel, chat_server, name):
    """One sentence, no turn; the same in a whole answer."""
    chat_server.script(stream(sse(role="assistant"), IN_STREAM[name], done()))
    cell = kernel.run("%%chat\nHello")
    assert cell.only.kind == "error"
    assert cell.reply["ename"] == "RequestRefused"
    assert "no slot left" in cell.only.text
    kernel.ok("%%chat\nand now?")
    assert messages(chat_server) == [("user", "and now?")]


BREAKS = {
    **{name: (IN_STREAM[name] + done(), "the server said: no slot left") for name in IN_STREAM},
    **{
        reason: (sse(finish=reason) + sse_usage(3, 2) + done(), f"“{reason}”")
        for reason in ("error", "abort", "cancelled", "insufficient_system_resource", "network_error", "TIMEOUT")
    },
    "end of the line": ("", "without end mark"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_reply_that_broke_is_cut_and_goes_on(kernel, chat_server, name):
    """The cell fails, the text is kept, `%chat history` offers to go on, and `%chat continue` does."""
    steps, said = BREAKS[name]
    chat_server.script(stream(sse("Half of"), sse(" the"), steps), text_stream(REST))
    cell = kernel.run("%%chat -o half\nHello")
    assert cell.reply["ename"] == "ReplyCut"
    assert cell.only.plain == HALF
    assert said in footer(cell)
    assert cell.only.metadata["llmvision"]["status"] == "cut"
    assert kernel.value("[half.text, half.status]") == [HALF, "cut"]
    assert "`%chat continue` goes on" in kernel.ok("%chat history").only.data["text/markdown"]
    assert kernel.ok("%chat continue").only.plain == HALF + REST
    assert messages(chat_server) == [("user", "Hello"), ("assistant", HALF)]
    assert kernel.run("%chat continue").status == "error"  # it is whole now


def test_reply_that_breaks_again_and_again_goes_on_each_time(kernel, chat_server):
    """With what came in between; where nothing came, it stands as it was."""
    chat_server.script(
        stream(sse("Half "), sse("of"), sse(finish="network_error"), done()),
        stream(sse(" the"), event({"error": {"message": "no slot left"}})),
        stream(sse(role="assistant"), sse(finish="abort"), done()),
        stream(IN_STREAM["llama.cpp's field"]),
        text_stream(REST),
    )
    kernel.run("%%chat\nHello")
    assert kernel.run("%chat continue").only.plain == HALF
    for _ in range(2):
        assert kernel.run("%chat continue").only.kind == "error"
        assert messages(chat_server) == [("user", "Hello"), ("assistant", HALF)]
    assert kernel.ok("%chat continue").only.plain == HALF + REST


def test_break_is_a_break_in_a_whole_answer_too(kernel, chat_server):
    """With `--no-stream`."""
    chat_server.script(reply(HALF, finish="network_error"), reply(REST))
    cell = kernel.run("%%chat --no-stream\nHello")
    assert (cell.reply["ename"], cell.only.plain) == ("ReplyCut", HALF)
    assert kernel.ok("%chat continue").only.plain == HALF + REST


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_limit_of_tokens_has_many_names(kernel, chat_server, reason):
    """The reply goes on, whatever the server calls it."""
    chat_server.script(text_stream(HALF, finish=reason), text_stream(REST))
    assert "Ended at the limit of tokens" in footer(kernel.ok("%%chat\nHello"))
    assert kernel.ok("%chat continue").only.plain == HALF + REST


def test_other_finish_reasons_are_shown(kernel, chat_server):
    """In the footer, and by the reply itself; those of the API are not."""
    for reason in ("eos_token", "end_turn"):
        chat_server.script(text_stream("All.", finish=reason))
        assert f"finish reason {reason}" in footer(kernel.ok("%%chat -o r\nHello"))
        assert f"finish reason {reason}" in kernel.ok("r").only.html
    for reason in ("stop", "length", "content_filter", "tool_calls"):
        chat_server.script(text_stream("All.", finish=reason))
        assert "finish reason" not in footer(kernel.ok("%%chat -o r\nHello"))


def test_zeros_are_no_usage(kernel, chat_server):
    """No number is shown, and none is counted."""
    chat_server.script(stream(*(sse(text, usage=ZEROS) for text in "ab"), sse(finish="stop", usage=ZEROS), done()))
    cell = kernel.ok("%%chat -o r\nHello")
    assert "token" not in footer(cell)
    assert kernel.value("r.usage") is None


def test_usage_of_several_choices_is_added(kernel, chat_server):
    """One chunk for each."""
    ends = sse(finish="stop") + sse(finish="stop", index=1)
    chat_server.script(stream(sse("a"), sse("b", index=1), ends, sse_usage(9, 5), sse_usage(9, 7), done()))
    cell = kernel.ok("%%chat --param n=2 -o r\nHello")
    assert "9 → 12 tokens" in footer(cell)
    assert kernel.value("list(r.usage)") == [9, 12, 21]


@pytest.mark.parametrize("streamed", [True, False])
def test_fewer_choices_than_asked_are_a_reply(kernel, chat_server, streamed):
    """It says how many came."""
    chat_server.script(stream(sse("a"), sse(finish="stop")) if streamed else reply("a"))
    cell = kernel.ok(f"%%chat --param n=2 {'' if streamed else '--no-stream'}\nHello")
    assert cell.only.plain == "a"
    assert "1 of 2 came" in footer(cell)


@pytest.mark.parametrize("headers", [JSON, {"Content-Type": "text/html"}, {}, EVENT_STREAM])
def test_events_are_events_whatever_they_are_called(kernel, chat_server, headers):
    """Also where their first bytes come one by one, and they arrive while the server goes on."""
    first = sse("One")
    chat_server.script(
        answer(first[:1], first[1:4], first[4:], wait(), sse(" two.", finish="stop"), done(), headers=headers)
    )
    sent: list[str] = []

    def look(cell: Cell) -> None:
        if "One" in cell.plain and not sent:
            sent.append(cell.plain)
            chat_server.release()

    assert kernel.ok("%%chat\nHello", on_output=look).only.plain == "One two."
    assert sent


def test_events_without_blank_lines_are_read_while_they_arrive_and_said(kernel, chat_server):
    """A warning, and the whole reply."""
    one, two = (sse(text).replace("\n\n", "\n") for text in ("One", " two"))
    rest = sse(".", finish="stop").replace("\n\n", "\n") + "data: [DONE]\n"
    chat_server.script(stream(one, two, wait(), rest))
    sent: list[str] = []

    def look(cell: Cell) -> None:
        if "One" in cell.plain and not sent:
            sent.append(cell.plain)
            chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert cell.only.plain == "One two."
    assert "no blank lines between its events" in footer(cell)
    assert sent


@pytest.mark.parametrize("streamed", [True, False])
def test_refusal_is_shown_as_the_reply_and_marked(kernel, chat_server, streamed):
    """And it is part of the conversation."""
    piece = {"content": None, "refusal": "I cannot help with that."}
    if streamed:
        delta = event({"choices": [{"index": 0, "delta": piece, "finish_reason": None}]})
        chat_server.script(stream(sse(role="assistant"), delta, sse(finish="stop"), done()))
    else:
        choices = [{"index": 0, "message": {"role": "assistant", **piece}, "finish_reason": "stop"}]
        chat_server.script(json_answer(completion(choices=choices)))
    cell = kernel.ok(f"%%chat {'' if streamed else '--no-stream'}\nHello")
    assert cell.only.plain == "I cannot help with that."
    assert "<b>The model refused" in footer(cell)
    kernel.ok("%%chat\nWhy?")
    assert messages(chat_server)[1] == ("assistant", "I cannot help with that.")


BLANK = {
    "nothing": text_stream(""),
    "blanks": text_stream(" \n\n\t "),
    "only an end": stream(sse(role="assistant"), sse(finish="stop"), sse_usage(3, 0), done()),
    "no content": reply(None),
    "no message": json_answer(completion(choices=[{"index": 0, "finish_reason": "stop"}])),
    "at the limit": text_stream("\n", finish="length"),
    "filtered": text_stream("", finish="content_filter"),
    "end mark alone after a role": stream(sse(role="assistant"), done()),
}


@pytest.mark.parametrize("name", BLANK)
def test_blank_reply_is_kept_as_failed_and_never_sent(kernel, chat_server, journal, name):
    """The cell fails with a sentence, the journal has it, and the next prompt follows the turn before it."""
    kernel.ok("%%chat\nfirst")
    chat_server.script(BLANK[name])
    cell = kernel.run("%%chat -o r\nHello")
    assert cell.only.kind == "error"
    assert "The server sent an empty reply" in cell.only.text
    assert kernel.value("r.status") == "failed"
    text, status = kept(journal)[-1]
    assert (text.strip(), status) == ("", "failed")
    kernel.ok("%%chat\nand now?")
    sent = messages(chat_server)
    assert [role for role, _ in sent] == ["user", "assistant", "user"]
    assert all(text.strip() for _, text in sent)
    assert sent[-1] == ("user", "and now?")


def test_blank_reply_is_asked_again_by_retry(kernel, chat_server):
    """It was the last prompt, though it is no part of the branch."""
    chat_server.script(text_stream(" "), text_stream("Here."))
    kernel.run("%%chat\nHello")
    assert kernel.ok("%chat retry").only.plain == "Here."
    assert messages(chat_server) == [("user", "Hello")]


def test_blank_reply_that_an_older_version_kept_is_not_sent(kernel, chat_server, tmp_path):
    """It called them complete."""
    kernel.ok("%%chat\nfirst")
    kernel.ok(f"%chat save {tmp_path}/old.json")
    saved = json.loads((tmp_path / "old.json").read_text())
    saved["turns"][0] |= {"text": " \n", "status": "complete"}
    (tmp_path / "old.json").write_text(json.dumps(saved))
    kernel.load_anew()
    kernel.ok(f"%chat load {tmp_path}/old.json")
    kernel.ok("%%chat\nsecond")
    assert messages(chat_server) == [("user", "second")]


def token(text: str, logprob: float, *others: tuple[str, float]) -> dict[str, object]:
    top = [{"token": other, "logprob": number} for other, number in others]
    return {"token": text, "logprob": logprob, "bytes": None, "top_logprobs": top}


@pytest.mark.parametrize("streamed", [True, False])
def test_logprobs_that_were_asked_for_are_in_the_reply(kernel, chat_server, streamed, tmp_path):
    """And in what is replayed from a recording."""
    tokens = [token("Yes", -0.25, ("Yes", -0.25), ("No", -1.5)), token(".", -0.5)]
    choice = {"index": 0, "finish_reason": None}
    if streamed:
        chunks = [choice | {"delta": {"content": one["token"]}, "logprobs": {"content": [one]}} for one in tokens]
        chat_server.script(stream(*(event({"choices": [one]}) for one in chunks), sse(finish="stop"), done()))
    else:
        whole = {"index": 0, "finish_reason": "stop", "message": {"content": "Yes."}, "logprobs": {"content": tokens}}
        chat_server.script(reply(choices=[whole]))
    kernel.ok(f"%chat record {tmp_path}/lesson.jsonl")
    ask = f"%%chat --param logprobs=true --param top_logprobs=2 {'' if streamed else '--no-stream'} -o r --once\nHello"
    kernel.ok(ask)
    fields = "[(t.token, t.logprob, [(a.token, a.logprob) for a in t.alternatives]) for t in r.logprobs]"
    expected = [["Yes", -0.25, [["Yes", -0.25], ["No", -1.5]]], [".", -0.5, []]]
    assert kernel.value(fields) == expected
    assert chat_server.requests()[0].json["logprobs"] is True
    kernel.ok(f"%chat replay {tmp_path}/lesson.jsonl")
    kernel.ok(ask)
    assert kernel.value(fields) == expected
    assert len(chat_server.requests()) == 1
