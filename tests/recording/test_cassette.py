"""The file of a recording: what a request is to it, what a line holds, what a difference reads like."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmvision_magic.backends.recording import Player, Recorder
from llmvision_magic.backends.recording.cassette_format import HEADER, Entry, entry_from, line_of
from llmvision_magic.backends.recording.differences import differences, nearest
from llmvision_magic.backends.recording.masking import answers
from llmvision_magic.backends.recording.normalized import NormalizedRequest, normal_form, normalize
from llmvision_magic.backends.recording.occurrences import OccurrenceCounter
from llmvision_magic.backends.wire import Parameters, Request
from llmvision_magic.cell_context import NO_CELL, CellContext
from llmvision_magic.errors import ContextTooLong, InvalidInput, RequestRefused
from llmvision_magic.messages import Delta, Message, Usage, as_name

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
OPTIONAL = st.none() | TEXT.filter(bool).map(as_name)  # as the wire hands them on
COUNT = st.none() | st.integers(0, 10**6)
DELTA = st.builds(
    Delta,
    text=TEXT,
    index=st.integers(0, 2),
    role=OPTIONAL,
    finish_reason=OPTIONAL,
    usage=st.none() | st.builds(Usage, COUNT, COUNT, COUNT),
    id=OPTIONAL,
    object=OPTIONAL,
    created=COUNT,
    model=OPTIONAL,
)


def request(text: str = "Hello", model: str = "m", **parameters: object) -> Request:
    return Request(model, (Message("user", text),), Parameters(**parameters))


def asked(text: str = "Hello", model: str = "m", **parameters: object) -> NormalizedRequest:
    return normalize(request(text, model, **parameters), is_default_model=False)


def entry(text: str, of: NormalizedRequest | None = None) -> Entry:
    return Entry(of or asked(), ((0.1, Delta(text, role="assistant")), (0.2, Delta(finish_reason="stop"))), 0.2)


@given(st.lists(st.tuples(st.integers(0, 500).map(lambda n: n / 100), DELTA), min_size=1, max_size=8))
def test_events_come_back_as_they_were(events):
    """All of each event: its time in hundredths, its text, its choice, ids, ends and counts."""
    line = line_of(Entry(asked(), tuple(events), 5.25))
    assert "\n" not in line
    again = entry_from(line)
    assert again.events == tuple(events)
    assert again.seconds == 5.25
    assert line_of(again) == line


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused("Refused (400): no.", status=400, server_message="no"),
        ContextTooLong("Too long.", status=400, server_message="x", prompt_tokens=9000, context_tokens=8192),
        RequestRefused("An error in place of a reply."),
    ],
)
def test_refusal_comes_back_as_it_was(error):
    """Kind, sentence and numbers."""
    again = entry_from(line_of(Entry(asked(), error=error))).error
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_line_reads_in_a_fixed_order():
    """The request first, then the text; keys where they always stand."""
    of = asked(temperature=0.5, max_tokens=7, extra={"seed": 1, "best_of": 2})
    line = line_of(entry("Hi", of))
    assert line.startswith(
        '{"request": {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5, '
        '"max_tokens": 7, "best_of": 2, "seed": 1}, "reply": {"text": "Hi", "seconds": 0.2}, "events": [[0.1, 2, '
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (request(temperature=1), request(temperature=1.0)),
        (request(extra={"a": {"x": 1, "y": 2.0}, "b": 0}), request(extra={"b": 0, "a": {"y": 2, "x": 1}})),
        (request(stop="end"), request(stop=("end",))),
        (Request("m", request().messages, stream=True), Request("m", request().messages, stream=False)),
        (request(), request(extra={"stream_options": {"include_usage": False}})),
    ],
)
def test_what_makes_no_difference_is_the_same_request(one, other):
    """Numbers' spelling, the order of keys, how the reply arrives."""
    first, second = (normalize(one_, is_default_model=False) for one_ in (one, other))
    assert first.whole_key == second.whole_key
    assert normal_form(first.body) == first.body


@pytest.mark.parametrize(
    "other", [request("Hello "), request(model="n"), request(temperature=0.5), request(extra={"seed": True})]
)
def test_what_makes_a_difference_is_another_request(other):
    """Text, model, each parameter."""
    assert normalize(other, is_default_model=False).whole_key != asked().whole_key


