r"""The reply as Markdown that is safe in any front end.

A front end may run raw HTML, load images, typeset maths before it reads Markdown, or know extensions we do not. The
text is therefore not patched: it is parsed, and written anew from the tokens in the plainest Markdown there is, with
everything escaped that could mean something to somebody. What a reader can rely on:

* What could begin a tag or a link's address occurs in code only inside a fence that begins at the margin between
  blank lines, where every reader sees code. In other code an invisible character (U+2060) stands in it, because a
  reader that pairs the marks around it in another way would take it for Markdown.
* All fences of a text have the same length, longer than any run of backticks in its code.
* Backticks and brackets occur as markup only; as text they are entities.
* Addresses are http, https or mailto, of characters that mean nothing elsewhere, or they are the picture itself.
  JupyterLab takes out what is between dollars before it reads Markdown and puts it back without escaping quotation
  marks, also inside an ``href``.
* Maths holds no command but for drawing; else it is shown as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from markdown_it.token import Token

from llmvision_magic.rendering import markdown
from llmvision_magic.rendering.html import language_of

_ENTITIES = {
    ord(character): f"&{name};"
    for character, name in {
        "&": "amp",
        "<": "lt",
        ">": "gt",
        "\\": "#92",
        "`": "#96",
        "[": "#91",
        "]": "#93",
        "{": "#123",
        "}": "#125",
    }.items()
} | {ord(character): f"\\{character}" for character in "*_~$|"}
_LINE_START = re.compile(r"(?:[#+=:%-]|\d+(?=[.)]))")
# Line ends to some readers, and other control characters.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LIVE = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(\[:])|`(?=`)")
_URL_SAFE = ":/?#&=%+,;.-_~!@"
# As texts: most replies need neither, and compiling them is part of a first chat.
# Fences that some front ends draw, load from or run instead of showing them.
_DRAWN = r"(?i)(?:mermaid|math|latex|tex|geojson|topojson|stl|vega.*|dot|graphviz|plantuml|html\+?.*|svg|raw|eval.*)\Z"
_ACTIVE_TEX = r"""(?x)["`$@]|\]\(|\]\[|\]:|!\[|<[A-Za-z/!?]|
    \\(?:href|url|(?:eq)?ref|label|tag|require|style|class|cssId|html\w*|unicode|data|include\w*|input|def|[egx]def|let|catcode|csname|char|
    (?:re)?newcommand|providecommand|(?:re)?newenvironment|Declare\w*|mmlToken|toggle|\w*tip|action|verb|bbox|
    begingroup|global|write|read|open\w*|loop|special)(?![A-Za-z])"""
_CODE = ("fence", "code_block", "math_block")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def safe_markdown(text: str) -> str:
    """The reply as Markdown that no front end runs, loads from or follows anywhere but by http, https and mailto.

    It reads the same where Markdown is rendered; its source is not the reply's. The reply itself is its text.

    Args:
        text: Markdown, any string.
    """
    return tokens_to_markdown(markdown.try_parse(text), text)


def tokens_to_markdown(tokens: list[Token] | None, text: str) -> str:
    """Tokens as Markdown that is safe anywhere.

    Args:
        tokens: What `markdown.parse` makes of the text; None for a text that is nested too deeply.
        text: The text; shown as code where there are no tokens.
    """
    try:
        blocks = None if tokens is None else _blocks_of(tokens)
    except RecursionError:
        blocks = None
    if blocks is None:
        blocks = [_Writer(_ticks([text])).fence("", markdown.well_formed(text))]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _blocks_of(tokens: list[Token]) -> list[str]:
    return _Writer(_ticks([token.content for token in tokens if token.type in _CODE])).blocks(_tree(tokens))


def _ticks(texts: list[str]) -> str:
    return "`" * max(3, 1 + max((len(run) for text in texts for run in re.findall("`+", text)), default=0))


class _Node(NamedTuple):
    """A block token and the blocks inside it."""

    token: Token
    children: list[_Node]


def _tree(tokens: list[Token]) -> list[_Node]:
    root: list[_Node] = []
    open_nodes = [root]
    for token in tokens:
        if token.nesting == -1:
            open_nodes.pop()
            continue
        node = _Node(token, [])
        open_nodes[-1].append(node)
        if token.nesting == 1:
            open_nodes.append(node.children)
    return root


class _Writer(NamedTuple):
    """Writes blocks. Each method returns a block's lines, without a line end behind the last.

    Attributes:
        ticks: The fence around every code block.
    """

    ticks: str

    def blocks(self, nodes: list[_Node], *, nested: bool = False) -> list[str]:
        return [block for node in nodes for block in self._block(node, nested) if block.strip()]

    def fence(self, language: str, code: str, *, nested: bool = False) -> str:
        if re.match(_DRAWN, language):
            language = ""
        code = _CONTROLS.sub(" ", code.replace("\r\n", "\n").replace("\r", "\n"))
        code = _inert(code) if nested else code
        return f"{self.ticks}{language}\n{code}{'' if code.endswith(chr(10)) or not code else chr(10)}{self.ticks}"

    def _block(self, node: _Node, nested: bool) -> Iterator[str]:
        token = node.token
        match token.type:
            case "paragraph_open" | "inline":
                yield self._inline(node)
            case "heading_open":
                yield f"{'#' * int(token.tag[1:])} {' '.join(self._inline(node).split())}"
            case "hr":
                # Not "---" or "***": behind the mark of a list item these would be a rule of their own.
                yield "___"
            case "fence":
                yield self.fence(language_of(token), token.content, nested=nested)
            case "code_block":
                yield self.fence("", token.content, nested=nested)
            case "math_block":
                yield self._display_maths(token.content, nested)
            case "blockquote_open":
                inner = "\n\n".join(self.blocks(node.children, nested=True)) or " "
                yield "\n".join(f"> {line}".rstrip() for line in inner.split("\n"))
            case "bullet_list_open" | "ordered_list_open":
                yield self._list(node)
            case "table_open":
                yield self._table(node)
            case _:
                yield from self.blocks(node.children, nested=nested)

    def _inline(self, node: _Node) -> str:
        inlines = [node.token] if node.token.type == "inline" else [child.token for child in node.children]
        return "\n".join(_inline(inline.children or []) for inline in inlines)

    def _list(self, node: _Node) -> str:
        tight = not any(
            child.token.type == "paragraph_open" and not child.token.hidden
            for item in node.children
            for child in item.children
        )
        items: list[str] = []
        for item in node.children:
            mark = (item.token.info if node.token.type == "ordered_list_open" else "") + item.token.markup
            content = ("\n" if tight else "\n\n").join(self.blocks(item.children, nested=True))
            indent = " " * (len(mark) + 1)
            items.append(f"{mark} {content}".replace("\n", "\n" + indent).rstrip())
        # Blank lines with an indent only would be kept by some editors; none is needed.
        return re.sub(r"\n +(?=\n)", "\n", ("\n" if tight else "\n\n").join(items))

    def _table(self, node: _Node) -> str:
        rows = [row for section in node.children for row in section.children]
        lines: list[str] = []
        for number, row in enumerate(rows):
            cells = [" ".join(self._inline(cell).split()) for cell in row.children]
            lines.append(f"| {' | '.join(cells)} |")
            if number == 0:
                lines.append(f"| {' | '.join(_alignment(cell.token) for cell in row.children)} |")
        return "\n".join(lines)

    def _display_maths(self, tex: str, nested: bool) -> str:
        safe = _try_tex(tex)
        return self.fence("", tex, nested=nested) if safe is None else f"$$\n{safe}\n$$"


def _alignment(cell: Token) -> str:
    return {"text-align:right": "--:", "text-align:center": ":-:"}.get(str(cell.attrGet("style")), "---")


def _inline(tokens: list[Token]) -> str:
    """Inline tokens as Markdown; the beginning of each line is kept from meaning a block."""
    parts: list[str] = []
    links: list[str] = []
    for token in tokens:
        match token.type:
            case "text":
                parts.append(_text(token.content))
            case "softbreak":
                parts.append("\n")
            case "hardbreak":
                parts.append("  \n")
            case "code_inline":
                parts.append(_code(token.content))
            case "math_inline":
                display = token.markup in ("$$", "\\[")
                sign = "$$" if display else "$"
                safe = _try_tex(token.content)
                parts.append(_code(token.content) if safe is None else sign + " ".join(safe.split()) + sign)
            case "footnote_mark":
                parts.append(f"&#91;{_text(token.content)}&#93;")
            case "link_open":
                links.append(_address(str(token.attrGet("href") or "")))
                parts.append("[")
            case "link_close":
                parts.append(f"]({links.pop()})")
            case "image":
                parts.append(f"![{_text(token.content)}]({token.attrGet('src')})")
            case _:
                parts.append(token.markup)
    return "\n".join(_line(line) for line in "".join(parts).split("\n"))


def _address(url: str) -> str:
    """An address without a character that ends a link, is a delimiter, or stands for maths taken out ("@@0@@")."""
    return quote(url, safe=_URL_SAFE).replace("@@", "%40%40")


def _line(line: str) -> str:
    end = "  " if line.endswith("  ") else ""
    line = line.strip(" \t")
    match = _LINE_START.match(line)
    if match is None:
        return line + end
    at = 0 if match[0] in "#+=:%-" else match.end()
    return f"{line[:at]}\\{line[at:]}{end}"


def _text(text: str) -> str:
    escaped = _CONTROLS.sub(" ", text).replace("\n", " ").replace("\t", " ").translate(_ENTITIES)
    # Many readers make links of bare addresses; of these schemes only.
    escaped = re.sub(r"(?i)(ftp):(?=//)", r"\1&#58;", escaped)
    # Before a link, an exclamation mark would make an image of it.
    return f"{escaped[:-1]}&#33;" if escaped.endswith("!") else escaped


def _code(code: str) -> str:
    """A code span: on one line, padded where it has to be. `_inert` leaves no two backticks side by side in it."""
    code = _inert(_CONTROLS.sub(" ", code).replace("\n", " ")).replace("|", "\\|")
    if not code.strip():
        return " "
    ticks = "``" if "`" in code else "`"
    pad = " " if code[0] in " `" or code[-1] in " `" else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _inert(code: str) -> str:
    return _LIVE.sub("\\g<0>\u2060", code)


def _try_tex(tex: str) -> str | None:
    """TeX that only draws, on lines that are not blank; None when it could do more, or is not closed in itself."""
    if re.search(_ACTIVE_TEX, tex) or _CONTROLS.search(tex) or not tex.strip():
        return None
    # Readers end maths at its sign only where braces are balanced.
    depth = 0
    for brace in re.findall(r"[{}]", _ESCAPED.sub("", tex)):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return None
    if depth or tex.endswith("\\"):
        return None
    lines = (line.strip() for line in tex.replace("<", r"\lt ").replace(">", r"\gt ").split("\n"))
    return "\n".join(line for line in lines if line) or None
