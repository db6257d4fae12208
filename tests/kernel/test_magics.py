"""`%%chat` and `%chat` in a real kernel, against a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import delay, done, failure, json_answer, sse, stream, text_stream, wait

from llmvision_magic.kernel.cells.option_parsing import parse_cell_options
from llmvision_magic.kernel.cells.options import OPTIONS
from llmvision_magic.kernel.verbs.help_pages import help_on


@pytest.fixture(scope="module")
def kernel_process(chat_server_process) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(
        LLMVISION_BASE_URL=chat_server_process.url, LLMVISION_API_KEY="sk-made-up-0123456789"
    ) as kernel:
        yield kernel


def contents(request) -> list[tuple[str, str]]:
    """Role and text of the messages of a request."""
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def test_reply_is_one_output_with_three_formats_and_metadata(kernel, chat_server):
    """The final output is the contract's bundle."""
    chat_server.script(text_stream("Some *Markdown* text.\n\n- one\n- two\n"))
    output = kernel.ok("%%chat\nHello").only
    assert output.plain == "Some *Markdown* text.\n\n- one\n- two\n"
    assert "<em>Markdown</em>" in output.html
    assert set(output.data) == {"text/plain", "text/html", "text/markdown"}
    assert output.metadata["llmvision"]["conversation"] == "main"
    assert output.metadata["llmvision"]["finish_reason"] == "stop"
    assert output.metadata["llmvision"]["turn_id"]


def test_text_grows_while_it_streams_and_finished_blocks_are_sent_once(kernel, chat_server):
    """What has arrived is shown before the rest exists; a finished block is never sent again."""
    chat_server.script(
        stream(
            sse("First block.\n\nSecond"), wait(), sse(" block.\n\nThird"), wait(), sse("."), sse(finish="stop"), done()
        )
    )
    shown: list[str] = []

    def look(cell: Cell) -> None:
        shown.append(cell.plain)
        if len(shown) > 1 and shown[-1] != shown[-2] and shown[-1].rstrip().endswith(("Second", "Third")):
            chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert any("Second" in text and "Third" not in text for text in shown)
    assert cell.only.plain == "First block.\n\nSecond block.\n\nThird."
    sent = [str(message["content"].get("data", "")) for message in cell.messages]
    final = max(index for index, text in enumerate(sent) if "text/markdown" in text)
    third = min(index for index, text in enumerate(sent) if "Third" in text)
    assert not any("First block" in text for text in sent[third:final])


def test_second_prompt_remembers_the_first(kernel, chat_server):
    """The history is sent along."""
    chat_server.script(text_stream("One."), text_stream("Two."))
    kernel.ok("%%chat\nfirst")
    kernel.ok("%%chat\nsecond")
    assert contents(chat_server.requests()[1]) == [("user", "first"), ("assistant", "One."), ("user", "second")]