def test_image_is_kept_as_its_digest():
    """Not its megabytes; another image is another request."""

    def with_image(data: str) -> NormalizedRequest:
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        messages = (Message("user", ({"type": "text", "text": "What?"}, part)),)
        return normalize(Request("m", messages), is_default_model=False)

    one = with_image("iVBOR" * 100_000)
    assert len(line_of(entry("A cat.", one))) < 500
    assert "data:image/png;sha256," in line_of(entry("A cat.", one))
    assert one.whole_key == entry_from(line_of(entry("A cat.", one))).asked.whole_key
    assert one.whole_key != with_image("iVBOR").whole_key


def test_model_that_nobody_chose_makes_no_difference():
    """A lesson recorded with one model is replayed where there is another."""
    here, there = (normalize(request(model=name), is_default_model=True) for name in ("platform", "embedded"))
    assert here.whole_key == there.whole_key


def test_edited_and_hand_written_answers_are_replayed_whole(tmp_path: Path):
    """A text that was edited keeps the times it had; one without times comes at once."""
    record = json.loads(line_of(Entry(asked(), ((0.1, Delta("ab")), (0.2, Delta("cd")), (0.3, Delta())), 0.3)))
    record["reply"]["text"] = "abcdefg"
    assert [delta.text for _, delta in entry_from(json.dumps(record)).events] == ["ab", "cdefg", ""]
    record["reply"]["text"] = "a"
    assert [delta.text for _, delta in entry_from(json.dumps(record)).events] == ["a", "", ""]
    del record["events"]
    ((seconds, delta),) = entry_from(json.dumps(record)).events
    assert (seconds, delta.text, delta.finish_reason) == (0.0, "a", "stop")


def test_text_written_into_a_reply_that_has_no_pieces_is_replayed(tmp_path: Path):
    """It was empty when it was recorded, or its times were taken out."""
    events = ((0.1, Delta("", role="assistant")), (0.2, Delta(finish_reason="length")))
    record = json.loads(line_of(Entry(asked(), events, 0.3)))
    record["reply"]["text"] = "abc"
    assert [delta.text for _, delta in entry_from(json.dumps(record)).events] == ["abc", ""]
    record["events"] = []
    assert [delta.text for _, delta in entry_from(json.dumps(record)).events] == ["abc"]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("reply"),
        lambda record: record["reply"].update(text=3),
        lambda record: record["reply"].update(model={"x": 1}),
        lambda record: record["events"].append("x"),
        lambda record: record["events"].append([1, 0, {"usage": {"prompt_tokens": "many"}}]),
        lambda record: record["events"].append([1, 0, {"colour": "red"}]),
        lambda record: record["events"].append([1, 3, {"index": 7}]),
        lambda record: record["events"].append([1e12, 3]),
        lambda record: record["events"].append([-1, 3]),
        lambda record: record["events"].append([float("nan"), 3]),
        lambda record: record["events"].append([10**400, 3]),
        lambda record: record["events"].append([1, float("inf")]),
        lambda record: record["reply"].update(seconds=float("inf")),
        lambda record: record["request"].pop("messages"),
        lambda record: record.update(error={"type": "RequestRefused"}),
    ],
)
def test_line_that_is_not_as_it_should_be_is_damaged(change):
    """Whatever it is, it is a ValueError with the end of a sentence."""
    record = json.loads(line_of(entry("Hi")))
    change(record)
    with pytest.raises(ValueError, match=r"^`|^its `reply`|has no|a time in it|^a number in it|in it is no number"):
        entry_from(json.dumps(record))


def test_equal_requests_have_their_turns_and_a_cell_keeps_its_own():
    """The second cell is second however often the first one runs; a loop in one cell counts on."""
    turns = OccurrenceCounter()
    assert [turns.take("k", CellContext("a", "1")), turns.take("k", CellContext("b", "2"))] == [0, 1]
    assert [turns.take("k", CellContext("a", "3")), turns.take("k", CellContext("b", "4"))] == [0, 1]
    assert [turns.take("k", CellContext("c", "5")) for _ in range(3)] == [2, 3, 4]
    assert [turns.take("k", CellContext("c", "6")) for _ in range(2)] == [2, 3]
    assert [turns.take("other", NO_CELL), turns.take("other", NO_CELL)] == [0, 1]


