"""`%chat record`, `replay` and `live` in real kernels: a lesson that runs the same for everyone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.lab import write_notebook
from support.servers.scripting import close, done, failure, reply, sse, sse_usage, stream, text_stream, wait

from llmvision_magic import ChatClient, errors
from llmvision_magic.backends.recording.cassette_format import HEADER, Entry, line_of
from llmvision_magic.backends.recording.normalized import normalize
from llmvision_magic.backends.wire import Parameters, Request
from llmvision_magic.messages import Delta, Message

KEY = "sk-made-up-0123456789"

WATCHED = """
import sys
opened = []
def _watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"):
        opened.append(event)
sys.addaudithook(_watch)
"""
"""Notes each connection, look-up and process of the kernel, of whatever library."""


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, tmp_path_factory) -> Iterator[Kernel]:
    """One kernel for what needs no fresh one; each test loads the extension anew."""
    folder = tmp_path_factory.mktemp("notebooks")
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server_process.url, LLMVISION_API_KEY=KEY) as kernel:
        yield kernel


@pytest.fixture
def lesson(kernel: Kernel, tmp_path: Path) -> Path:
    """A path for a recording, in the working folder of the kernel."""
    kernel.ok(f"%cd -q {tmp_path}")
    return tmp_path / "lesson.jsonl"


@contextmanager
def offline(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel with no key, no server and no model, the extension loaded, and all connections noted."""
    with running_kernel(cwd=folder, LLMVISION_CACHE=str(folder / "no-cache"), **environment) as kernel:
        kernel.ok(WATCHED)
        kernel.ok("%load_ext llmvision_magic")
        yield kernel
        assert kernel.value("opened") == []


def records(path: Path) -> list[dict]:
    header, *lines = path.read_text().splitlines()
    assert header == HEADER
    return [json.loads(line) for line in lines]


def texts(path: Path) -> list[str]:
    """The first lines of the replies."""
    return [record["reply"]["text"].split("\n")[0] for record in records(path)]


def hand_written(path: Path, *answers: tuple[str, list[tuple[float, str]]]) -> None:
    """A recording of prompts to no chosen model with the timed pieces of their replies."""
    lines = []
    for prompt, pieces in answers:
        asked = normalize(Request("m", (Message("user", prompt),), Parameters()), is_default_model=True)
        events = [(seconds, Delta(text, model="m")) for seconds, text in pieces]
        end = events[-1][0]
        lines.append(line_of(Entry(asked, (*events, (end, Delta(finish_reason="stop", model="m"))), end)))
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def test_lesson_replays_without_a_key_a_model_or_a_connection(kernel, lesson, chat_server):
    """Text, ids, times, usage and history as recorded; the footer says so; nothing is opened and nothing is started."""
    chat_server.script(
        stream(sse("Some *Markdown*", role="assistant"), sse("."), sse(finish="stop"), sse_usage(5, 2), done()),
        text_stream("Second."),
    )
    kernel.ok("%chat record lesson.jsonl")
    cells = ["%%chat -o first -s 'Be brief.'\nHello", "%%chat -t 0.5 --no-stream -o second\nAnd then?"]
    shown = [kernel.ok(cell).only.plain for cell in cells]
    fields = "(r.text, r.model, r.id, r.created, r.finish_reason, r.usage and r.usage.total_tokens)"
    fields = f"[{fields} for r in (first, second)]"
    recorded = kernel.value(fields)
    assert KEY not in lesson.read_text()
    assert "authorization" not in lesson.read_text().lower()
    assert "127.0.0.1" not in lesson.read_text()
    with offline(lesson.parent) as student:
        student.ok("%chat replay lesson.jsonl")
        again = [student.ok(cell).only for cell in cells]
        assert [output.plain for output in again] == shown
        assert student.value(fields) == recorded
        assert "test-model · replayed · 5 → 2 tokens" in again[0].html
        assert "embedded" not in again[0].html
        assert again[0].metadata["llmvision"]["finish_reason"] == "stop"
        assert student.value("first.seconds") == records(lesson)[0]["reply"]["seconds"]
        assert "Hello" in student.ok("%chat history").plain
    assert len(chat_server.requests()) == 2


def test_recording_again_changes_nothing(kernel, lesson, chat_server):
    """The same answers leave the file byte by byte, in this kernel and in the next; another one changes its line."""
    cells = [
        "%load_ext llmvision_magic",
        "%chat record lesson.jsonl",
        "%%chat\none",
        "%%chat\ntwo",
        "%%chat --once\none",
    ]
    for cell_id, cell in enumerate(cells):
        kernel.ok(cell, cell_id=str(cell_id))
    before = lesson.read_bytes()
    assert len(records(lesson)) == 3
    for cell_id, cell in enumerate(cells):
        kernel.ok(cell, cell_id=str(cell_id))
    assert lesson.read_bytes() == before
    kernel.unload()
    for cell in cells:
        kernel.ok(cell)
    assert lesson.read_bytes() == before
    chat_server.script(text_stream("Another answer."))
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat -n new\none")
    assert texts(lesson)[0] == "Another answer."
    assert lesson.read_bytes().splitlines()[2:] == before.splitlines()[2:]


