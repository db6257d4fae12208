"""What is kept, and found again, through real kernels: resume, log, save, load, export, and the journal's troubles."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import nbformat
import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.panels import PanelPage
from support.servers.control import ChatServer
from support.servers.scripting import sse, stream, text_stream, wait

KEY = "sk-unmistakable-5d8e1f60a7b3"
Start = Callable[..., AbstractContextManager[Kernel]]


@pytest.fixture
def start(chat_server: ChatServer, tmp_path: Path) -> Start:
    """Starts kernels that share a journal and a working folder."""

    def started(**environment: str) -> AbstractContextManager[Kernel]:
        given = {"LLMVISION_JOURNAL": str(tmp_path / "kept" / "journal.sqlite3"), "LLMVISION_API_KEY": KEY}
        return running_kernel(cwd=tmp_path, **{"LLMVISION_BASE_URL": chat_server.url, **given, **environment})

    return started


@pytest.fixture
def kernel(start: Start) -> Iterator[Kernel]:
    """One kernel with the extension loaded."""
    with start(JPY_SESSION_NAME="/notebooks/lecture.ipynb") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


def contents(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def kill_when(kernel: Kernel, condition: Callable[[Cell], bool]) -> Callable[[Cell], None]:
    """End the kernel as `kill -9` does, in the middle of its cell; the test goes on at `Killed`."""

    def look(cell: Cell) -> None:
        if condition(cell):
            os.kill(kernel.pid, signal.SIGKILL)
            kernel.manager.provisioner.process.wait()
            raise Killed

    return look


class Killed(Exception):
    """The kernel is no more."""


def text_on_disk(path: Path) -> str:
    """The text of the newest turn, as another process reads it."""
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT text FROM reply ORDER BY turn DESC LIMIT 1").fetchone()[0]
    finally:
        connection.close()


def test_reply_that_the_end_of_its_kernel_ended_is_not_blamed_on_the_server(start: Start, chat_server: ChatServer):
    """A kernel that is restarted in the middle of a panel's reply, in good order."""
    chat_server.script(stream(sse("So far and no"), wait(), sse(" further")))
    with start() as old:
        old.ok("%load_ext llmvision_magic")
        page = PanelPage(old)
        page.ask("first")
        page.until(lambda: any("So far" in str(message.get("tail")) for message in page.messages))
        old.manager.shutdown_kernel()
    with start() as new:
        new.ok("%load_ext llmvision_magic")
        new.ok("%chat resume 1")
        said = new.ok("%chat history").plain
        assert "So far and no" in said
        assert "Interrupted" in said
        assert "closed the connection" not in said


def test_killed_kernel_loses_nothing_that_was_on_disk(start: Start, chat_server: ChatServer, tmp_path: Path):
    """Killed in the middle of a reply: a new kernel goes on with it, and says that variables are gone."""
    chat_server.script(text_stream("One."), stream(sse("So far and no"), wait(), sse(" further")))
    notebook = {"JPY_SESSION_NAME": "/notebooks/lecture.ipynb"}
    file = tmp_path / "kept" / "journal.sqlite3"
    with start(**notebook) as old:
        old.ok("%load_ext llmvision_magic")
        old.ok("%%chat -n tutor -s 'Be kind.' -t 0.5\nfirst")
        old.ok("%chat set temperature 0.25")
        # A silent server is told every second, so that the cell has messages at which to look.
        with pytest.raises(Killed):
            old.run("%%chat\nsecond", on_output=kill_when(old, lambda cell: text_on_disk(file) == "So far and no"))
    with start(**notebook) as new:
        new.ok("%load_ext llmvision_magic")
        listed = new.ok("%chat resume").plain
        assert "lecture.ipynb" in listed
        assert "tutor" in listed
        said = new.ok("%chat resume 1").plain
        assert "after 2 turns" in said
        assert "variables of the old one are gone" in said
        assert "ended while the last reply arrived; `%chat continue` goes on with it" in said
        history = new.ok("%chat history").plain
        assert "So far and no" in history
        assert "The kernel ended while this reply arrived" in history
        new.ok("%%chat\nthird")
        sent = chat_server.requests()[2]
        assert contents(sent) == [
            ("system", "Be kind."),
            ("user", "first"),
            ("assistant", "One."),
            ("user", "second"),
            ("assistant", "So far and no"),
            ("user", "third"),
        ]
        assert sent.json["temperature"] == 0.25
        assert "is here already" in new.ok("%chat resume tutor").plain