def test_options_reach_the_wire_and_nothing_else_does(kernel, chat_server):
    """What is set is sent; what is not set is not."""
    kernel.ok(
        "%%chat -m other -t 0.25 --top-p 0.5 --max-tokens 7 --stop A --stop 'B C' --presence-penalty 0.1"
        " --frequency-penalty -0.2 --param seed=3 --param 'user=\"me\"' -s 'Be {brief} $now.'\nHello {x} $HOME"
    )
    kernel.ok("%%chat --no-stream --once\nHello")
    first, second = chat_server.requests()
    assert first.json == {
        "model": "other",
        "messages": [{"role": "system", "content": "Be {brief} $now."}, {"role": "user", "content": "Hello {x} $HOME"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.25,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["A", "B C"],
        "presence_penalty": 0.1,
        "frequency_penalty": -0.2,
        "seed": 3,
        "user": "me",
    }
    assert first.headers["authorization"] == "Bearer sk-made-up-0123456789"
    assert second.json["stream"] is False
    assert contents(second) == [("system", "Be {brief} $now."), ("user", "Hello")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--temprature 0.5", "Did you mean `--temperature`?"),
        ("--temp 0.5", "Did you mean `--temperature`?"),
        ("--max_tok=5", "Did you mean `--max-tokens`?"),
        ("--output x", "Did you mean `--out`?"),
        ("--nosuch", "no option `--nosuch`. `%chat help` lists them."),
        ("--no-such 1", "no option `--no-such`. `%chat help` lists them."),
        ("-t 3", "from 0 to 2"),
        ("-t warm", "a number from 0 to 2, on the platform from 0 to 1"),
        ("--max-tokens 0", "at least 1"),
        ("--stop a --stop b --stop c --stop d --stop e", "4"),
        ("-s 'open", "not closed"),
        ("-t", "expected one argument"),
        ("Tell me a joke", "in the lines below"),
        ("-o 1x", "name of a variable"),
        ("-n 'a b'", "one word"),
        ("--param seed", "KEY=JSON"),
        ("--param seed=[1", "KEY=JSON"),
        ("--background -f code", "cannot make a new cell"),
    ],
)
def test_bad_line_is_one_sentence_and_nothing_is_sent(kernel, chat_server, line, said):
    """An error names what was expected; the cell fails; no traceback; the history is as it was."""
    cell = kernel.run(f"%%chat {line}\nHello")
    assert cell.status == "error"
    assert cell.only.kind == "error"
    assert said in cell.only.text
    assert "Traceback" not in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert chat_server.requests() == []
    assert "no turns yet" in kernel.ok("%chat history").plain


def test_traceback_is_there_when_asked_for(kernel):
    """%tb shows the frames that the sentence left out."""
    kernel.run("%%chat -t 3\nHello")
    cell = kernel.run("%tb")
    assert "magics.py" in cell.plain


@pytest.mark.parametrize("code", ["%%chat", "%%chat\n", "%%chat\n\n  \n", "%%chat -t 0.5", "%%llmvision"])
def test_empty_cell_says_what_to_write(kernel, chat_server, code):
    """A prompt is missing: the sentence shows where it goes."""
    cell = kernel.run(code)
    assert cell.status == "error"
    assert "write what you ask in the lines below" in cell.only.text
    assert chat_server.requests() == []


@pytest.mark.parametrize(
    ("code", "prompt"),
    [
        ("%%chat\nWhat is a tuple?", "What is a tuple?"),
        ("%%chat\nlist?", "list?"),
        ("%chat ask What is a tuple?", "What is a tuple?"),
        ("if True:\n    %chat ask And a list??", "And a list??"),
        ("%llmvision ask Why?", "Why?"),
        ("%%llmvision\nWhy?", "Why?"),
        ("%chat ask What do {x} and $y mean?", "What do {x} and $y mean?"),
    ],
)
def test_prompt_with_a_question_mark_is_a_prompt(kernel, chat_server, code, prompt):
    """IPython's help syntax does not take it away; braces and dollars are text."""
    kernel.ok(code)
    assert contents(chat_server.requests()[0]) == [("user", prompt)]


def test_double_braces_are_an_expression_and_raw_sends_them(kernel, chat_server):
    """What cannot be evaluated is not silently sent as text."""
    cell = kernel.run("%%chat\nThe shape is {{df.shape}}")
    assert "--raw" in cell.only.text
    kernel.ok("%%chat --raw\nThe shape is {{df.shape}}")
    kernel.ok('%%chat\nSingle {"a": {"b": 1}} braces')
    assert [contents(one)[-1][1] for one in chat_server.requests()] == [
        "The shape is {{df.shape}}",
        'Single {"a": {"b": 1}} braces',
    ]


def test_reply_is_bound_and_readable_in_python(kernel, chat_server):
    """-o binds the Reply."""
    chat_server.script(text_stream("```python\nprint(1)\n```\n"))
    kernel.ok("%%chat -o answer\nHello")
    assert kernel.value("answer.text") == "```python\nprint(1)\n```\n"
    assert kernel.value("str(answer) == answer.text") is True
    assert kernel.value("[[b.language, b.code] for b in answer.code_blocks]") == [["python", "print(1)"]]
    assert kernel.value("[answer.finish_reason, answer.model, answer.status]") == ["stop", "test-model", "complete"]


def test_conversations_are_apart_and_once_leaves_no_trace(kernel, chat_server):
    """-n makes and uses conversations; --once neither reads nor writes."""
    kernel.ok("%%chat -n left\nin left")
    kernel.ok("%%chat -n right\nin right")
    kernel.ok("%%chat -n left --once\nalone")
    kernel.ok("%%chat -n left\nleft again")
    last = chat_server.requests()
    assert contents(last[2]) == [("user", "alone")]
    assert [text for role, text in contents(last[3]) if role == "user"] == ["in left", "left again"]
    assert "right" in kernel.ok("%chat list").plain


def test_system_prompt_holds_from_this_turn_on(kernel, chat_server):
    """-s is kept; `%chat system ""` takes it away."""
    kernel.ok("%%chat -s 'Be kind.'\none")
    kernel.ok("%%chat\ntwo")
    kernel.ok('%chat system ""')
    kernel.ok("%%chat\nthree")
    firsts = [contents(one)[0] for one in chat_server.requests()]
    assert firsts == [("system", "Be kind."), ("system", "Be kind."), ("user", "one")]


def test_running_a_cell_again_replaces_its_turn(kernel, chat_server):
    """The front end tells the cell's id; later turns stay on the old branch and the footer says so."""
    kernel.ok("%%chat\none", cell_id="a")
    kernel.ok("%%chat\ntwo", cell_id="b")
    again = kernel.ok("%%chat\none, better", cell_id="a")
    assert contents(chat_server.requests()[2]) == [("user", "one, better")]
    assert "1 later turn on the old branch" in again.only.html
    assert again.only.plain


def test_dry_run_shows_the_body_and_sends_nothing(kernel, chat_server):
    """Exactly what would be sent, without the key."""
    cell = kernel.ok("%%chat --dry-run -t 0.5 -n elsewhere\nHello")
    assert '"temperature": 0.5' in cell.plain
    assert '"content": "Hello"' in cell.plain
    assert "made-up" not in str(cell.messages)
    assert chat_server.requests() == []
    assert "elsewhere" not in kernel.ok("%chat list").plain


def test_failed_request_shows_the_servers_words_and_leaves_the_history(kernel, chat_server):
    """The error is the one output; the next prompt is as if nothing had been asked."""
    chat_server.script(failure(400, "That is too odd."))
    chat_server.script(failure(400, "That is too odd."))
    cell = kernel.run("%%chat\nodd")
    assert cell.status == "error"
    assert cell.only.kind == "error"
    assert "That is too odd." in cell.only.text
    chat_server.reset()
    kernel.ok("%%chat\neven")
    assert contents(chat_server.requests()[0]) == [("user", "even")]


def test_busy_server_is_told_in_the_cell_and_asked_again(kernel, chat_server):
    """The reader sees that it is retried, then the reply alone."""
    chat_server.script(failure(503, "overloaded", headers={"Retry-After": "1"}), text_stream("Here."))
    shown: list[str] = []
    cell = kernel.ok("%%chat\nHello", on_output=lambda cell: shown.append(cell.plain))
    assert any("retrying in" in text for text in shown)
    assert cell.only.plain == "Here."


def too_long(prompt: int, context: int):
    """What llama.cpp answers to a prompt that does not fit."""
    error = {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": prompt, "n_ctx": context}
    return json_answer({"error": {**error, "message": "request exceeds the available context size"}}, status=400)


def test_context_that_is_full_leaves_out_the_oldest_turns_and_says_so(kernel, chat_server):
    """Whole turns go, the system prompt stays, the footer counts them; the history keeps them."""
    chat_server.script(text_stream("One."), text_stream("Two."), too_long(100, 80), text_stream("Three."))
    kernel.ok("%%chat -s 'Be kind.'\nfirst")
    kernel.ok("%%chat\nsecond")
    cell = kernel.ok("%%chat\nthird")
    assert contents(chat_server.requests()[3]) == [
        ("system", "Be kind."),
        ("user", "second"),
        ("assistant", "Two."),
        ("user", "third"),
    ]
    assert "1 oldest turn not sent" in cell.only.html
    assert "first" in kernel.ok("%chat history").plain


def test_prompt_that_is_too_long_by_itself_is_an_error(kernel, chat_server):
    """When there is nothing left to leave out, the numbers are told."""
    chat_server.script(too_long(9000, 80))
    cell = kernel.run("%%chat\nvery long")
    assert cell.reply["ename"] == "ContextTooLong"
    assert "9,000" in cell.only.text or "9000" in cell.only.text


def test_cut_reply_is_kept_and_marked_and_the_cell_fails(kernel, chat_server):
    """One output: the text, and why it ended; Run All stops."""
    chat_server.script(stream(sse("Half of"), sse(" the text")))
    cell = kernel.run("%%chat -o half\nHello")
    assert cell.status == "error"
    assert cell.reply["ename"] == "ReplyCut"
    assert cell.only.plain == "Half of the text"
    assert cell.only.metadata["llmvision"]["status"] == "cut"
    assert kernel.value("half.status") == "cut"
    assert "llmvm" in cell.only.html
    kernel.ok("%%chat\nand then?")
    assert contents(chat_server.requests()[1])[1] == ("assistant", "Half of the text")


def interrupt_when(kernel: Kernel, text: str):
    """Interrupt once the cell shows the text."""
    sent = []

    def look(cell: Cell) -> None:
        if text in cell.plain and not sent:
            sent.append(True)
            kernel.interrupt()

    return look


def test_interrupt_keeps_the_text_marks_it_and_ends_without_traceback(kernel, chat_server):
    """The server is silent in the middle; the conversation can go on."""
    chat_server.script(stream(sse("So far"), wait(), sse("never")))
    cell = kernel.run("%%chat\nHello", on_output=interrupt_when(kernel, "So far"))
    assert cell.status == "error"
    assert cell.only.kind == "display_data"
    assert cell.only.plain == "So far"
    assert "Interrupted" in cell.only.html
    assert cell.only.metadata["llmvision"]["status"] == "interrupted"
    assert chat_server.ended()[0].ended == "client gone"
    kernel.ok("%%chat\ngo on")
    assert contents(chat_server.requests()[1])[1:] == [("assistant", "So far"), ("user", "go on")]


def test_usage_counts_replies_that_came(kernel, chat_server):
    """Not requests that were refused, failed, or interrupted before any text; a reply that broke off has come."""
    chat_server.script(failure(401, "no such key"), stream(wait(), sse("never")))
    kernel.run("%%chat\nrefused")
    kernel.run("%%chat\nsilent", on_output=interrupt_when(kernel, "waiting for"))
    kernel.run("%%chat --compare temperature=0,5\nout of range")
    assert kernel.ok("%chat usage").plain == "No replies yet."
    chat_server.script(stream(sse("Half of"), sse(" the text")))
    kernel.run("%%chat\ncut")
    page = kernel.ok("%chat usage").plain
    assert "| main | `test-model` | 1 | 0 | 0 |" in page
    assert "For 1 reply the server told no usage" in page
    assert "in all" not in page


def test_history_keeps_an_open_fence_to_its_turn(kernel, chat_server):
    """A reply that was cut inside a code block does not swallow the turns after it."""
    chat_server.script(stream(sse("```python\nprint(1)")), text_stream("After."))
    kernel.run("%%chat\nfirst")
    kernel.ok("%%chat\nsecond")
    assert "<p>After.</p>" in kernel.ok("%chat history").only.html


def test_interrupt_before_the_first_event(kernel, chat_server):
    """Nothing has come: the cell says so in one output, and the history is as it was."""
    chat_server.script(stream(wait(), sse("never")))
    cell = kernel.run("%%chat\nHello", on_output=interrupt_when(kernel, "waiting for"))
    assert cell.status == "error"
    assert "Interrupted before any text arrived." in cell.only.html
    assert cell.only.plain == ""
    kernel.ok("%%chat\nnext")
    assert contents(chat_server.requests()[1]) == [("user", "next")]


def test_interrupt_twice_at_once_is_one(kernel, chat_server):
    """Who presses twice means one thing; the text is kept and nothing more is said."""
    chat_server.script(stream(sse("So far"), wait(), sse("never")))
    sent = []

    def twice(cell: Cell) -> None:
        if "So far" in cell.plain and not sent:
            sent.append(True)
            kernel.interrupt()
            kernel.interrupt()

    cell = kernel.run("%%chat\nHello", on_output=twice)
    assert cell.only.plain == "So far"
    assert "Interrupted" in cell.only.html


INTERRUPT_WHILE_LOADING = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "llmvision_magic.chat.session":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""


def test_interrupt_in_the_first_moment_of_a_kernel(chat_server):
    """While a first cell still loads what it needs, too: one output, no traceback, nothing sent."""
    with running_kernel(LLMVISION_BASE_URL=chat_server.url) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok(INTERRUPT_WHILE_LOADING)
        cell = kernel.run("%%chat\nHello")
        assert cell.status == "error"
        assert "Interrupted before any text arrived." in cell.only.html
        assert chat_server.requests() == []


def test_long_reply_needs_fewer_outputs_than_jupyterlab_shows(kernel, chat_server):
    """JupyterLab hides all but 50 outputs of a cell; all text is on the screen at any time."""
    paragraphs = [f"Paragraph number {number}." for number in range(300)]
    steps = [step for text in paragraphs for step in (sse(text + "\n\n"), *([wait()] if text[-2:] == "9." else []))]
    chat_server.script(stream(*steps, sse(finish="stop"), done()))
    most: list[int] = [0]
    released = 0

    def look(cell: Cell) -> None:
        most[0] = max(most[0], len(cell.outputs))
        html = "".join(output.html for output in cell.outputs)
        # A frame is up to two messages; between them a block may stand in two outputs.
        numbers = list(dict.fromkeys(int(number) for number in re.findall(r"number (\d+)\.", html)))
        assert numbers == list(range(len(numbers)))
        nonlocal released
        if len(numbers) == 10 * (released + 1):
            released += 1
            chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert 10 < most[0] < 50
    assert cell.only.plain == "".join(text + "\n\n" for text in paragraphs)


def test_giant_reply_is_kept_whole_and_shown_in_part(kernel, chat_server):
    """What no page can hold is not rendered; the text is all there, and the output says what is missing."""
    text = "Some words.\n\n" * 40_000
    half = len(text) // 2
    chat_server.script(stream(sse(text[:half]), wait(), sse(text[half:]), sse(finish="stop"), done()))
    released: list[bool] = []

    def look(cell: Cell) -> None:
        if "Some words" in cell.html and not released:
            released.append(True)
            chat_server.release()

    cell = kernel.ok("%%chat -o giant\nHello", on_output=look)
    assert cell.only.plain == text
    assert kernel.value("len(giant.text)") == len(text)
    assert "Only the first 100,000 of 520,000 characters are shown" in cell.only.html
    assert len(cell.only.html) < 500_000


def test_stall_is_told_and_goes_away_with_the_next_text(kernel, chat_server):
    """The reader sees how long the server has said nothing, under the text that is there."""
    chat_server.script(stream(sse("Begin"), wait(), sse(" and end."), sse(finish="stop"), done()))
    told: list[str] = []

    def look(cell: Cell) -> None:
        if "nothing from the server" in cell.plain and not told:
            told.append(cell.outputs[-1].html)
            chat_server.release()

    cell = kernel.ok("%%chat\nHello", on_output=look)
    assert "Begin" in told[0]
    assert "for 2 s" in told[0]
    assert cell.only.plain == "Begin and end."


def test_python_interrupt_still_works_afterwards(kernel, chat_server):
    """The signal handler is given back."""
    kernel.ok("%%chat\nHello")
    kernel.ok("import signal")
    assert kernel.value("signal.getsignal(signal.SIGINT) is signal.default_int_handler") is True


def test_verbs_work_through_the_kernel(kernel, chat_server):
    """Each verb answers with a page."""
    chat_server.script(
        stream(
            sse("Hi."),
            sse(finish="stop", usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}),
            done(),
        )
    )
    kernel.ok("%%chat\nHello there")
    assert "Hello there" in kernel.ok("%chat history").plain
    assert chat_server.url in kernel.ok("%chat").plain
    assert "0.5" in kernel.ok("%chat set temperature 0.5").plain
    status = kernel.ok("%chat status").plain
    assert "%chat set" in status
    assert "made-up" not in status
    kernel.ok("%chat unset temperature")
    assert "no longer" not in kernel.ok("%chat set").plain
    assert "5" in kernel.ok("%chat usage").plain
    assert "test-model" in kernel.ok("%chat models").plain
    kernel.ok('%chat new tutor -s "Ask back."')
    assert "Ask back." in kernel.ok("%chat system").plain
    kernel.ok("%chat use main")
    kernel.ok("%chat drop tutor")
    assert "tutor" not in kernel.ok("%chat list").plain
    assert "%chat set temperature" in kernel.ok("%chat help set").plain
    assert "--max-tokens" in kernel.ok("%chat help").plain


def test_set_without_a_value_shows_what_holds(kernel):
    """A getter is its setter without a value."""
    assert "not set" in kernel.ok("%chat set temperature").plain
    kernel.ok("%chat set temperature 0.3")
    assert kernel.ok("%chat set temperature").plain == "`temperature`: `0.3` (from: %chat set)"
    assert "SenseCharacter-20250124-01" in kernel.ok("%chat set model").plain
    kernel.ok("%chat set stop \"###\" 'THE END'")
    assert '["###", "THE END"]' in kernel.ok("%chat set stop").plain
    kernel.ok("%chat set stop THE END")
    assert '["THE END"]' in kernel.ok("%chat set stop").plain


@pytest.mark.parametrize("line", ["-t 0.1 -t 0.9", "-n a --name b", "-m a -m a"])
def test_option_that_is_given_twice_is_refused(kernel, chat_server, line: str):
    """One of the two would be dropped."""
    assert "is given twice" in kernel.run(f"%%chat {line}\nHello").plain
    assert not chat_server.requests()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("histori", "`history`"),
        ("exp", "`export`"),
        ("doctor", "not there yet"),
        ("use nowhere", "no conversation `nowhere`"),
        ("set temprature 1", "`temperature`"),
        ("set freq 1", "`frequency_penalty`"),
        ("set temperature 3", "from 0 to 2"),
        ("set retries -1", "at least 0"),
        ("set connect_timeout 0", "seconds above 0"),
        ("unset temperature", "is not set"),
        ("new main", "already"),
        ("new", "expects a name"),
        ("drop", "expects the name"),
        ("ask", "expects a question"),
        ("key sk-0123456789", "stands in no cell"),
        ("sk-0123456789", "no such verb"),
        ("help histori", "`history`"),
    ],
)
def test_bad_verb_is_one_sentence(kernel, line, said):
    """The nearest verb or name is given."""
    cell = kernel.run(f"%chat {line}")
    assert cell.status == "error"
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert "0123456789" not in cell.only.text  # it may be a key