def test_requests_of_one_run_that_are_made_at_once_have_their_number():
    """However their threads take turns."""
    turns = OccurrenceCounter()
    assert [turns.take("k", CellContext("a", "1", n, n)) for n in (2, 0, 1)] == [2, 0, 1]
    assert [turns.take("k", CellContext(None, "2", n, n)) for n in (1, 2, 0)] == [4, 5, 3]


def keep(
    recorder: Recorder,
    text: str,
    of: NormalizedRequest,
    cell_context: CellContext = NO_CELL,
    secrets: tuple[str, ...] = (),
) -> None:
    recorder.keep(recorder.ask(of, cell_context, secrets), entry(text, of), secrets)


def texts(path: Path) -> list[str]:
    header, *lines = path.read_text().splitlines()
    assert header == HEADER
    return [json.loads(line)["reply"]["text"] for line in lines]


def test_same_answer_leaves_the_file_and_another_one_takes_its_place(tmp_path: Path):
    """Times and ids alone change nothing; each new kernel begins to count anew."""
    path = tmp_path / "lesson.jsonl"
    recorder = Recorder(str(path))
    for text, of in (("one", asked("a")), ("two", asked("b")), ("three", asked("a"))):
        keep(recorder, text, of)
    before = path.read_bytes()
    again = Recorder(str(path))
    slot = again.ask(asked("a"), NO_CELL)
    again.keep(slot, Entry(asked("a"), ((9.0, Delta("one", id="x")), (9.5, Delta(finish_reason="stop"))), 9.5), ())
    assert path.read_bytes() == before
    keep(again, "TWO", asked("b"))
    keep(again, "THREE", asked("a"))
    keep(again, "four", asked("a"))
    assert texts(path) == ["one", "TWO", "THREE", "four"]


def test_new_request_stands_where_it_was_asked(tmp_path: Path):
    """A cell that was put between two others is a line between theirs."""
    path = tmp_path / "lesson.jsonl"
    for texts_asked in (["a", "b"], ["a", "new", "b"]):
        recorder = Recorder(str(path))
        for text in texts_asked:
            keep(recorder, f"to {text}", asked(text))
    assert texts(path) == ["to a", "to new", "to b"]


def test_replies_that_end_in_any_order_stand_in_the_order_of_asking(tmp_path: Path):
    """So that two recordings of a lesson with replies in the background are the same file."""
    recorder = Recorder(str(tmp_path / "lesson.jsonl"))
    slots = [recorder.ask(asked(text), NO_CELL) for text in "abcd"]
    for number in (2, 0, 3, 1):
        recorder.keep(slots[number], entry("abcd"[number], slots[number].asked), ())
    assert texts(tmp_path / "lesson.jsonl") == ["a", "b", "c", "d"]


def test_requests_made_at_once_stand_in_the_order_of_their_columns(tmp_path: Path):
    """Whichever is sent first, whichever ends first; equal ones among them too."""
    path = tmp_path / "lesson.jsonl"
    columns = [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("c", 0)]
    recorder = Recorder(str(path))
    slots = {n: recorder.ask(asked(columns[n][0]), CellContext(None, "1", n, columns[n][1])) for n in (3, 0, 4, 2, 1)}
    for n in (2, 4, 3, 1, 0):
        recorder.keep(slots[n], entry(str(n), slots[n].asked), ())
    assert texts(path) == ["0", "1", "2", "3", "4"]
    assert recorder.not_asked() == []
    before = path.read_bytes()
    again = Recorder(str(path))
    for n in (4, 3, 2, 1, 0):
        keep(again, str(n), asked(columns[n][0]), CellContext(None, "1", n, columns[n][1]))
    assert path.read_bytes() == before


def test_many_threads_lose_nothing(tmp_path: Path):
    """Twenty replies that end at once are twenty lines."""
    recorder = Recorder(str(tmp_path / "lesson.jsonl"))
    threads = [threading.Thread(target=keep, args=(recorder, str(n), asked(str(n)))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts(tmp_path / "lesson.jsonl"), key=int) == [str(n) for n in range(20)]
    assert recorder.not_asked() == []


def test_several_kernels_record_into_one_file(tmp_path: Path):
    """Four processes that begin at once lose no line, and leave nothing beside the file."""
    path = tmp_path / "lesson.jsonl"
    code = (
        "import sys, test_cassette as t; sys.stdin.read(); recorder = t.Recorder(sys.argv[1]);"
        "[t.keep(recorder, sys.argv[2], t.asked(f'{sys.argv[2]} {n}')) for n in range(25)]"
    )
    command = [sys.executable, "-c", code, str(path)]
    here = Path(__file__).parent
    processes = [subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, cwd=here) for n in range(4)]
    for process in processes:
        process.stdin.close()  # it begins
    assert [process.wait() for process in processes] == [0] * 4
    assert sorted(texts(path)) == sorted(str(n) for n in range(4) for _ in range(25))
    assert list(tmp_path.iterdir()) == [path]


