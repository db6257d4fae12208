"""Files a user saves, loads, exports and rebuilds from: they round-trip, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from llmvision_magic.client import _messages
from llmvision_magic.conversation import Conversation, Turn
from llmvision_magic.errors import InvalidInput
from llmvision_magic.journal.exports import export
from llmvision_magic.journal.notebook_import import conversations_from
from llmvision_magic.journal.saved_files import load, save
from llmvision_magic.messages import Reply, Usage

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def say(conversation: Conversation, prompt: object, text: str, **reply: object) -> str:
    fallback = conversation.head
    turn = conversation.begin(prompt, parent=fallback)
    conversation.settle(turn.id, Reply(text, **reply), fallback)
    return turn.id


@pytest.fixture
def conversation() -> Conversation:
    """One with two branches, settings, an image, a cut reply and hostile text."""
    made = Conversation("tutor", "Be kind\u2028and <b>brief</b>.")
    made.settings = {"temperature": 0.5, "stop": ("a", "b"), "param": {"seed": [1, None]}}
    first = say(made, "What is a tuple? <script>alert(1)</script>", "A *sequence*.", model="m", usage=Usage(1, 2, 3))
    say(made, "old branch", "gone")
    made.head = first
    say(made, ({"type": "text", "text": "Look:"}, IMAGE), "<img src=x onerror=alert(1)> ```py", finish_reason="stop")
    last = say(made, "{{n}} and\n%magic", "half of", status="cut", notice="The line was lost.")
    options = {"stop": ("a",), "temperature": 0.5, "attach": ["df"], "format": "code"}
    made.turns[last] = replace(made.turns[last], left_out=2, cell="c", execution="7", options=options)
    return made


def test_saved_conversation_is_loaded_as_it_was(conversation: Conversation, tmp_path: Path):
    """The whole tree, its head, settings and system prompt; as a conversation of its own."""
    path = tmp_path / "tutor.json"
    save(conversation, path)
    save(conversation, path)  # over the one that was there
    loaded = load(path)
    for field in ("name", "system", "settings", "head", "turns"):
        assert getattr(loaded, field) == getattr(conversation, field), field
    assert loaded.id != conversation.id
    assert [one.name for one in tmp_path.iterdir()] == ["tutor.json"]


@pytest.mark.parametrize("there", ["", "{}", "[1]", "my notes", '{"format": "other"}', "{"])
def test_save_overwrites_no_file_of_another_kind(conversation: Conversation, tmp_path: Path, there: str):
    """It may be all that somebody has of something."""
    path = tmp_path / "notes"
    path.write_text(there)
    with pytest.raises(InvalidInput, match="no saved conversation; choose another name"):
        save(conversation, path)
    assert path.read_text() == there


def test_save_replaces_only_what_the_conversation_holds_itself(conversation: Conversation, tmp_path: Path):
    """An earlier state of it, also when it was loaded in between and is called otherwise; nothing else unasked."""
    path = tmp_path / "tutor.json"
    save(conversation, path)
    loaded = load(path)
    loaded.name = "again"
    say(loaded, "and then?", "More.")
    save(loaded, path)
    kept = path.read_bytes()
    other = Conversation("tutor")
    for _ in range(2):  # without turns, and with one of its own
        with pytest.raises(InvalidInput, match=r"another conversation, `again` with 5 turns; .*`--overwrite`"):
            save(other, path)
        say(other, "Hello", "Hi.")
    with pytest.raises(InvalidInput, match="another conversation"):
        save(conversation, path)  # it lacks the turn that was asked in the other
    assert path.read_bytes() == kept
    save(other, path, overwrite=True)
    assert load(path).turns == other.turns


@pytest.mark.parametrize(
    ("changed", "is_replaced"),
    [
        ({"name": "tutor", "turns": [], "head": None}, True),
        ({"name": "main", "turns": [], "head": None}, False),
        ({"turns": "many"}, False),
        ({"turns": [None]}, False),
        ({"name": 5}, False),
        ({"version": 9, "turns": {}}, False),
    ],
)
def test_save_replaces_no_file_it_does_not_understand(tmp_path: Path, changed: dict[str, object], is_replaced: bool):
    """A damaged one, one of a later version, one without turns and of another name."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document(**changed)))
    if is_replaced:
        save(Conversation("tutor"), path)
        return
    with pytest.raises(InvalidInput, match=r"another conversation.*--overwrite"):
        save(Conversation("tutor"), path)
    assert json.loads(path.read_text()) == document(**changed)
    save(Conversation("tutor"), path, overwrite=True)
    assert load(path).name == "tutor"


