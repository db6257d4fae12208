"""The room `prompt`: expressions, values, secrets, images."""

from __future__ import annotations

import base64
import io
import json
import linecache
import struct
import sys
import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from llmvision_magic.chat.context_window import IMAGE_TOKENS, size_of
from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt import ErrorHistory, FailedCell, NotebookValues, compose, fix_prompt, secret_values
from llmvision_magic.prompt.images import image_part
from llmvision_magic.prompt.tracebacks import traceback_text
from llmvision_magic.prompt.value_text import cut
from llmvision_magic.settings.secrets import Masker


def text(prompt: str, names: Mapping[str, object] | None = None, **options: object) -> str:
    """The prompt as it is sent, when it is text alone."""
    content = compose(prompt, NotebookValues(names or {}, **options)).content
    assert isinstance(content, str)
    return content


# -- expressions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("{{1}}{{2}}", "12"),
        ("{{ {'a': {'b': {1}}} }}", "{'a': {'b': {1}}}"),
        ("{{{'a': {'b': 1}}}}", "{'a': {'b': 1}}"),
        ("{{'}}'}} {{\"{{\"}}", "}} {{"),
        ("{{[x for x in range(3)]}}", "[0, 1, 2]"),
        ("{{(lambda: [one() for x in 'ab'])()}}", "[1, 1]"),
        ("{{\n  (1 +\n   1)\n}}", "2"),
        ("{{'a' # }} \n}}", "a \n}}"),  # what a comment hides is no end, but its line is no expression without it
        ("}} alone, {single}, {{ open", "}} alone, {single}, {{ open"),
        ("no braces", "no braces"),
        ("", ""),
        ("{{'\\d'}}", "\\d"),
        ("é{{'ü'}}漢", "éü漢"),
        ("{{ 1 +\n 1 }}", "2"),
        ("{{ 'a'\n   .upper()\n   .lower() }}", "a"),
    ],
)
def test_expression_ends_where_python_says(prompt, sent):
    """At the first closing braces before which a whole expression stands."""
    assert text(prompt, {"one": lambda: 1}) == sent


def test_many_braces_that_are_no_expression_are_refused_at_once():
    """A long text of another language costs no time that grows with its square."""
    with pytest.raises(InvalidInput, match="--raw"):
        text("{{a b}} " * 50_000)


def test_evaluating_binds_nothing_and_sees_nothing_of_ours():
    """A prompt does not assign; our own names are not there."""
    names = {"x": 1}
    assert text("{{(y := x + 1)}}", names) == "2"
    assert names == {"x": 1}
    with pytest.raises(InvalidInput, match="NameError"):
        text("{{compose}}", names)


def test_interrupt_goes_through():
    """It is nobody's failure."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text("{{f()}}", {"f": interrupted})


# -- values -----------------------------------------------------------------------------------------------------------


def test_text_is_itself_and_everything_else_its_repr():
    """A number of numpy's as one reads it."""
    names = {"s": "it's", "d": {"a": [1]}, "n": None, "f": np.float64(2.5)}
    assert text("{{s}} {{d}} {{n}} {{f}}", names) == "it's {'a': [1]} None 2.5"


def test_small_table_is_whole_and_wide_or_long_ones_say_what_is_missing():
    """Never silently."""
    small = text("{{df}}", {"df": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"])})
    assert small.startswith("DataFrame of 2 rows × 2 columns\n\n|  | a (int64) | b (")
    assert "| p | 1 | x |" in small
    assert "more" not in small
    wide = text("{{df}}", {"df": pd.DataFrame(np.zeros((30, 42)))})
    assert wide.endswith("… 20 more rows, … 12 more columns")
    long_cells = text("{{df}}", {"df": pd.DataFrame({"a": ["y" * 1000] * 3})})
    assert "y… 920 more characters |" in long_cells
    bounded = text("{{df}}", {"df": pd.DataFrame({"a": ["y" * 70] * 15})}, limit=500)
    assert len(bounded) < 560
    assert bounded.endswith("… 11 more rows")


def test_tables_of_odd_shapes():
    """Equal names of columns, several levels, none at all."""
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert "| 0 | 1 | 2 |" in text("{{df}}", {"df": doubled})
    levels = pd.DataFrame({"v": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)], names=["k", "n"]))
    assert "('x', 1)" in text("{{df}}", {"df": levels})
    assert "0 rows × 0 columns" in text("{{df}}", {"df": pd.DataFrame()})
    assert "Series of 0 values" in text("{{s}}", {"s": pd.Series([], dtype=float)})