def test_key_where_nobody_can_type_says_what_to_set(kernel):
    """A notebook that runs without input names the variable."""
    assert "LLMVISION_API_KEY" in kernel.run("%chat key").only.text


def test_tab_completes_verbs_options_conversations_settings_and_models(kernel, chat_server):
    """From the same declarations."""
    kernel.ok("%chat new tutor")
    assert "history" in kernel.complete("%chat hi")
    assert "--max-tokens" in kernel.complete("%%chat --ma")
    assert kernel.complete("%chat use tu") == ["tutor"]
    assert kernel.complete("%%chat -n tu") == ["tutor"]
    assert kernel.complete("%chat set max_t") == ["max_tokens"]
    assert "test-model" in kernel.complete("%%chat -m test")
    assert kernel.complete("%chat help stat") == ["status"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("-t", ["`%%chat -t, --temperature TEMPERATURE`", "%%chat -t 0.2\n", "`%chat set temperature VALUE`"]),
        ("temperature", ["`%%chat -t, --temperature TEMPERATURE`"]),
        ("compare", ["`%%chat --compare KEY=A,B,…`", "%%chat --compare temperature=0,0.5,1\n"]),
        ("--compare", ["`%%chat --compare KEY=A,B,…`"]),
        ("max_tokens", ["--max-tokens", "`LLMVISION_MAX_TOKENS`"]),
        ("max-tokens", ["--max-tokens"]),
        ("--no-stream", ["`%%chat --no-stream`", "`%chat set stream VALUE`"]),
        ("dry-run", ["`%%chat --dry-run`"]),
        ("rerun", ["replace or append", "`%chat set rerun VALUE`", "`replace`"]),
        ("stop", ["`%chat stop [NAME or NUMBER]`", "`%%chat --stop TEXT`"]),
        ("set temperature", ["`%chat set [KEY VALUE]`", "--temperature"]),
        ("%%chat -a", ["%%chat -a df.describe()\n"]),
        ("--tree", ["`%chat history [NAME] [--tree]`"]),
        ("--overwrite", ["`%chat save", "`%chat export"]),
        ("%%chat", ["--max-tokens", "--dry-run"]),
    ],
)
def test_help_finds_options_and_settings_too(kernel, asked, shown):
    """As they are written, and as they are called; a word that is two things shows both."""
    page = kernel.ok(f"%chat help {asked}").plain
    assert [one for one in shown if one not in page] == [], page


