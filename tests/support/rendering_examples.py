"""Examples in files one can read: a title, a text and perhaps what comes of it, each ended by a line with a dot."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "rendering"


def read_examples(name: str, fields: int) -> list[tuple[str, ...]]:
    """The examples of a file.

    Args:
        name: The file's name.
        fields: How many texts make an example, its title included.
    """
    texts = FOLDER.joinpath(name).read_bytes().decode().split("\n.\n")
    if texts.pop().strip() or len(texts) % fields:
        raise ValueError(f"{name}: expected examples of {fields} texts, each ended by a line with a dot")
    return [tuple(texts[start : start + fields]) for start in range(0, len(texts), fields)]
