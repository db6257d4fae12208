"""The journal as a room: what is on disk when, and that trouble with the disk is never trouble for the chat."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from llmvision_magic.conversation import Conversation
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal import Journal, JournalLocation, KernelIdentity, database, journal_location_from, writing
from llmvision_magic.journal import search as search_module
from llmvision_magic.journal.reading import LoadedConversation, id_of, kept_conversations, read
from llmvision_magic.journal.search import search
from llmvision_magic.messages import Reply, Usage
from llmvision_magic.settings.environment import Environment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite3"


def journal_at(path: Path, notebook: str | None = None) -> Journal:
    return Journal(lambda: JournalLocation(path, "a test", is_ours=True), KernelIdentity(notebook))


def say(journal: Journal, conversation: Conversation, prompt: str, text: str = "an answer", **reply: object) -> str:
    """One turn from its beginning to its end, as a session does it."""
    fallback = conversation.head
    turn = conversation.begin(prompt, parent=conversation.head)
    record = journal.begin(conversation, turn.id, fallback)
    conversation.settle(turn.id, Reply(text, **reply), fallback)
    record.settle()
    return turn.id


def reread(path: Path, conversation: Conversation) -> LoadedConversation:
    """The conversation as another kernel finds it."""
    journal = journal_at(path)
    try:
        with journal.file.reading() as connection:
            return read(connection, conversation.id)
    finally:
        journal.file.close()


def same(one: Conversation, other: Conversation) -> bool:
    parts = [(c.name, c.system, c.settings, c.head, list(c.turns.values())) for c in (one, other)]
    return parts[0] == parts[1]


# -- what is kept --------------------------------------------------------------------------------------------------


def test_conversation_is_read_as_it_was_written(path: Path):
    """All branches, the head, system prompt, settings, image parts, and what the server told."""
    journal, conversation = journal_at(path), Conversation("tutor", "Be kind.")
    conversation.settings = {"temperature": 0.5, "stop": ("a", "b"), "param": {"seed": 7}}
    first = say(journal, conversation, "one", model="m", finish_reason="stop", usage=Usage(1, 2, 3))
    say(journal, conversation, "two \0 ünd 漢字 👍")
    conversation.head = first
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    prompt = ({"type": "text", "text": "look"}, image)
    turn = conversation.begin(prompt, parent=first, cell="c7", execution="5")
    journal.begin(conversation, turn.id, first)
    conversation.settle(turn.id, Reply("seen", status="cut", notice="line lost"), first, left_out=3)
    journal.keep(conversation, {turn.id: None})
    assert same(reread(path, conversation).conversation, conversation)
    assert not reread(path, conversation).was_cut


def test_turn_is_on_disk_when_begin_returns(path: Path):
    """Before anything is sent; its text follows while it arrives, at most once in a while."""
    journal, conversation = journal_at(path), Conversation()
    turn = conversation.begin("asked", parent=None)
    record = journal.begin(conversation, turn.id, None)
    found = reread(path, conversation)
    assert [one.prompt for one in found.conversation.turns.values()] == ["asked"]
    assert found.was_cut
    assert found.conversation.head is None  # nothing had arrived: the conversation stands where it stood
    record.progress(1, lambda: pytest.fail("not yet due"))
    record._due = 0
    record.progress(1, lambda: "so far")
    record._due = 0
    record.progress(1, lambda: pytest.fail("nothing new"))
    found = reread(path, conversation)
    assert [(one.text, one.status) for one in found.conversation.path()] == [("so far", "cut")]
    assert "kernel ended" in found.conversation.path()[0].reason


def test_reply_that_ends_while_its_kernel_is_looked_for_is_not_cut(path: Path):
    """Its kernel may have ended since, having said all."""
    journal, conversation = journal_at(path), Conversation()
    turn = conversation.begin("asked", parent=None)
    record = journal.begin(conversation, turn.id, None)

    def look(kernel: str, since: float) -> bool:
        conversation.settle(turn.id, Reply("whole"), None)
        record.settle()
        return False

    with journal_at(path).file.reading() as connection:
        found = read(connection, conversation.id, look)
    assert same(found.conversation, conversation)
    assert not found.was_cut


def test_killed_without_text_goes_back_to_where_it_stood(path: Path):
    """Also when the cell was run again, and the head was not the turn's parent."""
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    head = say(journal, conversation, "two")
    turn = conversation.begin("one again", parent=None)
    journal.begin(conversation, turn.id, head)
    found = reread(path, conversation).conversation
    assert found.head == head
    assert found.turns[turn.id].prompt == "one again"