def test_help_has_a_line_that_works_for_each_option():
    """All that is shown as an example can be typed."""
    for option in OPTIONS:
        line = re.search(r"\n%%chat (.*)\n", help_on(option.flags[0]))[1]
        assert any(flag in line.split() for flag in option.flags), line
        parse_cell_options(line)


@pytest.mark.parametrize(
    ("asked", "hint"), [("--temprature", "`temperature`"), ("comapre", "`compare`"), ("histori", "`history`")]
)
def test_help_names_the_nearest_of_all_there_is(kernel, asked, hint):
    """Verbs and options."""
    assert f"`{asked}`. Did you mean {hint}?" in kernel.run(f"%chat help {asked}").only.text


def test_help_is_offered_by_tab(kernel):
    """What can be asked about."""
    assert kernel.complete("%chat help --comp") == ["--compare"]
    assert kernel.complete("%chat help valu") == ["value_limit"]


def test_help_is_made_from_the_declarations(kernel):
    """`%%chat?` and `%chat?` list what there is."""
    assert "--frequency-penalty" in kernel.inspect("%%chat?")
    assert "%chat unset KEY" in kernel.inspect("%chat?")


def test_configuration_counts_and_is_weaker_than_the_conversation(kernel, chat_server):
    """%config ChatMagics works; status says where a value comes from."""
    kernel.ok("%config ChatMagics.max_tokens = 9")
    kernel.ok("%%chat\none")
    assert "configuration" in kernel.ok("%chat status").plain
    kernel.ok("%chat set max_tokens 8")
    kernel.ok("%%chat\ntwo")
    kernel.ok("%%chat --max-tokens 7\nthree")
    kernel.ok("%config ChatMagics.max_tokens = None")
    assert [one.json["max_tokens"] for one in chat_server.requests()] == [9, 8, 7]


