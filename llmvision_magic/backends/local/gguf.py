"""The few facts about a model that are read from its file before it is loaded.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: magic, version, counts, then
key-value pairs; little-endian.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmvision_magic.text_files import reader

# GGUF's value types by number: how `struct` reads them. 8 is a string, 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_CACHE_BYTES_PER_VALUE = 2  # keys and values are kept as 16-bit floats


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the memory of a model's server depends on.

    Attributes:
        size: Size of the file, in bytes.
        trained_context: Longest context the model was trained for, in tokens; None if the file does not say.
        cache_bytes_per_token: Memory that each token of context takes, in bytes; 0 if the file does not say.
    """

    size: int
    trained_context: int | None = None
    cache_bytes_per_token: int = 0


def read_facts(path: Path) -> ModelFacts:
    """Read the head of a GGUF file.

    A head that cannot be understood is no error here: the engine says better what is wrong with it.

    Raises:
        OSError: The file cannot be read.
    """
    with reader(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _facts(size, _metadata(file, size))
        except (struct.error, EOFError, ValueError, KeyError):
            return ModelFacts(size)


def _facts(size: int, metadata: dict[str, object]) -> ModelFacts:
    architecture = metadata["general.architecture"]

    def number(key: str) -> int | None:
        value = metadata.get(f"{architecture}.{key}")
        if isinstance(value, list):  # one value for each layer; the largest is on the safe side
            value = max(value, default=None)
        return value if isinstance(value, int) and value > 0 else None

    layers, heads, width = number("block_count"), number("attention.head_count"), number("embedding_length")
    per_token = 0
    if layers and heads and width:
        head_size = width // heads
        keys = number("attention.key_length") or head_size
        values = number("attention.value_length") or head_size
        per_token = layers * (number("attention.head_count_kv") or heads) * (keys + values) * _CACHE_BYTES_PER_VALUE
    return ModelFacts(size, number("context_length"), per_token)


def _metadata(file: BinaryIO, size: int) -> dict[str, object]:
    """The key-value pairs before the tokenizer's, whose long lists nobody needs here."""
    if file.read(4) != b"GGUF":
        raise ValueError("no GGUF file")
    _version, _tensors, pairs = _unpack(file, "IQQ")
    metadata: dict[str, object] = {}
    for _ in range(pairs):
        key = _string(file, size)
        if key.startswith("tokenizer."):
            break
        (kind,) = _unpack(file, "I")
        metadata[key] = _value(file, kind, size)
    return metadata


def _value(file: BinaryIO, kind: int, size: int) -> object:
    if kind == _STRING:
        return _string(file, size)
    if kind == _ARRAY:
        item_kind, length = _unpack(file, "IQ")
        if length > size:  # a damaged head must not ask for all memory
            raise ValueError("array longer than the file")
        return [_value(file, item_kind, size) for _ in range(length)]
    return _unpack(file, _SCALARS[kind])[0]


def _string(file: BinaryIO, size: int) -> str:
    (length,) = _unpack(file, "Q")
    if length > size:
        raise ValueError("string longer than the file")
    return file.read(length).decode("utf-8", errors="replace")


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    """Numbers in little-endian order without padding; floats come as floats, and nobody here computes with them."""
    layout = f"<{layout}"
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
