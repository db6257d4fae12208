"""Frames, arrays, graphs and figures of the libraries that people use, as they are sent."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path

import altair
import networkx
import numpy as np
import pandas as pd
import plotly.graph_objects
import polars
import pyarrow
import pyarrow.dataset
import pytest
import xarray
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from llmvision_magic.errors import InvalidInput
from llmvision_magic.prompt import NotebookValues, compose
from llmvision_magic.prompt.images import image_part

COLUMNS = {
    "price": [number / 7 for number in range(100)],
    "city": ["Bergen", "Oslo"] * 50,
    "count": list(range(100)),
    "tags": [["a", "b"]] * 100,
}


def text(value: object, limit: int = 4000, names: Mapping[str, object] | None = None) -> str:
    """What is sent of a value."""
    content = compose("{{x}}", NotebookValues({"x": value, **(names or {})}, limit=limit)).content
    assert isinstance(content, str)
    return content


# -- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "kind", "heading"),
    [
        (pd.DataFrame(COLUMNS), "DataFrame", "|  | price (float64) | city ("),
        (polars.DataFrame(COLUMNS), "polars DataFrame", "| price (Float64) | city (String) | count (Int64) | tags"),
        (pyarrow.table(COLUMNS), "pyarrow Table", "| price (double) | city (string) | count (int64) | tags"),
        (pyarrow.table(COLUMNS).to_batches()[0], "pyarrow RecordBatch", "| price (double) | city (string)"),
    ],
)
def test_a_long_frame_has_types_rows_a_summary_and_counts(frame, kind, heading):
    """Whichever library it is of; its numbers have four significant digits, and it says so."""
    sent = text(frame)
    title, _, rest = sent.partition("\n\n")
    assert title == f"{kind} of 100 rows × 4 columns, fractions to 4 significant digits"
    assert rest.startswith(heading)
    assert "| 0.1429 | Oslo | 1 | [" in rest
    rows, _, summary = rest.partition("\n\nOf all 100 rows, to 4 significant digits:\n\n")
    assert len(rows.splitlines()) == 2 + 10
    assert re.search(r"\| price \| 100 \|.* 7\.071 \|", summary)  # the mean
    assert re.search(r"\| price \|.* 14\.14 \|", summary)  # the greatest
    assert re.search(r"\| count \|.* 49\.5 \|", summary)
    assert re.search(r"\| city \| 100 \|", summary)
    assert re.search(r"\| tags \| 100 \|", summary)
    assert sent.endswith("\n\n… 90 more rows")
    assert "..." not in sent
    assert not re.search(r"\.\d{5}", sent)


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        (0.123456, "0.1235"),
        (1234.5678, "1235"),
        (123456.789, "123457"),
        (2024.0, "2024.0"),
        (12345678.0, "12345678.0"),
        (0.1, "0.1"),
        (1.23456e-9, "1.235e-09"),
        (6.02214e23, "6.022e+23"),
        (-9999.96, "-10000"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_of_a_frame_are_short_and_none_before_the_point_is_lost(number, sent):
    """As an int stays what it is."""
    assert f"| 0 | {sent} | 1234567 |" in text(pd.DataFrame({"a": [number], "n": [1234567]}))
    assert f"| {sent} |" in text(polars.DataFrame({"a": [number]}))
    assert f"| {sent} |" in text(pyarrow.table({"a": [number]}))
    assert ("4 significant" in text(pd.Series([number]))) is (float(sent) != number)


@pytest.mark.parametrize(
    ("value", "begin"),
    [
        (pd.Series(COLUMNS["price"], name="price"), "Series of 100 values, dtype float64, fractions to"),
        (polars.Series("price", COLUMNS["price"]), "polars Series of 100 values, dtype Float64, fractions to"),
        (pyarrow.chunked_array([COLUMNS["price"]]), "pyarrow ChunkedArray of 100 values, type double, fractions to"),
        (pyarrow.array(COLUMNS["price"]), "pyarrow DoubleArray of 100 values, type double, fractions to"),
    ],
)
def test_a_long_column_has_its_type_values_a_summary_and_counts(value, begin):
    """As a frame."""
    sent = text(value)
    assert sent.startswith(begin)
    assert "0.1429 |" in sent
    assert "Of all 100 rows" in sent
    assert "| 14.14 |" in sent
    assert sent.endswith("… 90 more rows")


def test_what_cannot_be_described_is_counted_and_a_summary_that_does_not_fit_says_so():
    """Lists, sets, equal names; a wide frame."""
    doubled = pd.DataFrame([[1, {2, 1}]] * 30, columns=["a", "a"])
    assert "| a | 30 |" in text(doubled)
    wide = text(pd.DataFrame(np.arange(1200).reshape(30, 40) / 7))
    assert wide.count("Of all 30 rows") == 1
    assert re.search(r"… a summary of \d+ more columns", wide)
    assert re.search(r"… 2\d more rows, … 10 more columns$", wide)
    assert len(wide) < 4100
    for limit in range(200, 3000, 50):
        values = NotebookValues({"x": pd.DataFrame(COLUMNS)}, limit=limit)
        assert "more character" not in str(compose("{{x}}", values).content)
    assert "No summary is made of more than 20,000,000 values" in text(pd.DataFrame(np.zeros((10**7, 3), "int8")))
    assert "Of all" not in text(pd.DataFrame({"a": range(20)}))


def test_a_lazy_frame_is_its_columns_and_its_plan_and_is_not_computed():
    """What it takes to compute it, is the user's to decide."""
    ran = []
    lazy = polars.DataFrame(COLUMNS).lazy().map_batches(lambda frame: ran.append(1) or frame)
    sent = text(lazy.filter(polars.col("count") > 3))
    assert sent.startswith("polars LazyFrame of 4 columns, not computed: `.collect()` gives the rows\n\n")
    assert "| price | Float64 |" in sent
    assert "FILTER" in sent
    assert ran == []