def test_control_characters_and_markup_reach_the_page_as_text(kernel, chat_server):
    """A reply is untrusted."""
    chat_server.script(text_stream("<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1))"))
    output = kernel.ok("%%chat\nHello").only
    assert "<script" not in output.html
    assert "<img" not in output.html
    assert "<img" not in output.data["text/markdown"]
    assert 'href="javascript' not in output.html


def test_another_owner_of_the_name_gets_it_back(kernel_process, chat_server):
    """Loading says that it takes the name over; unloading restores it."""
    kernel_process.ok(
        "from IPython.core.magic import register_line_magic\n@register_line_magic\ndef chat(line): print('mine', line)"
    )
    loaded = kernel_process.ok("%load_ext llmvision_magic")
    assert loaded.only.text.count("\n") == 1
    assert "chat" in loaded.only.text
    kernel_process.ok("%chat list")
    kernel_process.unload()
    assert kernel_process.ok("%chat hello").only.text == "mine hello\n"
    kernel_process.ok("del get_ipython().magics_manager.magics['line']['chat']")


def test_unload_leaves_nothing_and_reload_works(kernel_process, chat_server):
    """Magics, completion, transformers and handlers are gone."""
    before = (
        "[len(get_ipython().input_transformers_cleanup), len(get_ipython().Completer.custom_matchers),"
        " [type(one).__name__ for one in get_ipython().configurables].count('ChatMagics'),"
        " str(get_ipython().custom_exceptions), len(get_ipython().events.callbacks['post_run_cell']),"
        " [t.name for t in __import__('threading').enumerate() if t.name.startswith('llmvision')]]"
    )
    counts = kernel_process.value(before)
    kernel_process.ok("%load_ext llmvision_magic")
    kernel_process.ok("%%chat\nHello")
    kernel_process.ok("%reload_ext llmvision_magic")
    kernel_process.ok("%%chat\nHello")
    kernel_process.ok("%unload_ext llmvision_magic")
    assert kernel_process.value(before) == counts
    assert "not found" in kernel_process.run("%chat list").plain
    kernel_process.unload()


