"""What differs from server to server, where a user meets it: in a kernel, against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.kernels import Kernel, running_kernel
from support.servers.scripting import answer, failure, json_answer, text_stream

PLATFORM = "https://platform.llmprovider.ai/v1"


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, tmp_path_factory) -> Iterator[Kernel]:
    """One kernel for this file, in a folder of its own, with a key."""
    with running_kernel(
        cwd=tmp_path_factory.mktemp("notebook"),
        LLMVISION_BASE_URL=chat_server_process.url,
        LLMVISION_API_KEY="sk-made-up-0123456789",
    ) as kernel:
        kernel.ok("import os, pathlib")
        yield kernel


@pytest.fixture
def given(kernel: Kernel) -> Iterator[Callable[..., None]]:
    """Sets variables in the kernel's environment for one test; None takes one away."""
    before = kernel.value("dict(os.environ)")

    def give(**variables: str | None) -> None:
        for name, value in variables.items():
            kernel.ok(f"os.environ.pop({name!r}, None)" if value is None else f"os.environ[{name!r}] = {value!r}")

    yield give
    kernel.ok(f"os.environ.clear()\nos.environ.update({before!r})")


def test_temperature_goes_to_2_but_on_the_platform(kernel, chat_server, given):
    """A lesson on temperature can be given on any server; what the platform refuses is not sent to it."""
    kernel.ok("%%chat -t 2\nHello")
    kernel.ok("%chat set temperature 1.5")
    kernel.ok("%%chat\nHello")
    assert [one.json["temperature"] for one in chat_server.requests()] == [2, 1.5]
    given(LLMVISION_BASE_URL=PLATFORM)
    said = "temperature is a number from 0 to 1 on the platform; 1.5 came. Other servers take up to 2."
    assert f"{said} It was given by: %chat set." in kernel.run("%%chat\nHello").only.text
    assert "unusable: `1.5`; expected a number from 0 to 2, on the platform from 0 to 1" in kernel.ok("%chat").plain
    kernel.ok("%chat unset temperature")
    for cell in ("%%chat -t 1.5\nHello", "%%chat --compare temperature=1,1.5\nHello", "%chat set temperature 1.5"):
        assert said in kernel.run(cell).only.text
    python = "import llmvision_magic\nllmvision_magic.ChatClient().complete('Hello', temperature=1.5)"
    assert said in kernel.run(python).only.text
    assert '"temperature": 1' in kernel.ok("%%chat -t 1 --dry-run\nHello").plain
    given(LLMVISION_BASE_URL=None)  # the key alone means the platform too
    assert said in kernel.run("%%chat -t 1.5\nHello").only.text


def test_a_recording_answers_any_temperature(kernel, chat_server, given):
    """What is replayed goes to no server: a lesson recorded elsewhere runs where there is a key of the platform."""
    kernel.ok("%chat record warm.jsonl\n%chat new warm")
    kernel.ok("%%chat -n warm -t 1.5\nHello")
    given(LLMVISION_BASE_URL=PLATFORM)
    kernel.ok("%chat replay warm.jsonl")
    assert "echo: Hello" in kernel.ok("%%chat -n replayed -t 1.5\nHello").plain
    kernel.ok("%chat live")
    assert "on the platform; 1.5 came" in kernel.run("%%chat -t 1.5\nHello").only.text


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ('--param response_format={"type": "json_object"}', {"response_format": {"type": "json_object"}}),
        (
            '-t 1 --param=x={"a": [1, 2, {"b": "it\'s"}]} -m other',
            {"x": {"a": [1, 2, {"b": "it's"}]}, "model": "other"},
        ),
        ('--param x=[1, "two words"] --param y={}', {"x": [1, "two words"], "y": {}}),
        ('--param user="two words"', {"user": "two words"}),
        ('--param user="say \\"no\\""', {"user": 'say "no"'}),
        ("--param 'x={\"a\": 1}' --param y='{\"b\": 2}'", {"x": {"a": 1}, "y": {"b": 2}}),
        ('--param x={\\"a\\":1} --param seed=7 --param user=me', {"x": {"a": 1}, "seed": 7, "user": "me"}),
        ('--param user="True" --param logprobs=true', {"user": "True", "logprobs": True}),
        ('-s \'type --param x={"a": 1}\' --param x={"b": 2}', {"x": {"b": 2}}),
        ('--param x={"bias": {"50256": -100}} -s "it\'s"', {"x": {"bias": {"50256": -100}}}),
    ],
)
def test_json_is_typed_as_it_is(kernel, chat_server, typed, sent):
    """Its quotes and blanks are its own; what a shell would want is understood too."""
    kernel.ok(f"%%chat --once {typed}\nHello")
    [request] = chat_server.requests()
    assert {name: request.json[name] for name in sent} == sent
    assert "a" not in request.json