def test_a_dataset_on_disk_is_its_columns_and_is_not_read(tmp_path: Path):
    """It may be larger than the memory."""
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "a.parquet")
    sent = text(pyarrow.dataset.dataset(tmp_path / "a.parquet"))
    assert sent.startswith("pyarrow FileSystemDataset of 4 columns, 1 file, not read\n\n| column | type |\n")
    assert "| price | double |" in sent


def test_an_index_has_its_length_its_type_and_its_labels():
    """Of several levels each has its name and type."""
    assert text(pd.RangeIndex(3)) == "RangeIndex of 3 labels, dtype int64\n0, 1, 2"
    assert text(pd.Index(["a", "b"], name="k")).startswith("Index of 2 labels, name k, dtype ")
    long = text(pd.date_range("2024-01-01", periods=5000, name="day"))
    assert long.startswith("DatetimeIndex of 5,000 labels, name day, dtype datetime64[")
    assert re.search(r"… the last one is 2037-09-08 00:00:00\n… 4,\d+ more labels$", long)
    levels = text(pd.MultiIndex.from_product([range(2), list("ab")], names=["k", None]))
    assert levels.startswith("MultiIndex of 4 labels, levels k (int64), 1 (")
    assert levels.endswith("\n(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')")
    assert text(pd.Categorical(list("aba"))) == "Categorical of 3 values\na, b, a"


def test_a_styler_is_its_frame_without_what_it_hides():
    """Colours are for the eye."""
    frame = pd.DataFrame({"a": [1, 2], "secret": [3, 4]})
    sent = text(frame.style.hide(["secret"], axis=1).hide([0]).highlight_max())
    assert sent.startswith("DataFrame of 1 row × 1 column, styled (1 row hidden, 1 column hidden)\n\n|  | a (int64) |")
    assert "| 1 | 2 |" in sent
    assert "secret" not in sent


def test_groups_are_what_they_are_grouped_by_and_their_sizes():
    """The object itself says only its address."""
    frame = pd.DataFrame(COLUMNS)
    grouped = text(frame.groupby("city"))
    assert grouped.startswith("DataFrameGroupBy of 2 groups, 100 rows in all\n\n| city | rows |")
    assert "| Bergen | 50 |" in grouped
    assert "('Oslo', 99) | 1 |" in text(frame.groupby(["city", "count"])["price"], limit=20_000)
    assert "| Oslo | 50 |" in text(frame.groupby("city", as_index=False))
    grouped = text(polars.DataFrame(COLUMNS).group_by("city"))
    assert grouped.startswith("lengths of the groups of a polars GroupBy, a frame of 2 rows")
    assert "| Bergen | 50 |\n| Oslo | 50 |" in grouped


