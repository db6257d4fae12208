"""Fixtures for all tests. `chat_server` is the one to know: a real model server in a child process, under control.

::

    from support.servers.scripting import done, failure, sse, stream, wait

    def test_text_before_the_pause_is_shown(chat_server):
        chat_server.script(stream(sse("Hel"), wait(), sse("lo"), sse(finish="stop"), done()))
        ...                        # start the request, in a thread or by stepping a generator
        chat_server.holding()      # returns once the server has sent "Hel" and waits
        ...                        # look
        chat_server.release()      # the rest is sent
        assert chat_server.requests()[0].json["model"] == "test-model"
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.kernels import Kernel
from support.servers.control import ChatServer, running_chat_server

# Hypothesis has limits of its own, in fractions of a second, for an example and for the making of one.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def chat_server_process() -> Iterator[ChatServer]:
    """The child process, one for all tests."""
    with running_chat_server() as server:
        yield server


@pytest.fixture
def chat_server(chat_server_process: ChatServer) -> Iterator[ChatServer]:
    """A model server with nothing scripted and nothing received; see `ChatServer`."""
    chat_server_process.reset()
    yield chat_server_process
    chat_server_process.reset()


@pytest.fixture
def kernel(kernel_process: Kernel, chat_server: ChatServer) -> Iterator[Kernel]:
    """The file's own `kernel_process` with the extension freshly loaded."""
    kernel_process.ok("%load_ext llmvision_magic")
    yield kernel_process
    kernel_process.unload()


@pytest.fixture
def refused_url() -> str:
    """A base URL where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    for name in os.environ:
        if name.startswith("LLMVISION_"):
            monkeypatch.delenv(name)
