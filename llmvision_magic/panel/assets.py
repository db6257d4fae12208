"""The page's side of the panel as anywidget takes it: one module and one style, joined from the files in `static/`."""

from __future__ import annotations

import functools
import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
ENTRY = "panel.js"

_IMPORT = re.compile(r'^import \{ \w+(?:, \w+)* \} from "\./([\w-]+\.js)";\n', re.ASCII | re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const)\b)", re.MULTILINE)


@functools.cache
def module() -> str:
    """The text of one ES module: each file once, before the first that imports it.

    Raises:
        ValueError: A file imports in another form than ``import { a, b } from "./name.js";``, or files import each
            other in a circle.
    """
    texts: dict[str, str] = {}
    _join(ENTRY, (), texts)
    return "\n".join(texts.values())


@functools.cache
def stylesheet() -> str:
    """The panel's own style; that of replies is not in it."""
    return (STATIC / "panel.css").read_text("utf-8")


def _join(name: str, importers: tuple[str, ...], texts: dict[str, str]) -> None:
    if name in texts:
        return
    if name in importers:
        raise ValueError(f"Files may not import each other in a circle: {' → '.join((*importers, name))}.")
    text = (STATIC / name).read_text("utf-8")
    for imported in _IMPORT.findall(text):
        _join(imported, (*importers, name), texts)
    text = _IMPORT.sub("", text)
    if left := re.search(r"^import\b.*", text, re.MULTILINE):
        raise ValueError(f'{name} should import as `import {{ a, b }} from "./name.js";`, not as `{left[0]}`.')
    texts[name] = _EXPORT.sub("", text)
