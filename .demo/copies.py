"""Copy the lessons to a folder of the reader's own, where they may be run, changed and saved.

::

    python .demo/copies.py notebooks my-notebooks

A file is copied when it is missing there, or when the reader has not changed it since it was copied and the repository
has another one now. Nothing that the reader has changed or added is touched. A lesson and what lies beside it under its
name (``quickstart.ipynb``, ``quickstart.jsonl``) are renewed together or not at all: a recording fits its notebook.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RECORD = ".copied.json"
"""In the folder of copies: the SHA-256 of each file as it was copied, which tells what the reader has changed since."""

NOT_COPIED = {"conftest.py", "__pycache__"}
"""For testing the lessons, not for reading them."""


@dataclass
class Copied:
    """What was done, as paths relative to both folders.

    Attributes:
        added: Files that were missing.
        renewed: Files that the reader had not changed, and the repository has.
        kept: Files that the reader has changed.
        outdated: Those of `kept` that have changed in the repository, too.
        same: Files that now are as the repository has them.
    """

    added: list[Path] = field(default_factory=list)
    renewed: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    outdated: list[Path] = field(default_factory=list)
    same: list[Path] = field(default_factory=list)


def copy_lessons(source: Path, target: Path) -> Copied:
    """Copy what is missing or unchanged.

    Args:
        source: The repository's lessons.
        target: The reader's folder; made if it is not there.

    Raises:
        OSError: A file cannot be read or written. Calling it again goes on from there.
    """
    target.mkdir(parents=True, exist_ok=True)
    recorded = _recorded(target / RECORD)
    done = Copied()
    for lesson in _lessons(source):
        wanted = {path: (source / path).read_bytes() for path in lesson}
        present = {path: (target / path).read_bytes() for path in lesson if (target / path).exists()}
        changed = [
            path
            for path, content in present.items()
            if content != wanted[path] and _digest(content) != recorded.get(str(path))
        ]
        for path, content in wanted.items():
            old = present.get(path)
            if old is not None and old != content and changed:
                if path in changed:
                    done.kept.append(path)
                if recorded.get(str(path)) != _digest(content):
                    done.outdated.append(path)
                continue
            if old != content:
                _write(target / path, content)
                (done.added if old is None else done.renewed).append(path)
            recorded[str(path)] = _digest(content)
            done.same.append(path)
    _write(target / RECORD, json.dumps(recorded, indent=1).encode())
    return done


def _lessons(source: Path) -> list[list[Path]]:
    """The files to copy, relative to `source`, those of one name together. Hidden ones are a machine's own."""
    lessons = defaultdict(list)
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") or part in NOT_COPIED for part in relative.parts):
            lessons[relative.parent / relative.name.partition(".")[0]].append(relative)
    return list(lessons.values())


def _recorded(path: Path) -> dict[str, str]:
    """What was copied before. Without a record, or with a damaged one, all that differs counts as the reader's."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """Put a whole file into its place: who ends this in the middle still has the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".copying-{path.name}")
    part.write_bytes(content)
    os.replace(part, path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def trust(notebooks: Sequence[Path]) -> bool:
    """Have Jupyter sign notebooks for this user, as ``jupyter trust`` does: their outputs show as they were saved."""
    command = [sys.executable, "-m", "nbformat.sign", "--log-level=ERROR", *map(str, notebooks)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _report(done: Copied, source: Path, target: Path) -> str:
    """A line for each thing that the reader may want to know."""
    lines = []
    if done.added:
        lines.append(f"The lessons are in {target}/, a copy of {source}/: run, change and save them there.")
    if done.renewed:
        lines.append(f"Renewed in {target}/, as you had not changed them: {_names(done.renewed)}.")
    if done.kept:
        newer = f"; {source}/ has newer ones of {_names(done.outdated)}" if done.outdated else ""
        lines.append(
            f"Kept in {target}/ as you saved them: {_names(done.kept)}{newer}; delete one to have it copied anew."
        )
    return "".join(f"{line}\n" for line in lines)


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def main(words: Sequence[str]) -> int:
    """Copy, trust, and tell; `words` are the two folders."""
    source, target = Path(words[0]), Path(words[1])
    try:
        done = copy_lessons(source, target)
    except OSError as error:
        print(f"The lessons were to be copied to {target}/, but {error}.", file=sys.stderr)
        return 1
    # Only what is the repository's: what the reader has put there, Jupyter asks the reader about.
    if not trust([target / path for path in done.same if path.suffix == ".ipynb"]):
        print("Jupyter could not sign the lessons: their saved outputs show plainly until they are run.")
    print(_report(done, source, target), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
