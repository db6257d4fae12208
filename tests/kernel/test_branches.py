"""See and change: branches of a conversation, by verbs in a real kernel against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from support.kernels import Kernel, next_cell, running_kernel
from support.servers.scripting import close, done, event, failure, json_answer, sse, stream, text_stream, wait


@pytest.fixture(scope="module")
def kernel_process(chat_server_process) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        yield kernel


def contents(request) -> list[str]:
    """The texts of a request's messages."""
    return [message["content"] for message in request.json["messages"]]


def ids(kernel: Kernel) -> dict[str, str]:
    """The short id of each prompt's turn, as the tree shows them."""
    rows = re.findall(r"\d+  ([0-9a-f]+)  (\S+)", kernel.ok("%chat history --tree").only.plain)
    return {words: short for short, words in rows}


def place(kernel, number: int, conversation: str = "main") -> str:
    """What means a turn of the current branch, also when another is the current one."""
    session = "__import__('llmvision_magic.kernel').kernel.loaded_magics(get_ipython()).session"
    found = f"(lambda one: one.short_id(one.path()[{number - 1}].id))({session}.conversation({conversation!r}))"
    return str(kernel.value(found))


def test_undo_goes_back_and_use_comes_back(kernel, chat_server):
    """Nothing is thrown away; the page says how to come back."""
    for prompt in ("one", "two", "three"):
        kernel.ok(f"%%chat\n{prompt}")
    page = kernel.ok("%chat undo 2").plain
    assert "after turn 1 (`one`)" in page
    [way_back] = re.findall(r"%chat use main@[0-9a-f]+", page)
    kernel.ok("%%chat\nother")
    assert "after turn 3 (`three`)" in kernel.ok(way_back).plain
    kernel.ok("%%chat\nfour")
    first, second = chat_server.requests()[3:]
    assert [contents(first)[0], contents(first)[2:]] == ["one", ["other"]]
    assert contents(second)[::2] == ["one", "two", "three", "four"]
    kernel.ok("%chat use main@2")
    assert kernel.ok("%chat undo 2").plain.startswith("Conversation **main** goes on here, from its beginning.")


def test_tree_shows_all_branches_and_where_the_head_is(kernel, chat_server):
    """Left branches stand indented; the current one reads on."""
    for prompt, cell_id in (("one", "a"), ("two", "b"), ("three", "c"), ("TWO", "b")):
        kernel.ok(f"%%chat\n{prompt}", cell_id=cell_id)
    rows = re.sub(r"[0-9a-f]{4,}", "ID", kernel.ok("%chat history --tree").only.plain).splitlines()
    assert rows[rows.index("````text") + 1 : rows.index("````", 3)] == [
        "1  ID  one",
        "├─ 2  ID  two",
        "│  3  ID  three",
        "2  ID  TWO  ← here",
    ]
    assert "2 turns on other branches" in kernel.ok("%chat history").plain


def test_rerun_says_how_to_get_back(kernel, chat_server):
    """Later turns stay on the old branch; the footer's line leads there."""
    for prompt, cell_id in (("one", "a"), ("two", "b"), ("three", "c")):
        kernel.ok(f"%%chat\n{prompt}", cell_id=cell_id)
    footer = kernel.ok("%%chat\nTWO", cell_id="b").only.html
    [way_back] = re.findall(r"1 later turn on the old branch: (%chat use main@[0-9a-f]+) goes back", footer)
    assert "after turn 3 (`three`)" in kernel.ok(way_back).plain


def test_rerun_append_makes_another_turn(kernel, chat_server):
    """For those who want that."""
    kernel.ok("%chat set rerun append")
    kernel.ok("%%chat\nroll", cell_id="a")
    kernel.ok("%%chat\nroll", cell_id="a")
    assert contents(chat_server.requests()[1])[::2] == ["roll", "roll"]
    assert "replace or append" in kernel.run("%chat set rerun never").plain