def test_key_is_in_no_line(tmp_path: Path):
    """Not where the user typed it, and not where a server repeated it."""
    path = tmp_path / "lesson.jsonl"
    key = 'sk-"made\\up"-0123456789'
    keep(Recorder(str(path)), f"Your key is {key}.", asked(f"Is {key} a good key?"), secrets=(key,))
    assert "made" not in path.read_text()
    assert Player(str(path)).take(asked("Is ••• a good key?"), NO_CELL).texts() == {0: "Your key is •••."}


def test_request_with_the_key_is_found_again_by_who_records_and_who_replays(tmp_path: Path):
    """With the key and without it; recorded again it is the same line, and no line holds a mask for nothing."""
    path = tmp_path / "lesson.jsonl"
    of = asked("What is a good password?", extra={"password": ["password"]})
    recorder = Recorder(str(path))
    keep(recorder, "Not that one.", asked("Hello"), secrets=("password",))
    keep(recorder, "Not this one.", of, secrets=("password",))
    assert recorder.not_asked() == []
    assert recorder.masked() == [3]
    before = path.read_bytes()
    again = Recorder(str(path))
    keep(again, "Not that one.", asked("Hello"), secrets=("password",))
    keep(again, "Not this one.", of, secrets=("password",))
    assert path.read_bytes() == before
    assert (again.not_asked(), again.masked()) == ([], [3])
    player = Player(str(path))
    assert player.take(of, NO_CELL, secrets=("password",)) is not None
    said = str(player.not_recorded(asked("What is a bad password?"), ("password",)))
    assert "What is a bad •••?" in said
    assert "password" not in said.replace('"password"', "")
    keep(recorder, "Not this one.", asked("What is a good password?"), secrets=())  # nothing is masked for who has none
    assert recorder.masked() == [3]


def test_request_that_fits_several_masked_ones_gets_the_answers_of_one(tmp_path: Path):
    """Of the first; that which is the same as it stands comes before it."""
    path = tmp_path / "lesson.jsonl"
    recorder = Recorder(str(path))
    for text, prompt in (("first", "Is •••"), ("second", "••• •••"), ("first again", "Is •••"), ("third", "Is it")):
        keep(recorder, text, asked(prompt))
    player = Player(str(path))
    assert [player.take(asked("Is password"), NO_CELL).texts()[0] for _ in range(3)] == [
        "first",
        "first again",
        "first",
    ]
    assert player.take(asked("Is it"), NO_CELL).texts()[0] == "third"


@pytest.mark.parametrize(
    ("recorded", "now", "same"),
    [
        ("Is ••• good?", "Is password good?", True),
        ("Is ••• good?", "Is ••• good?", True),
        ("•••", "password", True),
        ("Is ••• good?", "Is  good?", False),
        ("Is ••• good?", "Is password bad?", False),
        ("Is ••• good?", "Is this word good?", False),
        ("Is ••• good?", "Was password good?", False),
        ("•••, ••• and •••.", "password, password and password.", True),
        ("•••, ••• and •••.", "password, password, password.", False),
        ("••••••", "passwordpassword", True),
        ("In[3]: •••", "In[14]: password", True),
        ("Is ••• good?", 'Is password good?"}, {"role": "user", "content": "Is password good?', False),
        ("••• " * 3000 + "end", "a " * 3000 + "x", False),
        ("•••a" * 3000 + "b", "a" * 100_000, False),
        ("Is it good?", "Is it good?", True),
        ("Is it good?", "Is it bad?", False),
        ("••• of {'b', 'a'}", "password of {'a', 'b'}", True),
        ("Of {'b', 'a', 2}", "Of {2, 'a', 'b'}", True),
        ("Of {'b', 'a'}", "Of {'b', 'c'}", False),
    ],
)
def test_what_was_masked_may_be_any_one_word(recorded, now, same):
    """Nothing else may differ; a recording with many masks takes no long time."""
    assert answers(asked(recorded), asked(now)) is same
    assert answers(asked(recorded, temperature=0.5), asked(now)) is False
    assert answers(asked("•••", extra={"logprobs": True}), asked("x", extra={"logprobs": 1})) is False


