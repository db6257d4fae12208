"""Tab where a file is named, in a real kernel: its files, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.kernels import Kernel, running_kernel

FILES = (
    "a.txt",
    "b.jsonl",
    "Lesson two.jsonl",
    "c.json",
    "talk.ipynb",
    ".hidden.jsonl",
    "data/deep.jsonl",
    "my data/x",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A notebook's folder."""
    folder = tmp_path_factory.mktemp("notebook")
    for name in (*FILES, "it's.json", "empty/none/.keep"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def kernel_process(folder: Path) -> Iterator[Kernel]:
    """One kernel for this file."""
    with running_kernel(cwd=folder, HOME=str(folder)) as kernel:
        yield kernel


def lines(kernel: Kernel, line: str, after: str = "") -> list[str]:
    """What the line could be after Tab at its end, in the order that is offered."""
    kernel.client.complete(line + after, len(line))
    found = kernel.client.get_shell_msg(timeout=DEADLINE)["content"]
    return [line[: found["cursor_start"]] + match + line[found["cursor_end"] :] for match in found["matches"]]


@pytest.mark.parametrize("verb", ["replay", "record"])
def test_recordings_come_first_then_folders_then_the_rest(kernel, verb):
    """In the folder of the notebook; a name with a space stands in quotes, a hidden one waits for its dot."""
    names = ["b.jsonl", '"Lesson two.jsonl"', "data/", "empty/", '"my data/', "a.txt", "c.json", '"it\'s.json"']
    assert lines(kernel, f"%chat {verb} ") == [f"%chat {verb} {name}" for name in [*names, "talk.ipynb"]]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("load ", ["c.json", '"it\'s.json"', "data/", "empty/"]),
        ("save ", ["c.json", '"it\'s.json"', "data/", "empty/"]),
        ("export ", ["c.json", '"it\'s.json"', "talk.ipynb", "data/"]),
        ("resume --from ", ["talk.ipynb", "data/", "empty/", '"my data/']),
        ("set prices ", ["c.json", '"it\'s.json"', "data/", "empty/"]),
    ],
)
def test_files_that_fit_come_first(kernel, typed, offered):
    """Whatever the verb reads or writes."""
    assert lines(kernel, f"%chat {typed}")[:4] == [f"%chat {typed}"[: len(typed) + 6] + name for name in offered]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("replay b", ["replay b.jsonl"]),
        ("replay data/", ["replay data/deep.jsonl"]),
        ("replay ./data/d", ["replay ./data/deep.jsonl"]),
        ("replay ~/data/d", ["replay ~/data/deep.jsonl"]),
        ("replay .h", ["replay .hidden.jsonl"]),
        ("replay Les", ['replay "Lesson two.jsonl"']),
        ("replay Lesson tw", ['replay "Lesson two.jsonl"']),
        ('replay "Les', ['replay "Lesson two.jsonl"']),
        ("replay 'Les", ["replay 'Lesson two.jsonl'"]),
        ('save "my data/', ['save "my data/x"']),
        ("save my data/", ['save "my data/x"']),
        ("replay --speed 2 b", ["replay --speed 2 b.jsonl"]),
        ("replay b.jsonl --s", ["replay b.jsonl --speed"]),
        ("export talk.ipynb --o", ["export talk.ipynb --overwrite"]),
        ("save c.json --o", ["save c.json --overwrite"]),
        ("load c.json -", ["load c.json -n"]),
        ("resume --f", ["resume --from"]),
        ("load nowhere", ["load nowhere"]),
        ("load nowhere/x", ["load nowhere/x"]),
        ("load empty/none/", ["load empty/none/"]),
        ('replay "b.jsonl" ', ['replay "b.jsonl" --speed', 'replay "b.jsonl" --else']),
    ],
)
def test_line_after_tab_is_the_line_that_was_meant(kernel, typed, offered):
    """With what is typed already; where nothing fits, nothing else is offered either."""
    assert lines(kernel, f"%chat {typed}") == [f"%chat {line}" for line in offered]


def test_quote_that_the_front_end_has_closed_is_not_closed_again(kernel):
    """Editors set both quotes at once, the cursor between them."""
    assert lines(kernel, '%chat replay "Les', after='"') == ['%chat replay "Lesson two.jsonl']


def test_offered_paths_are_understood(kernel):
    """As the verb reads its line."""
    assert "it's.json is there and is no saved conversation" in kernel.run(lines(kernel, "%chat save it")[0]).plain
    assert "Lesson two.jsonl is no recording" in kernel.run(lines(kernel, "%chat record Les")[0]).plain


def test_empty_folder_offers_nothing_of_anybodys(kernel, folder):
    """No magics, no names of Python."""
    kernel.ok("%cd -q empty/none")
    assert lines(kernel, "%chat load ") == ["%chat load "]
    kernel.ok(f"%cd -q {folder}")
