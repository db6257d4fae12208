"""What differs from server to server, where a user meets it: in a kernel, against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.kernels import Kernel, running_kernel

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