def test_same_request_twice_is_two_answers_in_order(kernel, lesson, chat_server):
    """Also when all cells are run again, when one is, and in a loop of Python in one cell."""
    loop = (
        "from llmvision_magic import ChatClient\n"
        "print(*(ChatClient().complete('Say a word.', temperature=1).text for _ in range(2)))"
    )
    cells = {"a": "%%chat --once -t 1\nSay a word.", "b": "%%chat --once -t 1\nSay a word.", "c": loop}
    chat_server.script(*(text_stream(f"Word{n}.") for n in range(4)))
    kernel.ok("%chat record lesson.jsonl")
    for cell_id, cell in cells.items():
        kernel.ok(cell, cell_id=cell_id)
    assert texts(lesson) == [f"Word{n}." for n in range(4)]
    chat_server.script(text_stream("Better."))
    kernel.ok(cells["b"], cell_id="b")  # run again while recording, it takes its own place
    assert texts(lesson) == ["Word0.", "Better.", "Word2.", "Word3."]
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:

        def run(cell_id: str) -> str:
            return student.ok(cells[cell_id], cell_id=cell_id).only.plain.strip()

        for _ in range(2):
            assert [run("a"), run("b"), run("c")] == ["Word0.", "Better.", "Word2. Word3."]
        assert [run("b"), run("a"), run("c")] == ["Better.", "Word0.", "Word2. Word3."]
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as terminal:  # no ids: it begins again after the last
        said = [terminal.ok(cells["a"]).only.plain for _ in range(6)]
        assert said == ["Word0.", "Better.", "Word2.", "Word3.", "Word0.", "Better."]


def test_request_that_is_not_recorded_shows_the_nearest_one(kernel, lesson, chat_server):
    """No model is asked; one error with the difference; the conversation goes on."""
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat -t 0.5\nExplain tuples in one sentence.")
    kernel.ok("%chat replay lesson.jsonl")
    cell = kernel.run("%%chat -n other -t 0.5\nExplain lists in one sentence.")
    assert cell.status == "error"
    assert cell.only.text == (
        "NotRecorded: lesson.jsonl has no answer to this request. The nearest one, in line 2, differs:\n"
        "    message 1 (user):\n"
        "    - Explain tuples in one sentence.\n"
        "    + Explain lists in one sentence.\n"
        "`%chat record lesson.jsonl` records it; `%chat replay lesson.jsonl --else live` asks the model."
    )
    assert (
        "temperature: 0.5 recorded, 0.7 asked"
        in kernel.run("%%chat -n third -t 0.7\nExplain tuples in one sentence.").plain
    )
    assert len(chat_server.requests()) == 1
    kernel.ok("%%chat -n fourth -t 0.5\nExplain tuples in one sentence.")


def test_else_live_asks_the_model_for_what_is_not_recorded(kernel, lesson, chat_server):
    """The footer tells one from the other."""
    chat_server.script(text_stream("Recorded."), text_stream("From the model."))
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat --once\none")
    kernel.ok("%chat replay lesson.jsonl --else live")
    assert "replayed" in kernel.ok("%%chat --once\none").only.html
    output = kernel.ok("%%chat --once\ntwo").only
    assert output.plain == "From the model."
    assert "replayed" not in output.html
    assert len(chat_server.requests()) == 2
    kernel.ok("%chat live")
    assert kernel.ok("%%chat --once\none").only.plain.startswith("echo: one")


def test_environment_replays_a_notebook_without_touching_it(tmp_path, chat_server):
    """From the environment, from .env, and relative to the notebook's folder also after it moved on."""
    hand_written(tmp_path / "lesson.jsonl", ("Hello", [(0.1, "Hello to you.")]))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".env").write_text("LLMVISION_REPLAY=lesson.jsonl\n")
    for environment in ({}, {"LLMVISION_REPLAY": "lesson.jsonl"}):
        with offline(tmp_path, **environment) as student:
            assert student.ok("%%chat\nHello").only.plain == "Hello to you."
            status = student.ok("%chat status").plain
            assert "replaying `lesson.jsonl`, 1 request" in status
            assert f"LLMVISION_REPLAY ({'environment' if environment else '.env'})" in status
            if environment:
                student.ok("%cd -q elsewhere")
                assert student.ok("%%chat --once\nHello").only.plain == "Hello to you."
    off = {"LLMVISION_REPLAY": "off", "LLMVISION_BASE_URL": chat_server.url}
    with running_kernel(cwd=tmp_path, **off) as kernel:
        kernel.ok(WATCHED)
        kernel.ok("%load_ext llmvision_magic")
        assert "Nothing is replayed" in kernel.ok("%chat replay lesson.jsonl").plain
        assert kernel.ok("%%chat\nHello").only.plain.startswith("echo: Hello")
        assert "socket.connect" in kernel.value("opened")  # so it would be noted above


