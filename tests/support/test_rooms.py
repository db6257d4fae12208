"""The tests of one room run alone, with ``make check ROOM=…``, and every folder of tests is such a room."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOMS = sorted({path.parent.name for path in TESTS.glob("*/test_*.py")})


def make_check(*options: str) -> subprocess.CompletedProcess[str]:
    """What ``make check`` would run, without running it."""
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    # Within `make test` the outer make hands its own options down.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "ROOM")}
    command = ["make", "--dry-run", "check", *options]
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("options", "places"), [([], []), *(([f"ROOM={room}"], [f"tests/{room}"]) for room in ROOMS)])
def test_check_of_a_room_runs_its_tests_alone(options: list[str], places: list[str]):
    """And without a room all of them; linter and types in both cases."""
    lines = make_check(*options).stdout.splitlines()
    [tests] = [line.split() for line in lines if "-m pytest" in line]
    assert [word for word in tests if word.startswith("tests")] == places
    assert [line for line in lines if line.endswith("/ruff check")]
    assert [line for line in lines if line.endswith("/mypy")]


def test_unknown_room_is_told_with_the_rooms_there_are():
    """One sentence, and nothing runs."""
    told = make_check("ROOM=jurnal")
    assert told.returncode != 0
    assert told.stdout == ""
    [line] = told.stderr.splitlines()
    assert f'ROOM="jurnal" is no folder of tests; one of these was expected: {" ".join(ROOMS)}' in line


def test_no_file_of_tests_imports_another():
    """Each is imported under a name of its own folder; what two need is in `support`."""
    names = {path.stem for path in TESTS.rglob("test_*.py")} | {"conftest"}
    for path in TESTS.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not names & {module.rpartition(".")[2] for module in modules}, path
