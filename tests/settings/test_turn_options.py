"""How a turn was asked: options as they are kept, and as they are written on a line again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.kernel.cells.option_parsing import parse_cell_options
from llmvision_magic.settings.turn_options import merge_options, options_from, options_line


@pytest.mark.parametrize(
    ("line", "canonical"),
    [
        ("-t 0.2 -m some-model --no-stream", "-m some-model -t 0.2 --no-stream"),
        (
            """-a df["x"] -a 'df[df.x > 3]' -a "d['a b']" -i fig.png""",
            """-a df["x"] -a 'df[df.x > 3]' -a "d['a b']" -i fig.png""",
        ),
        ("-a=-x -i=-y --stop=-z --stop ''", "--stop=-z --stop '' -a=-x -i=-y"),
        ("--param seed=7 --param name=text --param 'x={\"a\": [1, null]}'", None),
        ('-s "It\'s so" -o reply -f text --raw --background', "-s 'It'\"'\"'s so' -o reply --raw -f text --background"),
        ("--presence-penalty -0.5 --frequency-penalty 1e-07", None),
        ("-n other --replace 3 -t 1", "-t 1"),
    ],
)
def test_line_written_anew_says_the_same(line: str, canonical: str | None):
    """Quotes, signs and JSON; where the turn went is not kept with it."""
    kept = parse_cell_options(line).kept
    again = options_line(kept)
    assert canonical is None or again == f" {canonical}"
    assert parse_cell_options(again).kept == kept


# Two dashes alone cannot be typed as a value: argparse takes them for the end of the options.
words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12).filter(lambda word: word != "--")


@given(
    texts=st.fixed_dictionaries({}, optional={"system": words, "model": words.filter(str.strip)}),
    stop=st.lists(words, max_size=4),
    param=st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), st.none() | st.integers() | words, max_size=3),
)
def test_any_text_survives_the_line(texts: dict[str, str], stop: list[str], param: dict[str, object]):
    """Whatever stands in it, but line ends."""
    options = options_from({**texts, **({"stop": stop} if stop else {}), **({"param": param} if param else {})})
    assert parse_cell_options(options_line(options)).kept == options


def test_options_survive_json():
    """As the journal, a file and a notebook keep them."""
    kept = parse_cell_options("-t 0.5 --stop a --stop b --param seed=7 --no-stream -a x -f code").kept
    assert options_from(json.loads(json.dumps(kept))) == kept
    assert options_from(None) is None


def test_stronger_options_and_those_that_are_joined():
    """A verb's line over the turn's; parameters one by one."""
    before = {"temperature": 0.2, "stop": ("a", "b"), "param": {"seed": 1, "top_k": 2}}
    said = {"stop": ("c",), "param": {"seed": 3}, "model": "m"}
    assert merge_options(before, said) == {
        "temperature": 0.2,
        "stop": ("c",),
        "param": {"seed": 3, "top_k": 2},
        "model": "m",
    }