def test_killed_before_any_text_has_the_prompt_on_disk(start: Start, chat_server: ChatServer):
    """When the server has the request the disk has the turn; the conversation stands where it stood."""
    chat_server.script(text_stream("One."), stream(wait(), sse("never")))
    with start() as old:
        old.ok("%load_ext llmvision_magic")
        old.ok("%%chat\nfirst")

        def the_server_has_it(cell: Cell) -> bool:
            return len(chat_server.requests()) == 2

        with pytest.raises(Killed):
            old.run("%%chat\nsecond unanswered", on_output=kill_when(old, the_server_has_it))
    with start() as new:
        new.ok("%load_ext llmvision_magic")
        assert "does not tell this notebook's name" in new.ok("%chat resume").plain
        assert "second unanswered" in new.ok("%chat log unanswered").plain
        said = new.ok("%chat resume main").plain
        assert "after 1 turn" in said
        assert "`%chat retry` asks its prompt again" in said
        chat_server.reset()
        new.ok("%chat retry")
        assert contents(chat_server.requests()[0])[-1] == ("user", "second unanswered")


def test_resume_beside_a_conversation_of_that_name(start: Start, chat_server: ChatServer):
    """Both stay; the resumed one gets another name. A number holds as it was listed; an id does too."""
    chat_server.script(text_stream("One."), text_stream("Two."), text_stream("Three."))
    with start(JPY_SESSION_NAME="/notebooks/a.ipynb") as old:
        old.ok("%load_ext llmvision_magic")
        old.ok("%%chat\nfirst")
        old.ok("%%chat -n other\nsecond")
        with start(JPY_SESSION_NAME="/notebooks/b.ipynb") as new:
            new.ok("%load_ext llmvision_magic")
            new.ok("%%chat\nmine")
            listed = new.ok("%chat resume").plain
            assert "This notebook has no earlier conversations" in listed
            rows = [line.split("|")[1:-1] for line in listed.splitlines() if line.startswith("| ")]
            assert [row[2].strip() for row in rows[1:]] == ["other", "main"]
            assert "called **main-2** now" in new.ok("%chat resume 2").plain
            assert "**other** goes on" in new.ok(f"%chat resume {rows[1][1].strip()}").plain
            assert {"main", "main-2", "other"} <= set(new.ok("%chat list").plain.replace("|", " ").split())


def test_head_and_settings_changed_by_verbs_are_kept_and_drop_is_for_good(kernel: Kernel, start: Start):
    """What a verb changes is on disk when it is done."""
    kernel.ok("%%chat -n tutor\nhello")
    kernel.ok("%chat set max_tokens 77")
    kernel.ok("%chat system Ask back.")
    kernel.ok("%%chat -n secret\nunmistakable")
    kernel.ok("%chat drop secret")
    with start() as new:
        new.ok("%load_ext llmvision_magic")
        assert "secret" not in new.ok("%chat resume").plain
        assert "Nothing that is kept" in new.ok("%chat log unmistakable").plain
        new.ok("%chat resume tutor")
        assert "77" in new.ok("%chat set").plain
        assert "Ask back." in new.ok("%chat system").plain


def test_reloaded_extension_resumes_with_its_variables(kernel: Kernel, chat_server: ChatServer):
    """The kernel is the same: nothing is gone, and what is said afterwards is kept with what was said before."""
    kernel.ok("%%chat\nhello")
    kernel.ok("%reload_ext llmvision_magic")
    said = kernel.ok("%chat resume main").plain
    assert "here already" in said
    assert "gone" not in said
    kernel.ok("%%chat\nagain")
    kernel.load_anew()
    said = kernel.ok("%chat resume main").plain
    assert "after 2 turns" in said
    assert "gone" not in said