def test_half_a_surrogate_pair_is_kept_as_a_replacement_character(path: Path):
    """A broken reply may hold what UTF-8 cannot."""
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "a \ud800 b", "c \udc00 d")
    assert journal.file.trouble is None
    turn = reread(path, conversation).conversation.path()[0]
    assert (turn.prompt, turn.text) == ("a � b", "c � d")


def test_settings_hold_no_password_of_an_address(path: Path):
    """A key or a password is never on disk."""
    journal, conversation = journal_at(path), Conversation()
    conversation.settings = {"base_url": "https://me:hunter2@example.org/v1"}
    say(journal, conversation, "one")
    journal.file.close()
    assert b"hunter2" not in path.read_bytes()
    assert reread(path, conversation).conversation.settings == {"base_url": "https://example.org/v1"}


def test_note_writes_what_a_verb_has_changed_and_only_that(path: Path):
    """Another kernel's head is not overwritten by one that changed nothing."""
    journal, conversation = journal_at(path), Conversation()
    first = say(journal, conversation, "one")
    say(journal, conversation, "two")
    other, found = journal_at(path), reread(path, conversation)
    theirs = found.conversation
    other.taken(found)
    say(journal, conversation, "three")
    other.note(theirs)
    assert same(reread(path, conversation).conversation, conversation)
    conversation.head, conversation.system = first, "new"
    journal.note(conversation)
    assert same(reread(path, conversation).conversation, conversation)


def test_dropped_conversation_is_gone_from_disk_and_from_the_search(path: Path):
    """Overwritten, not only unlinked; a reply that still arrives does not bring it back."""
    journal, conversation, other = journal_at(path), Conversation(), Conversation("other")
    say(journal, other, "stays")
    say(journal, conversation, "unmistakable-prompt", "unmistakable-reply")
    with journal.file.reading() as connection:
        assert search(connection, ["unmistakable"])
    late = conversation.begin("late", parent=None)
    record = journal.begin(conversation, late.id, None)
    journal.drop(conversation)
    record.settle()
    with journal.file.reading() as connection:
        assert [one.id for one in kept_conversations(connection)] == [other.id]
        assert search(connection, ["unmistakable"]) == []
    journal.file.close()
    assert b"unmistakable-prompt" not in path.read_bytes()


def test_what_is_said_while_the_journal_is_off_never_gets_into_it(path: Path):
    """Off holds at once; on again, the turns of that time stay out and the tree is whole."""
    places = [JournalLocation(path, "on")]
    journal, conversation = Journal(lambda: places[0]), Conversation()
    first = say(journal, conversation, "one")
    places[0] = JournalLocation(None, "off")
    say(journal, conversation, "secret")
    with pytest.raises(InvalidInput, match="off"), journal.file.reading():
        pass
    places[0] = JournalLocation(path, "on")
    say(journal, conversation, "three")
    found = reread(path, conversation).conversation
    assert [(turn.prompt, turn.parent) for turn in found.path()] == [("one", None), ("three", first)]
    assert journal.complaint(conversation) == ""


# -- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_folder_and_files_are_for_their_owner_alone(path: Path):
    """Whatever the umask, and also where they were open before."""
    path.parent.mkdir()
    path.parent.chmod(0o755)
    path.touch()
    path.chmod(0o644)
    journal = journal_at(path)
    say(journal, Conversation(), "one")
    journal.announce()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert names == dict.fromkeys((f"journal.sqlite3{end}" for end in ("", "-wal", "-shm", "-alive")), 0o600)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("kind", ["a text", "another program's"])
def test_file_that_is_not_a_journal_stays_as_it_was(path: Path, kind: str):
    """What it holds, and who may read it: LLMVISION_JOURNAL may name the wrong file."""
    path.parent.mkdir()
    if kind == "a text":
        path.write_text("My thesis.")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE notes (text TEXT)")
    path.chmod(0o664)
    before = path.read_bytes()
    journal = journal_at(path)
    say(journal, Conversation(), "one")
    assert journal.file.trouble is not None
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


WRITER = """
import sys
from pathlib import Path
from llmvision_magic.conversation import Conversation
from llmvision_magic.journal import Journal, JournalLocation
from llmvision_magic.messages import Reply
journal = Journal(lambda: JournalLocation(Path(sys.argv[1]), "a test"))
print("ready", flush=True)
sys.stdin.readline()
conversation = Conversation(sys.argv[2])
for number in range(60):
    fallback = conversation.head
    turn = conversation.begin(f"prompt {number}", parent=fallback)
    record = journal.begin(conversation, turn.id, fallback)
    record._due = 0
    record.progress(1, lambda: "half")
    conversation.settle(turn.id, Reply("whole"), fallback)
    record.settle()
print(journal.file.trouble)
"""