def test_the_same_thing_twice_is_two_turns(kernel, chat_server):
    """In two cells, in cells without ids, and in one run of one cell; run again, that cell replaces them."""
    kernel.ok("%%chat\nagain?", cell_id="a")
    kernel.ok("%%chat\nagain?", cell_id="b")
    kernel.ok("%%chat\nagain?")
    kernel.ok("%%chat\nagain?")
    assert len(contents(chat_server.requests()[-1])) == 7
    loop = "for _ in range(2):\n    %chat ask once more"
    kernel.ok(loop, cell_id="c")
    kernel.ok(loop, cell_id="c")
    lengths = [len(contents(request)) for request in chat_server.requests()[4:]]
    assert lengths == [9, 11, 9, 11]


def test_retry_asks_again_with_other_options_in_the_turns_place(kernel, chat_server):
    """A sibling; the cell that asked first still means this turn."""
    kernel.ok("%%chat\none", cell_id="a")
    kernel.ok("%%chat\ntwo", cell_id="b")
    kernel.ok("%chat retry -t 1 -m other -o second", cell_id="r")
    request = chat_server.requests()[2]
    assert (request.json["temperature"], request.json["model"]) == (1, "other")
    assert contents(request)[::2] == ["one", "two"]
    assert kernel.value("second.status") == "complete"
    kernel.ok("%%chat\nTWO", cell_id="b")
    assert contents(chat_server.requests()[3])[::2] == ["one", "TWO"]


def test_retry_after_a_failure_asks_what_failed(kernel, chat_server):
    """The last prompt is the one that was asked last, though it is no part of the branch."""
    kernel.ok("%%chat\none")
    chat_server.script(failure(400, "no"))
    assert kernel.run("%%chat\ntwo").status == "error"
    kernel.ok("%chat retry")
    assert contents(chat_server.requests()[-1])[::2] == ["one", "two"]
    history = kernel.ok("%chat history").plain
    assert "**2 · you**" in history
    assert "(failed)" in kernel.ok("%chat history --tree").plain


def test_edit_puts_the_prompt_below_and_running_it_replaces_the_turn(kernel, chat_server):
    """As often as it is run."""
    for prompt in ("one", "two {{x}}\nand more", "three"):
        kernel.ok(f"%%chat --raw\n{prompt}")
    code = next_cell(kernel.ok("%chat edit 2"))
    assert code == f"%%chat -n main --replace {place(kernel, 2)} --raw\ntwo {{{{x}}}}\nand more"
    for prompt in ("TWO", "ZWEI"):
        kernel.ok(code.replace("two {{x}}", prompt), cell_id="e")
        assert contents(chat_server.requests()[-1])[::2] == ["one", f"{prompt}\nand more"]
    assert next_cell(kernel.ok("%chat edit")).startswith(f"%%chat -n main --replace {place(kernel, 2)} --raw\nZWEI")


def test_edit_means_its_turn_whatever_branch_is_the_current_one(kernel, chat_server):
    """A number means another turn there, or none."""
    for prompt in ("one", "two"):
        kernel.ok(f"%%chat\n{prompt}", cell_id=prompt)
    code = next_cell(kernel.ok("%chat edit 2"))
    kernel.ok("%%chat\nONE", cell_id="one")
    kernel.ok("%%chat\nanother second")
    kernel.ok(code.replace("two", "TWO"))
    assert contents(chat_server.requests()[-1])[::2] == ["one", "TWO"]
    kernel.ok("%chat undo 2")
    kernel.ok(code)
    assert contents(chat_server.requests()[-1])[::2] == ["one", "two"]


def test_edit_without_a_number_means_what_retry_would_ask(kernel, chat_server):
    """The prompt that was asked last, though it failed."""
    kernel.ok("%%chat\none")
    chat_server.script(failure(500, "no"), failure(500, "no"), failure(500, "no"))
    kernel.run("%%chat\ntwo")
    assert next_cell(kernel.ok("%chat edit")).endswith("\ntwo")


def test_nothing_on_this_branch_is_not_nothing_at_all(kernel):
    kernel.ok("%%chat\none")
    kernel.ok("%chat undo")
    for verb in ("retry", "edit"):
        assert "`%chat history --tree` shows those on others" in kernel.run(f"%chat {verb}").plain


