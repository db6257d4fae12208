"""A figure, picture, array or file → an ``image_url`` part with a data URL.

Pillow does the work where it is there; without it a PNG or JPEG that is small enough is sent as it is.
"""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path
from typing import Any

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt.drawing import drawn_file, is_of
from llmvision_magic.prompt.value_text import told
from llmvision_magic.text_files import FILE, kind_at, read_bytes

LONGEST_SIDE = 1568
"""Pixels of an image's longest side that are sent; models take no more."""

JPEG_QUALITY = 90

MOST_BYTES = 20_000_000
"""Bytes of a file that is sent as it is."""

INSTALL = "pip install pillow"

Part = dict[str, object]
"""A part of a message's content, as the API defines it."""


def image_part(value: object, name: str) -> Part:
    """An image as a part of a message.

    Args:
        value: A figure of matplotlib, plotly or altair, axes (one, or an array of those of one figure), a PIL image, an
            array ((height, width), (height, width, 3) RGB or (height, width, 4) RGBA; uint8, bool, or floats from 0 to
            1), bytes of an image file, the path of one, or an object that displays as one.
        name: What the user wrote, for the sentence.

    Raises:
        InvalidInput: It is no image, or Pillow is needed and not installed.
    """
    try:
        data, kind = _encoded(value, name)
    except InvalidInput:
        raise
    except Exception as error:  # Pillow, the figure's own drawing, the system's file errors: anything
        raise InvalidInput(f"-i {name}: the image cannot be read ({told(error)}).") from error
    url = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": url}}


def _encoded(value: Any, name: str) -> tuple[bytes, str]:
    """The bytes of a PNG or JPEG, and which it is."""
    if isinstance(value, str | Path):
        value = _read(Path(value).expanduser(), name)
    elif not isinstance(value, bytes):
        value = drawn_file(value, name) or value
    if isinstance(value, bytes):
        kind, longest = _header(value)
        image_module = _try_pillow()
        if image_module is None:
            if kind and longest <= LONGEST_SIDE and len(value) <= MOST_BYTES:
                return value, kind
            raise _pillow_missing(name)
        return _smallest(_opened(image_module, value, name))
    image_module = _try_pillow()
    if is_of(value, "PIL.Image", "Image"):
        return _smallest(value)
    if is_of(value, "numpy", "ndarray"):
        pixels = _pixels(value, name)
        if image_module is None:
            raise _pillow_missing(name)
        return _smallest(image_module.fromarray(pixels))
    raise InvalidInput(
        f"-i {name}: expected a matplotlib figure, a PIL image, an array, or the path of an image file, got "
        f"{type(value).__name__}.{_way_out(value, name)}"
    )


def _way_out(value: Any, name: str) -> str:
    """What to do with a value that is no picture, in a sentence with a space before it; "" where nothing is known."""
    if hasattr(value, "columns") and hasattr(value, "shape"):
        return f" `-a {name}` sends its rows."
    if any(hasattr(value, method) for method in ("_repr_mimebundle_", "_repr_html_", "_repr_svg_")):
        return " It shows itself as a drawing or a page: save it as a PNG file, and give the file's path."
    return ""


def _read(path: Path, name: str) -> bytes:
    if (kind := kind_at(path)) != FILE:
        what = f"is {kind}" if kind else "does not exist"
        raise InvalidInput(f"-i {name}: expected an image; {'' if kind else 'the file '}{str(path)!r} {what}.")
    return read_bytes(path)


