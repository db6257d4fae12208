"""The embedded model through a real kernel: no key, no account, no network."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from support.deadline import DEADLINE
from support.kernels import Kernel, running_kernel

pytestmark = pytest.mark.model


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """A kernel without any setting, the extension loaded."""
    with running_kernel() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


def server_pid(kernel: Kernel) -> int:
    """Process id of the embedded model's server."""
    return kernel.value("__import__('llmvision_magic.backends.connections').backends.connections.shared().embedded.pid")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while is_alive(pid):
        assert time.monotonic() < deadline, "the server has outlived its kernel"
        time.sleep(0.05)


def test_chat_with_no_key_answers_says_who_answers_and_remembers(kernel: Kernel):
    """Two cells: the start is told, the footer names the model, the second request holds the first turn."""
    lines: list[str] = []
    first = kernel.ok("%%chat -o first --max-tokens 30\nHello!", on_output=lambda cell: lines.append(cell.plain))
    assert any("starting the embedded model" in line for line in lines)
    assert "SmolLM2-135M-Instruct · embedded model" in first.only.html
    second = kernel.ok("%%chat -o second --max-tokens 30\nAnd again!")
    assert second.only.plain.strip()
    tokens = kernel.value("[first.usage.prompt_tokens, first.usage.completion_tokens, second.usage.prompt_tokens]")
    assert tokens[2] > tokens[0] + tokens[1] - 2


def test_model_that_was_not_asked_is_named(kernel: Kernel):
    """Who forgot the key must not take the answer for another model's."""
    cell = kernel.ok("%%chat --once -m other-model --max-tokens 4\nHello")
    assert "embedded model, not other-model: no key and no base URL" in cell.only.html


def test_image_is_refused_in_words_of_the_user(kernel: Kernel):
    """Not in those of llama.cpp, and with no address that means nothing to anybody."""
    kernel.ok("import numpy as np\narr = np.zeros((2, 2))")
    said = kernel.run("%%chat -i arr\nWhat is it?").only.text
    assert "The embedded model reads text only, and the messages hold an image" in said
    assert "mmproj" not in said
    assert "127.0.0.1" not in said
    kernel.ok("%%chat --max-tokens 8\nHello!")


def test_temperature_zero_answers_the_same_twice(kernel: Kernel):
    """Parameters reach the model."""
    texts = [kernel.ok("%%chat --once -t 0 --max-tokens 24\nName three colours.").only.plain for _ in range(2)]
    assert texts[0] == texts[1] != ""


def test_full_context_leaves_out_the_oldest_turns_and_the_reply_fits():
    """A conversation outgrows a small context: it goes on, and the footer says what was not sent."""
    with running_kernel(LLMVISION_LOCAL_CONTEXT="512") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        story = " ".join(["one two three four five six seven eight nine ten"] * 12)
        for _ in range(3):
            kernel.ok(f"%%chat --max-tokens 8\n{story}")
        cell = kernel.ok(f"%%chat --max-tokens 8\n{story}")
        assert "oldest turn" in cell.only.html
        assert cell.only.plain


def test_interrupt_while_the_model_writes_keeps_the_text(kernel: Kernel):
    """The server goes on to serve."""
    seen = []

    def interrupt(cell) -> None:
        if len(cell.plain) > 40 and "embedded model" not in cell.plain and not seen:
            seen.append(cell.plain.strip())
            kernel.interrupt()

    cell = kernel.run("%%chat -t 0\nWrite a long story about a lighthouse.", on_output=interrupt)
    assert cell.status == "error"
    assert "Interrupted" in cell.only.html
    assert seen[0].lstrip("…") in cell.only.plain
    assert kernel.ok("%%chat --max-tokens 8\nGo on.").only.plain


def test_crashed_server_is_started_again(kernel: Kernel):
    """A crash costs nothing but the time of a start."""
    kernel.ok("%%chat --max-tokens 8\nHello!")
    pid = server_pid(kernel)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert kernel.ok("%%chat --max-tokens 8\nHello again!").only.plain
    assert server_pid(kernel) != pid


def test_server_ends_with_a_killed_kernel(kernel: Kernel):
    """Also when the kernel had no chance to say goodbye."""
    kernel.ok("%%chat --max-tokens 8\nHello!")
    pid = server_pid(kernel)
    os.kill(kernel.pid, signal.SIGKILL)
    wait_gone(pid)


def test_unloading_ends_the_server(kernel: Kernel):
    """Nothing is left behind."""
    kernel.ok("%%chat --max-tokens 8\nHello!")
    pid = server_pid(kernel)
    kernel.ok("%unload_ext llmvision_magic")
    wait_gone(pid)


def test_model_file_that_is_none_is_one_sentence():
    """The wrong path is named; the history is as it was."""
    with running_kernel(LLMVISION_LOCAL_MODEL="/nowhere/model.gguf") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        cell = kernel.run("%%chat\nHello!")
        assert cell.reply["ename"] == "ModelNotStarted"
        assert "/nowhere/model.gguf" in cell.only.text
        assert len(cell.only.text.splitlines()) == 1