def test_retry_uses_the_reply_as_its_options_say(kernel, chat_server):
    """As the cell would."""
    kernel.ok("%%chat\nCode, please")
    chat_server.script(text_stream("```python\nx = 1\n```"))
    assert next_cell(kernel.ok("%chat retry -f code")) == "x = 1"


def test_continue_and_edit_say_what_is_missing(kernel, chat_server):
    """A prompt without a text is not a complete reply; a conversation without turns has no turn 0."""
    kernel.ok("%chat new empty")
    assert "nothing to edit: nothing was asked yet in `empty`" in kernel.run("%chat edit").plain
    chat_server.script(failure(401, "no"))
    kernel.run("%%chat\nHello")
    assert "the last prompt got no text. `%chat retry` asks it again" in kernel.run("%chat continue").plain


def test_edit_gives_back_what_was_typed(kernel, chat_server, tmp_path):
    """Its values are put in anew when it is run; also after the conversation was saved and loaded."""
    kernel.ok("x = 1")
    kernel.ok("%%chat\nIs {{x}} odd?")
    kernel.ok("x = 2")
    for line in ("%chat retry", f"%chat save {tmp_path}/kept.json", f"%chat load {tmp_path}/kept.json -n again"):
        kernel.ok(line)
        code = next_cell(kernel.ok("%chat edit 1"))
        assert code.endswith(f"--replace {place(kernel, 1)}\nIs {{{{x}}}} odd?")
    kernel.ok(code)
    assert contents(chat_server.requests()[-1]) == ["Is 2 odd?"]


def test_edit_gives_back_the_cell_as_it_was_typed(kernel, chat_server):
    """With its options; run again it feeds the values as they are now, images too."""
    kernel.ok("import numpy as np\nx = 1\npic = np.zeros((2, 3))")
    line = "-t 0.2 --stop 'the end' --param seed=7 -a x -a '[x, 2]' -i pic"
    kernel.ok(f"%%chat -n main {line}\nIs {{{{x}}}} odd?")
    kernel.ok("x = 2\npic = np.zeros((4, 5))")
    code = next_cell(kernel.ok("%chat edit"))
    assert code == f"%%chat -n main --replace {place(kernel, 1)} {line}\nIs {{{{x}}}} odd?"
    kernel.ok(code)
    first, second = (request.json for request in chat_server.requests())
    text, image = second["messages"][-1]["content"]
    assert text["text"].startswith("Is 2 odd?\n\n`x`, an int:\n\n```\n2\n```\n\n`[x, 2]`, a list:")
    assert image != first["messages"][-1]["content"][1]
    assert {key: second[key] for key in ("temperature", "stop", "seed")} == {
        "temperature": 0.2,
        "stop": ["the end"],
        "seed": 7,
    }
    kernel.ok("%chat retry -t 1")
    again = code.replace(f"--replace {code.split()[4]} -t 0.2", f"--replace {place(kernel, 1)} -t 1")
    assert next_cell(kernel.ok("%chat edit 1")) == again


def test_edit_of_what_nobody_typed_in_a_cell(kernel, chat_server):
    """What `%chat fix` asked is given as it was sent, `%chat ask` as it was typed."""
    kernel.ok("x = 1")
    kernel.run("x / 0  # {{x}}")
    kernel.ok("%chat fix")
    code = next_cell(kernel.ok("%chat edit"))
    assert code.startswith(
        f"%%chat -n main --replace {place(kernel, 1)} -f code --raw\nThis cell of a Python notebook failed."
    )
    kernel.ok("%chat ask Is {{x}} odd?")
    assert next_cell(kernel.ok("%chat edit")) == f"%%chat -n main --replace {place(kernel, 2)}\nIs {{{{x}}}} odd?"