def test_environment_records_and_a_stronger_place_wins(tmp_path, chat_server):
    """A teacher records a notebook whose folder says that it is replayed; both in one place is an error."""
    (tmp_path / ".env").write_text("LLMVISION_REPLAY=lesson.jsonl\n")
    record = {"LLMVISION_RECORD": "lesson.jsonl", "LLMVISION_BASE_URL": chat_server.url}
    with running_kernel(cwd=tmp_path, **record) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok("%%chat\nHello")
        assert texts(tmp_path / "lesson.jsonl") == [kernel.ok("%chat history") and "echo: Hello"]
        kernel.ok("import os; os.environ['LLMVISION_REPLAY'] = 'lesson.jsonl'")
        assert "are both set (environment)" in kernel.run("%%chat\nHello").plain


def test_wrong_place_of_the_environment_is_one_sentence(tmp_path, chat_server):
    """A replay that cannot be is an error before anything is sent; a recording that cannot be ends no chat."""
    (tmp_path / "data.csv").write_text("a,b\n")
    with running_kernel(cwd=tmp_path, LLMVISION_BASE_URL=chat_server.url) as kernel:
        kernel.ok("%load_ext llmvision_magic\nimport os")
        kernel.ok("os.environ['LLMVISION_REPLAY'] = 'nowhere.jsonl'")
        cell = kernel.run("%%chat\nHello")
        assert cell.only.text.startswith("InvalidInput: There is no recording nowhere.jsonl (in ")
        assert "There is no recording" in kernel.ok("%chat status").plain
        kernel.ok("os.environ['LLMVISION_REPLAY'] = 'data.csv'")
        assert "is no recording" in kernel.run("%%chat\nHello").plain
        assert chat_server.requests() == []
        kernel.ok("del os.environ['LLMVISION_REPLAY']; os.environ['LLMVISION_RECORD'] = 'data.csv'")
        output = kernel.ok("%%chat\nHello").only
        assert output.plain.startswith("echo: Hello")
        assert "Not recorded (LLMVISION_RECORD (environment)): data.csv is no recording" in output.html
        assert "Not recorded" not in kernel.ok("%%chat\nHello").only.html  # said once
        assert (tmp_path / "data.csv").read_text() == "a,b\n"
        kernel.ok("os.environ['LLMVISION_RECORD'] = 'lesson.jsonl'")
        kernel.ok("%%chat --once\nHello")
        assert len(records(tmp_path / "lesson.jsonl")) == 1


@pytest.mark.parametrize("name", ["my lesson.jsonl", "it's mine.jsonl", 'a "b" c.jsonl', "übung-1.jsonl"])
def test_advice_can_be_typed_as_it_stands(kernel, lesson, chat_server, name):
    """A path is quoted where it must be: each command in a sentence does what the sentence says."""

    def advised(cell: Cell, number: int = 0) -> str:
        return re.findall(r"`(%chat [^`]*)`", cell.plain)[number]

    path = lesson.parent / name
    escaped = name.replace('"', '\\"')
    refused = kernel.run(f'%chat replay "{escaped}"')
    assert f"There is no recording {name} " in refused.plain
    kernel.ok(advised(refused))
    assert path.exists()
    kernel.ok(f'%chat replay "{escaped}"')
    cell = kernel.run("%%chat --once\nHello")
    assert f"{name} holds no requests yet" in cell.plain
    kernel.ok(advised(cell))
    kernel.ok("%%chat --once\nHello")
    kernel.ok(f'%chat replay "{escaped}"')
    cell = kernel.run("%%chat --once\nGoodbye")
    kernel.ok(advised(cell, 1))
    assert kernel.ok("%%chat --once\nGoodbye").only.plain.startswith("echo: Goodbye")
    kernel.ok(advised(cell))
    kernel.ok("%%chat --once\nGoodbye")
    assert texts(path) == ["echo: Hello", "echo: Goodbye"]
    assert [one.name for one in lesson.parent.glob("*.jsonl")] == [name]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('record a "b\\" c.jsonl"', """`%chat record 'a b" c.jsonl'`"""),
        ("record nowhere/lesson.jsonl", "cannot be written"),
        ("record .", "it is a folder and no file"),
        ("record a b.jsonl", 'a path with spaces stands in quotes: `%chat record "a b.jsonl"`'),
        ("replay a b.jsonl --speed 0", 'a path with spaces stands in quotes: `%chat replay "a b.jsonl"`'),
        ("replay nowhere.jsonl", "There is no recording nowhere.jsonl"),
        ("replay lesson.jsonl --speed fast", "a number from 0 to 1,000,000"),
        ("replay lesson.jsonl --speed -1", "a number from 0 to 1,000,000"),
        ("replay lesson.jsonl --speed 1e9", "a number from 0 to 1,000,000"),
        ("replay lesson.jsonl --else maybe", "expected live"),
        ("replay lesson.jsonl --sped 1", "no option `--sped`"),
        ("replay --speed 1", "takes the path of one file"),
        ("live now", "takes nothing"),
    ],
)
def test_bad_line_is_one_sentence_and_changes_nothing(kernel, lesson, chat_server, line, said):
    """Requests go on to the model."""
    cell = kernel.run(f"%chat {line}")
    assert cell.status == "error"
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert kernel.ok("%%chat\nHello").only.plain.startswith("echo: Hello")
    assert "nothing is recorded or replayed" in kernel.ok("%chat status").plain