def test_conversations_are_there_again_after_reloading(kernel, chat_server):
    """With their turns, settings, system prompts and tokens, the same one current; only `drop` forgets one."""
    usage = {"prompt_tokens": 1234, "completion_tokens": 2, "total_tokens": 1236}
    chat_server.script(stream(sse("Hi."), sse(finish="stop", usage=usage), done()))
    kernel.ok("%%chat\nHello there")
    kernel.ok('%chat new tutor -s "Ask back."')
    kernel.ok("%chat set temperature 0.25")
    kernel.ok("%%chat\nfirst")
    for again in ("%reload_ext llmvision_magic", "%unload_ext llmvision_magic\n%load_ext llmvision_magic"):
        kernel.ok(again)
        kernel.ok(again)  # also where nothing was asked in between
        assert "→ | tutor" in " ".join(kernel.ok("%chat list").plain.split())
        assert "1,234" in kernel.ok("%chat usage").plain
    kernel.ok("%%chat\nsecond")
    request = chat_server.requests()[-1]
    assert request.json["temperature"] == 0.25
    assert [text for role, text in contents(request) if role != "assistant"] == ["Ask back.", "first", "second"]
    kernel.ok("%chat use main")
    assert "Hello there" in kernel.ok("%chat history").plain
    kernel.ok("%chat drop tutor")
    kernel.ok("%reload_ext llmvision_magic")
    assert "tutor" not in kernel.ok("%chat list").plain


