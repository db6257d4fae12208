"""The variable of `-o`: one of the user's own, and bound only where somebody has typed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Kernel, next_cell, running_kernel
from support.panels import PanelPage
from support.servers.control import ChatServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, folder: Path) -> Iterator[Kernel]:
    """One kernel in a folder of its own."""
    given = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_JOURNAL": str(folder / "journal.sqlite3")}
    with running_kernel(cwd=folder, **given) as kernel:
        yield kernel


@pytest.mark.parametrize(
    "name",
    [
        *("get_ipython", "In", "Out", "exit", "quit", "display", "_", "__", "___", "_i", "_ii", "_1", "_i1", "_ih"),
        *("_oh", "_dh", "_exit_code", "__name__", "__builtins__", "print", "list", "open", "help", "ValueError"),
        *("__import__", "ｐｒｉｎｔ", "Ｏut"),  # Python reads these as `print` and `Out`
    ],
)
@pytest.mark.parametrize(
    "line", ["%%chat -o {}\nHello", "%chat retry -o {}", "%%chat --compare temperature=0,1 -o {}\nx"]
)
def test_names_that_cells_live_on_are_refused(kernel: Kernel, chat_server: ChatServer, name: str, line: str):
    """One sentence, before anything is sent; nothing is bound."""
    cell = kernel.run(line.format(name))
    assert cell.status == "error"
    assert "give another name, such as `reply`" in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert chat_server.requests() == []
    assert kernel.value(f"type(globals().get({name!r})).__name__") not in ("Reply", "Comparison")


def test_other_names_are_bound_as_python_reads_them(kernel: Kernel):
    """Also where a letter is written in another form than the one Python keeps."""
    kernel.ok("%%chat -o ﬁrst\nHello")
    assert kernel.value("first.status") == "complete"
    assert kernel.value("ﬁrst.status") == "complete"


def loaded(kernel: Kernel, folder: Path, way: str) -> None:
    """A conversation whose last turn was asked with `-o reply`, come into the kernel in which `reply` is the user's."""
    kernel.ok("%%chat -n source -o reply -t 0.5\nHello")
    if way == "load":
        kernel.ok("%chat use source")
        path = folder / "source.json"
        path.unlink(missing_ok=True)
        kernel.ok(f"%chat save {path}")
        assert json.loads(path.read_text())["turns"][-1]["options"]["out"] == "reply"
        kernel.ok(f"%chat load {path} -n other")
    elif way == "notebook":
        cell = kernel.ok("%%chat -n other -o reply -t 0.5\nHello")
        output = {"output_type": "display_data", "data": cell.only.data, "metadata": cell.only.metadata}
        page = {"cells": [{"source": "%%chat -n other -o reply\nHello", "outputs": [output]}]}
        (folder / "source.ipynb").write_text(json.dumps(page))
        kernel.ok("%chat drop other")
        kernel.ok(f"%chat resume --from {folder / 'source.ipynb'}")
    else:
        kernel.unload()
        kernel.ok("%load_ext llmvision_magic")
        kernel.ok("%chat resume source")
    kernel.ok("reply = 'mine'")


@pytest.mark.parametrize("way", ["load", "notebook", "journal"])
def test_loaded_turn_binds_nothing_by_itself(kernel: Kernel, folder: Path, way: str):
    """It is shown, at `retry` and in the cell that `edit` makes, and has to be typed; also when it is asked again."""
    loaded(kernel, folder, way)
    edited = kernel.ok("%chat edit")
    assert "-o reply" in next_cell(edited)
    cell = kernel.ok("%chat retry")
    assert kernel.value("reply") == "mine"
    assert "`-o reply` came from a file and binds nothing: `%chat retry -o reply` does" in cell.only.html
    assert cell.only.metadata["llmvision"]["options"]["temperature"] == 0.5
    kernel.ok("%chat retry --background")
    kernel.ok("%chat retry")
    assert kernel.value("reply") == "mine"
    kernel.ok("%chat retry -o reply")
    assert kernel.value("reply.status") == "complete"
    kernel.ok("reply = 'mine'")
    kernel.ok("%chat retry")  # as it was typed here
    assert kernel.value("reply.status") == "complete"


def test_loaded_turn_that_the_panel_asked_again_binds_nothing(kernel: Kernel, folder: Path):
    """The panel binds no variables; what it asks again must not become what somebody has typed."""
    loaded(kernel, folder, "load")
    page = PanelPage(kernel)
    [turn] = page.until(page.turns)
    page.send({"do": "retry", "key": "again", "turn": turn["id"]})
    page.answer("done", key="again")
    page.until(lambda: [one["status"] for one in page.turns() if one["id"] != turn["id"]] == ["complete"])
    kernel.ok("%chat retry")
    assert kernel.value("reply") == "mine"