def test_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(conversation: Conversation, tmp_path: Path):
    """A folder that is not there, a folder in its place, no room."""
    (tmp_path / "folder.md").mkdir()
    for path in (tmp_path / "nowhere" / "x.md", tmp_path / "folder.md", Path("/dev/full/x.md")):
        with pytest.raises(InvalidInput, match="cannot be written"):
            export(conversation, path, overwrite=True)
    with pytest.raises(InvalidInput):
        save(conversation, tmp_path / "folder.md")
    assert [one.name for one in tmp_path.iterdir()] == ["folder.md"]


def document(**changed: object) -> dict[str, object]:
    turn = {"id": "a", "parent": None, "prompt": "p", "system": None, "text": "t", "status": "complete", "reason": ""}
    turn |= {
        "model": None,
        "finish_reason": None,
        "usage": None,
        "cell": None,
        "created": 1,
        "left_out": 0,
        "execution": None,
    }
    whole = {"format": "llmvision-magic conversation", "version": 1, "name": "n", "system": None, "settings": {}}
    return {**whole, "head": "a", "turns": [turn], **changed}


TURN = document()["turns"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "no saved conversation"),
        ("[]", "no saved conversation"),
        ("[" * 100_000, "no saved conversation"),
        ("\udcff", "no saved conversation"),
        ('{"cells": []}', "resume --from"),
        (document(version=3), "newer llmvision-magic"),
        (document(head="b"), "damaged .*the turn it stands at"),
        (document(name="a b"), "damaged .*one word"),
        (document(turns=[TURN, TURN]), "damaged .*twice"),
        (document(turns=[{**TURN, "parent": "b"}, {**TURN, "id": "b"}]), "before the turn it follows"),
        (document(turns=[{**TURN, "text": None}]), r"damaged .*`turns\[0\].text` is expected as text"),
        (document(turns=[{**TURN, "prompt": 5}]), "damaged .*prompt"),
        (document(turns=[{"id": "a"}]), r"damaged .*`parent` is missing in `turns\[0\]`"),
        (document(turns="many"), "damaged"),
        (document(settings={"temperature": "warm"}), "damaged .*temperature"),
        (document(turns=[{**TURN, "options": {"temperature": "warm"}}]), "damaged .*temperature"),
        (document(turns=[{**TURN, "options": {"attach": "x"}}]), "damaged .*'attach'"),
        (document(turns=[{**TURN, "options": {"format": "html"}}]), "damaged .*'format'"),
        (document(turns=[{**TURN, "options": ["-t"]}]), "damaged .*options` is expected as an object or null"),
    ],
)
def test_file_that_is_something_else_is_one_sentence(tmp_path: Path, text: object, said: str):
    """What it is, and what to do."""
    path = tmp_path / "x.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text), errors="surrogateescape")
    with pytest.raises(InvalidInput, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_loaded_file_may_have_more_than_this_version_knows(tmp_path: Path):
    """Fields that a later version has added, settings that are gone; what was arriving was cut."""
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps(document(settings={"unheard": 1}, mood=1, turns=[{**TURN, "status": "partial", "x": 1}]))
    )
    loaded = load(path)
    assert loaded.settings == {}
    assert loaded.path()[0].status == "cut"
    assert loaded.path()[0].options is None  # a file of version 1 does not tell them


