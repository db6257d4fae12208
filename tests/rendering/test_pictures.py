"""rendering: pictures that stand in the reply itself."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest

from llmvision_magic.messages import Reply
from llmvision_magic.rendering import Blocks, reply_bundle
from llmvision_magic.rendering.sanitizing import LARGEST_IMAGE, is_picture


def png(width: int, height: int, noise: bytes = b"") -> bytes:
    """A white picture, with a chunk that only makes it larger."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"tEXt", noise), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    )


def address(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


PICTURE = png(4, 3)
SHOWN = {
    "png": address(PICTURE),
    "jpeg": address(b"\xff\xd8\xff\xe0" + b"x" * 50, "jpeg"),
    "gif": address(b"GIF89a" + b"x" * 50, "gif"),
    "webp": address(b"RIFF\x20\0\0\0WEBPVP8 " + b"x" * 50, "webp"),
    "of 950 KB": address(png(4, 3, b"x" * 950_000)),
}
NOT_SHOWN = {
    "svg": address(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "svg+xml"),
    "svg as png": address(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "html": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "html as png": address(b"<script>alert(1)</script>"),
    "png as gif": address(PICTURE, "gif"),
    "not in base64": "data:image/png,%89PNG",
    "with a parameter": address(PICTURE).replace(";base64", ";charset=utf-8;base64"),
    "with more behind it": address(PICTURE) + '"onload=alert(1)',
}
NOT_MARKDOWN = {
    "more than is rendered": address(png(4, 3, b"x" * 1_000_100)),
    "with blanks": address(PICTURE).replace("iVBOR", "iVB OR"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_picture_is_shown(name: str) -> None:
    """In the HTML as an element with its words, in the Markdown as Markdown; in the HTML exactly once."""
    bundle = reply_bundle(Reply(f'Before ![a <b> "c"]({SHOWN[name]}) after'))
    assert f'<img src="{SHOWN[name]}" alt="a &lt;b&gt; &quot;c&quot;">' in bundle["text/html"]
    assert bundle["text/html"].count("<img") == 1
    assert f'![a &lt;b&gt; "c"]({SHOWN[name]})' in bundle["text/markdown"]
    assert "after" in bundle["text/html"]


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_what_is_no_picture_is_not_shown(name: str) -> None:
    """Neither as a picture nor as a link; its words stay."""
    bundle = reply_bundle(Reply(f"Before ![words]({NOT_SHOWN[name]}) after"))
    for text in (bundle["text/html"].partition("</style>")[2], bundle["text/markdown"]):
        assert "<img" not in text
        assert "![" not in text
        assert "<a " not in text
        assert "](" not in text
    assert "words" in bundle["text/html"]


@pytest.mark.parametrize("name", NOT_MARKDOWN)
def test_what_only_looks_like_a_picture_is_text(name: str) -> None:
    """It is shown as it was written, as far as it is."""
    bundle = reply_bundle(Reply(f"Before ![words]({NOT_MARKDOWN[name]}) after"))
    for text in (bundle["text/html"].partition("</style>")[2], bundle["text/markdown"]):
        assert "<img" not in text
        assert "<a " not in text
    assert "](" not in bundle["text/markdown"]
    assert "Before ![words](data:image/png;base64," in bundle["text/html"]


def test_largest_picture() -> None:
    """One megabyte, and not a byte more."""
    chunks = len(png(4, 3))
    assert is_picture(address(png(4, 3, b"x" * (LARGEST_IMAGE - chunks))))
    assert not is_picture(address(png(4, 3, b"x" * (LARGEST_IMAGE - chunks + 30))))


@pytest.mark.parametrize("text", ["[click]({})", "<{}>", "[a]: {}\n\n[a]"])
def test_picture_is_no_place_to_go_to(text: str) -> None:
    """A picture is looked at; a link to one would be a page without an origin. Text with one beside it neither."""
    html = reply_bundle(Reply(f"![x]({SHOWN['png']})\n\n" + text.format(SHOWN["png"])))["text/html"]
    assert html.count("<img") == 1
    assert "href" not in html


def test_picture_in_a_link_and_by_reference() -> None:
    """As any other content of a link; and where the definition comes later."""
    html = reply_bundle(Reply(f"[![a]({SHOWN['png']})](https://example.org)"))["text/html"]
    assert f'referrerpolicy="no-referrer"><img src="{SHOWN["png"]}" alt="a"></a>' in html
    assert "<img" in reply_bundle(Reply(f"![a][p]\n\n[p]: {SHOWN['png']}"))["text/html"]


def test_picture_that_arrives_in_pieces_is_shown_when_it_is_complete() -> None:
    """Until then it is text."""
    text = f"![a]({SHOWN['png']}) b"
    blocks = Blocks()
    seen = [blocks.feed(character).tail.html for character in text]
    complete = text.index(")")
    assert "<img" not in "".join(seen[:complete])
    assert "<img" in seen[complete]


def test_pictures_do_not_count_as_text_that_is_too_long() -> None:
    """What follows a large picture is shown."""
    text = f"![a]({SHOWN['of 950 KB']})\n\nAfterwards."
    bundle = reply_bundle(Reply(text))
    assert "<p>Afterwards.</p>" in bundle["text/html"]
    assert "characters are shown" not in bundle["text/html"]
