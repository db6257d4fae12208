"""The page of a chat panel, without a browser: the messages that its front end would send and get."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.deadline import DEADLINE
from support.kernels import Kernel, running_kernel


@pytest.fixture(scope="module")
def kernel_process(chat_server_process) -> Iterator[Kernel]:
    """One kernel for a file of tests; each test loads the extension anew."""
    with running_kernel(LLMVISION_BASE_URL=chat_server_process.url) as kernel:
        yield kernel


@pytest.fixture
def page(kernel) -> PanelPage:
    """A panel that goes with the current conversation."""
    return PanelPage(kernel)


class PanelPage:
    """One panel as its page sees it.

    Attributes:
        state: The widget's traits.
        messages: What the kernel has sent, oldest first.
    """

    def __init__(self, kernel: Kernel, code: str = "%chat panel") -> None:
        self.kernel = kernel
        self.state: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.comm_id = ""
        self.closed = False
        kernel.listeners.append(self._hear)
        self.cell = kernel.ok(code)
        assert self.comm_id, "no panel was opened"

    def _hear(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open" and not self.comm_id and "panel_id" in content["data"].get("state", {}):
            self.comm_id = content["comm_id"]
            self.state.update(content["data"]["state"])
        elif kind == "comm_msg" and content["comm_id"] == self.comm_id:
            data = content["data"]
            if data["method"] == "custom":
                self.messages.append(data["content"])
            elif data["method"] in ("update", "echo_update"):
                self.state.update(data["state"])
        elif kind == "comm_close" and content["comm_id"] == self.comm_id:
            self.closed = True

    def send(self, content: object, *buffers: bytes, subshell: str | None = None) -> None:
        """A message of the page."""
        self._send({"method": "custom", "content": content}, buffers, subshell)

    def set(self, **state: object) -> None:
        """The page changes traits."""
        self._send({"method": "update", "state": state, "buffer_paths": []}, ())

    def _send(self, data: dict[str, object], buffers: tuple[bytes, ...], subshell: str | None = None) -> None:
        session = self.kernel.client.session
        message = session.msg("comm_msg", {"comm_id": self.comm_id, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        session.send(self.kernel.client.shell_channel.socket, message, buffers=list(buffers))

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Hear messages until the condition holds; gives its value."""
        deadline = time.monotonic() + DEADLINE
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what or 'the panel'}: {self.messages[-5:]}"
            self.kernel.hear(0.2)
        return found

    def answer(self, kind: str, *, after: int = 0, **values: object) -> dict[str, Any]:
        """The newest message of a kind, with these values; waited for."""

        def found() -> dict[str, Any] | None:
            return next(
                (
                    message
                    for message in reversed(self.messages[after:])
                    if message["kind"] == kind and all(message.get(name) == value for name, value in values.items())
                ),
                None,
            )

        return self.until(found, f"{kind} {values}")

    def ask(self, text: str, *buffers: bytes, key: str = "", files: object = (), subshell: str | None = None) -> None:
        """Type a prompt and send it; a key that has been there is the same prompt sent again."""
        self.send({"do": "ask", "key": key, "text": text, "files": list(files)}, *buffers, subshell=subshell)

    def turns(self) -> list[dict[str, Any]]:
        """The newest turns, asked for now."""
        after = len(self.messages)
        self.send({"do": "show", "before": None, "count": 50})
        return self.answer("turns", after=after)["turns"]

    def ended(self, text: str, *, after: int = 0, status: str = "complete") -> dict[str, Any]:
        """The turn whose prompt holds a text, when its reply has ended."""

        def found() -> dict[str, Any] | None:
            for message in reversed(self.messages[after:]):
                turn = message.get("turn")
                if message["kind"] == "turn" and text in turn["prompt"] and turn["status"] != "partial":
                    return turn
            return None

        turn = self.until(found, f"the end of {text!r}")
        assert turn["status"] == status, turn
        return turn


def sent(request: Any) -> list[str]:
    """The texts of a request's messages."""
    return [message["content"] for message in request.json["messages"]]


def shown_text(page: PanelPage, turn: str) -> str:
    """HTML of a reply as the page has built it: the blocks it was sent, or the whole that took their place."""
    blocks: list[str] = []
    tail = ""
    parts = 0
    for message in page.messages:
        if message["kind"] == "more" and message["turn"] == turn:
            parts += 1
            assert message["part"] == parts, "a part is missing"
            assert message["at"] <= len(blocks), "blocks are missing"
            blocks[message["at"] :] = [html for html, _ in message["blocks"]]
            tail = message["tail"][0] if message["tail"] else ""
        elif message["kind"] == "turn" and message["turn"]["id"] == turn:
            if message["turn"]["html"] is not None:
                blocks, tail = [message["turn"]["html"]], ""
            else:
                assert message["turn"]["parts"] == parts, "a part is missing"
    return "".join(blocks) + tail
