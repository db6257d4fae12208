"""Personas and prices: files of the user's, through a real kernel and as the rooms read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Kernel, running_kernel
from support.servers.scripting import done, sse, sse_usage, stream, text_stream

from llmvision_magic.chat.personas import read_persona
from llmvision_magic.chat.prices import Price, Prices, read_prices
from llmvision_magic.chat.usage import TokenTotals
from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.verbs.pages import usage_page

SOCRATES = """---
model: wise-one
temperature: 0.25
stop: [END, STOP]
parameters:
  max-tokens: 300
param: {seed: 7}
---

Answer every question with a question.

---

Never tell why.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The notebook's folder."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, folder) -> Iterator[Kernel]:
    """One kernel for this file, in a folder and with a configuration of its own."""
    config = {"XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)}
    with running_kernel(cwd=folder, LLMVISION_BASE_URL=chat_server_process.url, **config) as kernel:
        yield kernel


def test_another_current_folder_is_not_the_notebooks(kernel, chat_server, folder):
    """`%cd` takes neither the settings nor the personas away, and a stranger's ``.env`` there says nothing."""
    (folder / "socrates.md").write_text(SOCRATES)
    (folder / ".env").write_text("LLMVISION_MODEL=ours\nLLMVISION_RECORD=kept.jsonl\n")
    (folder / "data").mkdir()
    (folder / "data" / ".env").write_text("LLMVISION_MODEL=theirs\n")
    try:
        kernel.ok("%%chat\nfirst")
        kernel.ok("%cd data")
        kernel.ok("%%chat\nsecond")
        assert [request.json["model"] for request in chat_server.requests()] == ["ours", "ours"]
        assert len((folder / "kept.jsonl").read_text().splitlines()) == 3  # its head, and both
        assert not (folder / "data" / "kept.jsonl").exists()
        kernel.ok("%chat new tutor --persona socrates")
    finally:
        kernel.ok("%cd ..")
        (folder / ".env").unlink()


def test_persona_gives_system_prompt_model_and_parameters(kernel, chat_server, folder):
    """Beside the notebook, by its file name; options of a cell are stronger."""
    (folder / "socrates.md").write_text(SOCRATES)
    page = kernel.ok("%chat new tutor --persona socrates.md").plain
    assert "model `wise-one`" in page
    kernel.ok("%%chat -t 0.5\nWhy?")
    body = chat_server.requests()[0].json
    assert body["messages"][0] == {
        "role": "system",
        "content": "Answer every question with a question.\n\n---\n\nNever tell why.",
    }
    assert [body[key] for key in ("model", "temperature", "stop", "max_tokens", "seed")] == [
        *("wise-one", 0.5, ["END", "STOP"], 300, 7)
    ]


def test_personas_are_found_by_name_and_completed(kernel, chat_server, folder):
    """In `personas` beside the notebook and in the configuration folder."""
    (folder / "personas").mkdir()
    (folder / "personas" / "critic.md").write_text("Find the weakest point.")
    where = Path(
        kernel.value(
            "str(__import__('llmvision_magic.chat.personas').chat.personas.folders(__import__('pathlib').Path())[-1])"
        )
    )
    assert where.is_relative_to(folder)
    where.mkdir(parents=True)
    (where / "poet.md").write_text("Answer in verse.")
    (folder / "socrates.md").write_text(SOCRATES)
    (folder / "README.md").write_text("No persona.")
    assert sorted(kernel.complete("%chat new x --persona ")) == ["critic", "poet", "socrates"]
    assert kernel.complete("%chat new x --p") == ["--persona"]
    for name, text in (("critic", "Find the weakest point."), ("poet", "Answer in verse.")):
        kernel.ok(f"%chat new {name} --persona {name}")
        kernel.ok("%%chat\nHello")
        assert chat_server.requests()[-1].json["messages"][0]["content"] == text


BAD = [
    (
        "misspelt key",
        "---\nmodel: m\ntemprature: 1\n---\n",
        "line 3: a persona has no `temprature`. Did you mean `temp",
    ),
    (
        "wrong value",
        "---\ntemperature: warm\n---\n",
        "line 2: temperature: expected a number from 0 to 2",
    ),
    ("out of range", "---\n\n# note\ntemperature: 3\n---\n", "line 4: "),
    ("server", "---\nbase_url: http://elsewhere/\n---\n", "line 2: a persona has no `base_url`"),
    ("not YAML", "---\nmodel: [a\n---\n", "the head is not YAML"),
    ("tab", "---\nmodel: a\n\tstop: b\n---\n", "line 3: the head is not YAML"),
    ("object", "---\nmodel: !!python/object:os.system x\n---\n", "the head is not YAML"),
    ("list", "---\n- model\n---\n", "line 2: the head is lines of `key: value`"),
    ("twice", "---\nmodel: a\nmodel: b\n---\n", "line 3: `model` is given twice"),
    ("open head", "---\nmodel: a\n", "line 1: the head that begins with `---`"),
    ("not text", b"\xff\xfe\x00", "cannot be read"),
    ("aliases", "---\nparam: {a: &a [1, 1], b: [*a, *a]}\n---\n", "line 2: a head has no aliases (`*a`)"),
    (
        "aliases that multiply",
        "---\nparam:\n"
        + "".join(f"  a{n}: &a{n} [{f'*a{n - 1}, ' * 9 if n else 'lol'}]\n" for n in range(10))
        + "---\n",
        "line 4: a head has no aliases",
    ),
    ("alias of itself", "---\nparam: &a {b: *a}\n---\n", "a head has no aliases"),
    ("NaN", "---\nparam: {a: [.nan]}\n---\n", "line 2: `param` cannot be used: `nan` in it is no number"),
    ("no end", "---\nparam: {a: .inf}\n---\n", "line 2: `param` cannot be used: `inf` in it is no number"),
    ("date", "---\nparam: {a: 2024-01-01}\n---\n", "the kind date is in it, which JSON has not"),
    ("bytes", "---\nparam: {a: !!binary aGk=}\n---\n", "the kind bytes is in it"),
    ("set", "---\nparam: {a: !!set {b}}\n---\n", "the kind set is in it"),
    ("number as a name", "---\nparam: {1: a}\n---\n", "a name in it is int and no text"),
    ("many digits", f"---\nmax_tokens: {'9' * 400}\n---\n", "line 2: `max_tokens` cannot be used: a number in it has"),
    (
        "more digits",
        f"---\nmax_tokens: 0x{'f' * 9999}\n---\n",
        "line 2: `max_tokens` cannot be used: a number in it has",
    ),
    ("too many digits", f"---\nmax_tokens: {'9' * 9999}\n---\n", "the head is not YAML"),
    ("deep", f"---\nparam: {{a: {'[' * 150}{']' * 150}}}\n---\n", "nested more than 100 levels deep"),
    ("deeper", f"---\nparam: {{a: {'[' * 5000}{']' * 5000}}}\n---\n", "the head is not YAML"),
    ("long head", f"---\nparam: {{a: {'x' * 30_000}}}\n---\n", "the head is longer than 20,000 characters"),
    ("long text", f"---\ntemperature: {'x' * 15_000}\n---\n", "expected a number from 0 to 2"),
]


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_wrong_head_names_file_and_line(tmp_path, content, said):
    """One sentence; nothing in the file is run."""
    path = tmp_path / "odd.md"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput) as caught:
        read_persona(path)
    assert said in str(caught.value)
    assert "odd.md" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("new x --persona nobody", "There is no persona `nobody` beside the notebook"),
        ("new x --persona", "takes one option"),
        ("new x --persona odd", "odd.md, line 2"),
    ],
)
def test_bad_persona_makes_no_conversation(kernel, folder, line, said):
    """One sentence, and the conversations are as they were."""
    (folder / "odd.md").write_text("---\ncolour: red\n---\n")
    cell = kernel.run(f"%chat {line}")
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert "| x |" not in kernel.ok("%chat list").plain


