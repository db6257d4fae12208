"""Whether requests are recorded, replayed, or simply go to the model; and who says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from llmvision_magic.backends.recording.player import Player
from llmvision_magic.backends.recording.recorder import Recorder
from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from llmvision_magic.settings.environment import Environment, Value

RECORD, REPLAY = "LLMVISION_RECORD", "LLMVISION_REPLAY"
SPEED, ELSE = "LLMVISION_REPLAY_SPEED", "LLMVISION_REPLAY_ELSE"

_OFF = ("off", "false", "no")

Tape = Recorder | Player


class RecordingMode:
    """What ``%chat record``, ``replay`` and ``live`` have chosen; while they have not, the environment says it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chosen: Tape | None = None
        self._is_live = False
        self._by_environment: tuple[tuple[object, ...], Tape] | None = None
        self._trouble = ""
        self._told = ""

    def record(self, given: str) -> Recorder:
        """Record into a file from now on.

        Raises:
            InvalidInput: The file cannot be used; everything is as it was.
        """
        recorder = Recorder(given, "%chat record")
        self._chosen, self._is_live = recorder, False
        return recorder

    def replay(self, given: str, *, speed: float | None = None, else_live: bool = False) -> Player:
        """Answer from a file from now on.

        Raises:
            InvalidInput: The file cannot be used; everything is as it was.
        """
        player = Player(given, speed=speed, else_live=else_live, source="%chat replay")
        self._chosen, self._is_live = player, False
        return player

    def live(self) -> None:
        """Let requests simply go to the model, whatever the environment says."""
        self._chosen, self._is_live = None, True

    def off_by(self, environment: Environment) -> Value | None:
        """What says that nothing is replayed here, also not by ``%chat replay``: a lesson is tried with a model."""
        found = environment.find(REPLAY)
        return found if found is not None and _is_off(found) else None

    def tape(self, environment: Environment) -> Tape | None:
        """What records or replays; None when requests simply go to the model.

        Raises:
            InvalidInput: What the environment says cannot be replayed. What cannot be recorded ends no chat;
                `complaint` says it.
        """
        if self._chosen is not None or self._is_live:
            return self._chosen
        found = _strongest(environment)
        if found is None:
            self._by_environment = None
            return None
        record, value = found
        speed, else_live = (None, False) if record else (_speed(environment), _else_live(environment))
        key = (record, value, speed, else_live)
        with self._lock:
            # One for all requests: it counts the equal ones, and its path means the folder the notebook began in.
            if self._by_environment is None or self._by_environment[0] != key:
                given = str(value.value).strip()
                if record:
                    try:
                        tape: Tape = Recorder(given, value.source)
                    except InvalidInput as error:
                        self._trouble = f"Not recorded ({value.source}): {error}"
                        return None
                else:
                    tape = Player(given, speed=speed, else_live=else_live, source=value.source)
                self._trouble = ""
                self._by_environment = (key, tape)
            return self._by_environment[1]

    @property
    def current(self) -> Tape | None:
        """What has recorded or replayed last, also if that is over."""
        return self._chosen or (self._by_environment[1] if self._by_environment else None)

    def complaint(self) -> str:
        """What is wrong with the file, as a sentence, said once; "" when nothing is, or it was said."""
        tape = self.current
        trouble = self._trouble
        if tape is not None:
            trouble = trouble or (tape.trouble if tape.verb == "record" else "") or tape.file.damaged()
        told, self._told = self._told, trouble
        return trouble if trouble != told else ""


def _is_off(value: Value) -> bool:
    return str(value.value).strip().lower() in _OFF


def _strongest(environment: Environment) -> tuple[bool, Value] | None:
    """Whether to record (else to replay), and where.

    Raises:
        InvalidInput: One place says both.
    """
    record, replay = (
        value if value is not None and not _is_off(value) else None
        for value in (environment.find(RECORD), environment.find(REPLAY))
    )
    if record is None or replay is None:
        found = record or replay
        return None if found is None else (found is record, found)
    places = [value.source.rpartition("(")[2] for value in (record, replay)]
    if places[0] == places[1]:
        raise InvalidInput(f"{RECORD} and {REPLAY} are both set ({places[0]}: take one of them away.")
    from llmvision_magic.settings.environment import ENVIRONMENT

    return (True, record) if places[0].startswith(ENVIRONMENT) else (False, replay)


def speed_from(text: str, source: str) -> float:
    """How many times as fast as recorded.

    Raises:
        InvalidInput: It is no number from 0 to a million.
    """
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 1e6:
        raise InvalidInput(
            f"{source}: expected a number from 0 to 1,000,000 (0 at once, 1 as recorded, 2 twice), got {text!r}."
        )
    return speed


def else_from(text: str, source: str) -> bool:
    """Whether the model is asked what is not recorded.

    Raises:
        InvalidInput: It is neither "live" nor "error".
    """
    if text not in ("live", "error"):
        raise InvalidInput(f"{source}: expected live (the model is asked) or error, got {text!r}.")
    return text == "live"


def _speed(environment: Environment) -> float | None:
    value = environment.find(SPEED)
    return None if value is None else speed_from(str(value.value).strip(), value.source)


def _else_live(environment: Environment) -> bool:
    value = environment.find(ELSE)
    return value is not None and else_from(str(value.value).strip(), value.source)