def test_json_is_typed_as_it_is_wherever_a_parameter_is(kernel, chat_server):
    """For verbs with the options of a cell, for a conversation, and to compare."""
    kernel.ok('%%chat --param stop_at={"a": "b c"}\nHello')
    kernel.ok('%chat retry --param more={"d": [1, 2]}')
    kernel.ok('%chat set param kept={"e": "f g"}')
    kernel.ok('%%chat --compare response_format={"type": "text"}, {"type": "json_object"} --param z=["y z"]\nHello')
    first, again, *compared = chat_server.requests()
    assert first.json["stop_at"] == again.json["stop_at"] == {"a": "b c"}
    assert again.json["more"] == {"d": [1, 2]}
    types = sorted(one.json["response_format"]["type"] for one in compared)
    assert types == ["json_object", "text"]
    assert all(one.json["kept"] == {"e": "f g"} and one.json["z"] == ["y z"] for one in compared)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--param x={'a': 'b c'}", 'its texts in double quotes, for example `--param x={"key": ["text", 7, true]}`'),
        ('--param x={"a": b c}', 'what came after `x=` is no JSON: {"a": b c}'),
        ('--param x=["a", "b"', 'what came after `x=` is no JSON: ["a", "b"'),
        ("--param logprobs=True", "JSON writes `logprobs=true`"),
        ("--param 'x={\"a\": 1'", "expected KEY=JSON"),
    ],
)
def test_what_is_no_json_is_told_with_how_to_write_it(kernel, chat_server, typed, said):
    """One sentence; nothing is sent as a text that was meant as something else."""
    cell = kernel.run(f"%%chat {typed}\nHello")
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert chat_server.requests() == []


SECRET = "gate-s3cret-0123456789"


def sent(chat_server, *names: str) -> list[tuple[str | None, ...]]:
    """The values of headers of each request for a reply."""
    asked = [one for one in chat_server.requests() if one.method == "POST"]
    return [tuple(one.headers.get(name) for name in names) for one in asked]


def test_headers_come_from_every_place_and_the_strongest_counts(kernel, chat_server, given):
    """By name, whatever its case; a header of the user's is sent in the place of ours."""
    given(LLMVISION_HEADERS='{"X-Team": "7B", "X-From": "environment"}')
    kernel.ok("%%chat\nHello")
    kernel.ok("%config ChatMagics.headers = {'x-team': '8'}")
    kernel.ok("%chat set headers X-Room=blue")
    kernel.ok("%%chat --header X-TEAM=9 --header 'X-Words=two words' --header A=b=c\nHello")
    kernel.ok("%%chat --header 'Authorization=Basic Zm9vOmJhcjEyMw=='\nHello")
    kernel.ok("%chat models")
    kernel.ok("%config ChatMagics.headers = None")
    kernel.ok("import llmvision_magic\nllmvision_magic.ChatClient(headers={'X-Team': '10'}).complete('Hello')")
    assert sent(chat_server, "x-team", "x-from", "x-room", "x-words", "a") == [
        ("7B", "environment", None, None, None),
        ("9", "environment", "blue", "two words", "b=c"),
        ("8", "environment", "blue", None, None),
        ("10", "environment", None, None, None),
    ]
    assert sent(chat_server, "authorization")[1:3] == [("Bearer sk-made-up-0123456789",), ("Basic Zm9vOmJhcjEyMw==",)]
    [models] = [one for one in chat_server.requests() if one.method == "GET"]
    assert (models.headers["x-team"], models.headers["x-room"]) == ("8", "blue")


