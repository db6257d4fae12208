"""Files that were dropped on the panel, as parts of a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import Content, text_of
from llmvision_magic.prompt import ComposedPrompt, NotebookValues, compose
from llmvision_magic.prompt.images import image_part
from llmvision_magic.prompt.value_text import fenced
from llmvision_magic.settings.turn_options import FILES, FILES_LENGTH, Options, files_text

if TYPE_CHECKING:
    from llmvision_magic.conversation import Turn
    from llmvision_magic.panel.requests import File

MOST_CHARACTERS = 100_000
"""Of a text file that are sent."""


@dataclass(frozen=True, slots=True)
class EarlierFiles:
    """What went along with a prompt that is asked again: the text of its files, and its images."""

    text: str = ""
    images: tuple[Mapping[str, object], ...] = ()


NOTHING = EarlierFiles()


def beside(turn: Turn) -> EarlierFiles:
    """What goes along when a turn is asked again. What its line attached is none of it: that is attached anew."""
    options = turn.options or {}
    parts = () if "image" in options or isinstance(turn.prompt, str) else turn.prompt
    images = tuple(part for part in parts if part.get("type") != "text")
    return EarlierFiles(files_text(options, text_of(turn.prompt)), images)


def with_files(
    prompt: str, files: tuple[File, ...], values: NotebookValues, options: Options, before: EarlierFiles = NOTHING
) -> tuple[ComposedPrompt, Options]:
    """A prompt with files under it: texts as text, in which secrets are masked, images as images.

    Args:
        options: Of the line that asked first, where one did: whether braces are text there, and what it attached.
        before: What went along when it was asked before.

    Returns:
        What is sent, and the options with the names of the files and how much of it is theirs.

    Raises:
        InvalidInput: A file is neither, or an expression of the prompt fails.
    """
    attach, pictures = (tuple(map(str, cast("list[object]", options.get(name, [])))) for name in ("attach", "image"))
    asked = compose(prompt, values, raw=bool(options.get("raw")), attach=attach, images=pictures).content
    written = [file for file in files if not file.kind.startswith("image/")]
    text = "\n\n".join(filter(None, [before.text, *(values.mask(_text(file)) for file in written)]))
    if text:
        names = cast("list[object]", options.get(FILES, []))
        options = {**options, FILES: [*names, *(file.name for file in written)], FILES_LENGTH: len(text)}
    images = [] if isinstance(asked, str) else [part for part in asked if part.get("type") != "text"]
    images += [*before.images, *(_image(file) for file in files if file.kind.startswith("image/"))]
    text = "\n\n".join(filter(None, [text_of(asked), text]))
    content: Content = ({"type": "text", "text": text}, *images) if images else text
    return ComposedPrompt(content, values.notes()), options


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