def _header(data: bytes) -> tuple[str, int]:
    """What a file is by its first bytes ("png", "jpeg", "" for neither), and its longest side in pixels."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return "png", max(struct.unpack(">II", data[16:24]))
    if data[:3] != b"\xff\xd8\xff":
        return "", 0
    at = 2  # of JPEG's markers those from C0 to CF, but three, hold the size (ITU-T T.81, table B.1)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return "jpeg", max(struct.unpack(">HH", data[at + 5 : at + 9]))
        at += 2 + length
    return "", 0


def _try_pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        return None
    return Image


def _pillow_missing(name: str) -> InvalidInput:
    return InvalidInput(
        f"-i {name}: Pillow is needed to send this image: `{INSTALL}`, then run the cell again. Without it only PNG "
        f"and JPEG files of at most {LONGEST_SIDE:,} pixels a side can be sent."
    )


def _opened(image_module: Any, data: bytes, name: str) -> Any:
    from PIL import ImageOps, UnidentifiedImageError

    try:
        image = image_module.open(io.BytesIO(data))
        image.load()
        return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise InvalidInput(
            f"-i {name}: expected an image, and what is in it is none that Pillow knows ({len(data):,} bytes)."
        ) from None


def _pixels(array: Any, name: str) -> Any:
    """An array as uint8, 0–255, in a shape that is a picture's."""
    shape = tuple(array.shape)
    if 0 in shape or not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))):
        hint = ""
        if array.ndim == 3 and shape[0] in (1, 3, 4):
            hint = " `numpy.moveaxis(x, 0, -1)` moves the channels to the end." if shape[0] > 1 else " Send `x[0]`."
        elif array.ndim == 3 and shape[2] == 1:
            hint = " Send `x[:, :, 0]`."
        raise InvalidInput(
            f"-i {name}: expected an array of shape (height, width), (height, width, 3) or (height, width, 4), got "
            f"{shape}.{hint}"
        )
    kind = array.dtype.kind
    if array.dtype == "uint8":
        return array
    if kind == "b":
        return array.astype("uint8") * 255
    if kind != "f":
        hint = " If its values are from 0 to 255, send `x.astype('uint8')`." if kind in "iu" else ""
        raise InvalidInput(f"-i {name}: expected uint8, or floats from 0 to 1; got {array.dtype}.{hint}")
    if not (array == array).all():
        raise InvalidInput(
            f"-i {name}: the array holds {int((array != array).sum()):,} NaN; `numpy.nan_to_num` fills them."
        )
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        raise InvalidInput(
            f"-i {name}: expected floats from 0 to 1, got values from {low:g} to {high:g}; scale them first."
        )
    return (array * 255 + 0.5).astype("uint8")


def _smallest(image: Any) -> tuple[bytes, str]:
    """A picture as PNG or JPEG, whichever is smaller, at most `LONGEST_SIDE` pixels a side; without its metadata."""
    image = _plain(image)
    longest = max(image.size)
    if longest > LONGEST_SIDE:
        scale = LONGEST_SIDE / longest
        image = image.resize([max(1, round(side * scale)) for side in image.size], reducing_gap=3.0)
    files = {"png": _saved(image, "PNG", optimize=True), "jpeg": _saved(_opaque(image), "JPEG", quality=JPEG_QUALITY)}
    kind = min(files, key=lambda one: len(files[one]))
    return files[kind], kind


def _plain(image: Any) -> Any:
    """A picture in one of the modes L, RGB and RGBA."""
    if image.mode in ("L", "RGB", "RGBA"):
        return image
    if image.mode.startswith("I;16"):  # converted, all above 255 would be white
        return image.point(lambda level: level * (1 / 257)).convert("L")
    if image.mode in ("I", "F"):
        return _scaled(image)
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _scaled(image: Any) -> Any:
    """A picture of whole numbers or fractions of 32 bits in mode L."""
    least, most = image.getextrema()
    top = 1 if image.mode == "F" else 255 if most <= 255 else 65_535
    if not 0 <= least <= most <= top:
        expected = "0 to 1" if image.mode == "F" else "0 to 65,535"
        raise ValueError(f"expected values from {expected}, got {least} to {most}")
    return image.point(lambda level: level * (255 / top) + 0).convert("L")


def _opaque(image: Any) -> Any:
    """The picture on white, for JPEG knows no transparency."""
    if image.mode != "RGBA":
        return image
    from PIL import Image

    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _saved(image: Any, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