def counted(text: str, prompt: int, completion: int, model: str):
    """A reply whose server tells the usage."""
    return stream(sse(text, model=model), sse(finish="stop", model=model), sse_usage(prompt, completion), done())


def test_usage_is_what_the_server_told_with_prices_where_a_file_gives_them(kernel, chat_server, folder):
    """By conversation and model; a reply without a count is said, a model without a price too."""
    chat_server.script(
        *(counted("One.", 1_000_000, 500_000, "dear"), counted("Two.", 2_000, 1_000, "other")),
        *(counted("Three.", 1_000_000, 0, "dear"), text_stream("Four.")),
    )
    for line in ("", "-n side", "-n side", "--once"):
        kernel.ok(f"%%chat {line}\nHello")
    page = kernel.ok("%chat usage").plain
    assert "| main | `dear` | 1 | 1,000,000 | 500,000 |" in page
    assert "price" not in page
    (folder / "prices.toml").write_text('currency = "EUR"\n[models.dear]\nprompt = 2\ncompletion = 8.5\n')
    kernel.ok("%chat set prices prices.toml")
    page = kernel.ok("%chat usage").plain
    assert "price (EUR)" in page
    assert "| main | `dear` | 1 | 1,000,000 | 500,000 | 6.2500 |" in page
    assert "| side | `other` | 1 | 2,000 | 1,000 |  |" in page
    assert "| **in all** |  | 4 | 2,002,000 | 501,000 | 8.2500 |" in page
    assert "For 1 reply the server told no usage; nothing is guessed." in page
    assert "no price for `other`, `test-model`" in page


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.json", "{", "cannot be read"),
        ("p.json", "[]", "has no `models`"),
        ("p.json", '{"models": {}}', "names no `currency`"),
        ("p.json", '{"currency": "EUR", "models": {"m": {"prompt": 1}}}', "`m` needs `prompt` and `completion`"),
        ("p.json", '{"currency": "EUR", "models": {"m": {"prompt": -1, "completion": 1}}}', "at least 0"),
        ("p.toml", "currency = ", "cannot be read"),
        ("p.json", '{"currency": "EUR", "models": {"m": {"prompt": 1e400, "completion": 1}}}', "at least 0"),
        ("p.json", '{"currency": "EUR", "models": {"m": {"prompt": NaN, "completion": 1}}}', "at least 0"),
        (
            "p.json",
            f'{{"currency": "EUR", "models": {{"m": {{"prompt": {"9" * 400}, "completion": 1}}}}}}',
            "at least 0",
        ),
        (
            "p.json",
            f'{{"currency": "EUR", "models": {{"m": {{"prompt": {"9" * 9999}, "completion": 1}}}}}}',
            "cannot be read",
        ),
        ("p.toml", 'currency = "EUR"\n[models.m]\nprompt = inf\ncompletion = nan', "at least 0"),
        ("p.json", f'{{"currency": "{"E" * 1000}", "models": {{}}}}', "names no `currency`"),
        ("p.json", "[" * 100_000, "cannot be read"),
    ],
)
def test_wrong_price_file_is_named(tmp_path, name, content, said):
    """One sentence."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InvalidInput, match=name) as caught:
        read_prices(path)
    assert said in str(caught.value)


def test_price_file_as_json(tmp_path):
    """Prices are per million tokens."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"currency": "EUR", "models": {"m": {"prompt": 1, "completion": 2}}}))
    assert read_prices(path) == Prices("EUR", {"m": Price(1, 2)})
    assert Price(1, 2).of(TokenTotals(1, 1, 500_000, 250_000)) == 1.0


def test_missing_price_file_is_said(kernel):
    """When the usage is asked for, which is told all the same."""
    kernel.ok("%%chat\nHello")
    kernel.ok("%chat set prices nowhere.json")
    page = kernel.ok("%chat usage").plain
    assert "nowhere.json cannot be read" in page
    assert "prompt tokens" in page


def test_small_cost_is_not_shown_as_none():
    spent = {("main", "m"): TokenTotals(1, 1, 10, 0)}
    assert "< 0.0001" in usage_page(spent, Prices("EUR", {"m": Price(1, 2)}))
