"""Sets are written in one order, for what is asked must be known again in the next kernel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.prompt import NotebookValues, compose
from llmvision_magic.sets import sets_sorted

VALUES = """
import enum
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

import numpy as np
import pandas as pd
import networkx as nx

words = ("pear", "apple", "fig", "quince")

class Fruit(enum.Enum):
    PEAR, APPLE, FIG, QUINCE = words

class Basket(set):
    pass

@dataclass
class Box:
    tags: frozenset
    inner: object = None

class Object:
    pass

class Shown:
    def __repr__(self):
        return f"Shown(tags={set(words)}, kind={Fruit.PEAR})"

Pair = namedtuple("Pair", "left right")
of_sets = {frozenset({word, word * 2}) for word in words}
index = defaultdict(set)
for word in words:
    index[word[0]] |= {word, "kiwi"}
frame = pd.DataFrame({"tags": [set(words)]})
graph = nx.Graph()
graph.add_node(1, tags=set(words))
mixed = {None, 2, "b", (1, "x"), 1.5, b"c", float("nan"), Fruit.FIG}
values = {
    "plain": set(words),
    "frozen": frozenset(words),
    "nested": [{"k": (set(words),)}],
    "of_sets": of_sets,
    "index": index,
    "ordered": OrderedDict(a=set(words)),
    "deque": deque([set(words)]),
    "basket": Basket(words),
    "box": Box(frozenset(words), [set(words)]),
    "shown": Shown(),
    "pair": Pair(set(words), 1),
    "enums": set(Fruit),
    "mixed": mixed,
    "namespace": types.SimpleNamespace(tags=set(words)),
    "many": {f"w{number}" for number in range(5000)},
    "in_frame": frame,
    "series": frame.tags,
    "in_array": np.array([set(words), 1]),
    "objects": [{Object(), Object()}],
    "graph": graph,
    "counter": Counter([frozenset(words)]),
    "types": {int, str, float},
    "mapping": types.MappingProxyType({"a": set(words)}),
    "keys": dict.fromkeys("ab").keys() | set(words),
    "list": [set(words)] * 300,
}
"""

WRITES = """
import re
from llmvision_magic.prompt import NotebookValues, compose
for name in values:
    print(re.sub("0x[0-9a-f]+", "", compose("{{" + name + "}}", NotebookValues(values)).content))
"""


def printed(seed: int) -> str:
    """What is sent of each value, in a process whose texts have other hashes."""
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", VALUES + WRITES]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_value_with_sets_in_it_is_the_same_in_each_process():
    """Whatever holds the set: containers, classes of the user's, frames, arrays, graphs."""
    first, second = printed(1), printed(2)
    assert first.splitlines() == second.splitlines()
    assert first.startswith("{'apple', 'fig', 'pear', 'quince'}\nfrozenset({'apple', 'fig', 'pear', 'quince'})\n")
    assert "Shown(tags={'apple', 'fig', 'pear', 'quince'}, kind=Fruit.PEAR)" in first


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({10, 9, 100, 1}, "{1, 9, 10, 100}"),
        ({2.5, 1, -1}, "{-1, 1, 2.5}"),
        ({"b", 2, "a", None}, "{2, 'a', 'b', None}"),
        ({frozenset({3, 1}), frozenset()}, "{frozenset(), frozenset({1, 3})}"),
        (set(), "set()"),
        ([(1,), [], {}, ()], "[(1,), [], {}, ()]"),
    ],
)
def test_numbers_are_ordered_as_numbers_and_the_rest_by_its_text(value, sent):
    """As one would write them; what holds no set is as its `repr`."""
    assert compose("{{x}}", NotebookValues({"x": value})).content == sent


def test_what_holds_itself_is_written_as_repr_writes_it():
    """It ends."""
    value: list = [{1}]
    value.append(value)
    names: dict = {"v": value}
    names["d"] = names
    assert compose("{{v}}", NotebookValues({"v": value})).content == repr(value)
    assert compose("{{v}}", NotebookValues({"v": names})).content == repr(names)


ITEMS = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=5),
)


@given(st.lists(ITEMS, unique=True, max_size=6), st.randoms())
def test_text_of_a_set_is_the_same_in_whichever_order_it_was_written(items, chance):
    """As it stands in a traceback or in what another class writes of itself."""
    shuffled = chance.sample(items, len(items))
    written = ["x = {" + ", ".join(map(repr, one)) + "} and so on" for one in (items, shuffled)]
    assert sets_sorted(written[0]) == sets_sorted(written[1])


@pytest.mark.parametrize(
    "text",
    [
        "{b,a}",
        '{"b": 1, "a": 2}',
        "{b, a",
        "}{",
        "{x for x in (2, 1)}",
        "{ 2, 1 }",
        "{it's, 'x}",
        "{'}', {",
    ],
)
def test_what_is_no_set_as_python_writes_it_stays(text):
    """Mathematics, JSON, code."""
    assert sets_sorted(text) == text


def test_a_long_text_of_braces_takes_no_time_that_grows_with_its_square():
    """It ends, and is as it was."""
    text = "{" * 100_000 + ", " + "}" * 100_000
    assert sets_sorted(text) == text
