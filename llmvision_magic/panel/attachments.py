"""Files that were dropped on the panel, as parts of a prompt."""

from __future__ import annotations

from typing import cast

from llmvision_magic.asked import Options
from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import Content, text_of
from llmvision_magic.panel.requests import File
from llmvision_magic.prompt import Composed, Values, compose
from llmvision_magic.prompt.images import image_part
from llmvision_magic.prompt.shown import fenced

MOST_CHARACTERS = 100_000
"""Of a text file that are sent."""


def with_files(prompt: str, files: tuple[File, ...], values: Values, options: Options) -> Composed:
    """A prompt with files under it: texts as text, in which secrets are masked, images as images.

    Args:
        options: Of the line that asked first, where one did: whether braces are text there, and what it attached.

    Raises:
        InvalidInput: A file is neither, or an expression of the prompt fails.
    """
    attach, pictures = (tuple(map(str, cast("list[object]", options.get(name, [])))) for name in ("attach", "image"))
    asked = compose(prompt, values, raw=bool(options.get("raw")), attach=attach, images=pictures).content
    texts = [text_of(asked)]
    texts += [values.mask(_text(file)) for file in files if not file.kind.startswith("image/")]
    images = [] if isinstance(asked, str) else [part for part in asked if part.get("type") != "text"]
    images += [_image(file) for file in files if file.kind.startswith("image/")]
    text = "\n\n".join(filter(None, texts))
    content: Content = ({"type": "text", "text": text}, *images) if images else text
    return Composed(content, values.notes())


def _image(file: File) -> dict[str, object]:
    try:
        return image_part(file.data, file.name)
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix("-i ")) from error


def _text(file: File) -> str:
    if not file.data.strip():
        raise InvalidInput(f"{file.name!r} is empty: there is nothing in it to send. Take it out of the prompt.")
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