def test_array_says_shape_dtype_range_and_a_corner():
    """NaN is counted; what has no order has no range."""
    values = np.arange(10_000, dtype=float).reshape(100, 100)
    values[0, 0] = np.nan
    shown = text("{{a}}", {"a": values})
    assert shown.startswith("array of shape (100, 100), dtype float64, from 1.0 to 9999.0, 1 NaN\n[:5, :5] is\n")
    assert shown.endswith("… 9,975 more elements")
    assert text("{{a}}", {"a": np.array([3, 1])}) == "array of shape (2,), dtype int64, from 1 to 3\n[3 1]"
    assert text("{{a}}", {"a": np.array(["x", None])}).startswith("array of shape (2,), dtype object\n")
    assert text("{{a}}", {"a": np.zeros((0, 3))}).startswith("array of shape (0, 3), dtype float64\n")
    assert "[0, 0, :5, :5]" in text("{{a}}", {"a": np.zeros((2, 2, 9, 9), complex)})


def test_long_values_are_cut_and_say_by_how_much():
    """Texts by characters, containers by items."""
    assert text("{{s}}", {"s": "y" * 12}, limit=10) == "y" * 10 + "… 2 more characters"
    assert text("{{s}}", {"s": "y" * 11}, limit=10) == "y" * 10 + "… 1 more character"
    shown = text("{{x}}", {"x": list(range(1_000_000))}, limit=100)
    assert shown.startswith("[0, 1, 2, ")
    kept = shown.split(", …]")[0].count(",") + 1
    assert shown.endswith(f", …]\n… {1_000_000 - kept:,} more items")
    assert text("{{x}}", {"x": {n: n for n in range(1000)}}, limit=50).startswith("{0: 0, 1: 1")
    assert compose("{{s}}", NotebookValues({"s": "y" * 11}, limit=10)).notes == ("1 value shortened",)


def test_cut_keeps_the_end_of_a_traceback():
    """What was raised stands there."""
    short = cut("first\n" + "x" * 1000 + "\nValueError: no", 90, keep_end=True)
    assert short.startswith("first\n")
    assert short.endswith("ValueError: no")
    assert "more characters" in short


def test_functions_classes_and_modules():
    """Source where there is one; signature and documentation where there is none."""
    assert text("{{f}}", {"f": cut}).startswith("def cut(text: str, limit: int")
    assert text("{{f}}", {"f": Masker}).startswith("class Masker:")
    assert text("{{f}}", {"f": len}).startswith("def len(obj, /):\n")
    shown = text("{{m}}", {"m": base64})
    assert shown.startswith("module base64\n\nBase16, Base32, Base64")
    assert "b64encode" in shown


def test_class_made_in_a_cell_has_its_source():
    """Before Python 3.13 only its methods know the file that stands for the cell."""
    source = "x = 1\n@dec\nclass Made:\n    def go(self):\n        return 1\n"
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    names: dict[str, object] = {"__name__": "nowhere", "dec": lambda cls: cls}
    exec(compile(source, "<cell>", "exec"), names)  # noqa: S102  # as a notebook does
    assert text("{{Made}}", names) == "@dec\nclass Made:\n    def go(self):\n        return 1"


def failed(code: str, names: dict[str, object] | None = None) -> BaseException:
    """What a cell raises."""
    try:
        exec(compile(code, "<cell 7>", "exec"), {"__name__": "__main__"} if names is None else names)  # noqa: S102
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def test_traceback_begins_with_the_users_own_frame_and_names_cells():
    """Causes and groups too."""
    error = failed("try:\n    1/0\nexcept Exception as e:\n    raise ExceptionGroup('both', [ValueError(1)]) from e")
    shown = traceback_text(error, lambda name: "Cell In[7]" if name == "<cell 7>" else None)
    assert 'File "Cell In[7]", line 2' in shown
    assert "ZeroDivisionError" in shown
    assert "ValueError: 1" in shown
    assert 'File "<cell 7>"' not in shown
    assert text("{{e}}", {"e": error}).endswith("------------------------------------")