@pytest.mark.parametrize("where", ["prompt", "reply"])
def test_key_that_is_a_word_of_the_lesson_is_masked_and_the_lesson_replays(kernel, lesson, chat_server, where):
    """Recorded again it stays the same file; a student without the key and one with it get each answer."""
    cells = [
        f"%%chat\nWhat is a good {'password' if where == 'prompt' else 'word'}?",
        "%%chat\nWhy?",
        "%%chat --once --compare temperature=0,1\nAnd is password one?",
    ]
    kernel.ok("import os\nos.environ['LLMVISION_API_KEY'] = 'password'")
    try:
        sizes = []
        for _ in range(2):
            answers = ["password is none.", "So it is."] if where == "reply" else ["None is.", "So it is."]
            chat_server.script(*(text_stream(answer) for answer in answers), *[text_stream("No.")] * 2)
            kernel.load_anew()
            kernel.ok("%chat record lesson.jsonl")
            for cell in cells:
                kernel.ok(cell)
            page = kernel.ok("%chat record").plain
            assert "Lines 2, 3, 4, 5 hold `•••` where the key stood in what was asked or answered" in page
            assert "not asked" not in kernel.ok("%chat live").plain
            sizes.append(lesson.read_bytes())
        assert sizes[0] == sizes[1]
        assert "password" not in lesson.read_text()
        kernel.load_anew()
        kernel.ok("%chat replay lesson.jsonl")
        with_key = [kernel.ok(cell).only.plain for cell in cells]
        shown = kernel.run("%%chat -n other\nIs password a bad one?").plain
        assert "Is ••• a bad one?" in shown
    finally:
        kernel.ok(f"os.environ['LLMVISION_API_KEY'] = {KEY!r}")
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:
        assert [student.ok(cell).only.plain for cell in cells] == with_key
    assert with_key[1] == "So it is."
    assert with_key[0] == ("••• is none." if where == "reply" else "None is.")


def test_getters_status_and_live_say_what_goes_on(kernel, lesson, chat_server):
    """Where it came from, how many, and which lines are no longer asked."""
    assert "Nothing is being recorded" in kernel.ok("%chat record").plain
    assert "Nothing is being replayed" in kernel.ok("%chat replay").plain
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat --once\none")
    kernel.ok("%%chat --once\ntwo")
    assert "Recording into `lesson.jsonl`, 2 requests (%chat record)" in kernel.ok("%chat record").plain
    assert "| recording | recording into `lesson.jsonl`, 2 requests | %chat record |" in kernel.ok("%chat status").plain
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat --once\none")
    assert "is no longer recorded. Line 3 was not asked since" in kernel.ok("%chat live").plain
    assert (
        "Replaying `lesson.jsonl`: 2 requests, 2 times as fast"
        in kernel.ok("%chat replay lesson.jsonl --speed 2").plain
    )
    assert "(%chat replay)" in kernel.ok("%chat replay").plain
    assert "is no longer replayed." in kernel.ok("%chat live").plain
    assert "nothing was being" in kernel.ok("%chat live").plain
    assert "record" in kernel.complete("%chat re")
    assert "--speed" in kernel.complete("%chat replay lesson.jsonl --")


