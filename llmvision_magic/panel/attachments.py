"""Files that were dropped on the panel, as parts of a prompt."""

from __future__ import annotations

from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import Content
from llmvision_magic.panel.requests import File
from llmvision_magic.prompt.images import image_part
from llmvision_magic.prompt.shown import fenced

MOST_CHARACTERS = 100_000
"""Of a text file that are sent."""


def with_files(content: Content, files: tuple[File, ...]) -> Content:
    """A prompt with files under it: texts as text, images as images.

    Raises:
        InvalidInput: A file is neither.
    """
    if not files:
        return content
    texts = [content] if isinstance(content, str) else []
    parts = [] if isinstance(content, str) else list(content)
    images = []
    for file in files:
        if file.kind.startswith("image/"):
            images.append(_image(file))
        else:
            texts.append(_text(file))
    text = "\n\n".join(filter(None, texts))
    if not images and not parts:
        return text
    return ({"type": "text", "text": text}, *parts, *images)


def _image(file: File) -> dict[str, object]:
    try:
        return image_part(file.data, file.name)
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix("-i ")) from error


def _text(file: File) -> str:
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if not text or "\x00" in text:
        raise InvalidInput(f"{file.name!r} is neither an image nor text in UTF-8; attach one of those.")
    name = file.name.replace("`", "'")
    short = text[:MOST_CHARACTERS]
    more = f"\n\n… {len(text) - len(short):,} more characters" if len(short) < len(text) else ""
    ending = name.rpartition(".")[2] if "." in name else ""
    return f"`{name}`, a file:\n\n{fenced(short, ending if ending.isalnum() else '')}{more}"
