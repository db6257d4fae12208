"""What a process may use, and what a model needs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from llmvision_magic.backends.local.gguf import ModelFacts, read_facts
from llmvision_magic.backends.local.machine_limits import (
    LEAST_CONTEXT,
    MOST_THREADS,
    OVERHEAD_BYTES,
    fitting_context,
    needed_memory,
    usable_memory,
    usable_threads,
)

MIB = 1 << 20
V2_MOUNT = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def version_2(root: Path, path: str, files: dict[str, str], mount: str = V2_MOUNT) -> Path:
    own = {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": f"1 0 8:1 / / rw - ext4 /dev/sda rw\n{mount}"}
    return write(root, own | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})


def version_1(root: Path, files: dict[str, str], mount_root: str = "/") -> Path:
    own = {
        "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
        "proc/self/mountinfo": (
            f"32 31 0:29 {mount_root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
            f"35 31 0:32 {mount_root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        ),
    }
    return write(root, own | {f"sys/fs/cgroup/{name}": text for name, text in files.items()})


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    """Where no limit is written anywhere, threads are the processors the process may run on."""
    assert usable_threads(3, tmp_path) == 3


def test_threads_are_bounded_below_and_above(tmp_path: Path) -> None:
    """There is always one thread, and never more than help."""
    assert usable_threads(0, tmp_path) == 1
    assert usable_threads(64, tmp_path) == MOST_THREADS


@pytest.mark.parametrize(("quota", "threads"), [("50000", 1), ("150000", 2), ("200000", 2), ("max", 6)])
def test_version_2_quota_is_rounded_up(tmp_path: Path, quota: str, threads: int) -> None:
    """One and a half processors are worth two threads; "max" is no limit."""
    root = version_2(tmp_path, "/", {"cpu.max": f"{quota} 100000\n"})
    assert usable_threads(6, root) == threads


def test_version_2_limit_of_an_outer_group_holds(tmp_path: Path) -> None:
    """A group without a limit of its own is bound by the group around it."""
    files = {"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000", "a/memory.max": "1000", "a/b/memory.max": "max"}
    root = version_2(tmp_path, "/a/b", files)
    assert usable_threads(4, root) == 1
    assert usable_memory(root) == 1000


def test_mount_of_a_part_of_the_tree_is_understood(tmp_path: Path) -> None:
    """In a container the mount begins inside the tree that the process's path counts from."""
    mount = "29 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    root = version_2(tmp_path, "/docker/abc/inner", {"inner/memory.max": "500", "memory.max": "900"}, mount)
    assert usable_memory(root) == 500


def test_path_outside_the_visible_tree_gives_no_limit(tmp_path: Path) -> None:
    """A path with ".." names a group that cannot be seen, so no other group's limit is taken for it."""
    root = version_2(tmp_path, "/../../other", {"memory.max": "500"})
    assert usable_memory(root) is None


@pytest.mark.parametrize("mount_root", ["/docker/abc", "/"])
def test_version_1_limits_are_read(tmp_path: Path, mount_root: str) -> None:
    """The older control groups limit processors and memory in files of other names."""
    inner = "" if mount_root != "/" else "docker/abc/"
    root = version_1(
        tmp_path,
        {
            f"cpu,cpuacct/{inner}cpu.cfs_quota_us": "250000\n",
            f"cpu,cpuacct/{inner}cpu.cfs_period_us": "100000\n",
            f"memory/{inner}memory.limit_in_bytes": f"{512 * MIB}\n",
            f"memory/{inner}memory.usage_in_bytes": f"{300 * MIB}\n",
            f"memory/{inner}memory.stat": f"total_inactive_file {100 * MIB}\n",
        },
        mount_root,
    )
    assert usable_threads(8, root) == 3
    assert usable_memory(root) == 312 * MIB


def test_version_1_without_limit(tmp_path: Path) -> None:
    """-1 as quota, and a memory limit near 2**63, both mean that there is none."""
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
    }
    root = version_1(tmp_path, files, "/docker/abc")
    assert usable_threads(5, root) == 5
    assert usable_memory(root) is None


