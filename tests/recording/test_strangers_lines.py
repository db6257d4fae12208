"""Recordings of strangers, with values of any kind and size: a line is well or damaged, and nothing breaks later."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.json_places import places, put
from support.kernels import Kernel, running_kernel
from support.servers.control import ChatServer

from llmvision_magic.backends.recording import Player, Recorder
from llmvision_magic.backends.recording.cassette_format import HEADER, Entry, entry_from, line_of
from llmvision_magic.backends.recording.normalized import normalize
from llmvision_magic.backends.wire import Parameters, Request
from llmvision_magic.cell_context import NO_CELL
from llmvision_magic.errors import ContextTooLong, InvalidInput
from llmvision_magic.messages import Delta, Message, Usage
from llmvision_magic.rendering import reply_bundle
from llmvision_magic.reply_builder import ReplyBuilder

ASKED = normalize(Request("m", (Message("user", "Hello"),), Parameters(temperature=0.5)), is_default_model=True)
EVENTS = (
    (0.1, Delta("Hi", role="assistant", model="m", id="i", created=1)),
    (0.2, Delta("Ho", index=1)),
    (0.3, Delta(finish_reason="stop", usage=Usage(1, 2, 3))),
)
LINES = [
    json.loads(line_of(Entry(ASKED, EVENTS, 0.3, left_out=2))),
    json.loads(line_of(Entry(ASKED, error=ContextTooLong("Too long.", status=400, prompt_tokens=9, context_tokens=8)))),
]
ODD = [
    *(float("nan"), float("inf"), 1e308, -1, 0, 2**70, 10**400, True, None, "", "x", "5", "\0", "\ud800", "a\u202eb"),
    *(
        [],
        {},
        [None],
        [[]],
        {"0": "x"},
        {"\ud800": "\ud800"},
        {"-1": "x"},
        {"index": 10**400},
        {"usage": {"x": 1}},
        "m" * 99_999,
    ),
    json.loads("[" * 150 + "]" * 150),
]
JSON = st.recursive(
    st.sampled_from(ODD) | st.floats() | st.integers() | st.text() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def attempted(line: str) -> Entry | None:
    """What a line holds; None where it is damaged, which is the end of a sentence."""
    try:
        return entry_from(line)
    except ValueError as error:
        kind, said = type(error), str(error)
    assert kind is ValueError
    assert len(said.splitlines()) == 1
    assert len(said.encode()) < 300
    return None


def use(line: str) -> None:
    """All that is later done with a line, which is well or damaged."""
    if (entry := attempted(line)) is None:
        return
    builder = ReplyBuilder()
    for _, delta in entry.events:
        builder.add(delta)
    for shown in reply_bundle(builder.reply()).values():
        shown.encode()
    assert entry_from(line_of(entry)) is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lesson.jsonl"
        path.write_text(f"{HEADER}\n{line}\n", errors="surrogatepass")
        player = Player(str(path))
        player.take(ASKED, NO_CELL)
        str(player.not_recorded(ASKED, ())).encode()
        player.models()
        recorder = Recorder(str(path))
        recorder.keep(recorder.ask(ASKED, NO_CELL), Entry(ASKED, EVENTS, 0.3), ())
        assert recorder.trouble == ""


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_a_line(odd: object):
    """Each with each odd value."""
    for line in LINES:
        for way in places(line):
            use(json.dumps(put(line, way, odd)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([(line, way) for line in LINES for way in places(line)]), JSON)
def test_line_with_anything_in_it(place: tuple[Any, tuple[object, ...]], odd: object):
    line, way = place
    use(json.dumps(put(line, way, odd)))


@pytest.mark.parametrize("version", ["9" * 400, "true", '"1"', "[]", "null", "1e400", "NaN"])
def test_odd_version_is_one_sentence(tmp_path: Path, version: str):
    path = tmp_path / "lesson.jsonl"
    path.write_text(HEADER.replace(" 1}", f" {version}}}") + "\n")
    for use_it in (Player, Recorder):
        with pytest.raises(InvalidInput) as caught:
            use_it(str(path))
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 500


@pytest.fixture(scope="module")
def kernel_process(chat_server_process: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel in a folder of its own."""
    given_ = {"LLMVISION_BASE_URL": chat_server_process.url, "LLMVISION_JOURNAL": "off"}
    with running_kernel(cwd=tmp_path_factory.mktemp("work"), **given_) as kernel:
        yield kernel


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reply": {"text": "Hi", "created": 10**400}}, "a number in it has more than 1024 binary digits"),
        ({"left_out": -1}, "`left_out` is out of range: at least 0"),
        ({"events": [[0.1, 2, {"usage": {"completion_tokens": -5}}]]}, "is out of range: at least 0"),
        ({"events": [[0.1, -2]]}, "`events[0][1]` is out of range: at least 0"),
        ({"reply": {"text": 5}}, "`reply.text` is expected as text"),
    ],
)
def test_damaged_line_is_said_when_the_replay_begins(kernel: Kernel, tmp_path: Path, change: dict[str, Any], said: str):
    """The other lines count, and the prompt whose line it was is one sentence."""
    path = tmp_path / "lesson.jsonl"
    path.write_text(f"{HEADER}\n{json.dumps({**LINES[0], **change})}\n")
    page = kernel.ok(f"%chat replay {path} --speed 0").plain
    assert "Line 2 of" in page
    assert said in page
    cell = kernel.run("%%chat --once -t 0.5\nHello")
    assert cell.status == "error"
    assert cell.only.text.startswith("NotRecorded")
    kernel.ok("%chat live")


def test_half_characters_of_a_recording_are_shown_as_what_they_are(kernel: Kernel, tmp_path: Path):
    """Nothing that UTF-8 cannot hold goes to the front end."""
    path = tmp_path / "lesson.jsonl"
    odd = {**LINES[0], "reply": {"text": "Hi \ud800", "model": "m\u202en"}, "events": None}
    del odd["left_out"]
    path.write_text(f"{HEADER}\n{json.dumps(odd)}\n")
    kernel.ok(f"%chat replay {path} --speed 0")
    cell = kernel.ok("%%chat --once -t 0.5\nHello")
    assert cell.only.plain == "Hi �"
    assert "m⟨U+202E⟩n" in cell.only.html
    kernel.ok("%chat live")
