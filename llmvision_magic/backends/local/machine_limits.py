"""How many processors and how much memory this process may really use.

A container is often given a part of its machine: what the machine has says nothing. Linux tells the part in control
groups (https://docs.kernel.org/admin-guide/cgroup-v2.html and …/cgroup-v1/); elsewhere nothing is known about memory.
Each function takes the root of the file system it reads.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmvision_magic.backends.local.gguf import ModelFacts

ROOT = Path("/")
LEAST_CONTEXT = 1024
"""Below this many tokens no conversation is possible."""
MOST_THREADS = 8
"""A model this small becomes slower, not faster, when more threads wait for each other at each layer."""
OVERHEAD_BYTES = 128 << 20
"""What the server takes beside model and context: Python, the engine, its buffers (measured: 50 MB; rounded up)."""

_NO_LIMIT = 1 << 60  # version 1 writes "no limit" as a number near 2**63


@dataclass(frozen=True, slots=True)
class _Group:
    """One level of a control group that holds this process."""

    folder: Path
    version: int


def usable_threads(affinity: int | None = None, root: Path = ROOT) -> int:
    """Threads worth starting: at least 1, not more than processors this process may use, nor than `MOST_THREADS`.

    Args:
        affinity: Processors this process may run on; asked from the operating system by default.
        root: Root of the file system to read.
    """
    if affinity is None:
        affinity = _affinity()
    shares = [share for group in _groups("cpu", root) if (share := _processor_share(group)) is not None]
    return max(1, min(affinity, MOST_THREADS, *(math.ceil(share) for share in shares)))


def usable_memory(root: Path = ROOT) -> int | None:
    """Memory, in bytes, that this process and its children can still take; None where that is not known."""
    free = [left for group in _groups("memory", root) if (left := _memory_left(group)) is not None]
    available = _fields(root / "proc/meminfo").get("MemAvailable:")
    if available is not None:
        free.append(available * 1024)  # the file counts in KiB
    return min(free, default=None)


def needed_memory(facts: ModelFacts, context_tokens: int) -> int:
    """Memory, in bytes, that a server with this context will take."""
    return facts.size + facts.cache_bytes_per_token * context_tokens + OVERHEAD_BYTES


def fitting_context(wanted: int, facts: ModelFacts, memory: int | None) -> int | None:
    """The longest context, in tokens, that model and memory allow: the one wanted, or a half, a quarter … of it.

    Args:
        wanted: Tokens asked for.
        facts: The model.
        memory: Bytes at hand; None if not known, then only the model limits.

    Returns:
        None if not even `LEAST_CONTEXT` tokens (or all that were wanted, if fewer) fit.
    """
    context = min(wanted, facts.trained_context or wanted)
    least = min(context, LEAST_CONTEXT)
    while memory is not None and needed_memory(facts, context) > memory:
        if context == least:
            return None
        context = max(least, context // 2)
    return context


def _affinity() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(controller: str, root: Path) -> Iterator[_Group]:
    """The control groups that hold this process, from its own one up: a limit of any of them holds for it."""
    paths = _group_paths(root)
    for line in _lines(root / "proc/self/mountinfo"):
        before, separator, after = line.partition(" - ")
        mount, kind = before.split(), after.split()
        if not separator or len(mount) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            version, path = 2, paths.get("")
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            version, path = 1, paths.get(controller)
        else:
            continue
        if path is None:
            continue
        top = root / mount[4].lstrip("/")
        # The mount may show only a part of the tree (field 4: which), and the path counts from the tree's own root.
        inside = path.removeprefix(mount[3].rstrip("/")) if path.startswith(mount[3].rstrip("/")) else "/"
        folder = top / inside.lstrip("/")
        while folder != top:
            yield _Group(folder, version)
            folder = folder.parent
        yield _Group(top, version)


def _group_paths(root: Path) -> dict[str, str]:
    """Path of this process in each hierarchy, by controller; version 2 has the empty name."""
    paths: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        # A path that leads out of what is visible ("/../..") belongs to no folder here.
        if separator and ".." not in path.split("/"):
            paths.update((name, path) for name in controllers.split(","))
    return paths


def _processor_share(group: _Group) -> float | None:
    """Processors this group may use, as a number with fractions; None if it sets no limit."""
    if group.version == 2:
        words = _text(group.folder / "cpu.max").split()
    else:
        words = [_text(group.folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(words) != 2 or not all(word.isdigit() for word in words):  # "max", or -1 in version 1
        return None
    quota, period = map(int, words)
    return quota / period if period else None


def _memory_left(group: _Group) -> int | None:
    """Bytes this group can still take; None if it sets no limit. Cached files count as free: they give way."""
    if group.version == 2:
        limit, used, cached = "memory.max", "memory.current", "inactive_file"
    else:
        limit, used, cached = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    most, taken = _number(group.folder / limit), _number(group.folder / used) or 0
    if most is None or most >= _NO_LIMIT:
        return None
    reclaimable = _fields(group.folder / "memory.stat").get(cached, 0)
    return max(0, most - max(0, taken - reclaimable))


def _fields(path: Path) -> dict[str, int]:
    """A file of lines "name number …"."""
    words = (line.split() for line in _lines(path))
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    """The file's text; empty if there is none, for most of these files are there only sometimes."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
