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