def test_headers_of_a_line_go_along_with_all_it_asks(kernel, chat_server):
    """In the background, side by side, and for the verbs that take the options of a cell; they are not asked again."""
    kernel.ok("%%chat --compare temperature=0,1 --header X-Team=7B\nHello")
    kernel.ok("%%chat --header X-Team=7B\nHello")
    kernel.ok("%chat retry --header X-Team=8B")
    kernel.ok("%chat retry")
    assert sent(chat_server, "x-team") == [("7B",), ("7B",), ("7B",), ("8B",), (None,)]


def test_the_value_of_a_header_is_shown_nowhere(kernel, chat_server, given):
    """Not by status, `%config`, `--dry-run`, settings, errors and tracebacks; their names are."""
    given(LLMVISION_HEADERS=f'{{"X-Gate": "{SECRET}"}}')
    kernel.ok(f"%config ChatMagics.headers = {{'X-Config': '{SECRET}'}}")
    shown = [kernel.ok(f"%chat set headers X-Set={SECRET}"), kernel.ok("%chat set"), kernel.ok("%chat set headers")]
    status = kernel.ok("%chat")
    assert "| headers | `X-Gate`, `X-Config`, `X-Set` (not shown) | " in status.plain
    dry_run = kernel.ok("%%chat --dry-run\nHello")
    assert "Sent besides, with values that are not shown: `X-Gate`, `X-Config`, `X-Set`" in dry_run.plain
    assert '-H "X-Gate: $X_GATE"' in dry_run.plain
    chat_server.script(failure(400, f"Your {SECRET} is no good"), failure(400, f"Your {SECRET} is no good"))
    refused = kernel.run("%%chat\nHello")
    assert "Your ••• is no good" in refused.only.text
    shown += [status, dry_run, refused, kernel.run("%tb"), kernel.ok("%config ChatMagics"), kernel.ok("%chat history")]
    kernel.ok("import llmvision_magic\nclient = llmvision_magic.ChatClient(headers={'X-Py': 'py-" + SECRET + "'})")
    shown += [kernel.ok("print(client, vars(client))"), kernel.ok("print(get_ipython().find_line_magic('chat'))")]
    for bad in (f"%%chat --header X-Gate={SECRET} more\nHello", f"%%chat --header '{SECRET}'\nHello"):
        shown.append(kernel.run(bad))
    for bad in (f"%%chat --header 'X-Gate: {SECRET}'\nHello", f'%%chat -s "open --header X-Gate={SECRET}\nHello'):
        shown.append(kernel.run(bad))
        shown.append(kernel.run("%tb"))
    chat_server.script(failure(404, "nothing"))
    kernel.run(f"%%chat --header 'X-Gate={SECRET}'\nHello")
    tracebacks = [kernel.run("%tb")]
    shown += [kernel.run(f"%chat set headers {SECRET}"), kernel.run(f"%%chat --header Content-Length={SECRET}\nHello")]
    given(LLMVISION_HEADERS=f'{{"X-Gate": "{SECRET}"')
    shown += [kernel.run("%%chat\nHello"), kernel.ok("%chat")]
    given(LLMVISION_HEADERS=None)
    shown.append(kernel.run(f"%config ChatMagics.headers = {{'X-Config': ['{SECRET}']}}"))
    kernel.ok("%config ChatMagics.headers = None")
    for cell in shown + tracebacks:
        everything = str([message["content"] for message in cell.messages if message["msg_type"] != "execute_input"])
        assert SECRET not in everything, everything
    assert "run_cell_magic(…)" in tracebacks[0].plain