def test_two_processes_write_at_once(path: Path):
    """From the making of the file on, nothing is lost and nobody complains."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("left", "right")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] for writer in writers] == ["None\n", "None\n"]
    journal = journal_at(path)
    with journal.file.reading() as connection:
        for name in ("left", "right"):
            found = read(connection, id_of(connection, name)).conversation
            assert [turn.prompt for turn in found.path()] == [f"prompt {number}" for number in range(60)]
            assert {turn.text for turn in found.path()} == {"whole"}
    journal.file.close()


VERSION_1 = (
    *database.MIGRATIONS[0],
    "INSERT INTO conversation VALUES ('c1', 'tutor', NULL, '{}', 'a1', NULL, 'k', 1, 1.5, 2.5)",
    "INSERT INTO turn VALUES (1, 'c1', 'a1', NULL, NULL, '\"one\"', NULL, NULL, NULL, NULL, 1.5)",
    "INSERT INTO reply VALUES (1, 'an answer', 'complete', '', 'm', 'stop', NULL, 0, 2.5, 0)",
    f"PRAGMA application_id = {database.APPLICATION}",
    "PRAGMA user_version = 1",
)


def test_file_of_version_1_becomes_the_current_one(path: Path):
    """What is in it stays, and goes on; how its turns were asked is not known."""
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in VERSION_1:
        connection.execute(statement)
    connection.close()
    journal = journal_at(path)
    with journal.file.reading() as connection:
        found = read(connection, "c1")
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(database.MIGRATIONS) == 2
    journal.taken(found)
    conversation = found.conversation
    [turn] = conversation.path()
    assert (turn.prompt, turn.text, turn.options) == ("one", "an answer", None)
    turn = conversation.begin("two", parent=turn.id, options={"temperature": 0.5, "stop": ("x",), "image": ["fig"]})
    journal.begin(conversation, turn.id, "a1")
    conversation.settle(turn.id, Reply("another"), "a1")
    journal.keep(conversation, {turn.id: None})
    assert same(reread(path, conversation).conversation, conversation)
    journal.drop(conversation)
    with pytest.raises(InvalidInput, match="was dropped"):
        reread(path, conversation)


def test_file_comes_from_any_version_to_the_next(path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a later version adds, is added."""
    conversation, journal = Conversation(), journal_at(path)
    say(journal, conversation, "one")
    journal.file.close()
    added = ("ALTER TABLE conversation ADD COLUMN mood TEXT", "UPDATE conversation SET mood = 'good'")
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, added))
    journal = journal_at(path)
    with journal.file.reading() as connection:
        assert connection.execute("SELECT mood FROM conversation").fetchall() == [("good",)]
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(database.MIGRATIONS)
        assert same(read(connection, conversation.id).conversation, conversation)
    journal.file.close()


def test_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch):
    """All of it or nothing."""
    conversation, journal = Conversation(), journal_at(path)
    say(journal, conversation, "one")
    journal.file.close()
    with monkeypatch.context() as patch:
        broken = ("ALTER TABLE conversation ADD COLUMN mood TEXT", "nonsense")
        patch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
        say(journal, Conversation(), "two")
        assert journal.file.trouble is not None
    assert same(reread(path, conversation).conversation, conversation)


# -- trouble -------------------------------------------------------------------------------------------------------


def make_damaged(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)


def make_newer(path: Path) -> None:
    journal = journal_at(path)
    say(journal, Conversation(), "one")
    journal.file.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(database.MIGRATIONS) + 1}")
    connection.close()


def make_foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE accounts (name)")
    connection.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_damaged, "damaged; move it away"),
        (make_newer, "newer llmvision-magic"),
        (make_foreign, "belongs to another program"),
        (Path.mkdir, "cannot be written"),
    ],
)
def test_file_that_cannot_be_used_is_told_once_and_left_alone(path: Path, make, said: str):
    """The chat goes on; reading is one sentence; not a byte is changed."""
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else None
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    complaint = journal.complaint(conversation)
    assert complaint.startswith("This conversation is not being kept: ")
    assert said in complaint
    say(journal, conversation, "two")
    assert journal.complaint(conversation) == ""
    with pytest.raises(InvalidInput, match=said), journal.file.reading():
        pass
    assert before == (path.read_bytes() if path.is_file() else None)