def test_options_in_a_file_are_those_a_line_can_give(tmp_path: Path):
    """What is unheard of is left out; so is the address of a server, to which the prompts would go."""
    path = tmp_path / "x.json"
    options = {"temperature": 0.5, "stop": ["a"], "attach": ["df"], "base_url": "http://elsewhere.invalid", "x": 1}
    path.write_text(json.dumps(document(version=2, turns=[{**TURN, "options": options}])))
    assert load(path).path()[0].options == {"temperature": 0.5, "stop": ("a",), "attach": ["df"]}


@pytest.mark.parametrize("name", ["x.txt", "x", "x.ipynb.bak", ".md"])
def test_other_suffix_lists_those_there_are(conversation: Conversation, tmp_path: Path, name: str):
    """One sentence."""
    with pytest.raises(InvalidInput, match=r"\.md .*\.ipynb .*\.html .*\.json "):
        export(conversation, tmp_path / name)


def test_export_overwrites_only_when_told(conversation: Conversation, tmp_path: Path):
    """The file may be the notebook one works in."""
    path = tmp_path / "work.ipynb"
    path.write_text("precious")
    with pytest.raises(InvalidInput, match="--overwrite"):
        export(conversation, path)
    assert path.read_text() == "precious"
    export(conversation, path, overwrite=True)
    with pytest.raises(InvalidInput, match="no turns"):
        export(Conversation(), path, overwrite=True)
    assert json.loads(path.read_text())["cells"]


def test_messages_are_what_the_api_takes(conversation: Conversation, tmp_path: Path):
    """The current branch, system prompt first; the client takes the list as it is."""
    path = tmp_path / "x.json"
    export(conversation, path)
    messages = json.loads(path.read_text())
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * 3]
    assert messages[3]["content"] == [{"type": "text", "text": "Look:"}, IMAGE]
    assert len(_messages(messages)) == 7


def test_markdown_has_all_that_was_said_and_nothing_that_runs(conversation: Conversation, tmp_path: Path):
    """An open fence of one reply does not swallow the next turn."""
    path = tmp_path / "x.md"
    export(conversation, path)
    text = path.read_text()
    assert "gone" not in text
    assert not re.search(r"^\*$", text, re.MULTILINE)
    for said in ("What is a tuple?", "A *sequence*.", "half of", "The line was lost.", "1 image attached"):
        assert said in text
    assert "<script" not in text
    assert "<img" not in text


def test_page_is_self_contained_and_runs_nothing(conversation: Conversation, tmp_path: Path):
    """No script, nothing from the network, for light and dark; images of one's own are in it."""
    remote = ({"type": "image_url", "image_url": {"url": 'https://example.org/"onerror="x.png'}},)
    say(conversation, remote, "x" * 100_010)
    path = tmp_path / "x.html"
    export(conversation, path)
    text = path.read_text()
    assert "<em>sequence</em>" in text
    assert f'src="{IMAGE["image_url"]["url"]}"' in text
    assert text.count("<img") == 1
    assert "example.org" not in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "prefers-color-scheme: dark" in text
    assert "default-src 'none'" in text
    assert text.count("x" * 10) * 10 >= 100_000  # what is too long to be rendered is there as plain text


@pytest.mark.parametrize("system", [None, "Be 'kind' and \"brief\".", "Two\nlines."])
def test_exported_notebook_is_valid_and_gives_the_conversation_back(
    conversation: Conversation, tmp_path: Path, system: str | None
):
    """`%%chat` cells with their outputs; also what no cell's source can say."""
    conversation.system = system
    conversation.turns = {key: replace(turn, system=system) for key, turn in conversation.turns.items()}
    path = tmp_path / "x.ipynb"
    export(conversation, path)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[1].source.startswith("%%chat -n tutor")
    assert notebook.cells[3].source == "%%chat --stop a -t 0.5 -f code --raw\n{{n}} and\n%magic"
    (rebuilt,) = conversations_from(path)
    assert (rebuilt.name, rebuilt.system) == ("tutor", system)

    def said(turn: Turn) -> Turn:
        return replace(turn, created=0, cell=None, execution=None, left_out=0)

    assert [said(turn) for turn in rebuilt.path()] == [said(turn) for turn in conversation.path()]