def test_server_that_refuses_is_kept_and_what_is_of_the_moment_is_not(kernel, lesson, chat_server):
    """A refusal is replayed as the error it was; busy, a wrong key, a cut line leave what was recorded before."""
    kernel.ok("%chat set retries 0")
    kernel.ok("%chat record lesson.jsonl")
    chat_server.script(*[failure(400, "top_k is unknown")] * 2)  # it is asked once more without the usage
    refused = kernel.run("%%chat --once --param top_k=3\nHello").plain
    kernel.ok("%%chat --once\nHello")
    before = lesson.read_bytes()
    assert chat_server.root not in before.decode()
    kernel.ok("%chat record lesson.jsonl")
    for trouble in (failure(503), failure(429), failure(401), stream(close()), stream(sse("Ech"), close())):
        chat_server.script(trouble)
        assert kernel.run("%%chat --once\nHello").status == "error"
    assert lesson.read_bytes() == before
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:
        again = student.run("%%chat --once --param top_k=3\nHello")
        assert again.status == "error"
        assert again.plain == refused.replace(chat_server.url, "the place of the recording")
        assert "top_k is unknown" in again.plain
        assert student.ok("%%chat --once\nHello").only.plain.startswith("echo: Hello")


def test_interrupted_reply_is_not_kept(kernel, lesson, chat_server):
    """The teacher asks again, and that is recorded."""
    chat_server.script(stream(sse("So far"), wait(), sse(" never.")))
    kernel.ok("%chat record lesson.jsonl")

    def interrupt(cell: Cell) -> None:
        if "So far" in cell.html and not cell.reply:
            kernel.interrupt()

    kernel.run("%%chat\nHello", on_output=interrupt, watched=True)
    assert records(lesson) == []
    kernel.ok("%%chat\nHello")
    assert texts(lesson) == ["echo: Hello"]


def test_busy_server_leaves_no_trace_in_the_times(kernel, lesson, chat_server):
    """What is waited before a retry is no part of the lesson."""
    chat_server.script(failure(503, headers={"Retry-After": "1"}), text_stream("Hi."))
    kernel.ok("%chat record lesson.jsonl")
    messages = kernel.ok("%%chat\nHello").messages
    whole = messages[-1]["header"]["date"] - messages[0]["header"]["date"]
    assert records(lesson)[0]["reply"]["seconds"] < whole.total_seconds() - 1


def test_choices_empty_replies_and_the_limit_come_back(kernel, lesson, chat_server):
    """Whatever a reply was, it is again."""
    chat_server.script(
        stream(sse("One", index=0), sse("Two", index=1), sse(finish="stop"), sse(finish="length", index=1), done()),
        reply("", finish="stop"),
        text_stream("Cut off", finish="length"),
    )
    kernel.ok("%chat record lesson.jsonl")
    cells = ["%%chat --once --param n=2 -o r\nHello", "%%chat --once -o s\nEmpty", "%%chat --once -o t\nLong"]
    fields = "[[(c.message.content, c.finish_reason) for c in x.choices] + [x.notice] for x in (r, s, t)]"
    ends = [kernel.run(cell).status for cell in cells]
    assert ends == ["ok", "error", "ok"]
    recorded = kernel.value(fields)
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:
        assert [student.run(cell).status for cell in cells] == ends
        assert student.value(fields) == recorded
        assert "2 of 2" in student.ok(cells[0]).only.html
        assert "limit of tokens" in student.ok(cells[2]).only.html


def test_values_images_fix_and_continue_are_replayed(kernel, lesson, chat_server):
    """What is fed into a prompt is part of the request; an image is its digest."""
    setup = (
        "import base64, zlib, struct\n"
        "def chunk(kind, data):\n"
        "    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n"
        "def picture(size):\n"
        "    head = struct.pack('>IIBBBBB', size, size, 8, 0, 0, 0, 0)\n"
        "    data = zlib.compress((b'\\0' + b'\\7' * size) * size)\n"
        "    return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + chunk(b'IDAT', data) + chunk(b'IEND', b'')\n"
        "_ = [open(f'{n}.png', 'wb').write(picture(n)) for n in (2, 3)]\nx = 41"
    )
    cells = [
        "%%chat --once\nIs {{x + 1}} the answer?",
        "%%chat --once -i 2.png\nWhat is it?",
        "%chat fix",
        "%%chat -n long\nGo on.",
        "%chat continue -n long",
    ]
    chat_server.script(
        *(text_stream(f"Reply {n}.") for n in range(3)),
        text_stream("Once upon", finish="length"),
        text_stream(" a time."),
    )
    shown = []
    with offline(lesson.parent) as student:
        for one in (kernel, student):
            one.ok(setup)
            one.ok(f"%chat {'record' if one is kernel else 'replay'} lesson.jsonl")
            one.run("1 / 0")
            shown.append([one.ok(cell).only.plain for cell in cells])
        assert "image_url" in student.run("%%chat --once -i 3.png\nWhat is it?").plain
        assert student.run("%%chat --once\nIs {{x + 2}} the answer?").only.text.splitlines()[2:4] == [
            "    - Is 42 the answer?",
            "    + Is 43 the answer?",
        ]
    assert shown[0] == shown[1]
    assert shown[1][-1] == "Once upon a time."
    assert "base64" not in lesson.read_text()