@pytest.mark.parametrize("key", ["x", "none", "text", "model", "default_model", "completion_tokens", "assistant"])
def test_key_that_is_a_word_spoils_no_line(tmp_path: Path, key):
    """Servers that want no key are given such ones."""
    path = tmp_path / "lesson.jsonl"
    prompt, answer = "Explain the next text: none.", "A model has text, x, or none."
    keep(Recorder(str(path)), answer, asked(prompt), secrets=(key,))
    assert Player(str(path)).take(asked(prompt), NO_CELL).texts() == {0: answer}


def test_damaged_lines_and_lines_of_other_kernels_stay(tmp_path: Path):
    """What cannot be read is left as it is and said; what came into the file meanwhile is kept."""
    path = tmp_path / "lesson.jsonl"
    keep(Recorder(str(path)), "one", asked("a"))
    path.write_text(path.read_text() + "<<<<<<< HEAD\n\n")
    recorder = Recorder(str(path))
    assert recorder.file.damaged().startswith(f"Line 3 of {path} cannot be read (it is not JSON)")
    with path.open("a") as file:
        file.write(line_of(entry("from elsewhere", asked("b"))) + "\n")
    keep(recorder, "new", asked("c"))
    lines = path.read_text().splitlines()
    assert lines[2:4] == ["<<<<<<< HEAD", ""]
    assert [json.loads(lines[n])["reply"]["text"] for n in (1, 4, 5)] == ["one", "from elsewhere", "new"]
    assert Player(str(path)).take(asked("c"), NO_CELL).texts() == {0: "new"}
    assert "line 3" in str(Player(str(path)).not_recorded(asked("d"))).lower()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", "is no recording"),
        (b'{"cells": []}', "is no recording"),
        (b"\xff\xfe\x00", "is no text"),
        (HEADER.replace("1}", "9}").encode(), "newer llmvision-magic"),
    ],
)
def test_file_that_is_something_else_is_refused_and_left_alone(tmp_path: Path, content, said):
    """For recording and for replaying."""
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    for kind in (Recorder, Player):
        with pytest.raises(InvalidInput, match=said):
            kind(str(path))
    assert path.read_bytes() == content


def test_write_that_fails_is_made_up_for(tmp_path: Path):
    """The chat goes on, one sentence says it, and nothing that came meanwhile is lost."""
    folder = tmp_path / "folder"
    folder.mkdir()
    recorder = Recorder(str(folder / "lesson.jsonl"))
    keep(recorder, "one", asked("a"))
    folder.rename(tmp_path / "elsewhere")
    keep(recorder, "two", asked("b"))
    assert recorder.trouble.startswith("Not recorded: ")
    (tmp_path / "elsewhere").rename(folder)
    keep(recorder, "three", asked("c"))
    assert recorder.trouble == ""
    assert texts(folder / "lesson.jsonl") == ["one", "two", "three"]


def test_difference_is_short_and_names_the_nearest():
    """Parameters by name, texts by line, long lines around the place; no character steers a terminal."""
    recorded = [
        asked("Explain tuples.", temperature=0.5),
        asked("Explain lists.\nWith one example.\nBriefly.", temperature=0.5, extra={"seed": 3}),
        asked("Something else entirely, about the weather in Spain."),
    ]
    now = asked("Explain lists.\nWith two examples.\nBriefly.", temperature=0.7)
    found = nearest([entry("", of) for of in recorded], now).asked
    assert found is recorded[1]
    assert differences(found, now) == [
        "temperature: 0.5 recorded, 0.7 asked",
        "seed: 3 recorded, nothing asked",
        "message 1 (user):",
        "- With one example.",
        "+ With two examples.",
    ]
    long = differences(asked("x" * 500 + "A" + "y" * 500), asked("x" * 500 + "B" + "y" * 500))
    assert [("A" in line, "B" in line, len(line) < 100) for line in long[1:]] == [
        (True, False, True),
        (False, True, True),
    ]
    assert "\x1b" not in "".join(differences(asked("\x1b[31mred"), asked("blue")))
    assert len(differences(asked("\n".join("abcdefghijklmnopqrstuvwxyz")), asked("1\n2"))) <= 14
