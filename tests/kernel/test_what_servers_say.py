"""What a server says about itself: cut, made visible and capped wherever it is shown, and that is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Kernel, running_kernel
from support.servers.control import ChatServer
from support.servers.scripting import completion, done, event, json_answer, reply, sse, stream

ODD = "good\r\nbad\0\x1b[2J\u202egnp.exe\u2066\x85\u200b"
SHOWN = "good⟨U+000D⟩⟨U+000A⟩bad⟨U+0000⟩⟨U+001B⟩[2J⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+0085⟩⟨U+200B⟩"


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel in a folder of its own."""
    folder = tmp_path_factory.mktemp("work")
    given = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_JOURNAL": str(folder / "journal.sqlite3")}
    with running_kernel(cwd=folder, **given) as kernel:
        yield kernel


def everywhere(kernel: Kernel, folder: Path) -> str:
    """All that is shown of the last reply, and written about it."""
    pages = [
        kernel.ok(f"%chat {verb}").plain for verb in ("history", "history --tree", "usage", "log", "list", "status")
    ]
    for suffix in ("md", "html", "json", "ipynb"):
        kernel.ok(f"%chat export {folder}/x.{suffix} --overwrite")
        pages.append((folder / f"x.{suffix}").read_text())
    return "\n".join(pages)


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_odd_characters_of_a_name_are_visible(kernel: Kernel, chat_server: ChatServer, tmp_path: Path, whole: bool):
    """In the footer, in the reply's own fields, in every page and file."""
    if whole:
        chat_server.script(json_answer({**completion("Good morning."), "model": ODD, "id": ODD, "object": ODD}))
    else:
        named = {"model": ODD, "id": ODD, "object": ODD}
        chat_server.script(stream(sse("Good", **named), sse(" morning.", **named), sse(finish="stop", **named), done()))
    cell = kernel.ok("%%chat -o r\nHello")
    assert SHOWN in cell.only.html
    assert cell.only.metadata["llmvision"]["model"] == SHOWN
    assert kernel.value("[r.model, r.id, r.object, r.text]") == [SHOWN, SHOWN, SHOWN, "Good morning."]
    shown = cell.html + cell.plain + everywhere(kernel, tmp_path)
    assert SHOWN in shown
    assert not {"\r", "\0", "\x1b", "\u202e", "\u2066", "\x85"} & {*shown}


def test_long_name_is_cut_and_its_length_is_said(kernel: Kernel, chat_server: ChatServer, tmp_path: Path):
    """A megabyte in each chunk; what went with it is whole."""
    name = "m" * 1_000_000
    chat_server.script(stream(sse("Good", model=name), sse(" morning.", model=name), sse(finish="s" * 99_999), done()))
    cell = kernel.ok("%%chat -o r\nHello")
    assert "m… (1,000,000 characters)" in cell.only.html
    assert kernel.value("[len(r.model) < 300, len(r.finish_reason) < 300, r.text]") == [True, True, "Good morning."]
    assert len(str(cell.messages)) < 100_000
    assert len(everywhere(kernel, tmp_path)) < 100_000


def test_listed_models_are_short_and_visible(kernel: Kernel, chat_server: ChatServer):
    names = [ODD, "m" * 1_000_000, *(f"model-{number}" for number in range(20_000))]
    chat_server.script(json_answer({"data": [{"id": name} for name in names]}, path="/v1/models"))
    page = kernel.ok("%chat models").plain
    assert not {"\r", "\0", "\x1b", "\u202e", "\u2066"} & {*page}
    assert len(page) < 50_000
    assert "model-1`" in page
    assert "19,002 more" in page


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_choices_that_nobody_asked_for_are_capped_and_that_is_said(
    kernel: Kernel, chat_server: ChatServer, whole: bool
):
    """The first one is the reply, whatever stands around it."""
    choices = [
        {"index": number, "message": {"role": "assistant", "content": f"choice-{number}"}, "finish_reason": "stop"}
        for number in range(100_000)
    ]
    if whole:
        chat_server.script(reply(choices=choices))
    else:
        pieces = [
            event({"choices": [{**one, "delta": one["message"], "message": None} for one in choices[at : at + 500]]})
            for at in range(0, 100_000, 500)
        ]
        chat_server.script(stream("".join(pieces), done()))
    cell = kernel.ok("%%chat -o r\nHello")
    assert kernel.value("[r.text, len(r.choices), r.choices[999].message.content]") == ["choice-0", 1000, "choice-999"]
    assert "The server sent 100,000 choices; the first 1,000 of them are kept." in cell.only.html
    assert "Only the first 100 of 1,000 choices are shown" in cell.only.html
    assert "choice-99<" in cell.only.html
    assert "choice-100<" not in cell.only.html
    assert cell.only.plain == "choice-0"
    assert kernel.value("r.status") == "complete"


def test_choices_that_were_asked_for_are_all_shown(kernel: Kernel, chat_server: ChatServer):
    texts = ["First.", "Second.", "Third."]
    choices = [{"index": n, "message": {"content": text}, "finish_reason": "stop"} for n, text in enumerate(texts)]
    chat_server.script(reply(choices=choices))
    html = kernel.ok("%%chat --param n=3\nHello").only.html
    assert all(f"{which}</p>" in html for which in ("2 of 3", "3 of 3"))
    assert all(text in html for text in texts)
    assert "choices" not in html
