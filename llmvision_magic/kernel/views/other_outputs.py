"""What others show in the running cell while a reply arrives there: a thread of the user's prints, or displays.

Outputs can only be taken away all together. So what is not the reply's is noted as it is sent, and shown again after
the outputs were cleared: in the order of the messages, which one lock holds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Publisher = Any
"""IPython's display publisher; IPython publishes no types for it."""

Noted = tuple[str, dict[str, Any]]
"""The kind of a message and its content."""


class OtherOutputs:
    """The outputs of one run of a cell that are not the reply's.

    Args:
        publisher: Shows outputs in the cell.

    Attributes:
        ours: Display ids of the reply's own outputs.
    """

    def __init__(self, publisher: Publisher) -> None:
        self.ours: set[str] = set()
        self._publisher = publisher
        self._cell = _message_id(publisher.parent_header)
        self._noted: list[Noted] = []
        self._cleared: list[Noted] = []
        self._clearing: int | None = None  # the thread that clears for the reply
        self._lock = threading.RLock()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """While inside, what is sent for the cell is looked at: what is printed does not pass through the publisher."""
        session = self._publisher.session
        send, others_send = session.send, session.__dict__.get("send")

        def noting_send(stream: Any, msg_or_type: Any, *args: Any, **options: Any) -> Any:
            with self._lock:  # in the order in which it is noted
                self._note(msg_or_type, *args, **options)
                return send(stream, msg_or_type, *args, **options)

        session.send = noting_send
        try:
            yield
        finally:
            if others_send is not None:  # another extension's
                session.send = others_send
            else:
                session.__dict__.pop("send", None)

    def _note(self, message: Any, content: Any = None, parent: Any = None, *_: Any, **__: Any) -> None:
        kind = message
        if not isinstance(message, str):
            kind, content, parent = message["msg_type"], message["content"], message["parent_header"]
        if kind not in ("stream", "display_data", "update_display_data", "clear_output"):
            return
        if _message_id(parent) != self._cell:
            return
        if kind == "clear_output":
            if self._clearing == threading.get_ident():
                self._cleared = self._noted
            self._noted = []
        elif kind == "stream":
            self._note_text(content["name"], content["text"])
        elif _display_id(content) not in self.ours:
            self._note_display(kind, content)

    def _note_text(self, name: str, text: str) -> None:
        last = self._noted[-1][1] if self._noted and self._noted[-1][0] == "stream" else {}
        if last.get("name") == name:
            last["text"] += text
        else:
            self._noted.append(("stream", {"name": name, "text": text}))

    def _note_display(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "display_data":
            self._noted.append((kind, dict(content)))
            return
        for _, noted in self._noted:
            if _display_id(noted) == _display_id(content):
                noted.update(data=content["data"], metadata=content["metadata"])

    def clear(self) -> list[Noted]:
        """Have the cell's outputs cleared as soon as something new comes.

        Returns:
            What others have shown there, for `show`.
        """
        # Not under the lock: the publisher waits until another thread has sent what is printed. That is noted before
        # the outputs are cleared; what comes later is not cleared with them.
        self._clearing = threading.get_ident()
        try:
            self._publisher.clear_output(wait=True)
        finally:
            self._clearing = None
        return self._cleared

    def show(self, outputs: list[Noted]) -> None:
        """Show again what others have shown."""
        parent = self._publisher.parent_header
        for kind, content in outputs:
            topic = f"stream.{content['name']}".encode() if kind == "stream" else self._publisher.topic
            self._publisher.session.send(self._publisher.pub_socket, kind, content, parent=parent, ident=topic)


def _display_id(content: dict[str, Any]) -> str | None:
    found = content.get("transient", {}).get("display_id")
    return found if isinstance(found, str) else None


def _message_id(header: Any) -> str | None:
    """The id in a header, or in that of a whole message."""
    found = header.get("header", header).get("msg_id") if header else None
    return found if isinstance(found, str) else None