def test_the_value_of_a_header_is_kept_nowhere(chat_server, tmp_path):
    """Not in the journal, a recording, a saved or an exported conversation."""
    with running_kernel(
        cwd=tmp_path, LLMVISION_BASE_URL=chat_server.url, LLMVISION_JOURNAL="journal.sqlite", LLMVISION_MODEL="m"
    ) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok(f"%chat set headers X-Set={SECRET}")
        kernel.ok("%chat record lesson.jsonl")
        chat_server.script(text_stream(f"You are {SECRET}."), text_stream(f"You are {SECRET}."))
        kernel.ok(f"%%chat --header X-Gate=lane-{SECRET} -t 0.5\nWho am I?")
        kernel.ok("value = 'a " + SECRET + " b'")
        kernel.ok(f"%%chat --header X-Gate=lane-{SECRET}\n{{{{value}}}}")
        assert "a ••• b" in chat_server.requests()[1].body
        kernel.ok("%chat live\n%chat save saved.json")
        for ending in ("md", "ipynb", "html", "json"):
            kernel.ok(f"%chat export exported.{ending}")
        kernel.ok("%chat edit 1")
        kernel.ok("%unload_ext llmvision_magic")
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"lesson.jsonl", "saved.json", "journal.sqlite", "exported.md"} <= set(kept)
    for name, content in kept.items():
        if not name.startswith(("exported", "saved", "journal")):  # these hold what the model said
            assert SECRET.encode() not in content, name
        for beginning in (b"X-Gate", b"X-Set", b"lane-"):
            assert beginning not in content, name


def test_a_loaded_conversation_sends_no_headers(kernel, chat_server, given):
    """It may be a stranger's."""
    kernel.ok("%%chat -t 0.5\nHello")
    kernel.ok("%chat save theirs.json")
    kernel.ok(
        "import json\ntext = json.loads(pathlib.Path('theirs.json').read_text())\n"
        "text['settings']['headers'] = {'X-Evil': '1'}\n"
        "text['turns'][0]['options']['headers'] = {'X-Evil': '2'}\n"
        "pathlib.Path('theirs.json').write_text(json.dumps(text))"
    )
    kernel.load_anew()
    kernel.ok("%chat load theirs.json")
    kernel.ok("%chat retry")
    kernel.ok("%%chat\nHello")
    assert sent(chat_server, "x-evil") == [(None,)] * 3


@pytest.mark.parametrize("place", ["environment", "configuration"])
def test_a_strangers_server_gets_no_headers_that_are_not_its_own(kernel, chat_server, given, place):
    """A `.env` file names the server; what the user gives for all notebooks is not sent there."""
    given(LLMVISION_BASE_URL=None, LLMVISION_API_KEY=None)
    kernel.ok(f"pathlib.Path('.env').write_text('LLMVISION_BASE_URL={chat_server.url}\\n')")
    try:
        if place == "environment":
            given(LLMVISION_HEADERS=f'{{"X-Gate": "{SECRET}"}}')
        else:
            kernel.ok(f"%config ChatMagics.headers = {{'X-Gate': '{SECRET}'}}")
        refused = kernel.run("%%chat\nHello")
        assert "they are not sent there, for such a file may be a stranger's" in refused.only.text
        assert SECRET not in refused.only.text
        kernel.run("%chat models")
        assert chat_server.requests() == []
        given(LLMVISION_HEADERS=None)
        kernel.ok("%config ChatMagics.headers = None")
        kernel.ok("with open('.env', 'a') as file: file.write('LLMVISION_HEADERS={\"X-Own\": \"1\"}\\n')")
        kernel.ok("%%chat\nHello")
        assert sent(chat_server, "x-own", "x-gate") == [("1", None)]
    finally:
        kernel.ok("%config ChatMagics.headers = None\npathlib.Path('.env').unlink()")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--header X-Team", "headers: expected NAME=VALUE, for example X-Team=7B"),
        ("--header 'X Team=7'", "no name that a header can have"),
        ("--header X-Team=", "is empty or holds another"),
        ("--header X-Team=é", "ASCII"),
        ("--header X-Team=7 --header x-team=8", "given twice"),
        ("--header Host", "expected NAME=VALUE"),
        ("--header Transfer-Encoding=chunked", "says how the request is written"),
        ("--header X-Team=7B or not", "put a header with blanks into quotes"),
        ("--heder X-Team=7B", "Did you mean `--header`?"),
    ],
)
def test_a_header_that_is_none_is_one_sentence(kernel, chat_server, line, said):
    """What was expected, and what to do; nothing is sent."""
    cell = kernel.run(f"%%chat {line}\nHello")
    assert said in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert chat_server.requests() == []