def test_log_finds_words_of_all_conversations(kernel: Kernel, chat_server: ChatServer):
    """In prompts and replies; any text is a query; without words the latest turns."""
    chat_server.script(text_stream("A tuple | is `immutable`."), text_stream("<b>Lists</b> grow."))
    kernel.ok("%%chat\nWhat is that?")
    kernel.ok("%%chat -n other\nAnd lists?")
    found = kernel.ok("%chat log IMMUT tuple").plain
    assert "immutable" in found
    assert "other" not in found
    latest = kernel.ok("%chat log").plain
    assert latest.index("And lists?") < latest.index("What is that?")
    assert "&lt;b&gt;" in kernel.ok("%chat log grow").only.html
    assert "Nothing that is kept" in kernel.ok("""%chat log "un AND (closed* 'x""").plain


def test_log_lists_a_turn_that_went_on_once(kernel: Kernel, chat_server: ChatServer):
    """As a whole; another reply to the same prompt is a turn of its own, also by a word that only it has."""
    chat_server.script(
        text_stream("Once upon", finish="length"),
        text_stream(" a time", finish="length"),
        text_stream(" there was."),
        text_stream("In the beginning."),
    )
    kernel.ok("%%chat\nTell me about foxglove.")
    kernel.ok("%chat continue")
    kernel.ok("%chat continue")
    for words in ("", "foxglove", "upon", "fo"):
        assert kernel.ok(f"%chat log {words}").plain.count("| main |") == 1
    assert "there was" in kernel.ok("%chat log upon").plain
    kernel.ok("%chat retry")
    assert kernel.ok("%chat log foxglove").plain.count("| main |") == 2
    assert kernel.ok("%chat log beginning").plain.count("| main |") == 1
    kernel.ok("%%chat -n other\nTell me about foxglove.")
    assert kernel.ok("%chat log").plain.count("foxglove") == 3


def test_journal_that_is_off_keeps_nothing(start: Start, tmp_path: Path):
    """No file; the verbs and the status say so."""
    with start(LLMVISION_JOURNAL="off") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        assert "not being kept" not in kernel.ok("%%chat\nhello").html
        assert "nothing is kept" in kernel.ok("%chat status").plain
        for line in ("resume", "resume 1", "log", "log x"):
            assert "LLMVISION_JOURNAL (environment)" in kernel.run(f"%chat {line}").only.text
        assert "dropped" not in kernel.ok("%chat drop main").plain
    assert not (tmp_path / "kept").exists()


def test_dotenv_file_names_the_journal(start: Start, tmp_path: Path):
    """As any other variable; a server's address is not taken from such a journal."""
    (tmp_path / ".env").write_text("LLMVISION_JOURNAL=mine.db\n")
    for step in ("write", "read"):
        with start(LLMVISION_JOURNAL="") as kernel:
            kernel.ok("%load_ext llmvision_magic")
            if step == "write":
                kernel.ok("%%chat\nhello")
                kernel.ok("%chat set base_url http://elsewhere.invalid/v1")
                assert "mine.db" in kernel.ok("%chat status").plain
            else:
                assert "went to `http://elsewhere.invalid/v1`" in kernel.ok("%chat resume 1").plain
                assert "elsewhere" not in kernel.ok("%chat status").plain
    assert (tmp_path / "mine.db").exists()


def test_trouble_is_one_clear_line_once_and_the_chat_goes_on(start: Start, tmp_path: Path):
    """In the one output of the cell, with the status to look it up later."""
    (tmp_path / "kept").write_text("a file in place of the folder")
    with start() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        first = kernel.ok("%%chat\nhello").only
        assert first.html.count("This conversation is not being kept: ") == 1
        assert "cannot be written" in first.html
        assert "not being kept" not in first.plain
        assert "not being kept" not in kernel.ok("%%chat\nagain").only.html
        assert "not kept" in kernel.ok("%chat status").plain
        for line in ("resume", "log x"):
            cell = kernel.run(f"%chat {line}")
            assert "cannot be written" in cell.only.text
            assert len(cell.only.text.splitlines()) == 1


def test_nothing_on_disk_holds_the_key(kernel: Kernel, tmp_path: Path):
    """Neither the journal nor any file that is written."""
    kernel.ok("%%chat\nhello")
    for name in ("x.json", "x.md", "x.html", "x.ipynb"):
        kernel.ok(f"%chat export {name}")
    kernel.ok("%chat save saved.json")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []


def test_another_conversations_file_is_replaced_only_with_overwrite(kernel: Kernel, tmp_path: Path):
    """Whichever side of the path the option stands on; what is saved of the same conversation is replaced as ever."""
    kernel.ok("%%chat\nfirst")
    kernel.ok("%chat save main.json")
    kernel.ok("%%chat\nsecond")
    assert "2 turns" in kernel.ok("%chat save main.json").plain
    kernel.ok("%%chat -n other\nelsewhere")
    cell = kernel.run("%chat save main.json")
    assert "main.json holds another conversation, `main` with 2 turns" in cell.only.text
    assert "add `--overwrite`" in cell.only.text
    assert "first" in (tmp_path / "main.json").read_text()
    for line in ("main.json --overwrite", "--overwrite main.json"):
        assert "other" in kernel.ok(f"%chat save {line}").plain
        kernel.ok("%chat use main")
        assert "holds another conversation" in kernel.run("%chat save main.json").only.text
        kernel.ok("%chat use other")
    kernel.ok("%chat export --overwrite main.json")
    assert [path.name for path in tmp_path.glob("*main*")] == ["main.json"]


def test_save_and_load_through_the_kernel(kernel: Kernel, chat_server: ChatServer, start: Start):
    """Paths with spaces, with and without quotes; a name that is taken; another server's address stays out."""
    chat_server.script(text_stream("One."))
    kernel.ok("%%chat\nfirst")
    kernel.ok("%chat set base_url http://elsewhere.invalid/v1")
    assert "1 turn" in kernel.ok('%chat save "my talk.json"').plain
    assert "already; add `-n NAME`" in kernel.run("%chat load my talk.json").only.text
    kernel.ok("%chat load my talk.json -n again")
    kernel.ok("%%chat\nsecond")
    assert contents(chat_server.requests()[1])[:2] == [("user", "first"), ("assistant", "One.")]
    with start(LLMVISION_JOURNAL="off") as new:
        new.ok("%load_ext llmvision_magic")
        said = new.ok("%chat load 'my talk.json'").plain  # an empty `main` makes way
        assert "**main** goes on here, after 1 turn" in said
        assert "went to `http://elsewhere.invalid/v1`" in said
    with start() as other:
        other.ok("%load_ext llmvision_magic")
        assert "after 2 turns" in other.ok("%chat resume again").plain  # what is loaded is kept


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("save", "expects the path"),
        ("load", "expects the path"),
        ("export", "expects the path"),
        ("resume --from", "expects the path"),
        ("load nowhere.json", "cannot be read"),
        ("export x.txt", ".md (Markdown)"),
        ("export x.md", "no turns"),
        ("resume nothing-of-that-name", "no kept conversation"),
        ("resume 99999999", "no kept conversation"),
        ("resume --from nowhere.ipynb", "cannot be read"),
    ],
)
def test_bad_use_is_one_sentence(kernel_process: Kernel, line: str, said: str):
    """What was expected, what came, what to do."""
    cell = kernel_process.run(f"%chat {line}")
    assert cell.status == "error"
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1