def test_traceback_of_what_could_not_be_parsed_has_no_frames_of_what_parsed_it():
    """They say nothing, but where this machine has its packages."""
    from IPython.core.compilerop import CachingCompiler

    with pytest.raises(SyntaxError) as raised:
        CachingCompiler().ast_parse("x = = 3", "<cell 7>")
    assert raised.tb.tb_next is not None
    error = raised.value.with_traceback(raised.tb.tb_next)  # without this test's own frame
    shown = traceback_text(error, lambda name: "Cell In[7]" if name == "<cell 7>" else None)
    assert "compilerop" not in shown
    assert 'File "Cell In[7]", line 1' in shown


def test_err_names_the_cells_that_failed():
    """When asked for one that did not."""
    errors = ErrorHistory(lambda: None, {3: "Traceback of 3"})
    assert text("{{Err[3]}}", {"Err": errors}) == "Traceback of 3"
    with pytest.raises(InvalidInput, match="these are: 3"):
        text("{{Err[4]}}", {"Err": errors})
    with pytest.raises(InvalidInput, match="no cell has failed"):
        text("{{Err}}", {"Err": errors})


def test_fix_prompt_has_a_bound_and_says_so():
    """Many variables, long ones, and one that cannot be written."""

    class Unwritable:
        def __repr__(self) -> str:
            raise ValueError("no words")

    names = {f"v{number}": number for number in range(30)} | {"v0": Unwritable(), "v1": "y" * 5000}
    source = "\n".join(names) + "\n1/0"
    error = failed(source, {"__name__": "__main__", **names})
    prompt = fix_prompt(FailedCell(error, source, source, 7), NotebookValues(names)).content
    assert isinstance(prompt, str)
    assert "Cell In[7]:" in prompt
    assert "`v0` cannot be written as text: ValueError: no words." in prompt
    assert "… 4,500 more characters" in prompt
    assert prompt.endswith("… 10 more variables")


