"""Personas: Markdown files whose text is a system prompt and whose head gives the model and parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import as_name
from llmvision_magic.schemas import plain
from llmvision_magic.settings.declarations import BY_NAME, REQUEST_PARAMETERS
from llmvision_magic.settings.environment import NO_ENVIRONMENT
from llmvision_magic.settings.layers import Settings
from llmvision_magic.settings.parsing import parse_value
from llmvision_magic.settings.suggestions import nearest
from llmvision_magic.text_files import kind_at, read_text, reader

if TYPE_CHECKING:
    import yaml

KEYS = ("model", *REQUEST_PARAMETERS, "param", "stream")
"""What a head may set. Not the server: such a file may be a stranger's, and prompts would go where it says."""

LARGEST = 1_000_000
"""Bytes of a persona file, at most: more is no persona."""

LONGEST_HEAD = 20_000
"""Characters of its head."""


@dataclass(frozen=True, slots=True)
class Persona:
    """What a persona file says.

    Attributes:
        system: The system prompt; None when there is none.
        settings: Values of its head, by the settings' names, checked.
    """

    path: Path
    system: str | None
    settings: dict[str, object]


def folders(here: Path) -> list[Path]:
    """Where personas are looked for: beside the notebook, in ``personas`` there, in the configuration folder."""
    from platformdirs import user_config_path

    return [here, here / "personas", user_config_path("llmvision_magic", appauthor=False) / "personas"]


def known_personas(here: Path) -> Iterator[str]:
    """The names of all personas that are found; files beside the notebook only if they begin as one with a head."""
    beside, *own = folders(here)
    for path in sorted(beside.glob("*.md")):
        if _has_head(path):
            yield path.stem
    for folder in own:
        yield from sorted(path.stem for path in folder.glob("*.md"))


def _has_head(path: Path) -> bool:
    try:
        with reader(path) as stream:
            return stream.readline(8).strip() == b"---"
    except OSError:
        return False


def find_persona(wanted: str, here: Path) -> Path:
    """The file of a persona.

    Args:
        wanted: A path, or a name with or without ``.md``.
        here: The notebook's folder.

    Raises:
        InvalidInput: There is none.
    """
    path = Path(wanted).expanduser()
    has_folder = os.sep in wanted or "/" in wanted
    places = [Path(), here] if has_folder else folders(here)
    for place in places if path.name else ():
        for name in (path, path.with_name(path.name + ".md")):
            if kind_at(place / name) not in ("", "a folder"):
                return place / name
    looked = "" if has_folder else " beside the notebook, in `personas/` there, and in " + f"`{places[-1]}`"
    raise InvalidInput(f"There is no persona `{wanted}`{looked}.{nearest(wanted, known_personas(here))}")


def read_persona(path: Path) -> Persona:
    """Read a persona file.

    Raises:
        InvalidInput: It cannot be read, or its head has a wrong key or value; file and line are named.
    """
    try:
        text = read_text(path, most=LARGEST)
    except InvalidInput as error:
        raise InvalidInput(f"The persona {error}") from error
    except ValueError as error:
        raise InvalidInput(f"The persona {path} cannot be read: {error}.") from error
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != "---":
        return Persona(path, text.strip() or None, {})
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise InvalidInput(f"{path}, line 1: the head that begins with `---` has no second `---` to end it.")
    settings = _read_head(path, "".join(lines[1:end]))
    return Persona(path, "".join(lines[end + 1 :]).strip() or None, settings)


def _read_head(path: Path, head: str) -> dict[str, object]:
    import yaml

    if len(head) > LONGEST_HEAD:
        raise InvalidInput(f"{_at(path, 0)}: the head is longer than {LONGEST_HEAD:,} characters.")
    loader = yaml.SafeLoader(head)
    try:
        for event in yaml.parse(head, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # ten lines of them are a billion values
                line = event.start_mark.line if event.start_mark else 0
                alias = as_name(f"*{event.anchor}")
                raise InvalidInput(f"{_at(path, line)}: a head has no aliases (`{alias}`); write the value itself.")
        node = loader.get_single_node()
        return {} if node is None else dict(_values(path, loader, node))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise InvalidInput(f"{_at(path, line)}: the head is not YAML ({error.problem}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{_at(path, 0)}: the head is not YAML ({' '.join(str(error).split())}).") from error
    finally:
        loader.dispose()


def _values(path: Path, loader: yaml.SafeLoader, node: yaml.Node) -> Iterator[tuple[str, object]]:
    """The settings of a mapping, each checked; ``parameters:`` may hold some of them."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        raise InvalidInput(f"{_at(path, node.start_mark.line)}: the head is lines of `key: value`, and this is not.")
    seen = set()
    for key_node, value_node in node.value:
        where = _at(path, key_node.start_mark.line)
        key = str(key_node.value).replace("-", "_")
        if key in seen:
            raise InvalidInput(f"{where}: `{as_name(key)}` is given twice.")
        seen.add(key)
        if key == "parameters":
            yield from _values(path, loader, value_node)
            continue
        if key not in KEYS:
            hint = nearest(key, KEYS) or f" There are: {', '.join(KEYS)}."
            raise InvalidInput(f"{where}: a persona has no `{as_name(str(key_node.value))}`.{hint}")
        yield key, _checked(where, key, loader.construct_object(value_node, deep=True))


def _checked(where: str, key: str, given: object) -> object:
    from llmvision_magic.chat.plan import parameters_from

    try:
        value = parse_value(BY_NAME[key], plain(given))
        # The ranges are known where the request is made.
        parameters_from(Settings([("persona", {key: value})], NO_ENVIRONMENT))
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None
    except ValueError as error:
        raise InvalidInput(f"{where}: `{key}` cannot be used: {error}.") from None
    return value


def _at(path: Path, line: int) -> str:
    """A line of the head, as an editor counts: the first line of the file is the mark before the head."""
    return f"{path}, line {line + 2}"