# -- a conversation from a notebook --------------------------------------------------------------------------------


def cell(source: str, *outputs: dict[str, object], cell_id: str = "c") -> dict[str, object]:
    return {"cell_type": "code", "id": cell_id, "source": source, "outputs": list(outputs)}


def said(turn_id: str | None, text: object, **told: object) -> dict[str, object]:
    metadata = {"llmvision": {"turn_id": turn_id, "conversation": "main", "status": "complete", **told}}
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": metadata}


def rebuilt(tmp_path: Path, *cells: object) -> list[Conversation]:
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    return conversations_from(path)


def test_order_is_that_of_the_cells_where_no_parent_is_told(tmp_path: Path):
    """Outputs of a first version; sources as lists of lines, `%chat ask`, other outputs, and `--once` in between."""
    (made,) = rebuilt(
        tmp_path,
        cell("%load_ext llmvision_magic"),
        cell("\n%%chat -t 0.5\n\nfirst\nline\n", said("a", ["One", ".\n"]), cell_id="c1"),
        cell("x = 1\n%chat ask second?\n%llmvision ask third", {"text": "x"}, said("b", "Two."), said("c", "Three.")),
        cell("%%chat --once\nalone", said(None, "Nowhere.")),
    )
    assert [(turn.prompt, turn.text) for turn in made.path()] == [
        ("first\nline", "One.\n"),
        ("second?", "Two."),
        ("third", "Three."),
    ]
    assert made.path()[0].cell == "c1"


def test_parents_make_the_tree_and_a_missing_one_is_the_cell_before(tmp_path: Path):
    """Cells run out of order, and one that was run again."""
    (made,) = rebuilt(
        tmp_path,
        cell("%%chat\nfirst, again", said("a2", "A", parent=None)),
        cell("%%chat\nlast", said("b", "B", parent="c", system="Be kind.")),
        cell("%%chat\nmiddle", said("c", "C", parent="a1")),
    )
    # `a1` is not in the notebook any more; what stands before `c` on the page follows `c`: a ring, which is cut.
    assert sorted(made.turns) == ["a2", "b", "c"]
    assert made.head in made.turns
    (made,) = rebuilt(
        tmp_path,
        cell("%%chat\nfirst", said("a", "A", parent=None)),
        cell("%%chat\nlast", said("b", "B", parent="c")),
        cell("%%chat\nmiddle", said("c", "C", parent="a")),
    )
    assert [turn.text for turn in made.path()] == ["A", "C", "B"]


def test_conversations_of_a_notebook_are_apart(tmp_path: Path):
    """The one used last comes last."""
    made = rebuilt(
        tmp_path,
        cell("%%chat\n1", said("a", "A")),
        cell("%%chat -n x\n2", said("b", "B", conversation="x")),
        cell("%%chat -n main\n3", said("c", "C")),
    )
    assert [(one.name, len(one.path())) for one in made] == [("x", 1), ("main", 2)]


@pytest.mark.parametrize(
    ("text", "said_"),
    [
        ("no JSON", "no notebook"),
        ("[]", "no notebook"),
        ("{}", "no notebook"),
        ('{"cells": []}', "outputs cleared"),
        ('{"cells": [5, {"outputs": [5, {"metadata": {"llmvision": 5}}]}]}', "outputs cleared"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(tmp_path: Path, text: str, said_: str):
    """Also a notebook without replies."""
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=said_):
        conversations_from(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        conversations_from(tmp_path / "nowhere.ipynb")


def test_odd_metadata_does_no_harm(tmp_path: Path):
    """A notebook is anybody's file."""
    (made,) = rebuilt(
        tmp_path,
        cell("%%chat\n1", said("a", 5, parent="b", usage=[1], status="odd", conversation="a b", prompt=7, model=3)),
        cell("%%chat\n2", said("b", "B", parent="a", conversation="a b")),
        cell("%%chat\n3", {**said("c", "C", conversation="a b"), "data": None}),
    )
    assert made.name == "main"
    assert sorted(made.turns) == ["a", "b", "c"]
    assert len(made.path()) >= 1
