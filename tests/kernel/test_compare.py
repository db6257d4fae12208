"""`%%chat --compare` in a real kernel: the same prompt with several values, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.hostile_fragments import FRAGMENTS, Elements
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import done, failure, sse, sse_usage, stream, text_stream, wait
from support.terminals import running_ipython

from llmvision_magic.chat.comparison import Comparison
from llmvision_magic.messages import Reply
from llmvision_magic.rendering.comparison_table import comparison_bundle


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, tmp_path_factory) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    folder = tmp_path_factory.mktemp("notebooks")
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        yield kernel


def at(value: object, *steps, name: str = "temperature"):
    """An answer for the column of that value alone."""
    value = float(value) if name == "temperature" else value
    return stream(*steps, done(), contains=f'"{name}":{value}{"," if name == "model" else "}"}')


def test_columns_stream_at_once_and_end_as_one_output(kernel, chat_server):
    """The last column is seen while the first one is held; heads, texts and footers of each; all formats."""
    chat_server.script(
        at(0, sse("First *so far*"), wait("a"), sse(" and whole."), sse(finish="stop"), sse_usage(3, 5)),
        at(0.5, sse("Second."), sse(finish="length"), sse_usage(3, 2)),
        at(1, sse("Third so far"), wait("b"), sse("."), sse(finish="stop")),
    )

    def look(cell: Cell) -> None:
        if "so far</em>" in cell.html and "Third so far" in cell.html and not look.released:
            look.released = True
            chat_server.release("b")
            chat_server.release("a")

    look.released = False
    cell = kernel.ok("%%chat --compare temperature=0,0.5,1 -o replies\nHello", on_output=look)
    assert look.released
    output = cell.only
    assert set(output.data) == {"text/plain", "text/html", "text/markdown"}
    assert re.findall(r'<th scope="col">(.*?)</th>', output.html) == [
        "temperature = 0",
        "temperature = 0.5",
        "temperature = 1",
    ]
    assert "<em>so far</em> and whole." in output.html
    assert "3 → 5 tokens" in output.html
    assert "limit of tokens" in output.html
    assert "not part of the conversation" in output.html
    assert output.plain.startswith("temperature = 0:\n\nFirst *so far* and whole.\n\ntemperature = 0.5:\n\nSecond.")
    assert "**temperature = 0.5**\n\nSecond." in output.data["text/markdown"]
    told = output.metadata["llmvision"]
    assert told["compare"] == "temperature"
    assert [(one["value"], one["finish_reason"], one["model"]) for one in told["columns"]] == [
        (0, "stop", "test-model"),
        (0.5, "length", "test-model"),
        (1, "stop", "test-model"),
    ]
    assert told["columns"][0]["usage"]["completion_tokens"] == 5
    assert kernel.value("[(value, reply.text) for value, reply in replies.items()]") == [
        [0, "First *so far* and whole."],
        [0.5, "Second."],
        [1, "Third so far."],
    ]
    assert kernel.value("[len(replies), replies[1].finish_reason, replies.parameter]") == [3, "length", "temperature"]
    assert "First" in kernel.ok("replies").only.html


def test_comparison_is_whole_where_updates_are_not_known(kernel, chat_server):
    """Some front ends take what is displayed and what is cleared, and nothing else."""
    chat_server.script(
        at(0, sse("First so far"), wait("a"), sse(" and whole.")), at(1, sse("Second so far"), wait("b"), sse("."))
    )

    def look(cell: Cell) -> None:
        if "First so far" in cell.html and "Second so far" in cell.html and not look.released:
            look.released = True
            chat_server.release("a")
            chat_server.release("b")

    look.released = False
    cell = kernel.ok("%%chat --compare temperature=0,1\nHello", on_output=look)
    assert look.released
    shown = Cell()
    for message in cell.messages:
        if message["msg_type"] != "update_display_data":
            shown.apply(message)
    assert "First so far and whole." in shown.only.plain
    assert "Second so far." in shown.only.html


def test_comparison_is_no_part_of_the_conversation(kernel, chat_server):
    """As --once: neither read nor written; the system prompt and the other options count."""
    kernel.ok("%%chat\nbefore")
    kernel.ok("%%chat -s 'Be brief.' -t 0.5 --compare max_tokens=5,6\nHello {{1 + 1}}")
    kernel.ok("%%chat\nafter")
    sent = [request.json for request in chat_server.requests()]
    for body in sent[1:3]:
        assert [message["content"] for message in body["messages"]] == ["Be brief.", "Hello 2"]
        assert body["temperature"] == 0.5
    assert sorted(body["max_tokens"] for body in sent[1:3]) == [5, 6]
    assert [message["content"].split("\n")[0] for message in sent[3]["messages"]] == ["before", "echo: before", "after"]


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("model=small,large", "model", ["small", "large"]),
        ("seed=1,2", "seed", [1, 2]),
        ("stop=.,!", "stop", [["."], ["!"]]),
        ("""'stop=["a,b", "c"]'""", "stop", [["a,b"], ["c"]]),
        ("top-p=0.1,0.9 --param seed=3", "top_p", [0.1, 0.9]),
        ("""'response_format=[{"type":"text"},{"type":"json_object"}]'""", "response_format", None),
        ("""'logit_bias={"a":1,"c":2}, {"b":[2,3]}'""", "logit_bias", [{"a": 1, "c": 2}, {"b": [2, 3]}]),
        ("'bad_words=[1,2],[3]'", "bad_words", [[1, 2], [3]]),
        ("""'stop="a,b",c,"d"'""", "stop", [["a,b"], ["c"], ["d"]]),
        ("""'stop={,},"'""", "stop", [["{"], ["}"], ['"']]),
        ("t=0,1", "temperature", [0, 1]),
        ("m=small,large", "model", ["small", "large"]),
        ("max-tokens=5,6", "max_tokens", [5, 6]),
        ("n=1,2", "n", [1, 2]),
    ],
)
def test_any_request_parameter_can_be_compared(kernel, chat_server, line, key, values):
    """Those of the API by their names, others as --param sends them."""
    kernel.ok(f"%%chat --compare {line}\nHello")
    sent = [request.json[key] for request in chat_server.requests()]
    expected = values or [{"type": "text"}, {"type": "json_object"}]
    assert sorted(sent, key=str) == sorted(expected, key=str)
    if "seed=3" in line:
        assert {request.json["seed"] for request in chat_server.requests()} == {3}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--compare temperature", "like `--compare temperature=0,0.5,1`"),
        ("--compare temperature=0", "2 to 8 values"),
        ("--compare temperature=0,1,3", "from 0 to 2"),
        ("--compare temperature=warm,cold", "a number from 0 to 2"),
        ("--compare temprature=0,1", "Did you mean `temperature`?"),
        ("--compare retries=0,1", "no request parameter"),
        ("--compare seed=1,2,3,4,5,6,7,8,9", "2 to 8 values"),
        ("--compare temperature=0,1 -t 0.5", "given twice"),
        ("--compare seed=0,1 --param seed=3", "given twice"),
        ("--compare temperature=0,1 --background", "takes no --background"),
        ("--compare temperature=0,1 -f code", "takes no -f code"),
        ("--compare temperature=0,1 --replace 1", "takes no --replace"),
        ("--compare 'temperature=[0,'", "a JSON list"),
        ("--compare", "expected one argument"),
        ("--compare temperature=0,1 --compare seed=1,2", "given twice (temperature=0,1 and seed=1,2)"),
        ("--compare temperature=0,1 --compare=temperature=0,1", "leave one of them"),
        ("""--compare 'logit_bias={"a":1,{"b":2}'""", """expected JSON values like `logit_bias=["a","b"]`"""),
        ("--compare t=0,1 -t 0.5", "given twice"),
        ("--compare system=a,b", "`system` is an option of the cell and no request parameter"),
        ("--compare s=a,b", "`s` is an option of the cell"),
        ("--compare attach=a,b", "`attach` is an option of the cell"),
        ("--compare dry_run=1,2", "`dry_run` is an option of the cell"),
        ("--compare out=a,b", "`out` is an option of the cell"),
        ("--compare base-url=a,b", "`base-url` is a setting"),
        ("--compare no-stream=1,2", "`no-stream` is an option of the cell"),
    ],
)
def test_bad_line_is_one_sentence_and_nothing_is_sent(kernel, chat_server, line, said):
    """Also where only one of the values cannot be."""
    cell = kernel.run(f"%%chat {line}\nHello")
    assert cell.status == "error"
    assert said in cell.only.text
    assert chat_server.requests() == []


def test_verbs_take_no_comparison_and_dry_run_shows_each(kernel, chat_server):
    """Nothing given is dropped."""
    kernel.ok("%%chat\nHello")
    assert "takes no --compare" in kernel.run("%chat retry --compare temperature=0,1").plain
    page = kernel.ok("%%chat --dry-run --compare temperature=0,0.25\nHello").plain
    assert '"temperature": 0.25' in page
    assert page.count("Nothing is sent") == 2
    assert len(chat_server.requests()) == 1
    assert "temperature=" in kernel.complete("%%chat --compare te")
    assert "side by side" in kernel.inspect("%%chat?")


def test_failed_column_does_not_lose_the_others(kernel, chat_server):
    """It says why under its head; the cell fails without saying it again; the replies are bound."""
    chat_server.script(
        *[{**failure(404, "no such model"), "contains": '"model":"b"'}] * 2,
        at('"a"', sse("Fine."), sse(finish="stop"), name="model"),
    )
    cell = kernel.run("%%chat --compare model=a,b -o replies\nHello")
    assert cell.status == "error"
    assert cell.reply["ename"] == "RequestRefused"
    assert "Fine." in cell.only.html
    assert "no such model" in cell.only.html
    assert [one["status"] for one in cell.only.metadata["llmvision"]["columns"]] == ["complete", "failed"]
    assert kernel.value("[reply.text for reply in replies]") == ["Fine.", ""]
    assert "no such model" in kernel.value("replies[1].notice")
    for text in (cell.only.plain, kernel.ok("print(replies._repr_mimebundle_()['text/plain'])").plain):
        assert text.startswith("model = a:\n\nFine.\n\nmodel = b:\n\n")
        assert "no such model" in text.partition("model = b:")[2]
    assert "no such model" in cell.only.data["text/markdown"]


def test_failure_of_all_columns_is_the_error_alone(kernel, chat_server):
    """As of one reply: the sentence, no table; the variable has no older comparison."""
    kernel.ok("nothing = 'older'")
    chat_server.script(*[failure(401, "bad key")] * 2)
    cell = kernel.run("%%chat --compare temperature=0,1 -o nothing\nHello")
    assert cell.status == "error"
    assert cell.only.kind == "error"
    assert cell.only.text.startswith("KeyRefused: ")
    assert kernel.value("[(value, reply.status) for value, reply in nothing.items()]") == [[0, "failed"], [1, "failed"]]


def test_interrupt_ends_all_columns_and_keeps_what_had_arrived(kernel, chat_server):
    """Though the server goes on with none of them; the table is one output and marked."""
    chat_server.script(at(0, sse("Zero so far"), wait()), at(1, sse("One so far"), wait()), at(0.5, wait()))
    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if "Zero so far" in cell.html and "One so far" in cell.html and not pressed:
            pressed.append(True)
            kernel.interrupt()

    cell = kernel.run("%%chat --compare temperature=0,1,0.5 -o replies\nHello", on_output=interrupt)
    assert cell.status == "error"
    assert cell.reply["ename"] == "Interrupted"
    assert "Zero so far" in cell.only.html
    assert "One so far" in cell.only.html
    assert cell.only.html.count("Interrupted") == 3
    assert kernel.value("[(r.text, r.status) for r in replies]") == [
        ["Zero so far", "interrupted"],
        ["One so far", "interrupted"],
        ["", "interrupted"],
    ]
    kernel.ok("%%chat\nIt goes on.")


def test_comparison_replays_each_column(kernel, chat_server, tmp_path: Path):
    """Also where a value comes several times, and where cells have no ids: the columns keep their places."""
    kernel.ok(f"%cd -q {tmp_path}")
    cells = ["%%chat --compare temperature=0,0.5 -o two\nHello", "%%chat --compare temperature=1,1,1 -o three\nHello"]
    chat_server.script(
        at(0, sse("zero"), sse(finish="stop")),
        at(0.5, sse("half"), sse(finish="stop")),
        *(text_stream(f"one-{n}", contains='"temperature":1') for n in range(3)),
    )
    kernel.ok("%chat record lesson.jsonl")
    recorded = [kernel.ok(cell).only.plain for cell in cells]
    assert len((tmp_path / "lesson.jsonl").read_text().splitlines()) == 6
    before = (tmp_path / "lesson.jsonl").read_bytes()
    with running_kernel(cwd=tmp_path, LLMVISION_REPLAY="lesson.jsonl") as student:
        student.ok("%load_ext llmvision_magic")
        for _ in range(3):
            student.ok("%reload_ext llmvision_magic")
            again = [student.ok(cell) for cell in cells]
            assert [cell.only.plain for cell in again] == recorded
            assert "replayed" in again[0].only.html
            assert [message["msg_type"] for message in again[1].messages].count("display_data") == 1
    assert (tmp_path / "lesson.jsonl").read_bytes() == before


def test_terminal_shows_one_after_another_under_headings(chat_server, tmp_path):
    """A column that fails says why, and the next one is asked; an interrupt ends the rest."""
    no_keyring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with running_ipython(tmp_path, LLMVISION_BASE_URL=chat_server.url, **no_keyring) as ipython:
        ipython.run("%load_ext llmvision_magic")
        refused = {**failure(404, "no such model"), "contains": '"model":"b",'}
        chat_server.script(
            at('"a"', sse("From a."), sse(finish="stop"), name="model"),
            *[refused] * 2,
            at('"c"', sse("From c."), sse(finish="stop"), name="model"),
        )
        shown = ipython.run("%%chat --compare model=a,b,c -o replies\nHello")
        order = ["model = a", "From a.", "model = b", "has no model `b` (404)", "model = c", "From c."]
        assert [shown.find(text) for text in order] == sorted(shown.index(text) for text in order)
        assert shown.count("has no model `b` (404)") == 1
        assert "3" in ipython.run("len(replies)")
        chat_server.script(stream(sse("So far"), wait(), repeat=True))
        ipython.start("%%chat --compare model=d,e -o replies\nHello")
        ipython.shows("So far")
        ipython.press_ctrl_c()
        assert "model = e" not in ipython.finish().partition("Hello")[2]
        assert "['So far']" in ipython.run("[reply.text for reply in replies]")


@pytest.mark.model
def test_embedded_model_answers_all_columns():
    """It serves one at a time; the others wait, and end."""
    with running_kernel() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        cell = kernel.ok("%%chat --max-tokens 12 --compare temperature=0,0.5,1 -o replies\nName a colour.")
        assert all(kernel.value("[bool(reply.text) for reply in replies]"))
        assert cell.only.html.count("embedded model") == 3


@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join), min_size=2, max_size=3))
@example(["", "\t```"])
def test_columns_are_as_safe_as_replies(texts):
    """Nothing of a reply leaves its column: the table is whole, and so is each head in the Markdown."""
    replies = tuple(Reply(text, status="failed", notice=text) for text in texts)
    comparison = Comparison("x<y>", tuple(range(len(texts))), replies)
    bundle = comparison_bundle(comparison.heads(), comparison.replies)
    elements = Elements(bundle["text/html"].partition("</style>")[2])
    assert elements.complaints == []
    columns = [attributes for tag, attributes in elements.found if tag == "table" and attributes]
    assert columns == [{"class": "columns"}]
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "img", "iframe", "input", "form", "svg", "style", "y"}
    lines = bundle["text/markdown"].splitlines()
    heads = [line for line in lines if line.startswith("**x&lt;y&gt; ")]
    assert len(heads) >= len(texts)
    fence = max((line[: len(line) - len(line.lstrip("`"))] for line in lines), key=len)  # shorter ones are code
    assert len(fence) < 3 or sum(line.startswith(fence) for line in lines) % 2 == 0