def test_prompts_with_sets_are_replayed_in_a_kernel_where_sets_have_another_order(tmp_path, chat_server):
    """In a value, in a text that was made of one, and in a traceback."""
    cells = [
        "tags = {'pear', 'apple', 'fig', 'quince'}",
        "%%chat\nWhich is no fruit? {{tags}}",
        "%%chat -a [tags]\n{{f'Of {tags}?'}} {{str(frozenset(tags))}}",
        "raise ValueError(f'unknown: {tags}')",
        "%chat fix",
    ]

    def run(kernel: Kernel) -> list[Cell]:
        return [kernel.run(cell) for cell in cells]

    url = chat_server.url
    with running_kernel(cwd=tmp_path, LLMVISION_BASE_URL=url, LLMVISION_RECORD="a.jsonl", PYTHONHASHSEED="1") as one:
        one.ok("%load_ext llmvision_magic")
        recorded = run(one)
        order = one.value("list(tags)")
    assert len(chat_server.requests()) == 3
    assert "{'apple', 'fig', 'pear', 'quince'}" in chat_server.requests()[0].json["messages"][-1]["content"]
    with offline(tmp_path, LLMVISION_REPLAY="a.jsonl", PYTHONHASHSEED="2") as other:
        replayed = run(other)
        assert other.value("list(tags)") != order
    assert [cell.status for cell in replayed] == ["ok", "ok", "ok", "error", "ok"]
    assert [cell.plain for cell in replayed if cell.status == "ok"] == [
        cell.plain for cell in recorded if cell.status == "ok"
    ]


def test_turns_left_out_when_recording_are_left_out_when_replaying(kernel, lesson, chat_server):
    """A context that was too small is as small again."""
    error = {"code": "context_length_exceeded", "n_prompt_tokens": 900, "n_ctx": 500}
    chat_server.script(
        text_stream("One."), text_stream("Two."), failure(400, "too long", **error), text_stream("Three.")
    )
    kernel.ok("%chat record lesson.jsonl")
    cells = ["%%chat\n" + "first " * 50, "%%chat\nsecond", "%%chat\nthird"]
    for cell in cells:
        kernel.ok(cell)
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:
        outputs = [student.ok(cell).only for cell in cells]
        assert outputs[2].plain == "Three."
        assert "context full: 1 oldest turn not sent" in outputs[2].html


def test_beginning_of_a_conversation_is_no_answer_in_its_middle(kernel, lesson, chat_server):
    """The same prompt after other turns is another request, and no context was full."""
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok("%%chat\nHello")
    kernel.ok("%chat replay lesson.jsonl")
    cell = kernel.run("%%chat\nHello")
    assert "NotRecorded" in cell.only.text
    kernel.ok("%chat replay lesson.jsonl --else live")
    kernel.ok("%%chat\nHello")
    assert len(chat_server.requests()[-1].json["messages"]) == 3


def test_chat_client_and_background_are_replayed(kernel, lesson, chat_server):
    """In Python whole and streamed, with a client of its own key too; in the background by its display id."""
    code = (
        "from llmvision_magic import ChatClient\n"
        "with ChatClient(api_key='sk-own-0123456789') as client:\n"
        "    reply = client.complete('Hello')\n"
        "    pieces = [delta.text for delta in client.stream('And again')]\n"
    )
    kernel.ok("%chat record lesson.jsonl")
    kernel.ok(code)
    kernel.ok("%%chat --background\nLater", watched=True)
    chat_server.ended(3)
    kernel.ok("import time\nwhile _session().arriving: time.sleep(0.01)".replace("_session()", SESSION))
    expected = kernel.value("[reply.text, reply.id, pieces]")
    assert len(records(lesson)) == 3
    assert "sk-own" not in lesson.read_text()
    with offline(lesson.parent, LLMVISION_REPLAY="lesson.jsonl") as student:
        student.ok(code)
        assert student.value("[reply.text, reply.id, pieces]") == expected
        assert student.value("reply.seconds") == records(lesson)[0]["reply"]["seconds"]
        student.ok("%%chat --background -o later\nLater", watched=True)
        student.ok(f"import time\nwhile {SESSION}.arriving: time.sleep(0.01)")
        assert student.value("later.text").startswith("echo: Later")
        assert student.value("client.models()") == ["SenseCharacter-20250124-01"]


SESSION = "get_ipython()._llmvision_magic.magics.session"