def test_no_library_of_the_users_is_imported():
    """The room looks only at what is loaded already."""
    import subprocess

    code = (
        "import sys; from llmvision_magic.prompt import NotebookValues, compose; "
        "compose('{{1}}', NotebookValues({}), attach=['2']);"
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'PIL', 'polars', 'pyarrow', 'xarray', 'networkx', "
        "'plotly', 'altair', 'narwhals', 'IPython', 'httpx') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# -- secrets ----------------------------------------------------------------------------------------------------------

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"


KEYS = (
    "sk-proj-0123456789abcdefghij",
    "sk-ant-api03-abcdefghij0123",
    "AKIA" + "ABCDEFGH01234567",
    "ghp_" + "a1" * 18,
    "github_pat_" + "a1" * 20,
    "AIza" + "a" * 35,
    "xoxb-0123456789-abc",
    "hf_" + "a" * 34,
    "eyJhbGciOiJI.eyJzdWIiOiIx.abc-_1",
    PEM,
    PEM[:45],
)


@pytest.mark.parametrize("secret", KEYS)
def test_known_secret_within_a_key_does_not_keep_the_rest_of_it(secret):
    """The whole key is masked, and counts once."""
    mask = Masker([secret[6:16]])
    assert mask(f"x {secret}") == "x •••"
    assert mask.count == 1


@pytest.mark.parametrize("secret", KEYS)
def test_known_shapes_of_keys_are_masked(secret):
    """In a repr, in a sentence, in a cell of a table."""
    mask = Masker()
    rest = "" if secret == PEM[:45] else "'\nthe rest"
    assert mask(f"key='{secret}{rest}") == f"key='•••{rest}"
    assert mask.count == 1
    if "\n" not in secret:
        assert secret not in text("{{df}}", {"df": pd.DataFrame({"a": [secret + " " + "x" * 90]})})


@pytest.mark.parametrize(
    "harmless",
    ["task-management-in-2024-edition", "sk-learn", "disk-usage", "ghp_short", "http://host:80/path", "eyJ", "a" * 60],
)
def test_ordinary_text_is_left_alone(harmless):
    """A mask over a word would change what is asked."""
    assert Masker()(harmless) == harmless


def test_values_of_variables_named_like_keys_are_masked():
    """By their value, whatever it looks like, from 8 characters on; a password in an address too."""
    values = secret_values(
        {"SHOP_API_KEY": "blue-elephant", "DB_PASSWORD": "short", "PWD": "/home/someone", "X_TOKENS": "blue-elephant-2"}
    )
    mask = Masker(values)
    assert mask("blue-elephant blue-elephant-2 short /home/someone") == "••• ••• short /home/someone"
    assert mask("postgres://me:pass@host/db") == "postgres://•••@host/db"
    assert mask.count == 3


@pytest.mark.parametrize("secret", ["line one\nline two", "pa\\ss'w\"ord99", "pässwörd-ünï", '{"key": "made up"}'])
@pytest.mark.parametrize("written", [repr, ascii, json.dumps, lambda text: json.dumps(text, ensure_ascii=False)])
def test_secret_is_masked_as_it_stands_in_what_holds_it(secret, written):
    """Escaping makes another text of it."""
    for held in ([secret], {"a": secret}):
        assert Masker([secret])(written(held)).count("•••") == 1
    assert Masker([secret])(repr(secret.encode())) in ("b'•••'", 'b"•••"')


def test_secret_at_the_cut_and_in_a_shortened_cell_is_masked():
    """Half of it would be told otherwise."""
    secret = "blue-elephant" * 10
    values = NotebookValues({"s": "x" * 95 + secret, "df": pd.DataFrame({"a": [secret]})}, [secret], limit=100)
    content = compose("{{s}} {{df}}", values).content
    assert "blue" not in content


# -- images -----------------------------------------------------------------------------------------------------------


def opened(value: object) -> Image.Image:
    """The image of a part."""
    url = image_part(value, "x")["image_url"]["url"]  # type: ignore[index]
    head, data = url.split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{image.format.lower()};base64"
    return image


@pytest.mark.parametrize(
    ("value", "mode", "pixel"),
    [
        (np.full((4, 6), 128, "uint8"), "L", 128),
        (np.full((4, 6), 0.5), "L", 128),
        (np.full((4, 6), True), "L", 255),
        (np.full((4, 6, 3), 255, "uint8"), "RGB", (255, 255, 255)),
        (np.full((4, 6, 4), 1.0, "float32"), "RGBA", (255, 255, 255, 255)),
        (np.full((4, 6), 1.0, "float16"), "L", 255),
        (Image.new("1", (6, 4), 1), "L", 255),
        (Image.new("P", (6, 4)), "RGB", (0, 0, 0)),
        (Image.new("CMYK", (6, 4)), "RGB", (255, 255, 255)),
        (Image.new("LA", (6, 4), (7, 255)), "RGBA", (7, 7, 7, 255)),
        (Image.fromarray(np.full((4, 6), 257 * 9, "uint16")), "L", 9),
    ],
)
def test_arrays_and_pictures_keep_their_size_and_colours(value, mode, pixel):
    """Each kind of value that is an image."""
    image = opened(value)
    assert image.size == (6, 4)
    if image.format == "PNG":
        assert (image.mode, image.getpixel((2, 2))) == (mode, pixel)


@pytest.mark.parametrize(("mode", "value"), [("F", 0.5), ("I", 128), ("I", 32_896)])
def test_pictures_of_large_numbers_are_scaled(mode, value):
    """Not cut off at 0 and 255, which makes them black or white."""
    assert opened(Image.new(mode, (6, 4), value)).convert("L").getpixel((2, 2)) in (127, 128)


def test_the_longer_side_has_a_limit_and_the_smaller_file_is_sent():
    """1,568 pixels; a photo is a JPEG, a drawing a PNG."""
    assert opened(np.zeros((3000, 10), "uint8")).size == (5, 1568)
    assert opened(np.zeros((1, 30_000), "uint8")).size == (1568, 1)
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3)).astype("uint8")
    assert opened(noise).format == "JPEG"
    assert opened(np.zeros((200, 200, 3), "uint8")).format == "PNG"