def test_tab_and_help_know_headers(kernel):
    """They are made from the declarations."""
    assert "--header" in kernel.complete("%%chat --hea")
    assert "NAME=VALUE" in kernel.ok("%chat help").plain


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("", "/v1/chat/completions"),
        ("/v1?api-version=2024-10-21", "/v1/chat/completions?api-version=2024-10-21"),
        ("/v1?token=s3cret-0123", "/v1/chat/completions?token=s3cret-0123"),
    ],
)
def test_address_as_it_is_copied_works(kernel, chat_server, given, ending, path):
    """With the endpoint's name, without the version, with a query; what a query may hide is not shown."""
    given(LLMVISION_BASE_URL=f"{chat_server.root}{ending}")
    assert "echo: Hello" in kernel.ok("%%chat\nHello").plain
    last = chat_server.requests()[-1]
    assert last.path == path
    assert last.headers.get("api-key") == ("sk-made-up-0123456789" if "api-version" in ending else None)
    assert "s3cret" not in kernel.ok("%chat").plain + kernel.ok("%%chat --dry-run\nHello").plain


def test_address_without_an_api_says_what_to_set(kernel, chat_server, given):
    """The one that most servers have."""
    given(LLMVISION_BASE_URL=f"{chat_server.root}/wrong")
    assert f"A base URL mostly ends in /v1: {chat_server.root}/v1." in kernel.run("%%chat\nHello").only.text