def test_replays_that_stream_at_once_are_each_their_own(kernel, lesson, chat_server):
    """Several cells in the background, recorded while they stream at the same time: no line is lost or mixed."""
    prompts = [f"prompt {n}" for n in range(6)]
    chat_server.script(
        *(stream(sse(f"to {p}"), wait(), sse(finish="stop"), done(), contains=f'"{p}"') for p in prompts)
    )
    kernel.ok("%chat record lesson.jsonl")
    for prompt in prompts:
        kernel.ok(f"%%chat --once --background -n {prompt.replace(' ', '-')}\n{prompt}", watched=True)
        chat_server.holding(count=prompts.index(prompt) + 1)
    chat_server.release(count=len(prompts))
    kernel.ok("import threading\n[t.join() for t in threading.enumerate() if 'background' in t.name]")
    assert texts(lesson) == [f"to {prompt}" for prompt in prompts]


def test_program_replays_by_an_argument(tmp_path):
    """Outside notebooks, without anything set; what is not in the file is the error of the magics."""
    hand_written(tmp_path / "lesson.jsonl", ("Hello", [(0.5, "Hello "), (900.0, "to you.")]))
    with ChatClient(replay=tmp_path / "lesson.jsonl", replay_speed=0) as client:
        assert client.complete("Hello").text == "Hello to you."
        assert [delta.text for delta in client.stream("Hello")] == ["Hello ", "to you.", ""]
        assert client.models() == ["m"]
        with pytest.raises(errors.NotRecorded, match="Goodbye"):
            client.complete("Goodbye")


@pytest.mark.model
def test_lesson_of_the_embedded_model_needs_no_model(tmp_path):
    """Recorded with it and a context that gets too small; replayed where no model file is."""
    cells = [f"%%chat --max-tokens 40 -t 0\n{'Tell me more about cats. ' * 20}{n}" for n in range(4)]
    with running_kernel(cwd=tmp_path, LLMVISION_LOCAL_CONTEXT="512") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok("%chat record lesson.jsonl")
        recorded = [kernel.ok(cell).only for cell in cells]
    assert "context full" in recorded[-1].html
    with offline(tmp_path, LLMVISION_REPLAY="lesson.jsonl") as student:
        replayed = [student.ok(cell).only for cell in cells]
    assert [one.plain for one in replayed] == [one.plain for one in recorded]
    footers = [[re.sub(r"[\d.]+ s\b", "", one.html) for one in outputs] for outputs in (recorded, replayed)]
    assert [footer.replace("embedded model", "replayed") for footer in footers[0]] == footers[1]


def test_disk_that_fails_ends_no_chat(kernel, tmp_path, chat_server):
    """The folder is gone for a while: the reply is there, one sentence says it, nothing is lost."""
    folder = tmp_path / "folder"
    folder.mkdir()
    kernel.ok(f"%chat record {folder}/lesson.jsonl")
    kernel.ok("%%chat --once\nfirst")
    folder.rename(tmp_path / "elsewhere")
    output = kernel.ok("%%chat --once\nsecond").only
    assert output.plain.startswith("echo: second")
    assert "Not recorded: " in output.html
    assert "cannot be written" in output.html
    assert "Not recorded: " in kernel.ok("%chat status").plain
    (tmp_path / "elsewhere").rename(folder)
    assert "Not recorded" not in kernel.ok("%%chat --once\nthird").only.html
    assert texts(folder / "lesson.jsonl") == ["echo: first", "echo: second", "echo: third"]


def test_full_disk_keeps_what_is_there(tmp_path, chat_server):
    """A limit of the system stands for it: the file is as it was, and what did not fit comes with the next."""
    program = (
        "import resource, warnings\n"
        "from llmvision_magic import ChatClient\n"
        "client = ChatClient()\n"
        "print(client.complete('first').text.split('\\n')[0])\n"
        "size = len(open('lesson.jsonl').read())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    print(client.complete('second').text.split('\\n')[0])\n"
        "print(told[0].message)\n"
        "print(len(open('lesson.jsonl').read()) == size)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "list(client.stream('third'))\n"
    )
    environment = {"LLMVISION_BASE_URL": chat_server.url, "LLMVISION_RECORD": "lesson.jsonl"}
    first, second, told, kept = _run(["-c", program], environment, cwd=tmp_path).splitlines()
    assert (first, second, kept) == ("echo: first", "echo: second", "True")
    assert told.startswith("Not recorded: ")
    assert texts(tmp_path / "lesson.jsonl") == ["echo: first", "echo: second", "echo: third"]


def test_speed_is_that_of_the_recording_where_somebody_looks_on(kernel, lesson):
    """Stop works in a gap; tools that run notebooks get the reply without its gaps, and as one output."""
    hand_written(lesson, ("Hello", [(0.0, "Before the gap. "), (1000.0, "After it.")]))
    kernel.ok("%chat replay lesson.jsonl")
    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if "Before the gap" in cell.html and not pressed:
            pressed.append(True)
            kernel.interrupt()

    cell = kernel.run("%%chat --once\nHello", watched=True, on_output=interrupt)
    assert cell.status == "error"
    assert cell.only.plain == "Before the gap. "
    assert "Interrupted" in cell.only.html
    assert "replayed" in cell.only.html
    quick = kernel.ok("%%chat --once\nHello")
    assert quick.only.plain == "Before the gap. After it."
    assert [message["msg_type"] for message in quick.messages].count("display_data") == 1
    assert "1000.0 s" in quick.only.html
    for speed in ("0", "100000"):
        kernel.ok(f"%chat replay lesson.jsonl --speed {speed}")
        assert kernel.ok("%%chat --once\nHello", watched=True).only.plain == "Before the gap. After it."


