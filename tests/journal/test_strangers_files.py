"""Files of strangers, with values of any kind and size: one sentence when they come in, or nothing breaks later."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.json_places import places, put
from support.kernels import Kernel, running_kernel
from support.panels import PanelPage
from support.servers.control import ChatServer

from llmvision_magic.conversation import Conversation
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal import Journal, JournalLocation
from llmvision_magic.journal.exports import export
from llmvision_magic.journal.notebook_import import conversations_from
from llmvision_magic.journal.reading import kept_conversations, read
from llmvision_magic.journal.saved_files import load, save
from llmvision_magic.journal.search import search
from llmvision_magic.kernel.verbs.history_pages import history_page, tree_page
from llmvision_magic.kernel.verbs.storage_handlers import _date
from llmvision_magic.messages import Reply, Usage
from llmvision_magic.panel.turn_data import TurnRenderer, siblings
from llmvision_magic.settings.turn_options import options_line

Way = tuple[object, ...]

ODD: list[object] = [
    *(float("nan"), float("inf"), -float("inf"), 1e308, -1, -1.5, 0, 2**53, 2**70, 10**400, 253_402_300_800, 1e18),
    *(True, None, "", "x", "5", "\0", "\ud800", "\udfff", "a\u202eb", "a\r\nb", "|", "`", "---", "partial", "x" * 5000),
    *([], {}, [None], [[]], [{"type": "text"}], [{"type": 5, "text": 5}], [{"type": "image_url", "image_url": 5}]),
    *({"\ud800": 1}, {"": float("nan")}, [{"type": "text", "text": "\ud800"}], {"temperature": float("nan")}),
    *({"stop": 5}, {"param": {"a": 10**400}}, {"prompt_tokens": -1, "completion_tokens": 10**400}),
    *({"completion_tokens": True}, {"files": [5]}, {"beside": 10**400}, json.loads("[" * 150 + "]" * 150)),
]


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel with a journal of its own."""
    folder = tmp_path_factory.mktemp("work")
    given_ = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_JOURNAL": str(folder / "journal.sqlite3")}
    with running_kernel(cwd=folder, **given_) as kernel:
        yield kernel