@pytest.mark.parametrize(
    "said",
    [
        answer(
            "<html><title>Dashboard</title></html>", headers={"Content-Type": "text/html"}, path="/chat/completions"
        ),
        json_answer({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, path="/chat/completions"),
        json_answer({"detail": "Method Not Allowed"}, status=405, path="/chat/completions"),
    ],
    ids=["a page", "words with a good status", "405"],
)
def test_address_without_the_version_works_whatever_is_there(kernel, chat_server, given, said):
    """A server's own pages, and answers that only say that there is nothing."""
    given(LLMVISION_BASE_URL=chat_server.root)
    chat_server.script(said)
    assert "echo: Hello" in kernel.ok("%%chat\nHello").plain
    kernel.ok("%%chat\nHello")
    paths = [one.path for one in chat_server.requests()]
    assert paths == ["/chat/completions", "/v1/chat/completions", "/v1/chat/completions"]


def test_address_of_a_deployment_says_that_its_version_is_missing(kernel, chat_server, given):
    """As Azure's addresses have it."""
    given(LLMVISION_BASE_URL=f"{chat_server.root}/openai/deployments/mine")
    sentence = kernel.run("%%chat\nHello").only.text
    assert "/openai/deployments/mine?api-version=2024-10-21" in sentence


@pytest.mark.parametrize("kind", ["no_db_connection", "auth_error"])
def test_error_about_the_key_says_so_whatever_its_status(kernel, chat_server, kind):
    """A proxy may say it with 400, or within a reply."""
    said = {"error": {"message": "No connected db.", "type": kind, "code": "400"}}
    chat_server.script(json_answer(said, status=400), json_answer(said, status=400), json_answer(said))
    for _ in range(2):
        assert "Check the key: `%chat key`." in kernel.run("%%chat\nHello").only.text


def test_words_about_the_key_are_enough(kernel, chat_server):
    """Some say it with a status for anything, and no code."""
    said = {"error": {"message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}
    chat_server.script(*[json_answer(said, status=400)] * 2)
    assert "Check the key: `%chat key`." in kernel.run("%%chat\nHello").only.text


def unknown_model(status: int, model: str, *names: str) -> list:
    """What a server says that has other models: once for each of two tries, and its list."""
    listed = json_answer({"data": [{"id": name} for name in names]}, path="/v1/models", repeat=True)
    refused = json_answer(
        {"error": {"message": f"model '{model}' not found"}}, status=status, contains=model, repeat=True
    )
    return [listed, refused]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_only_model_of_a_server_answers_where_none_is_chosen(kernel, chat_server, given, status):
    """It is asked for after the refusal, and from then on at once."""
    given(LLMVISION_BASE_URL=chat_server.url, LLMVISION_MODEL=None)
    chat_server.script(*unknown_model(status, "SenseCharacter", "llama3:8b"))
    kernel.ok("%%chat\nHello")
    assert chat_server.requests()[-1].json["model"] == "llama3:8b"
    before = len(chat_server.requests())
    kernel.ok("%%chat\nHello")
    assert [one.json["model"] for one in chat_server.requests()[before:]] == ["llama3:8b"]
    python = "import llmvision_magic\nprint(llmvision_magic.ChatClient().complete('Hello').text)"
    assert "echo: Hello" in kernel.ok(python).plain


def test_several_models_of_a_server_are_named_where_none_is_chosen(kernel, chat_server):
    """In one sentence, with how to choose one."""
    chat_server.script(*unknown_model(404, "SenseCharacter", *(f"model-{number}" for number in range(10))))
    [sentence] = kernel.run("%%chat\nHello").only.text.splitlines()
    assert "none was chosen (404)" in sentence
    assert "`model-0`, `model-1`" in sentence
    assert "`model-7` and 2 more: choose one with `-m NAME` or `%chat set model NAME`" in sentence


def test_a_chosen_model_that_a_server_has_not_is_told_with_those_it_has(kernel, chat_server):
    """The nearest first; one that it lists is not what it objects to."""
    chat_server.script(*unknown_model(400, "llama", "phi4", "llama3:8b"))
    sentence = kernel.run("%%chat -m llama3\nHello").only.text
    assert "has no model `llama3` (400): model 'llama' not found. It has" in sentence
    assert "It has `llama3:8b`, `phi4`:" in sentence
    chat_server.reset()
    chat_server.script(*unknown_model(400, "phi4", "phi4", "llama3:8b"))
    assert "It has" not in kernel.run("%%chat -m phi4\nHello").only.text


def test_context_that_is_full_is_no_unknown_model(kernel, chat_server):
    """Though the server's words name the model; the oldest turns are left out, and nobody is asked for models."""
    kernel.ok("%%chat\nHello")
    chat_server.reset()
    full = failure(400, "This model's maximum context length is 100 tokens.", code="context_length_exceeded")
    chat_server.script(full, text_stream("It fits."))
    assert "It fits." in kernel.ok("%%chat\nAnd now?").plain
    assert {one.path for one in chat_server.requests()} == {"/v1/chat/completions"}


def test_another_model_than_asked_is_in_the_footer(kernel, chat_server):
    """Of every server; where nobody chose a model, none was asked for."""
    assert "test-model, not other" in kernel.ok("%%chat -m other\nHello").html
    assert ", not " not in kernel.ok("%%chat\nHello").html


def test_401_without_a_key_says_that_none_is_set(kernel, chat_server, given):
    """There is no key to check."""
    given(LLMVISION_API_KEY=None)
    chat_server.script(failure(401, "who are you?"))
    said = kernel.run("%%chat\nHello").only.text
    assert "wants a key (401), and none is set: who are you?. Set it: `%chat key`" in said