def test_memory_in_use_is_subtracted_and_cached_files_are_not(tmp_path: Path) -> None:
    """What other processes of the group hold is gone; cached files give way."""
    files = {"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 500\ninactive_file 200\n"}
    assert usable_memory(version_2(tmp_path, "/", files)) == 500


def test_machine_with_less_memory_than_its_limit(tmp_path: Path) -> None:
    """The limit of a group does not make memory: the smaller number counts."""
    root = version_2(tmp_path, "/", {"memory.max": str(999 * MIB)})
    write(root, {"proc/meminfo": "MemTotal: 4096 kB\nMemAvailable:    2048 kB\n"})
    assert usable_memory(root) == 2 * MIB


def test_memory_is_unknown_where_nothing_tells_it(tmp_path: Path) -> None:
    """No number is made up on systems without /proc."""
    assert usable_memory(tmp_path) is None


FACTS = ModelFacts(size=100 * MIB, trained_context=8192, cache_bytes_per_token=24 * 1024)


@pytest.mark.parametrize(
    ("wanted", "memory", "context"),
    [
        (8192, None, 8192),
        (8192, 10_000 * MIB, 8192),
        (32768, None, 8192),
        (8192, 100 * MIB + OVERHEAD_BYTES + 192 * MIB, 8192),
        (8192, 100 * MIB + OVERHEAD_BYTES + 191 * MIB, 4096),
        (8192, 100 * MIB + OVERHEAD_BYTES + 24 * MIB, 1024),
        (8192, 100 * MIB + OVERHEAD_BYTES + 23 * MIB, None),
        (512, 100 * MIB + OVERHEAD_BYTES + 12 * MIB, 512),
    ],
)
def test_context_fits_memory_and_training(wanted: int, memory: int | None, context: int | None) -> None:
    """The context shrinks by halves to what fits, never below the least nor beyond the training."""
    assert fitting_context(wanted, FACTS, memory) == context


def test_needed_memory_grows_with_context() -> None:
    """File, context and overhead add up."""
    assert needed_memory(FACTS, LEAST_CONTEXT) == 100 * MIB + 24 * MIB + OVERHEAD_BYTES


def gguf(pairs: dict[str, object]) -> bytes:
    """A GGUF head with these pairs."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text)) + text.encode()

    def value(item: object) -> bytes:
        if isinstance(item, str):
            return struct.pack("<I", 8) + string(item)
        if isinstance(item, list):
            return struct.pack("<IIQ", 9, 4, len(item)) + b"".join(struct.pack("<I", number) for number in item)
        return struct.pack("<II", 4, item)

    body = b"".join(string(key) + value(item) for key, item in pairs.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + body


HEAD: dict[str, object] = {
    "general.architecture": "llama",
    "general.tags": [1, 2],
    "llama.block_count": 30,
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "tokenizer.ggml.model": "gpt2",
}


def test_facts_come_from_the_head(tmp_path: Path) -> None:
    """Trained context and the size of a token in the cache follow from the head of the file."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(HEAD))
    assert read_facts(path) == ModelFacts(path.stat().st_size, 8192, 30 * 3 * (64 + 64) * 2)


def test_heads_that_differ_by_layer_count_as_the_largest(tmp_path: Path) -> None:
    """A list in place of a number is one value for each layer; memory is never underrated."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(HEAD | {"llama.attention.head_count_kv": [1, 9, 3]}))
    assert read_facts(path).cache_bytes_per_token == 30 * 9 * (64 + 64) * 2


def test_damaged_head_tells_nothing_and_raises_nothing(tmp_path: Path) -> None:
    """Wherever the head is cut, the size is still told and the engine is left to say what is wrong."""
    path = tmp_path / "model.gguf"
    whole = gguf(HEAD | {"general.name": "x" * 9})
    for length in range(0, whole.index(b"tokenizer."), 7):
        path.write_bytes(whole[:length])
        assert read_facts(path) == ModelFacts(length)


def test_absurd_lengths_are_refused(tmp_path: Path) -> None:
    """A length larger than the file is damage, not an order to reserve memory."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62))
    assert read_facts(path) == ModelFacts(path.stat().st_size)
