"""One prompt put together: its text with the expressions' values, what is attached, and what the reader must know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.expressions import Expression, ExpressionError, split, try_compile
from llmvision_magic.prompt.formatters import bounded, shown
from llmvision_magic.prompt.images import image_part
from llmvision_magic.prompt.value_text import ValueText, counted, fenced, in_line, told
from llmvision_magic.settings.secrets import Masker
from llmvision_magic.text_files import kind_at

if TYPE_CHECKING:
    from llmvision_magic.messages import Content
    from llmvision_magic.prompt.tracebacks import CellNamer

LIMIT = 4000
"""Characters of a value that are sent, where nothing else is said."""

_PATH = re.compile(r"[\\/]|\.(?:png|jpe?g|gif|webp|bmp|tiff?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ComposedPrompt:
    """What is sent, and what the reader must know of it.

    Attributes:
        notes: Short facts for the footer: "2 secrets masked".
    """

    content: Content
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class NotebookValues:
    """Where values come from, and how they are written. One for each prompt.

    Attributes:
        namespace: The names that expressions may use. Evaluating binds no name in it.
        secrets: Texts that are sent to nobody, whatever they look like.
        limit: Characters sent of a value.
        name_cell: Names cells in tracebacks.
    """

    namespace: Mapping[str, object]
    secrets: Iterable[str] = ()
    limit: int = LIMIT
    name_cell: CellNamer = lambda filename: None
    mask: Masker = field(init=False)
    shortened: int = field(init=False, default=0)
    pictures: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.mask = Masker(self.secrets)

    def evaluated(self, source: str, where: str) -> object:
        """The value of an expression.

        Args:
            where: What the user wrote around it, for the sentence.

        Raises:
            InvalidInput: It is no expression, a name does not exist, or it fails.
        """
        code = try_compile(source.strip())
        if code is None:
            raise InvalidInput(f"`{where}`: {source!r} is no Python expression.")
        return self.run(Expression(source, code), where)

    def run(self, expression: Expression, where: str) -> object:
        """The value of a compiled expression; raises as `evaluated`."""
        try:
            return eval(expression.code, dict(self.namespace))  # noqa: S307  # the user's own code in the user's kernel
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a prompt does not end the kernel
            raise InvalidInput(f"`{where}` failed: {self.mask(told(error))}. Nothing was sent.") from error

    def text(self, value: object, name: str, limit: int | None = None) -> str:
        """A value as it stands in a sentence; of at most `limit` characters, where another limit is given."""
        return self._written(value, name, limit or self.limit)[1]

    def attached(self, value: object, name: str, limit: int | None = None) -> str:
        """A value under a line that says what it is; its limit as of `text`."""
        one, text = self._written(value, name, limit or self.limit)
        if one.fence is not None:
            text = fenced(text, one.fence)
        return f"`{name}`, {one.what}:\n\n{text}"

    def _written(self, value: object, name: str, limit: int) -> tuple[ValueText, str]:
        one = shown(value, name, limit, self.mask, self.name_cell)
        if one.picture:
            self.pictures.append(name)
        text, is_short = bounded(one, limit, self.mask)
        self.shortened += is_short
        return one, text

    def notes(self) -> tuple[str, ...]:
        """What the reader must know of all values so far."""
        notes = []
        if self.mask.count:
            notes.append(f"{counted(self.mask.count, 'secret')} masked")
        if self.shortened:
            notes.append(f"{counted(self.shortened, 'value')} shortened")
        notes += [f"{name} was sent as a line of text: `-i {name}` sends the picture" for name in self.pictures]
        return tuple(notes)


def compose(
    prompt: str, values: NotebookValues, *, raw: bool = False, attach: Sequence[str] = (), images: Sequence[str] = ()
) -> ComposedPrompt:
    """A prompt as the content of a message.

    The expressions in the text are evaluated in order, then those attached, then the images; each once. What they give
    is never expanded again.

    Args:
        prompt: As typed; what is no expression in it is sent as it is.
        raw: Leave double braces as they are.
        attach: Expressions whose values are put under the prompt.
        images: Expressions or paths.

    Raises:
        InvalidInput: Something cannot be evaluated, written as text, or is no image.
    """
    texts = [prompt if raw else _expanded(prompt, values)]
    texts += [values.attached(values.evaluated(source, f"-a {source}"), source) for source in attach]
    parts = [image_part(_image_value(source, values), source) for source in images]
    text = "\n\n".join(texts)
    content: Content = ({"type": "text", "text": text}, *parts) if parts else text
    return ComposedPrompt(content, values.notes())


def _expanded(prompt: str, values: NotebookValues) -> str:
    pieces = split(prompt)
    written = []
    for piece in pieces:
        if isinstance(piece, str):
            written.append(piece)
        else:
            where = f"{{{{{in_line(piece.source)}}}}}"
            try:
                value = values.run(piece, where)
            except InvalidInput as error:
                raise ExpressionError(str(error)) from error.__cause__
            written.append(values.text(value, piece.source))
    return "".join(written)


def _image_value(source: str, values: NotebookValues) -> object:
    """A variable of that name, else a file, else an expression."""
    if source.isidentifier() and source in values.namespace:
        return values.namespace[source]
    if re.match(r"https?://", source):
        raise InvalidInput(f"-i {source}: nothing is fetched from an address; download it, and give the file's path.")
    path = Path(source).expanduser()
    if kind_at(path):
        return path
    root = re.match(r"\w*", source)
    if _PATH.search(source) and (root is None or root[0] not in values.namespace):
        return path
    return values.evaluated(source, f"-i {source}")
