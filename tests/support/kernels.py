"""A real ipykernel under control, and what a front end would show of its messages."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager

from support.deadline import DEADLINE


@dataclass
class Output:
    """One output of a cell, as a notebook would save it."""

    kind: str
    data: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    display_id: str | None = None

    @property
    def plain(self) -> str:
        return self.data.get("text/plain", self.text)

    @property
    def html(self) -> str:
        return self.data.get("text/html", "")


@dataclass
class Cell:
    """A run of one cell: its messages, and the outputs that a front end makes of them.

    Attributes:
        asked: The content of its request for input, if it made one.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    clear_waits: bool = False
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return self.reply["status"]

    @property
    def plain(self) -> str:
        """Text of all outputs."""
        return "\n".join(output.plain for output in self.outputs)

    @property
    def html(self) -> str:
        """HTML of all outputs. While a reply arrives, only this holds all of its words."""
        return "\n".join(output.html for output in self.outputs)

    @property
    def only(self) -> Output:
        """The one output of the cell."""
        assert len(self.outputs) == 1, [output.plain for output in self.outputs]
        return self.outputs[0]

    def apply(self, message: dict[str, Any]) -> None:
        """Do what the message-format specification asks of a front end."""
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        if kind == "clear_output":
            self.clear_waits = content["wait"]
            if not content["wait"]:
                self.outputs.clear()
            return
        if kind == "update_display_data":
            for output in self.outputs:
                if output.display_id == content["transient"]["display_id"]:
                    output.data, output.metadata = content["data"], content["metadata"]
            return
        new = _output_of(kind, content)
        if new is not None:
            if self.clear_waits:
                self.outputs.clear()
                self.clear_waits = False
            last = self.outputs[-1] if self.outputs else None
            if last is not None and kind == "stream" == last.kind and last.metadata == new.metadata:
                last.text += new.text  # what is printed at once may come in two messages
            else:
                self.outputs.append(new)


def _output_of(kind: str, content: dict[str, Any]) -> Output | None:
    if kind in ("display_data", "execute_result"):
        display_id = content.get("transient", {}).get("display_id")
        return Output(kind, content["data"], content["metadata"], display_id=display_id)
    if kind == "stream":
        return Output(kind, text=content["text"], metadata={"name": content["name"]})
    if kind == "error":
        return Output(kind, text="\n".join(content["traceback"]), metadata={"ename": content["ename"]})
    return None


class Kernel:
    """One kernel process with its client.

    Attributes:
        heard: Every message it has sent, also those that belong to no cell here. Kept only where a test sets a list.
        listeners: Called with each message.
        watched: Whether a person looks on, where a cell does not say it.
    """

    watched = False

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.heard: list[dict[str, Any]] | None = None
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE)

    @property
    def pid(self) -> int:
        return self.manager.provisioner.process.pid

    def run(
        self,
        code: str,
        *,
        cell_id: str | None = None,
        watched: bool | None = None,
        on_output: Callable[[Cell], None] = lambda cell: None,
        on_input: Callable[[], str | None] | None = None,
    ) -> Cell:
        """Run a cell to its end.

        Args:
            watched: Whether a person looks on, who could be asked for input; tools that run notebooks say no.
            on_output: Called after each message of the cell; it may interrupt, or release a waiting server.
            on_input: Called when the cell asks for input, which it must do then; gives what is typed, None for nothing.
        """
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": False}
        content["allow_stdin"] = (self.watched if watched is None else watched) or on_input is not None
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(message)
        cell = Cell()
        if on_input is not None:
            cell.asked = self._noted(self.client.get_stdin_msg(timeout=DEADLINE))["content"]
            if (typed := on_input()) is not None:
                self.client.input(typed)
        idle = False
        while not idle:
            received = self._noted(self.client.get_iopub_msg(timeout=DEADLINE))
            if received["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            idle = received["msg_type"] == "status" and received["content"]["execution_state"] == "idle"
            cell.apply(received)
            on_output(cell)
        while not cell.reply:
            reply = self._noted(self.client.get_shell_msg(timeout=DEADLINE))
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                cell.reply = reply["content"]
        return cell

    def _noted(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.heard is not None:
            self.heard.append(message)
        for listener in self.listeners:
            listener(message)
        return message

    def hear(self, seconds: float) -> None:
        """Take one message that belongs to no running cell, if one comes in that time."""
        with suppress(Empty):
            self._noted(self.client.get_iopub_msg(timeout=seconds))

    def ok(self, code: str, **options: Any) -> Cell:
        """Run a cell that must succeed."""
        cell = self.run(code, **options)
        assert cell.status == "ok", cell.plain
        return cell

    def unload(self) -> None:
        """Unload the extension, and forget the conversations that wait for it: a new kernel has none."""
        self.ok("%unload_ext llmvision_magic\nvars(get_ipython()).pop('_llmvision_magic_kept', None);")

    def load_anew(self) -> None:
        """The extension as in a new kernel."""
        self.unload()
        self.ok("%load_ext llmvision_magic")

    def value(self, expression: str) -> Any:
        """The value of a Python expression in the kernel; it must have JSON."""
        cell = self.ok(f"import json as _json\nprint(_json.dumps({expression}))")
        return json.loads(cell.only.text)

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of the code."""
        self.client.complete(code, len(code))
        return self.client.get_shell_msg(timeout=DEADLINE)["content"]["matches"]

    def inspect(self, code: str) -> str:
        """What ``?`` shows."""
        return self.ok(code).reply["payload"][0]["data"]["text/plain"]

    def subshell(self) -> str:
        """A new subshell (JEP 91), as JupyterLab makes one for the messages of widgets; its id."""
        control = self.client.control_channel
        control.send(self.client.session.msg("create_subshell_request", {}))
        return self.client.get_control_msg(timeout=DEADLINE)["content"]["subshell_id"]

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()


@contextmanager
def running_kernel(*, cwd: Path | None = None, log: Path | None = None, **environment: str) -> Iterator[Kernel]:
    """A fresh kernel. It sees no settings but those given here, and keeps no journal unless told where.

    Args:
        cwd: Its working folder; this process's if not given.
        log: A file for what it writes to its standard output and error.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LLMVISION_")}
    cache = {"LLMVISION_CACHE": os.environ["LLMVISION_CACHE"]} if "LLMVISION_CACHE" in os.environ else {}
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    with ExitStack() as stack:
        streams = {}
        if log is not None:
            stream = stack.enter_context(log.open("ab"))
            streams = {"stdout": stream, "stderr": stream}
        environment = {"LLMVISION_JOURNAL": "off", **inherited, **cache, **environment}
        manager.start_kernel(env=environment, cwd=str(cwd or Path.cwd()), **streams)
    kernel = None
    try:
        kernel = Kernel(manager)
        yield kernel
    finally:
        if kernel is not None:
            kernel.client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def next_cell(cell: Cell) -> str:
    """What a cell has asked the front end to put below it."""
    [payload] = [one for one in cell.reply["payload"] if one["source"] == "set_next_input"]
    return payload["text"]