def conversation() -> Conversation:
    """One with two branches, an image, options, and a turn that went without others."""
    made = Conversation("tutor", "Be kind.")
    made.settings = {"temperature": 0.5, "stop": ("a",), "param": {"seed": 1}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    for prompt in ("one", ({"type": "text", "text": "two"}, image), "three"):
        turn = made.begin(prompt, parent=made.head, cell="c", execution="1", options={"temperature": 0.5, "out": "r"})
        made.settle(turn.id, Reply("Yes.", "m", "stop", Usage(1, 2, 3)), None, left_out=1)
    made.head = next(iter(made.turns))
    turn = made.begin("other", parent=made.head)
    made.settle(turn.id, Reply("No.", status="cut", notice="Cut."), None)
    return made


def saved() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        save(conversation(), path)
        return json.loads(path.read_text())


def notebook() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.ipynb"
        export(conversation(), path)
        return json.loads(path.read_text())


SAVED, NOTEBOOK = saved(), notebook()
JSON = st.recursive(
    st.sampled_from(ODD) | st.floats() | st.integers() | st.text() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def attempted(way: Callable[..., Any], *arguments: object) -> Any:
    """What comes of reading a file; None where it is refused, which is one sentence."""
    try:
        return way(*arguments)
    except InvalidInput as error:
        said = str(error)
    said.encode()
    assert len(said.splitlines()) == 1
    assert len(said) < 1000
    return None


def use(made: Conversation, folder: Path) -> None:
    """All that is later done with a conversation that has come in."""
    pages = [history_page(made, 100), tree_page(made)]
    renderer, groups = TurnRenderer({}), siblings(made)
    for number, turn in enumerate(made.turns.values()):
        pages.append(json.dumps(renderer.turn(turn, number, groups[turn.parent]), ensure_ascii=False, allow_nan=False))
        pages.append(options_line(turn.options or {}))
        pages.append(_date(turn.created))
        pages.append(made.short_id(turn.id))
    for page in pages:
        page.encode()
    for suffix in ("md", "ipynb", "html", "json") if made.path() else ():
        export(made, folder / f"again.{suffix}", overwrite=True)
    save(made, folder / "again.json.saved", overwrite=True)
    again = load(folder / "again.json.saved")
    assert again.turns == made.turns
    journal = Journal(lambda: JournalLocation(folder / "journal.sqlite3", "test"))
    journal.keep(made)
    assert journal.file.trouble is None
    with journal.file.reading() as connection:
        assert {**read(connection, made.id).conversation.turns} == made.turns
        assert made.id in [one.id for one in kept_conversations(connection)] or not made.turns
        for hit in search(connection, ["s"]):
            hit.snippet.encode()
    journal.file.close()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_a_saved_conversation(tmp_path: Path, odd: object):
    """Each with each odd value."""
    for way in places(SAVED):
        path = tmp_path / "x.json"
        path.write_text(json.dumps(put(SAVED, way, odd)))
        if (made := attempted(load, path)) is not None:
            use(made, tmp_path)


@RELAXED
@given(st.sampled_from(list(places(SAVED))), JSON, st.sampled_from(list(places(SAVED))), JSON)
def test_saved_conversation_with_anything_in_it(way: Way, odd: object, other: Way, more: object):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.json"
        changed = put(SAVED, way, odd)
        changed = put(changed, other, more) if other in set(places(changed)) else changed
        path.write_text(json.dumps(changed))
        if (made := attempted(load, path)) is not None:
            use(made, Path(name))


@RELAXED
@given(st.sampled_from(list(places(NOTEBOOK))), JSON)
def test_notebook_with_anything_in_it(way: Way, odd: object):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.ipynb"
        path.write_text(json.dumps(put(NOTEBOOK, way, odd)))
        for one in attempted(conversations_from, path) or ():
            use(one, Path(name))


COLUMNS = {
    "conversation": "name system settings head notebook kernel pid updated",
    "turn": "parent fallback prompt system cell typed options execution kernel created",
    "reply": "text status reason model finish_reason usage left_out unsent",
}
WHERE = {
    "conversation": "id = ?",
    "turn": "conversation = ?",
    "reply": "turn IN (SELECT number FROM turn WHERE conversation = ?)",
}
VALUES: list[object] = [
    *(-1, 2**62, 1e308, float("inf"), "", "x", b"\xff\x00", "a|b\n", "NaN", "[" * 5000, "9" * 400, "9" * 9999),
    *('"\\ud800"', '{"temperature": NaN}', '{"param": {"a": [1e999]}}', '[{"type": 5}]', "partial", "x" * 100_000),
    *("null", "5", "[]", "{}"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_journal_with_anything_in_a_column(tmp_path: Path, value: object):
    """SQLite keeps values of any kind in any column; one damaged conversation does not hide the others."""
    for table, column in [(table, column) for table, names in COLUMNS.items() for column in names.split()]:
        path = tmp_path / f"{table}-{column}.sqlite3"
        journal = Journal(lambda path=path: JournalLocation(path, "test"))
        made, other = conversation(), conversation()
        other.name = "other"
        journal.keep(made)
        journal.keep(other)
        journal.file.close()
        with sqlite3.connect(path) as connection:
            change = f"UPDATE {table} SET {column} = ? WHERE {WHERE[table]}"  # noqa: S608  # of the names above
            connection.execute(change, [value, made.id])
        connection.close()
        with journal.file.reading() as connection:
            kept = kept_conversations(connection)
            assert other.id in [one.id for one in kept]
            for one in kept:
                _date(one.updated)
            hits = search(connection, [])
            assert other.id in {hit.conversation for hit in hits}
            for hit in [*hits, *search(connection, ["ye"]), *search(connection, ["yes."])]:
                _date(hit.created)
                hit.snippet.encode()
            assert read(connection, other.id).conversation.turns == other.turns
            if (found := attempted(read, connection, made.id)) is not None:
                folder = tmp_path / f"{table}-{column}"
                folder.mkdir()
                use(found.conversation, folder)
        journal.file.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE turn SET parent = id",
        "UPDATE turn SET parent = 'nowhere'",
        "UPDATE turn SET parent = (SELECT id FROM turn ORDER BY number DESC LIMIT 1)",
        "UPDATE conversation SET head = 'nowhere'",
        "UPDATE turn SET fallback = 'nowhere', parent = NULL",
    ],
)
def test_journal_whose_turns_go_in_a_ring_has_an_end(tmp_path: Path, change: str):
    """All turns are there; where they hang in the air they are beginnings."""
    path = tmp_path / "journal.sqlite3"
    journal = Journal(lambda: JournalLocation(path, "test"))
    made = conversation()
    journal.keep(made)
    journal.file.close()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    with journal.file.reading() as connection:
        found = read(connection, made.id).conversation
    journal.file.close()
    assert [*found.turns] == [*made.turns]
    assert found.path()
    use(found, tmp_path)


@pytest.mark.parametrize(
    ("where", "odd", "said"),
    [
        (("turns", 0, "created"), 253_402_300_800, "`turns[0].created` is out of range: at most 253,370,764,800"),
        (("turns", 0, "created"), float("nan"), "`NaN` in it is no number"),
        (("turns", 0, "created"), "yesterday", "`turns[0].created` is expected as a number"),
        (("turns", 1, "left_out"), -5, "`turns[1].left_out` is out of range: at least 0"),
        (("turns", 1, "left_out"), 10**400, "a number in it has more than 1024 binary digits"),
        (("turns", 1, "prompt"), [{"type": "text", "text": 5}], "is expected as text"),
        (("turns", 0, "id"), "x" * 1_000_000, "`turns[0].id` is longer than 200"),
        (("name",), "x" * 1_000_000, "has at most 200 characters"),
        (("settings",), {"param": [5]}, "param: expected"),
        (("version",), 10**400, "binary digits"),
    ],
)
def test_damaged_file_is_one_sentence_and_changes_nothing(
    kernel: Kernel, tmp_path: Path, where: Way, odd: object, said: str
):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(put(SAVED, where, odd)))
    cell = kernel.run(f"%chat load {path} -n other")
    assert cell.status == "error"
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert "other" not in kernel.ok("%chat list").plain


def test_what_comes_in_can_be_shown_everywhere(kernel: Kernel, tmp_path: Path):
    """Half characters, a left-out count that fits nothing, the latest date there is, a name that turns the text."""
    odd = SAVED
    for where, value in {
        ("turns", 0, "text"): "half \ud800 of it",
        ("turns", 0, "left_out"): 7,
        ("turns", 0, "created"): 253_370_764_800,
        ("turns", 0, "model"): "m\u202en\r\n" + "x" * 1_000_000,
        ("turns", 0, "usage"): {"prompt_tokens": -5, "completion_tokens": 2**80, "total_tokens": "many"},
        ("head",): SAVED["turns"][0]["id"],
    }.items():
        odd = put(odd, where, value)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(odd))
    kernel.ok(f"%chat load {path} -n odd")
    shown = [kernel.ok(f"%chat {verb}").plain for verb in ("history", "history --tree", "log half", "status", "resume")]
    for suffix in ("md", "ipynb", "html", "json"):
        kernel.ok(f"%chat export {tmp_path}/x.{suffix} --overwrite")
        shown.append((tmp_path / f"x.{suffix}").read_text())
    page = PanelPage(kernel)
    shown.append(str(page.until(page.turns)))
    text = "\n".join(shown)
    assert "half � of it" in text
    assert "m⟨U+202E⟩n⟨U+000D⟩⟨U+000A⟩" in text
    assert not {"\u202e", "\r"} & {*text}
    assert len(text) < 200_000
    kernel.unload()
    kernel.ok("%load_ext llmvision_magic")
    kernel.ok("%chat resume odd")
    assert "half � of it" in kernel.ok("%chat history").plain