def test_xarray_has_dimensions_coordinates_types_ranges_and_attributes():
    """Each variable by itself, what is missing counted."""
    values = np.arange(120, dtype=float).reshape(4, 30)
    values[0, 0] = np.nan
    array = xarray.DataArray(
        values, dims=("x", "t"), coords={"x": list("abcd"), "t": range(30)}, name="T", attrs={"units": "K"}
    )
    sent = text(array)
    assert sent.startswith("xarray DataArray T (x: 4, t: 30)\n\n")
    assert "| t | t | int64 | 30 | 0 | 29 | 0 |" in sent
    assert "| x | x | <U1 | 4 | a | d |  |" in sent
    assert "array of shape (4, 30), dtype float64, from 1.0 to 119.0, 1 NaN\n[:5, :5] is\n" in sent
    assert "- units: K" in sent
    assert sent.endswith("… 100 more elements")
    sent = text(xarray.Dataset({"T": array, "name": ("x", list("pqrs"))}))
    assert re.match(r"xarray Dataset of 2 variables \((x: 4, t: 30|t: 30, x: 4)\)\n\n", sent)
    assert "| T | x, t | float64 | 120 | 1.0 | 119.0 | 1 |" in sent
    assert "| name | x | <U1 | 4 | p | s |  |" in sent


@pytest.mark.parametrize(
    ("graph", "begin", "edge"),
    [
        (networkx.Graph([(1, 2)]), "Graph of 2 nodes and 1 edge\nnodes: 1, 2\n", "edges: 1 – 2"),
        (networkx.DiGraph([("a", "b")]), "DiGraph of 2 nodes and 1 edge\n", "edges: 'a' → 'b'"),
        (networkx.MultiGraph([(1, 2), (1, 2)]), "MultiGraph of 2 nodes and 2 edges\n", "1 – 2 [0], 1 – 2 [1]"),
        (networkx.Graph(), "Graph of 0 nodes and 0 edges\nnodes: none\nedges: none", ""),
    ],
)
def test_a_graph_is_its_counts_its_nodes_and_its_edges(graph, begin, edge):
    """With their attributes."""
    assert text(graph).startswith(begin)
    assert edge in text(graph)
    graph.add_node("n", tags={"b", "a"}, weight=1)
    assert "'n' {'tags': {'a', 'b'}, 'weight': 1}" in text(graph)
    large = text(networkx.complete_graph(100))
    assert re.search(r"… \d[\d,]* more edges$", large)
    assert len(large) < 4200


def test_a_number_array_is_whole_whatever_is_set_for_printing():
    """No dots in place of values."""
    with np.printoptions(threshold=5):
        assert text(np.arange(20)).endswith("18 19]")
        assert text([np.arange(20)]).endswith("18, 19])]")
        assert "..." not in text(np.arange(1000))


def test_masked_values_of_an_array_are_none():
    """They are counted, and not sent."""
    assert text(np.ma.array([1.0, 2.0, 9.0], mask=[0, 0, 1])).startswith(
        "array of shape (3,), dtype float64, from 1.0 to 2.0, 1 masked\n[1.0 2.0 --]"
    )
    assert text(np.ma.masked_all(2)).startswith("array of shape (2,), dtype float64, 2 masked\n")


def test_what_is_like_an_array_says_its_shape():
    """Of a library that is not known here; what it writes of itself may leave most of it out."""

    class Tensor:
        shape, dtype = (100, 3), "float32"

        def __repr__(self) -> str:
            return "tensor([0, 1, ..., 299])"

    assert text(Tensor()) == "Tensor of shape (100, 3), dtype float32\ntensor([0, 1, ..., 299])"


def test_a_value_that_cannot_be_read_is_sent_as_it_writes_itself_and_says_so():
    """Of a version, or of a class derived from it, that is made otherwise."""

    class Odd(polars.DataFrame):
        @property
        def schema(self) -> polars.Schema:
            raise NotImplementedError("it is called columns_and_types now")

    sent = compose("{{x}}", NotebookValues({"x": Odd({"a": [1, 2]})}))
    assert str(sent.content).startswith("shape: (2, 1)\n")
    assert str(sent.content).endswith("… what its own text leaves out")
    assert sent.notes == ("1 value shortened",)


