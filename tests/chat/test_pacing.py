"""Frames: few, none late, and a stop at any moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from llmvision_magic.chat import pacing
from llmvision_magic.chat.pacing import PacedReader
from llmvision_magic.stop import Stop


def collected(paced: PacedReader[str]) -> list[str]:
    """All items, those of the frames and the rest."""
    items = [item for frame in paced for item in frame.items]
    return items + paced.rest()


def test_every_item_comes_once_and_in_order():
    """Nothing is lost between the frames, the last ones included."""
    words = [str(number) for number in range(5000)]

    def produce(take: Callable[[str], None]) -> None:
        for word in words:
            take(word)

    assert collected(PacedReader(produce, Stop())) == words


def test_items_at_once_make_no_frame(monkeypatch):
    """A reply that is complete before the first frame is due is shown once."""
    monkeypatch.setattr(pacing, "FIRST_DELAY", 1000.0)
    paced: PacedReader[str] = PacedReader(lambda take: take("all"), Stop())
    assert [frame.items for frame in paced] == []
    assert paced.rest() == ["all"]


@pytest.mark.parametrize(("many", "rests"), [(1000, True), (1, False)])
def test_nothing_is_read_for_a_while_after_a_frame(monkeypatch, many, rests):
    """Unless the server is faster than the reading."""
    monkeypatch.setattr(pacing, "REST", 1000.0)
    monkeypatch.setattr(pacing, "MANY", many)
    shown = threading.Event()
    naps: list[float] = []

    def produce(take: Callable[[str], None]) -> None:
        paced.pause()
        take("first words")
        shown.wait()
        take("more")
        paced.pause()

    paced: PacedReader[str] = PacedReader(produce, Stop(), interval=10_000.0, sleep=naps.append)
    paced.eager = False
    seen = []
    for frame in paced:
        seen += frame.items
        shown.set()
    assert seen + paced.rest() == ["first words", "more"]
    assert naps == ([1000.0] if rests else [])


@pytest.mark.parametrize("start", range(85))
def test_rests_are_short_and_not_over_the_reading_before_a_frame(start):
    """What has arrived when a frame is due is in it, and the end is noticed soon, whenever a rest begins."""
    times = [start / 1000]
    paced: PacedReader[str] = PacedReader(
        lambda take: None, Stop(), clock=lambda: times[-1], sleep=lambda seconds: times.append(times[-1] + seconds)
    )
    paced._rests, paced._read_at = True, 0.081
    while times[-1] < 0.16:
        paced.pause()
    assert all(later - earlier < 0.043 for earlier, later in pairwise(times))
    assert start >= 81 or 0.081 in [round(time, 6) for time in times]
    assert len(times) <= 7


def test_nothing_rests_while_the_first_words_are_waited_for_or_after_a_stop():
    """Then each moment counts."""
    naps: list[float] = []
    stop = Stop()
    paced: PacedReader[str] = PacedReader(lambda take: None, stop, sleep=naps.append)
    paced._rests = paced._idle = True
    paced.pause()
    paced._idle = False
    stop.set()
    paced.pause()
    assert naps == []


def test_first_words_are_not_kept_waiting_by_what_came_before_them():
    """A frame in which nothing could be read does not use up the time to the next."""
    times = iter(range(10_000))
    asked = threading.Event()

    def produce(take: Callable[[str], None]) -> None:
        take("sending")
        asked.wait()
        take("first words")
        done.wait()

    done = threading.Event()
    paced: PacedReader[str] = PacedReader(produce, Stop(), interval=10_000.0, clock=lambda: float(next(times)))
    for frame in paced:
        if frame.items == ["sending"]:
            asked.set()
        elif frame.items == ["first words"]:
            break
    done.set()
    assert frame.items == ["first words"]


def test_text_is_handed_on_though_nothing_follows_it():
    """The clock decides: an item that no other follows is in a frame while the reader still waits."""
    goes_on = threading.Event()

    def produce(take: Callable[[str], None]) -> None:
        take("first")
        goes_on.wait()
        take("second")

    paced: PacedReader[str] = PacedReader(produce, Stop())
    seen = []
    for frame in paced:
        seen += frame.items
        if seen == ["first"]:
            goes_on.set()
    assert seen + paced.rest() == ["first", "second"]


def test_silence_makes_frames_that_tell_how_long():
    """A waiting line can count."""
    stop = Stop()
    silent = []

    def produce(take: Callable[[str], None]) -> None:
        forget = stop.wake(done.set)
        done.wait()
        forget()

    done = threading.Event()
    for frame in PacedReader[str](produce, stop):
        silent.append(frame.silent)
        if len(silent) == 3:
            stop.set()
    assert silent == sorted(silent)
    assert silent[0] > 0


def test_error_of_the_reader_is_kept_with_what_came_before():
    """Items before the error are handed on; the error is there to be told."""

    def produce(take: Callable[[str], None]) -> None:
        take("text")
        raise ValueError("broken")

    paced: PacedReader[str] = PacedReader(produce, Stop())
    assert collected(paced) == ["text"]
    assert isinstance(paced.error, ValueError)


def test_stop_ends_a_silent_reading_and_keeps_what_arrived():
    """The reader hangs; the iteration ends all the same."""
    hang = threading.Event()
    stop = Stop()

    def produce(take: Callable[[str], None]) -> None:
        take("text")
        hang.wait()

    paced: PacedReader[str] = PacedReader(produce, stop)
    items = []
    for frame in paced:
        items += frame.items
        stop.set("interrupted")
    hang.set()
    assert items + paced.rest() == ["text"]
    assert stop.reason == "interrupted"


def test_stop_from_a_signal_handler_wakes_the_wait():
    """The handler runs in the thread that waits, in the middle of the wait; no lock may stand in its way."""
    hang = threading.Event()
    stop = Stop()
    previous = signal.signal(signal.SIGALRM, lambda *_: stop.set("interrupted"))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        for _ in PacedReader[str](lambda take: hang.wait() and None, stop):
            pass
    finally:
        signal.signal(signal.SIGALRM, previous)
        hang.set()
    assert stop.reason == "interrupted"


def test_leaving_the_loop_stops_the_reader():
    """Who breaks out of the loop wants no more: the reader is told."""
    stop = Stop()
    ended = threading.Event()

    def produce(take: Callable[[str], None]) -> None:
        take("text")
        told = threading.Event()
        stop.wake(told.set)
        told.wait()
        ended.set()

    frames = iter(PacedReader[str](produce, stop))
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # a generator
    ended.wait()
    assert stop.reason == "abandoned"


def test_stop_is_set_once():
    """The first reason stays."""
    stop = Stop()
    woken: list[int] = []
    forget = stop.wake(lambda: woken.append(1))
    stop.set("interrupted")
    stop.set("again")
    assert (stop.reason, woken) == ("interrupted", [1])
    forget()
    stop.wake(lambda: woken.append(2))
    assert woken == [1, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_end_without_text_is_an_end(count: int):
    """A reader that gives nothing ends the iteration."""
    paced: PacedReader[str] = PacedReader(lambda take: [take("x") for _ in range(count)] and None, Stop())
    assert collected(paced) == ["x"] * count