def test_time_that_no_reply_takes_is_one_sentence(kernel, lesson):
    """A line edited by hand is named with its file, also where it is the only one; a slow replay can be stopped."""
    hand_written(lesson, ("Hello", [(0.0, "Now. "), (1e12, "Never.")]), ("And?", [(0.0, "Now. "), (1e5, "Later.")]))
    assert "Line 2 of lesson.jsonl cannot be read" in kernel.ok("%chat replay lesson.jsonl --speed 1").plain
    cell = kernel.run("%%chat --once\nHello")
    assert cell.only.text.startswith("NotRecorded: ")
    assert "Line 2 of lesson.jsonl cannot be read (a time in it is not from 0 to 1,000,000 seconds)" in cell.only.text
    kernel.ok("%chat replay lesson.jsonl --speed 1e-300")

    def interrupt(cell: Cell) -> None:
        if "Now." in cell.html:
            kernel.interrupt()

    stopped = kernel.run("%%chat --once\nAnd?", watched=True, on_output=interrupt)
    assert stopped.reply["ename"] == "Interrupted"
    hand_written(lesson, ("Hello", [(1e12, "Never.")]))
    kernel.ok("%chat replay lesson.jsonl --speed 1")
    assert "Line 2 of lesson.jsonl cannot be read" in kernel.run("%%chat --once\nHello").only.text


def test_recording_that_holds_nothing_says_so(kernel, lesson):
    """When it is begun to be replayed, when that is asked for, and when a prompt comes."""
    lesson.write_text(HEADER + "\n")
    said = "Replaying `lesson.jsonl`, at once: it holds no requests yet."
    assert kernel.ok("%chat replay lesson.jsonl --speed 0").plain.strip() == said
    assert "Replaying `lesson.jsonl`, 0 requests, at once (%chat replay)" in kernel.ok("%chat replay").plain
    assert "lesson.jsonl holds no requests yet" in kernel.run("%%chat\nHello").plain
    assert kernel.ok("%chat record lesson.jsonl").plain.strip() == "Recording into `lesson.jsonl`."


def test_ordinary_chat_loads_nothing_of_it(chat_server):
    """A first chat pays nothing for what it does not use."""
    with running_kernel(LLMVISION_BASE_URL=chat_server.url) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok("%%chat\nHello")
        kernel.ok("%chat ask Hello?")
        loaded = kernel.value("list(__import__('sys').modules)")
        assert [name for name in loaded if name.startswith("llmvision_magic.backends.recording")] == []


def test_notebook_with_its_outputs_passes_nbval_strictly(kernel, lesson, chat_server):
    """Recorded, run from the recording, saved: each output is compared, and no server is asked."""
    cells = [
        "%load_ext llmvision_magic",
        "%chat replay lesson.jsonl",
        "%%chat -o r\nExplain *tuples*.\n\n- one\n- two",
        "%%chat --max-tokens 2\nGo on.",
        "%chat continue",
        "r",
        "%%chat --compare temperature=1,0.5,1 -o c\nSay *something*.",
        "[(value, len(reply.text)) for value, reply in c.items()]",
        "from llmvision_magic import ChatClient\nprint(*(d.text for d in ChatClient().stream('Hello')), sep='|')",
    ]
    for cell in [cell.replace("replay", "record") for cell in cells]:
        kernel.ok(cell)
    path = lesson.parent / "lesson.ipynb"
    write_notebook(path, *cells)
    environment = {"LLMVISION_JOURNAL": "off", "LLMVISION_CACHE": str(lesson.parent / "no-cache")}
    _run([*("-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace"), str(path)], environment)
    saved = nbformat.read(path, 4)
    assert all(len(cell.outputs) == 1 for cell in saved.cells[1:])
    assert "replayed" in saved.cells[2].outputs[0].data["text/html"]
    requests = len(chat_server.requests())
    _run(["-m", "pytest", "--nbval", "-o", "addopts=", "-p", "no:cacheprovider", str(path)], environment)
    assert len(chat_server.requests()) == requests


def _run(arguments: list[str], environment: dict[str, str], cwd: Path | None = None) -> str:
    """What a Python of its own prints."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LLMVISION_", "PYTEST_"))}
    run = subprocess.run(
        [sys.executable, *arguments],
        env={**variables, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout
