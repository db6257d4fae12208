"""Pieces that hostile Markdown is put together from, and the elements of the HTML that comes of it."""

from __future__ import annotations

from html.parser import HTMLParser

# fmt: off
FRAGMENTS = [
    "<img src=x onerror=alert(1)>", "<script>", "</div>", "<!--", "-->", "<a href='javascript:alert(1)'>", "<", ">",
    "[x](javascript:alert(1))", "[x]: javascript:alert(1)\n", "[x]", "![x](https://e.org/a)", "<https://e.org>",
    "https://e.org/", "[^1]", "[^1]: ", "!", "[", "]", "(", ")", "{", "}", "{#a onclick=b}", "@@0@@", '"', "'",
    "`", "``", "```", "~~~", "~~", "*", "**", "_", "# ", "---\n", "1. ", "- ", "> ", "|", "\n|-|-|\n",
    "$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "\\begin{a}", "\\end{a}", "\\text{", "x^2", "+ 1",
    "&lt;", "&#96;", "&#10;", "a", "b c", "  ", "    ", "\n", "\n\n", "\t", "\r", "\x0b", "\u2028", "\u200b", "\u202e",
    "\ud800", "\0",
]
# fmt: on
VOID = {"br", "hr", "img", "input"}


class Elements(HTMLParser):
    """Every element of a fragment, with a complaint for each tag that does not close what was opened."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.complaints: list[str] = []
        self.stack: list[str] = []
        self.feed(html)
        self.close()
        self.complaints += [f"open: {tag}" for tag in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.complaints.append(f"attribute twice: {tag}")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.complaints.append(f"closed: {tag}")

    def handle_comment(self, data: str) -> None:
        self.complaints.append(f"comment: {data}")

    def handle_decl(self, decl: str) -> None:
        self.complaints.append(f"declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        self.complaints.append(f"instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        self.complaints.append(f"section: {data}")