def test_a_value_within_another_is_whole_if_it_is_small_and_else_says_what_it_is():
    """A dict of frames, a tuple of arrays."""
    sent = text({
        "train": pd.DataFrame(COLUMNS), "small": pd.DataFrame({"a": [1]}), "p": polars.DataFrame({"a": [{"k": 1}]}),
        "array": np.zeros((30, 30)), "t": pyarrow.table({"a": [None]}), "s": pd.Series([1.5]), "i": pd.RangeIndex(500),
    })  # fmt: skip
    assert "<DataFrame of 100 rows × 4 columns: price (float64), city (" in sent
    assert "tags (object); rows: not sent>" in sent
    assert "<DataFrame of 1 row × 1 column: a (int64); rows: [(0, 1)]>" in sent
    assert "<polars DataFrame of 1 row × 1 column: a (Struct({'k': Int64})); rows: [({'k': 1},)]>" in sent
    assert "<array of shape (30, 30), dtype float64, from 0.0 to 0.0; values: not sent>" in sent
    assert "<pyarrow Table of 1 row × 1 column: a (null); rows: [(None,)]>" in sent
    assert "<Series of 1 value, dtype float64; values: [(0, 1.5)]>" in sent
    assert "<RangeIndex of 500 values, dtype int64; values: not sent>" in sent


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame, polars.DataFrame, pyarrow.table, lambda data: pd.DataFrame(data).style],
)
def test_secrets_in_frames_of_any_library_are_masked(frame):
    """In rows, in summaries, in names of columns."""
    key = "sk-proj-0123456789abcdefghij"
    sent = text(frame({"a": [key + "x" * 90] * 30, key: ["b"] * 30}))
    assert "0123456789" not in sent
    assert "•••" in sent


def test_a_frame_of_nothing():
    """It says so."""
    assert text(polars.DataFrame()) == "polars DataFrame of 0 rows × 0 columns"
    assert text(pyarrow.table({})) == "pyarrow Table of 0 rows × 0 columns"
    assert text(xarray.Dataset()) == "xarray Dataset of 0 variables ()"


# -- figures ----------------------------------------------------------------------------------------------------------


def size(value: object) -> tuple[int, int]:
    """The size of the picture that is sent."""
    data = image_part(value, "x")["image_url"]["url"].split(",")[1]  # type: ignore[index]
    return Image.open(io.BytesIO(base64.b64decode(data))).size


def test_axes_in_any_form_send_their_figure():
    """An array of them, a list, a dict, what a method has drawn; axes in a part of a figure."""
    figure = Figure(figsize=(2, 1), dpi=50)
    axes = figure.subplots(2, 2)
    drawn = axes[0, 0].bar([1, 2], [3, 4])
    for value in (axes, axes[0], list(axes.flat), dict(enumerate(axes.flat)), drawn, axes[0, 0].plot([1, 2])):
        assert size(value) == (100, 50)
    parts = Figure(figsize=(3, 1), dpi=50)
    assert size(parts.subfigures(1, 2)[1].subplots()) == (150, 50)
    other = Figure().subplots()
    with pytest.raises(InvalidInput, match="expected axes of one figure, got those of 2 figures"):
        image_part([axes[0, 0], other], "x")
    with pytest.raises(InvalidInput, match=r"^-i x: expected an array of shape"):
        image_part(np.array([1, "a"], dtype=object), "x")
    pyplot.close("all")


def test_an_altair_chart_is_a_picture():
    """Drawn by what altair itself draws with."""
    chart = altair.Chart(pd.DataFrame({"n": [1, 2], "a": [3, 4]})).mark_point().encode(x="n", y="a")
    width, height = size(chart)
    assert min(width, height) > 100
    assert '{"mark": {"type": "point"}, "encoding": {"x": {"field": "n"' in text(chart)
    assert text(chart).startswith("<altair Chart of 2 rows: ")
    assert text(chart | chart).startswith("<altair HConcatChart of 2 rows: ")


def test_a_plotly_figure_without_what_draws_it_is_one_sentence():
    """It names what to install, and another way."""
    figure = plotly.graph_objects.Figure(plotly.graph_objects.Bar(y=[1, 2], name="rain"), {"title": {"text": "Wet"}})
    assert text(figure) == "<plotly figure, titled 'Wet', 1 trace: bar 'rain'>"
    with pytest.raises(InvalidInput) as caught:
        image_part(figure, "fig")
    assert "`pip install kaleido`" in str(caught.value)
    assert "`-a fig.to_plotly_json()`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_shows_itself_otherwise_says_what_to_do():
    """A frame is rows; a page is no picture."""

    class Page:
        def _repr_html_(self) -> str:
            return "<p>"

    with pytest.raises(InvalidInput, match=r"`-a x` sends its rows"):
        image_part(pd.DataFrame(), "x")
    with pytest.raises(InvalidInput, match=r"save it as a PNG file"):
        image_part(Page(), "x")
