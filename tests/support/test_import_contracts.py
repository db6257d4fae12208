"""An import against the plan of the rooms ends ``make lint``, wherever it stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="it comes with the linters")

ROOT = Path(__file__).parents[2]
CLI = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the contracts say of the package in a folder."""
    places = {"PYTHONPATH": f"{folder}:{ROOT / 'tests' / 'support'}", "PATH": "", "TERM": "dumb"}
    command = [sys.executable, "-c", CLI, "--config", ROOT / "pyproject.toml", "--no-cache"]
    return subprocess.run(command, cwd=folder, env=places, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("settings/keys.py", "from llmvision_magic.chat import session", "An arrow runs"),
        ("panel/host.py", "def f():\n    from llmvision_magic.kernel import magics", "An arrow runs"),
        ("shelf.py", "", "An arrow runs"),  # in no room
        ("kernel/views/page.py", "import llmvision_magic.kernel.cells.dispatch", "No two neighbours"),
        ("journal/records.py", "if TYPE_CHECKING:\n    from llmvision_magic.journal import Journal", "No two files"),
        ("kernel/magics.py", "def f():\n    from llmvision_magic.kernel import loaded_magics", "No two files"),
        ("prompt/images.py", "import IPython.display", "Only the edges"),
        ("journal/records.py", "def f():\n    import traitlets", "Only the edges"),
        ("chat/sending.py", "import httpx", "Only the wire"),
        ("backends/local/download.py", "import http.client", "Only the wire"),
        ("client.py", "import xllamacpp", "Only the embedded"),
    ],
)
def test_import_against_the_plan_is_named(tmp_path: Path, file: str, line: str, contract: str):
    """One import more in a copy of the package breaks the contract that forbids it."""
    package = shutil.copytree(ROOT / "llmvision_magic", tmp_path / "llmvision_magic")
    with (package / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [row for row in done.stdout.splitlines() if row.startswith(contract) and "BROKEN" in row]


def test_package_keeps_the_plan(tmp_path: Path):
    """So that what breaks above is the line that was added."""
    shutil.copytree(ROOT / "llmvision_magic", tmp_path / "llmvision_magic")
    assert lint(tmp_path).returncode == 0
