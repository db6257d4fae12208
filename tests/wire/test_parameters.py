"""Parameters and requests: what is checked, and what exactly is sent."""

from __future__ import annotations

import copy
import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.backends.wire import Parameters, Request, Timeouts
from llmvision_magic.backends.wire.request import encoded
from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import Message

HELLO = (Message("user", "Hello!"),)
ANY = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers()))


@given(st.sampled_from([("temperature", 2), ("top_p", 1)]), ANY)
def test_temperature_and_top_p_are_taken_exactly_in_their_range(limit, value):
    """A number of the range is kept as it is; everything else is refused by name, with the range."""
    name, most = limit
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None or (number and 0 <= value <= most):
        assert getattr(Parameters(**{name: value}), name) == value
    else:
        with pytest.raises(InvalidInput, match=f"^{name} is a number from 0 to {most}; "):
            Parameters(**{name: value})


@given(st.sampled_from(["presence_penalty", "frequency_penalty"]), ANY)
def test_penalties_are_any_finite_number(name, value):
    """Finite numbers pass, also negative ones; NaN, infinities and other types do not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None or (number and math.isfinite(value)):
        assert getattr(Parameters(**{name: value}), name) == value
    else:
        with pytest.raises(InvalidInput, match=f"^{name} is a finite number; "):
            Parameters(**{name: value})


@given(ANY)
def test_max_tokens_is_an_integer_from_1(value):
    """No float, no bool, no 0."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        assert Parameters(max_tokens=value).max_tokens == value
    else:
        with pytest.raises(InvalidInput, match=r"^max_tokens is an integer of at least 1; "):
            Parameters(max_tokens=value)


@given(st.one_of(st.text(max_size=3), st.lists(st.one_of(st.text(max_size=3), st.none()), max_size=6), st.integers()))
def test_stop_is_up_to_four_texts(value):
    """A text stands for itself; a list has at most four, none empty."""
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and len(texts) <= 4 and all(isinstance(text, str) and text for text in texts):
        assert Parameters(stop=value).stop == (tuple(texts) or None)
    else:
        with pytest.raises(InvalidInput, match=r"^stop is up to 4 texts"):
            Parameters(stop=value)


def test_message_quotes_what_came():
    """The value is in the sentence, shortened when it is long."""
    with pytest.raises(InvalidInput, match=r"2\.5 came\.$"):
        Parameters(temperature=2.5)
    with pytest.raises(InvalidInput) as caught:
        Parameters(stop=["x" * 10_000, ""])
    assert len(str(caught.value)) < 200


def test_other_kinds_of_numbers_become_plain_ones():
    """A number without a JSON of its own (a fraction, NumPy's) is sent as a float; an int stays an int."""
    parameters = Parameters(temperature=1, top_p=Fraction(1, 4), presence_penalty=-1.5)
    assert json.dumps(parameters.body()) == '{"temperature": 1, "top_p": 0.25, "presence_penalty": -1.5}'


def test_number_too_large_for_a_float_is_refused():
    """An integer beyond all floats is out of range, and no crash."""
    with pytest.raises(InvalidInput, match="finite number"):
        Parameters(presence_penalty=10**400)


@pytest.mark.parametrize("name", ["messages", "model", "stream", "temperature", "stop", "max_tokens"])
def test_extra_cannot_repeat_what_has_its_own_place(name):
    """A further parameter with the name of a known one is refused by name."""
    with pytest.raises(InvalidInput, match=f"^{name} is a parameter of its own"):
        Parameters(extra={name: 1})


@pytest.mark.parametrize("value", [object(), {1, 2}, math.nan, b"x"])
def test_extra_has_to_be_json(value):
    """What JSON cannot hold is refused before anything is sent."""
    with pytest.raises(InvalidInput, match=r"^seed needs a value that JSON can hold"):
        Parameters(extra={"seed": value})


@pytest.mark.parametrize("extra", [[("a", 1)], "a=1", {"": 1}, {1: 1}])
def test_extra_is_a_mapping_of_names(extra):
    """Anything else is refused."""
    with pytest.raises(InvalidInput, match=r"further parameter|Further parameters"):
        Parameters(extra=extra)


def test_extra_is_a_copy():
    """Changing the mapping afterwards changes nothing, and parameters can be copied."""
    given_values = {"seed": 1}
    parameters = Parameters(extra=given_values)
    given_values["seed"] = 2
    assert copy.deepcopy(parameters).body() == {"seed": 1}


def test_body_holds_what_was_set_and_nothing_else():
    """Model, messages and stream are always there; of the rest only what was given."""
    assert Request("m", HELLO, stream=False).body() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello!"}],
        "stream": False,
    }


def test_body_of_a_stream_asks_for_the_usage():
    """A streamed request carries the question for the token counts."""
    body = Request("m", HELLO, Parameters(temperature=0, stop="x", extra={"seed": None})).body()
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert (body["temperature"], body["stop"], body["seed"]) == (0, ["x"], None)


def test_own_stream_options_stand():
    """What the user gives under that name is sent as given."""
    options = {"include_usage": False}
    assert Request("m", HELLO, Parameters(extra={"stream_options": options})).body()["stream_options"] == options


def test_parts_are_sent_as_the_api_defines_them():
    """A message of parts stays a list of objects."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    body = Request("m", (Message("user", (part,)),)).body()
    assert body["messages"] == [{"role": "user", "content": [part]}]


@pytest.mark.parametrize(("model", "messages"), [("", HELLO), ("  ", HELLO), (None, HELLO), ("m", ())])
def test_request_needs_model_and_message(model, messages):
    """Without one of them nothing can be sent."""
    with pytest.raises(InvalidInput, match="A request needs"):
        Request(model, messages)


def test_text_outside_ascii_is_sent_as_utf8():
    """No escapes: the bytes are the text's own."""
    assert "🙂".encode() in encoded({"content": "🙂"})


@pytest.mark.parametrize(("body", "words"), [("\ud83d", "half of a pair"), (object(), "has to be JSON")])
def test_unsendable_content_is_named(body, words):
    """Broken text and foreign objects are refused with a sentence."""
    with pytest.raises(InvalidInput, match=words):
        encoded({"content": body})


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, True, "5", None])
@pytest.mark.parametrize("name", ["connect", "first_event", "between_events"])
def test_time_limits_are_above_zero(name, value):
    """A limit that is no positive number of seconds is refused by name."""
    with pytest.raises(InvalidInput, match=name):
        Timeouts(**{name: value})