def test_edit_says_where_it_is_not_known_how_the_cell_was_typed(kernel, chat_server, tmp_path):
    """A file of an older version: what was sent is given, and that its options and its image are not in it is said."""
    kernel.ok("import numpy as np\npic = np.zeros((2, 3))")
    kernel.ok("%%chat -t 0.2 -i pic\nLook")
    kernel.ok("%%chat -t 0.2\nplain")
    kernel.ok(f"%chat save {tmp_path}/new.json")
    document = json.loads((tmp_path / "new.json").read_text())
    document["version"] = 1
    for turn in document["turns"]:
        del turn["options"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    kernel.ok(f"%chat load {tmp_path}/old.json -n old")
    cell = kernel.ok("%chat edit 1")
    assert next_cell(cell) == f"%%chat -n old --replace {place(kernel, 1, 'old')}\nLook"
    assert "not known how it was typed" in cell.plain
    assert "image" in cell.plain
    cell = kernel.ok("%chat edit 2")
    assert "not known how it was typed" in cell.plain
    assert "image" not in cell.plain
    kernel.ok("%chat retry")
    assert "temperature" not in chat_server.requests()[-1].json
    assert "not known" not in kernel.ok("%chat use main@1").plain + kernel.ok("%chat edit").plain


PARAMETERS = ("model", "temperature", "max_tokens", "seed", "stop")


def parameters(request) -> list[object]:
    return [request.json.get(name) for name in PARAMETERS]


def test_retry_and_continue_ask_as_the_turn_was_asked(kernel, chat_server):
    """Model, parameters and variable of the first cell's line; what the verb's own line says is stronger."""
    line = "-m other -t 0.2 --max-tokens 3 --param seed=7 --stop one --stop two -o answer"
    kernel.ok("%chat set temperature 0.9")
    kernel.ok(f"%%chat {line}\nCount")
    chat_server.script(text_stream("again"), text_stream("One, two,", finish="length"), text_stream(" three"))
    kernel.ok("%chat retry")
    assert kernel.value("answer.text") == "again"
    kernel.ok("%chat retry -t 1 --stop three --param other=1")
    kernel.ok("%chat continue")
    assert kernel.value("answer.text") == "One, two, three"
    first, again, changed, continued = chat_server.requests()
    assert parameters(first) == parameters(again) == ["other", 0.2, 3, 7, ["one", "two"]]
    assert parameters(changed) == parameters(continued) == ["other", 1, 3, 7, ["three"]]
    assert (changed.json["other"], continued.json["other"]) == (1, 1)
    kernel.ok("%%chat\nnext")
    assert parameters(chat_server.requests()[-1])[1:] == [0.9, None, None, None]


def test_retry_after_a_failure_has_the_options_of_what_failed(kernel, chat_server):
    """What is asked again is that cell."""
    chat_server.script(failure(400, "no"))
    kernel.run("%%chat -m other -t 0.2\ntwo")
    kernel.ok("%chat retry -m third")
    assert parameters(chat_server.requests()[-1])[:2] == ["third", 0.2]


def test_retry_and_continue_use_the_reply_as_the_first_cell_did(kernel, chat_server):
    """Code becomes a cell again, text is shown as text, a correction is offered."""
    code = "```python\nx = 1\n```"
    chat_server.script(*[text_stream(code)] * 2, text_stream("# no", finish="length"), text_stream(" heading"))
    kernel.ok("%%chat -f code\nCode, please")
    assert next_cell(kernel.ok("%chat retry")) == "x = 1"
    kernel.ok("%%chat -f text\nText, please")
    output = kernel.ok("%chat continue").only
    assert output.plain == "# no heading"
    assert "<h1" not in output.html
    kernel.run("nothing_here")
    chat_server.script(*[text_stream(code)] * 3)
    kernel.ok("%chat fix")
    assert next_cell(kernel.ok("%chat retry")) == "x = 1"
    assert kernel.ok("%chat retry -f markdown").reply["payload"] == []
    said = kernel.run("%chat use main@1").plain + kernel.run("%chat retry --background").plain
    assert "asked with -f code" in said
    assert "-f markdown" in said


def test_continue_joins_a_reply_that_ended_at_the_limit(kernel, chat_server):
    """Shown and kept as one reply; sent with the partial one last."""
    chat_server.script(
        text_stream("One, two, three", finish="length"), text_stream(", four.", finish="stop"), text_stream("Five.")
    )
    kernel.ok("%%chat\nCount", cell_id="a")
    assert "%chat continue" in kernel.ok("%chat history").plain
    output = kernel.ok("%chat continue --max-tokens 50 -o whole").only
    assert output.plain == "One, two, three, four."
    assert output.metadata["llmvision"]["status"] == "complete"
    request = chat_server.requests()[1]
    assert request.json["messages"][-1] == {"role": "assistant", "content": "One, two, three"}
    assert request.json["max_tokens"] == 50
    assert kernel.value("[whole.text, whole.finish_reason]") == ["One, two, three, four.", "stop"]
    kernel.ok("%%chat\nGo on")
    assert contents(chat_server.requests()[2]) == ["Count", "One, two, three, four.", "Go on"]
    assert len(ids(kernel)) == 2
    assert kernel.ok("%chat history --tree").plain.count("Count") == 2


@pytest.mark.parametrize(
    "cut",
    [
        stream(sse("Half of"), close()),
        stream(sse("Half of"), event({"error": {"message": "overheated"}})),
        text_stream("Half of", finish="length"),
    ],
)
@pytest.mark.parametrize("options", ["", "--once -s 'Be kind.' -t 0.25"])
def test_reply_that_is_not_whole_says_what_goes_on_with_it(kernel, chat_server, cut, options):
    """And that does, as it was asked, also for a reply that is in no history; a whole one says nothing of it."""
    chat_server.script(cut, failure(401, "no"), text_stream(" it."))
    first = kernel.run(f"%%chat {options} -o answer\nAsk").only
    assert "%chat continue goes on with it." in first.html
    assert "%chat continue" not in first.plain
    assert kernel.run("%chat continue").only.kind == "error"  # what there is can still be continued
    whole = kernel.ok("%chat continue").only
    assert whole.plain == kernel.value("answer.text") == "Half of it."
    assert "goes on" not in whole.html
    asked, _, last = (one.json for one in chat_server.requests())
    assert last == {**asked, "messages": [*asked["messages"], {"role": "assistant", "content": "Half of"}]}
    assert "nothing to continue" in kernel.run("%chat continue").only.text


def test_continue_means_the_conversation_again_when_one_has_moved(kernel, chat_server):
    """What is in no history can be gone on with while nothing else was asked and nobody went elsewhere."""
    cut = text_stream("Half of", finish="length")
    chat_server.script(cut, cut, text_stream(" that."))
    kernel.ok("%%chat\nFirst")
    kernel.ok("%%chat --once\nSecond")
    kernel.ok("%chat new other")
    assert "no reply to a --once prompt" in kernel.run("%chat continue --once").only.text
    assert "has no turns yet" in kernel.run("%chat continue").only.text
    assert kernel.ok("%chat continue -n main").only.plain == "Half of that."
    assert chat_server.requests()[-1].json["messages"][0]["content"] == "First"


def test_other_conversations_reply_is_named_with_its_name(kernel, chat_server):
    """A reply in the background may end when one has gone to another conversation; columns cannot be gone on with."""
    chat_server.script(stream(sse("Half of"), wait(), sse(finish="length"), done()))
    kernel.ok("%%chat --background -n tutor\nFirst", watched=True)
    chat_server.holding()
    kernel.ok("%chat use main")
    kernel.heard = []
    chat_server.release()
    while not any("%chat continue -n tutor goes on with it." in str(one["content"]) for one in kernel.heard):
        kernel.hear(0.2)
    kernel.heard = None
    chat_server.script(*[text_stream("Half of", finish="length")] * 2)
    assert "goes on" not in kernel.ok("%%chat --compare seed=1,2\nFirst").html


def test_continue_drops_what_a_server_repeats(kernel, chat_server):
    """A cut reply; the server begins with its last words again."""
    chat_server.script(stream(sse("I went to the")), text_stream("went to the market.", rate=200))
    assert kernel.run("%%chat\nTell").status == "error"
    assert kernel.ok("%chat continue").only.plain == "I went to the market."


def test_continue_asks_in_words_where_the_server_refuses(kernel, chat_server):
    """Some want the last message to be the user's."""
    chat_server.script(
        stream(sse("I went to")),
        json_answer({"error": {"message": "last must be user"}}, status=400),
        text_stream("the market."),
    )
    kernel.run("%%chat\nTell")
    assert kernel.ok("%chat continue").only.plain == "I went to the market."
    request = chat_server.requests()[2]
    assert [message["role"] for message in request.json["messages"]] == ["user", "assistant", "user"]


def test_continue_that_fails_leaves_the_reply_to_be_continued(kernel, chat_server):
    """One sentence; the turn stands as it was."""
    chat_server.script(stream(sse("Half of")), failure(401, "no"), text_stream(" it."))
    kernel.run("%%chat\nTell")
    failed = kernel.run("%chat continue")
    assert failed.only.kind == "error"
    assert kernel.ok("%chat continue").only.plain == "Half of it."


def test_what_is_left_out_of_the_context_is_said(kernel, chat_server):
    """Which turns, and why."""
    too_long = {
        "code": 400,
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 100,
        "n_ctx": 80,
        "message": "long",
    }
    chat_server.script(
        text_stream("One."),
        text_stream("3."),
        json_answer({"error": too_long}, status=400),
        text_stream("4."),
    )
    for prompt in ("first", "third", "fourth"):
        kernel.ok(f"%%chat\n{prompt}")
    page = kernel.ok("%chat history").plain
    assert "turn 1 was not sent, for the model's context was full" in page


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("undo 0", "at least 1"),
        ("undo many", "at least 1"),
        ("undo 3", "has 1 turn"),
        ("use main@7", "its turns are 1 to 1"),
        ("use main@", "no turn ``"),
        ("use nowhere@1", "no conversation `nowhere`"),
        ("edit 5", "its turns are 1 to 1"),
        ("continue", "nothing to continue"),
        ("retry -a nothing", "takes no -a, -i"),
        ("continue --raw", "takes no -a, -i"),
        ("continue --once", "no reply to a --once prompt to continue"),
        ("retry --replace 1", "takes no --replace"),
        ("retry -t 3", "from 0 to 2"),
        ("retry --temprature 1", "--temperature"),
        ("retry again please", "takes nothing else"),
        ("history main other", "--tree"),
        ("history --three", "--tree"),
        ("stop", "in the background"),
        ("retry -n nowhere", "no conversation `nowhere`"),
    ],
)
def test_bad_line_is_one_sentence_and_changes_nothing(kernel, chat_server, line, said):
    """What was expected, what came; the conversation is as it was."""
    kernel.ok("%%chat\none")
    before = kernel.ok("%chat history --tree").plain
    cell = kernel.run(f"%chat {line}")
    assert cell.status == "error"
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert kernel.ok("%chat history --tree").plain == before
    assert len(chat_server.requests()) == 1


@pytest.mark.parametrize("line", ["undo", "retry", "edit", "continue"])
def test_nothing_was_asked_yet(kernel, line):
    """One sentence."""
    cell = kernel.run(f"%chat {line}")
    assert len(cell.only.text.splitlines()) == 1
    assert cell.only.text.startswith("InvalidInput: ")


def test_replace_of_a_turn_that_is_not_there(kernel, chat_server):
    """Nothing is sent; --once and --replace contradict each other."""
    assert "no turn `4`" in kernel.run("%%chat --replace 4\nHello").plain
    assert "give one of them" in kernel.run("%%chat --replace 1 --once\nHello").plain
    assert chat_server.requests() == []


@pytest.mark.parametrize("verb", ["history", "undo", "use", "retry", "edit", "continue", "stop", "new", "usage"])
def test_help_has_an_example(kernel, verb):
    """Each verb."""
    assert f"\n%chat {verb}" in kernel.ok(f"%chat help {verb}").plain
    assert verb in kernel.complete(f"%chat {verb[:2]}")


def test_tab_knows_the_options_of_retry(kernel):
    """They are those of `%%chat`."""
    assert "--max-tokens" in kernel.complete("%chat retry --max")
    assert kernel.complete("%chat history --t") == ["--tree"]
