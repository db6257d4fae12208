"""``python -m llmvision_magic``: what it prints where, and its exit codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmvision_magic import __version__
from llmvision_magic.backends.local import Progress
from llmvision_magic.backends.local.progress_display import shown_progress


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMVISION_")}
    return subprocess.run(
        [sys.executable, "-m", "llmvision_magic", *words],
        capture_output=True,
        text=True,
        env=kept | environ,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_lists_the_verbs(words: tuple[str, ...]) -> None:
    """Help goes to standard output and names each verb."""
    done = run(*words)
    assert done.returncode == 0
    assert "python -m llmvision_magic VERB" in done.stdout
    assert "model" in done.stdout
    assert done.stderr == ""


def test_version() -> None:
    """--version names the distribution and its version."""
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"llmvision-magic {__version__}\n")


def test_help_of_a_verb_does_not_run_it(tmp_path: Path) -> None:
    """`model --help` explains and fetches nothing."""
    done = run("model", "--help", LLMVISION_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0
    assert "embedded model" in done.stdout
    assert not (tmp_path / "cache").exists()


def test_unknown_verb_names_the_nearest() -> None:
    """A slip is answered with the verb that was probably meant, on standard error, exit code 2."""
    done = run("modle")
    assert done.returncode == 2
    assert "'modle'" in done.stderr
    assert "'model'" in done.stderr
    assert done.stdout == ""


def test_unknown_verb_far_from_all() -> None:
    """A word like no verb is answered with the way to the list."""
    done = run("xyzzy")
    assert done.returncode == 2
    assert "--help" in done.stderr


def test_model_takes_no_arguments() -> None:
    """What is not understood is refused, not dropped."""
    done = run("model", "--fast")
    assert done.returncode == 2
    assert "--fast" in done.stderr


def test_model_prints_the_path_alone(tmp_path: Path) -> None:
    """Standard output has the path and nothing else, for use in scripts."""
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    done = run("model", LLMVISION_LOCAL_MODEL=str(own))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{own}\n", "")


def test_failure_is_one_sentence(tmp_path: Path) -> None:
    """A fetch that fails says so in one line on standard error, without a traceback, exit code 1."""
    done = run(
        "model",
        LLMVISION_CACHE=str(tmp_path / "cache"),
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "LLMVISION_LOCAL_MODEL" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_progress_in_a_log_is_a_few_lines() -> None:
    """Where no terminal is, there is a line at the start and at each quarter, however often progress is told."""
    stream = io.StringIO()
    with shown_progress(stream) as show:
        for done in range(1001):
            show(Progress("Fetching", done, 1000))
        show(Progress("Waiting", 0, None))
        show(Progress("Waiting", 0, None))
    lines = stream.getvalue().splitlines()
    assert lines == ["Fetching …", *(f"Fetching: {quarter} %" for quarter in (25, 50, 75, 100)), "Waiting …"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows a bar that is redrawn, with the message and the amount in megabytes."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with shown_progress(stream) as show:
        show(Progress("Fetching", 50_000_000, 100_000_000))
        show(Progress("Fetching", 100_000_000, 100_000_000))
    text = stream.getvalue()
    assert "Fetching" in text
    assert "━" in text
    assert "100.0/100.0 MB" in text