def test_figures_files_and_objects_that_display_as_images(tmp_path):
    """What draws itself, is drawn."""

    class Drawn:
        def _repr_png_(self) -> bytes:
            return png(3, 2)

    assert opened(Drawn()).size == (3, 2)
    figure = Figure(figsize=(2, 1), dpi=50)
    assert opened(figure).size == (100, 50)
    assert opened(figure.subplots()).size == (100, 50)
    turned = Image.new("RGB", (6, 4))
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held upright
    turned.save(tmp_path / "a.jpg", exif=exif)
    image = opened(str(tmp_path / "a.jpg"))
    assert image.size == (4, 6)
    assert not image.getexif()  # where a photo was taken is not told


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((3, 8, 8)), "moveaxis"),
        (np.zeros((8, 8, 1)), "x[:, :, 0]"),
        (np.zeros((1, 8, 8)), "x[0]"),
        (np.zeros(8), "got (8,)"),
        (np.zeros((0, 8)), "got (0, 8)"),
        (np.zeros((8, 8), "int64"), "astype('uint8')"),
        (np.zeros((8, 8), complex), "got complex128"),
        (np.full((8, 8), np.nan), "64 NaN"),
        (np.full((8, 8), 255.0), "from 255 to 255"),
        (b"no image at all", "none that Pillow knows"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "x:"),
        (Image.new("F", (2, 2), 7.5), "expected values from 0 to 1, got 7.5 to 7.5"),
        (Image.new("I", (2, 2), -1), "0 to 65,535"),
        ([1, 2], "got list"),
        (Figure, "got type"),
    ],
)
def test_what_is_no_image_is_one_sentence(value, said):
    """It says what was expected."""
    with pytest.raises(InvalidInput) as caught:
        image_part(value, "x")
    assert said in str(caught.value)
    assert str(caught.value).startswith("-i x: ")


def png(width: int, height: int) -> bytes:
    """A black PNG, made by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" * (width + 1)) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_without_pillow_small_files_go_and_the_rest_says_what_to_install(monkeypatch, tmp_path):
    """A PNG or JPEG within the limit needs no work."""
    jpeg = io.BytesIO()
    Image.new("RGB", (6, 4)).save(jpeg, "JPEG")
    array = np.zeros((4, 6))
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "small.png").write_bytes(png(3, 2))
    part = image_part(tmp_path / "small.png", "x")
    assert part["image_url"] == {"url": "data:image/png;base64," + base64.b64encode(png(3, 2)).decode()}
    assert image_part(jpeg.getvalue(), "x")["image_url"]["url"].startswith("data:image/jpeg")  # type: ignore[index]
    for value in (png(2000, 1), array, b"GIF89a"):
        with pytest.raises(InvalidInput, match="pip install pillow"):
            image_part(value, "x")


def test_image_counts_for_the_context_by_what_a_model_makes_of_it(tmp_path):
    """Not by its bytes: 1 MB of them are no million tokens."""
    (tmp_path / "a.png").write_bytes(png(3, 2))
    content = compose("four", NotebookValues({}), images=[str(tmp_path / "a.png")]).content
    assert size_of(content) == 4 + IMAGE_TOKENS


def test_variable_is_meant_before_a_file_of_its_name(tmp_path, monkeypatch):
    """A name of the notebook, else a path, else an expression."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pic").write_bytes(png(9, 9))
    (tmp_path / "pic.png").write_bytes(png(8, 8))

    def width(source: str) -> int:
        part = compose("", NotebookValues({"pic": Image.new("L", (5, 5))}), images=[source]).content[1]
        data = part["image_url"]["url"].split(",")[1]
        return Image.open(io.BytesIO(base64.b64decode(data))).width

    assert [width(one) for one in ("pic", "pic.png", "pic.resize((7,7))", "./pic")] == [5, 8, 7, 9]