@pytest.fixture(scope="module")
def kernel_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel for what fails before anything is asked."""
    folder = tmp_path_factory.mktemp("work")
    with running_kernel(cwd=folder, LLMVISION_JOURNAL=str(folder / "journal.sqlite3")) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


def test_conversation_is_rebuilt_from_a_saved_notebook(kernel: Kernel, chat_server: ChatServer, tmp_path: Path):
    """From what stands in the outputs, without a request; running a cell again replaces its turn as ever."""
    chat_server.script(text_stream("One."), text_stream("Two."), text_stream("Two, better."))
    cells = []
    for cell_id, source in (("a", "%%chat -s 'Be kind.'\nfirst"), ("b", "%%chat\nsecond"), ("b", "%%chat\nsecond")):
        output = kernel.ok(source, cell_id=cell_id).only
        shown = {"output_type": "display_data", "data": output.data, "metadata": output.metadata}
        cells = [one for one in cells if one["id"] != cell_id]
        cells.append({"cell_type": "code", "id": cell_id, "source": source, "outputs": [shown]})
    (tmp_path / "lecture.ipynb").write_text(json.dumps({"cells": cells}))
    kernel.load_anew()
    assert "rebuilt from `lecture.ipynb`, with 2 turns" in kernel.ok("%chat resume --from lecture.ipynb").plain
    assert len(chat_server.requests()) == 3
    kernel.ok("%%chat\nthird", cell_id="c")
    assert contents(chat_server.requests()[3]) == [
        ("system", "Be kind."),
        ("user", "first"),
        ("assistant", "One."),
        ("user", "second"),
        ("assistant", "Two, better."),
        ("user", "third"),
    ]
    kernel.ok("%%chat\nsecond, again", cell_id="b")
    assert contents(chat_server.requests()[4])[-2:] == [("assistant", "One."), ("user", "second, again")]


def test_exported_notebook_runs(kernel: Kernel, chat_server: ChatServer, tmp_path: Path):
    """Valid, and its cells ask the same again."""
    kernel.ok("%%chat -n tutor -s 'Be kind.'\nfirst {x} {")
    kernel.ok("%%chat --raw\nsecond {{y}}")
    kernel.ok("%chat export talk.ipynb")
    assert "--overwrite" in kernel.run("%chat export talk.ipynb").only.text
    kernel.ok("%chat export talk.ipynb --overwrite")
    notebook = nbformat.read(tmp_path / "talk.ipynb", as_version=4)
    nbformat.validate(notebook)
    kernel.unload()
    for cell in notebook.cells:
        kernel.ok(cell.source, cell_id=cell.id)
    requests = chat_server.requests()
    assert contents(requests[0]) == contents(requests[2])
    assert [one for one in contents(requests[1]) if one[0] == "user"] == [
        one for one in contents(requests[3]) if one[0] == "user"
    ]


def test_help_and_completion_know_the_verbs(kernel_process: Kernel):
    """From the declarations."""
    for verb in ("resume", "log", "save", "load", "export"):
        assert verb in kernel_process.complete(f"%chat {verb[:2]}")
        assert f"%chat {verb}" in kernel_process.ok(f"%chat help {verb}").plain
    assert kernel_process.complete("%chat resume --f") == ["--from"]


def test_branches_changed_by_verbs_are_kept(kernel: Kernel, start: Start, chat_server: ChatServer):
    """Undone, gone to, asked again: a new kernel stands where this one stood, with all branches."""
    chat_server.script(text_stream("One."), text_stream("Two."), text_stream("Two again."))
    kernel.ok("%%chat\nfirst")
    kernel.ok("%%chat\nsecond")
    kernel.ok("%chat retry")
    kernel.ok("%chat undo")
    with start() as new:
        new.ok("%load_ext llmvision_magic")
        assert "after 1 turn" in new.ok("%chat resume main").plain
        tree = new.ok("%chat history --tree").plain
        assert tree.count("second") == 2


def test_reply_in_the_background_is_kept_while_it_arrives(start: Start, chat_server: ChatServer, tmp_path: Path):
    """By the thread that reads it; killed meanwhile, its text is there."""
    chat_server.script(stream(sse("Behind you"), wait()))
    file = tmp_path / "kept" / "journal.sqlite3"
    with start() as old:
        old.ok("%load_ext llmvision_magic")
        old.ok("%%chat --background\nasked", watched=True)
        chat_server.holding()  # it has the request, so the disk has the turn
        while text_on_disk(file) != "Behind you":
            old.ok("import time; time.sleep(0.05)")  # the thread writes within a second
        os.kill(old.pid, signal.SIGKILL)
    with start() as new:
        new.ok("%load_ext llmvision_magic")
        new.ok("%chat resume 1")
        assert "Behind you" in new.ok("%chat history").plain


def test_notebook_tells_what_no_source_tells(kernel: Kernel, tmp_path: Path):
    """Values that were put into a prompt, and prompts of verbs, stand in the metadata; a plain prompt does not."""
    cells = []
    kernel.ok("n = 41")
    for source in ("%%chat\nplain", "%%chat\nIs it {{n}}?", "%chat retry -t 0.5", "%chat ask And {{n + 1}}?"):
        output = kernel.ok(source).only
        shown = {"output_type": "display_data", "data": output.data, "metadata": output.metadata}
        cells.append({"cell_type": "code", "source": source, "outputs": [shown]})
    told = [cell["outputs"][0]["metadata"]["llmvision"].get("prompt") for cell in cells]
    assert told == [None, "Is it 41?", "Is it 41?", "And 42?"]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells}))
    kernel.load_anew()
    kernel.ok("%chat resume --from x.ipynb")
    history = kernel.ok("%chat history").plain
    assert "Is it 41?" in history
    assert "And 42?" in history