def test_file_in_place_of_the_folder(tmp_path: Path):
    """What a read-only home is for root, too: the folder cannot be made."""
    (tmp_path / "data").write_text("a file")
    journal = journal_at(tmp_path / "data" / "journal.sqlite3")
    say(journal, conversation := Conversation(), "one")
    assert "cannot be written" in journal.complaint(conversation)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path):
    """As a home folder may be."""
    tmp_path.chmod(0o500)
    journal = journal_at(tmp_path / "data" / "journal.sqlite3")
    say(journal, conversation := Conversation(), "one")
    assert "cannot be written" in journal.complaint(conversation)


def test_trouble_that_passes_is_made_up_for(path: Path):
    """What could not be written in its time is written later, in the middle of a reply too."""
    path.parent.mkdir()
    make_damaged(path)
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    turn = conversation.begin("two", parent=conversation.head)
    record = journal.begin(conversation, turn.id, conversation.head)
    path.unlink()
    record._due = 0
    record.progress(1, lambda: "so far")
    assert [(one.prompt, one.text) for one in reread(path, conversation).conversation.path()] == [
        ("one", "an answer"),
        ("two", "so far"),
    ]
    assert journal.complaint(conversation) == ""


def test_locked_file_costs_a_moment_and_no_reply(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another program holds it: the turn ends, the reader is told; when it is free again all is written."""
    monkeypatch.setattr("llmvision_magic.journal.journal.PATIENCE", 0.01)
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    say(journal, conversation, "two")
    assert "holds" in str(journal.file.trouble)
    holder.execute("ROLLBACK")
    holder.close()
    say(journal, conversation, "three")
    assert journal.file.trouble is None
    assert same(reread(path, conversation).conversation, conversation)


def test_full_disk_is_told_and_made_up_for(path: Path):
    """SQLite's own limit of pages stands for the disk's."""
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    with journal.file.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    turn = conversation.begin("long", parent=conversation.head)
    record = journal.begin(conversation, turn.id, None)
    record._due = 0
    record.progress(1, lambda: "x" * 1_000_000)
    assert "is full; make room" in journal.complaint(conversation)
    conversation.settle(turn.id, Reply("x" * 1_000_000), None)
    record.settle()  # the connection was opened anew, without the limit: there is room again
    assert same(reread(path, conversation).conversation, conversation)


def test_what_is_small_enough_for_a_full_disk_does_not_run_ahead(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither the head, whose turn is not there yet, nor the word that all is well."""
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    first = conversation.head
    with monkeypatch.context() as full:

        def refuse(*given: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        full.setattr(writing, "_put_turn", refuse)
        say(journal, conversation, "two")
        journal.note(conversation)
        assert "is full" in str(journal.file.trouble)
        assert "is full" in journal.complaint(conversation)
        say(journal, other := Conversation(), "elsewhere")
        journal.note(other)
        assert "is full" in str(journal.file.trouble)
        kept = reread(path, conversation).conversation
        assert (kept.head, list(kept.turns)) == (first, [first])
    journal.note(conversation)
    assert "is full" in str(journal.file.trouble)  # the other conversation is not there yet
    journal.note(other)
    assert journal.file.trouble is None
    assert same(reread(path, conversation).conversation, conversation)
    assert same(reread(path, other).conversation, other)


def test_journal_that_is_taken_away_begins_anew(path: Path):
    """Deleted or moved while the kernel runs: what comes is not written into a file that nobody will find."""
    journal, conversation = journal_at(path), Conversation()
    say(journal, conversation, "one")
    for file in path.parent.iterdir():
        file.unlink()
    say(journal, conversation, "two")
    assert same(reread(path, conversation).conversation, conversation)


def test_fault_of_our_own_does_not_reach_the_chat(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever it is."""
    monkeypatch.setattr(writing, "put", lambda *given: 1 / 0)
    journal = journal_at(path)
    say(journal, conversation := Conversation(), "one")
    assert "division" in journal.complaint(conversation)


# -- finding -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["index", "no index"])
def searched(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal to search, with and without FTS5 in SQLite."""
    if request.param == "no index":
        monkeypatch.setattr(search_module, "_has_index", lambda: False)
    journal = journal_at(path)
    conversation = Conversation("tutor")
    say(journal, conversation, "What is a Tuple?", "An immutable sequence.")
    say(journal, conversation, "And 'a list'?", 'It can grow. 50% of "all" (x AND y) * NEAR -5 is_it')
    say(journal, Conversation("other"), "元组是什么?", "不可变序列 Größe")
    return journal


@pytest.mark.parametrize(
    ("words", "prompts"),
    [
        ("tuple", ["What"]),
        ("TUPLE immut", ["What"]),
        ("is", ["And", "What"]),
        ("tuple grow", []),
        ("元组", ["元"]),
        ("可变序列", ["元"]),
        ("größe", ["元"]),
        ('"all" AND', ["And"]),
        ("50%", ["And"]),
        ("is_it", ["And"]),
        ("5_%", []),
        ('"', ["And"]),
        ("NEAR(", []),
        ("* ^ : -", []),
        ("'a list'", ["And"]),
        ("\ud800", []),
        ("nul\0nul", []),
        ("word " * 3000, []),
        ("", ["元", "And", "What"]),
    ],
)
def test_search_finds_all_words_in_any_case_whatever_they_are(searched: Journal, words: str, prompts: list[str]):
    """Parts of words too, and in scripts without spaces; the newest first."""
    with searched.file.reading() as connection:
        hits = search(connection, words.split())
    assert [hit.name for hit in hits] == ["other" if prompt == "元" else "tutor" for prompt in prompts]


def test_search_knows_what_has_changed_since(path: Path):
    """The index follows a reply that grows, and is of all kernels."""
    journal, conversation = journal_at(path), Conversation()
    turn = conversation.begin("asked", parent=None)
    record = journal.begin(conversation, turn.id, None)
    for length, text in enumerate(("early words", "early words, late words"), 1):
        record._due = 0
        record.progress(length, lambda text=text: text)
        with journal.file.reading() as connection:
            assert [hit.snippet for hit in search(connection, text.split()[-2:])] == [text]
            assert connection.execute("SELECT count(*) FROM search").fetchone()[0] == 1


def test_search_looks_on_where_many_turns_are_those_that_went_on(path: Path):
    """A reply that went on thirty times is one, and what stands before it is found too."""
    journal, conversation = journal_at(path), Conversation()
    prompts = [*(f"asked {n}" for n in range(25)), *["asked on"] * 30]
    for number, prompt in enumerate(prompts):
        turn = conversation.begin(prompt, parent=None)
        record = journal.begin(conversation, turn.id, None)
        conversation.settle(turn.id, Reply("word " * (number + 1)), None, 0)
        record.settle()
    with journal.file.reading() as connection:
        hits = search(connection, ["asked"])
        assert [hit.snippet for hit in hits] == ["asked on", *(f"asked {n}" for n in range(24, 5, -1))]
        assert len(search(connection, ["asked"], most=100)) == 26


def test_list_is_by_notebook_and_by_last_use(path: Path):
    """Those of this notebook, or of all; the last used first; not those that are here."""
    here, there = journal_at(path, "/notebooks/here.ipynb"), journal_at(path, "/notebooks/there.ipynb")
    first, second, third = Conversation("main"), Conversation("main"), Conversation("third")
    say(here, first, "one")
    say(there, second, "two")
    say(here, third, "three")
    say(here, first, "four")
    with here.file.reading() as connection:

        def listed(**given: object) -> list[str]:
            return [one.id for one in kept_conversations(connection, **given)]

        assert listed() == [first.id, third.id, second.id]
        assert listed(notebook="/notebooks/here.ipynb", without={first.id}) == [third.id]
        assert kept_conversations(connection)[0].first == "one"
        assert id_of(connection, "main", "/notebooks/there.ipynb") == second.id
        assert id_of(connection, "main") == first.id
        assert id_of(connection, third.id[:10]) == third.id
        with pytest.raises(InvalidInput, match="no kept conversation `nowhere`"):
            id_of(connection, "nowhere")


@pytest.mark.parametrize("word", ["off", "OFF", "0", "false", "no"])
def test_variable_turns_it_off(word: str):
    """In the words people use."""
    assert journal_location_from(Environment(("environment", {"LLMVISION_JOURNAL": word}))).path is None


def test_variable_names_a_file_or_a_folder(tmp_path: Path):
    """Without it the journal is in the user's data folder."""
    given = Environment((".env", {"LLMVISION_JOURNAL": str(tmp_path)}))
    assert journal_location_from(given) == JournalLocation(tmp_path / "journal.sqlite3", "LLMVISION_JOURNAL (.env)")
    assert (
        journal_location_from(Environment(("environment", {"LLMVISION_JOURNAL": "~/j.db"}))).path
        == Path.home() / "j.db"
    )
    default = journal_location_from(Environment())
    assert default.is_ours
    assert default.path is not None
    assert "llmvision-magic" in default.path.parts


def test_misspelt_variable_is_named():
    """Silence would mean that all is kept."""
    with pytest.raises(InvalidInput, match="LLMVISION_JOURNAL"):
        Environment(("environment", {"LLMVISION_JOURNALS": "off"})).check_names()
