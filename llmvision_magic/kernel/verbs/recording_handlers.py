"""The verbs of ``%chat`` that record and replay: record, replay, live.

What records and replays is imported when a verb asks for it: most notebooks never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.option_parsing import split_line
from llmvision_magic.kernel.markdown import code_span, counted
from llmvision_magic.kernel.verbs.recording_text import described, pace_of
from llmvision_magic.settings.secrets import MASK

if TYPE_CHECKING:
    from llmvision_magic.backends.recording import Player, Recorder
    from llmvision_magic.chat.session import Session
    from llmvision_magic.kernel.verbs.host import VerbHost
    from llmvision_magic.settings.environment import Environment


class RecordingHandlers:
    """``do_NAME`` runs the verb NAME with the rest of its line."""

    session: Session
    host: VerbHost

    def do_record(self, rest: str) -> None:
        words = split_line(rest)
        if not words:
            self.host.page(self._getter("record", "Nothing is being recorded; `%chat record lesson.jsonl` begins."))
            return
        if len(words) > 1 or words[0].startswith("-"):
            raise _not_one_path("record", words)
        recorder = self.session.connections.recording_mode.record(words[0])
        self.host.page(_begun("Recording into", recorder))

    def do_replay(self, rest: str) -> None:
        words = split_line(rest)
        if not words:
            self.host.page(self._getter("replay", "Nothing is being replayed; `%chat replay lesson.jsonl` begins."))
            return
        path, speed, else_live = _replay_words(words)
        mode = self.session.connections.recording_mode
        off = mode.off_by(self._environment())
        if off is not None:
            self.host.page(f"Nothing is replayed, for {off.source} is `{off.value}`: the model answers.")
            return
        player = mode.replay(path, speed=speed, else_live=else_live)
        self.host.page(_begun("Replaying", player))

    def do_live(self, rest: str) -> None:
        if rest:
            raise InvalidInput(f"`%chat live` takes nothing after it, got {rest!r}.")
        try:
            tape = self.session.connections.tape(self._environment())
        except InvalidInput:  # what the environment says cannot be used; it no longer counts
            tape = None
        self.session.connections.recording_mode.live()
        if tape is None:
            self.host.page("Requests go to the model; nothing was being recorded or replayed.")
            return
        was = "recorded" if tape.verb == "record" else "replayed"
        self.host.page(f"Requests go to the model again; {code_span(tape.file.shown)} is no longer {was}.{_left(tape)}")

    def _environment(self) -> Environment:
        return self.host.settings(self.session.conversation()).environment

    def _getter(self, verb: str, nothing: str) -> str:
        tape = self.session.connections.tape(self._environment())
        if tape is None or tape.verb != verb:
            return nothing
        text = described(tape)
        return f"{text[0].upper()}{text[1:]} ({tape.source}). `%chat live` ends it.{_left(tape)}"


def _replay_words(words: list[str]) -> tuple[str, float | None, bool]:
    from llmvision_magic.backends.recording.mode import else_from, speed_from

    paths: list[str] = []
    speed, else_live = None, False
    rest = iter([part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])])
    for word in rest:
        if word in ("--speed", "--else"):
            value = next(rest, "")
            if word == "--speed":
                speed = speed_from(value, "--speed")
            else:
                else_live = else_from(value, "--else")
        elif word.startswith("-"):
            raise InvalidInput(f"`%chat replay` has no option `{word}`; it takes --speed X and --else live.")
        else:
            paths.append(word)
    if len(paths) != 1:
        raise _not_one_path("replay", paths)
    return paths[0], speed, else_live


def _not_one_path(verb: str, words: Sequence[str]) -> InvalidInput:
    from llmvision_magic.backends.recording.cassette import typed

    got = " ".join(words)
    advice = f"; a path with spaces stands in quotes: `%chat {verb} {typed(got)}`" if len(words) > 1 else ""
    return InvalidInput(f"`%chat {verb}` takes the path of one file, got {got or 'none'}{advice}.")


def _begun(doing: str, tape: Recorder | Player) -> str:
    """Said when it begins. Nothing that differs from place to place: such an output may be compared."""
    count = len(tape.file.entries())
    there = f": {counted(count, 'request')}" if count else ""
    nothing = ": it holds no requests yet" if not count and tape.verb == "replay" else ""
    said = f"{doing} {code_span(tape.file.shown)}{there}{pace_of(tape)}{nothing}."
    return " ".join(filter(None, (said, tape.file.damaged())))


def _left(tape: Recorder | Player) -> str:
    """What is to be known of the recording: where the key stood, and what the notebook perhaps no longer asks."""
    if tape.verb == "replay":
        return ""
    said = ""
    if numbers := tape.masked():
        holds = "holds" if len(numbers) == 1 else "hold"
        said += f" {_lines(numbers)} {holds} `{MASK}` where the key stood in what was asked or answered;"
        said += " a replay shows it so."
    if numbers := tape.not_asked():
        was = "was" if len(numbers) == 1 else "were"
        said += f" {_lines(numbers)} {was} not asked since the recording began; what the notebook no longer asks can"
        said += " be deleted."
    return said


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + ("…" if len(numbers) > 10 else "")
    return f"Line{'' if len(numbers) == 1 else 's'} {shown}"