def test_errors_of_other_code_are_shown_as_ever(kernel):
    """Only our own errors are one sentence."""
    cell = kernel.run("1/0")
    assert cell.status == "error"
    assert "ZeroDivisionError" in cell.only.text
    assert len(cell.only.text.splitlines()) > 3


# -- cells that hold more than the magic -------------------------------------------------------------------------------


def slowly(text: str):
    """A reply that is seen arriving."""
    return stream(sse(text[:3]), wait(), sse(text[3:]), sse(finish="stop"), done())


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("print('before')\n%chat ask One?\nprint('after')", ["before\n", "First reply", "after\n"]),
        ("%chat ask One?\n%chat ask Two?", ["First reply", "Second reply"]),
        ("display('kept')\nget_ipython().run_cell_magic('chat', '', 'One?')", ["'kept'", "First reply"]),
        ("print('before')\n%chat ask --compare temperature=0,1 One?", ["before\n"]),
        ("%%time\n%%chat\nOne?", ["First reply"]),
    ],
    ids=["printed around", "two", "displayed before", "compared", "another magic"],
)
def test_what_else_a_cell_shows_stays(kernel, chat_server, code: str, shown: list[str]):
    """A reply that streamed takes the place of what it showed itself, and of nothing else."""
    chat_server.script(slowly("First reply"), slowly("Second reply"))
    seen = []

    def look(cell) -> None:
        if any(text in cell.html for text in ("Fir", "Sec")):
            seen.append(cell.html)
            chat_server.release()

    cell = kernel.ok(code, watched=True, on_output=look)
    assert seen
    outputs = [output.plain for output in cell.outputs]
    assert [text for text in outputs if text in shown] == shown
    replies = [output for output in cell.outputs if "llmvision" in output.metadata]
    assert len(replies) == max(1, sum("reply" in text for text in shown))


def test_captured_reply_is_one_output(kernel, chat_server):
    """Nobody sees it arrive; the variable has what the cell would have had in the end."""
    chat_server.script(stream(sse("First "), delay(0.2), sse("reply"), sse(finish="stop"), done()))
    kernel.ok("%%capture out\nprint('before')\n%chat ask One?")
    assert kernel.value("[one.data['text/plain'] for one in out.outputs]") == ["First reply"]
    assert kernel.value("out.stdout") == "before\n"


def test_failed_reply_takes_the_place_of_an_older_one_in_the_variable(kernel, chat_server):
    """Else what is computed from it would be about another prompt."""
    kernel.ok("%%chat -o reply\nOne?")
    chat_server.script(failure(403, "You may not."))
    kernel.run("%%chat -o reply\nTwo?")
    assert kernel.value("[reply.text, reply.status]") == ["", "failed"]
    assert "You may not." in kernel.value("reply.notice")
