"""What is measured: this package, the least a cell can do, and two other ways to stream a reply into a notebook.

Each system is three cells: one loads it, one holds a first short chat, one holds the chat that is measured. The others
live in environments of their own beside this package's.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MINUTES = 5


@dataclass(frozen=True)
class System:
    """One way to stream a reply into a cell.

    Attributes:
        load: Cell that loads it.
        make: What precedes the first chat, in the same cell: a client, where the system wants one.
        ask: Cell of a chat. ``MODEL`` here and ``URL`` in `make` are replaced.
        saved_as: MIME type in which the saved output holds exactly the reply; None if it is printed.
        environment: Name of its environment's folder; "" for the one that runs the benchmark.
        requires: What pip installs there.
    """

    name: str
    load: str
    make: str
    ask: str
    saved_as: str | None
    environment: str = ""
    requires: tuple[str, ...] = ()

    def chat(self, model: str) -> str:
        return self.ask.replace("MODEL", model)

    def first_chat(self, model: str, url: str) -> str:
        return self.make.replace("URL", url) + self.chat(model)

    @property
    def python(self) -> Path:
        """The interpreter of its kernels."""
        return ROOT / self.environment / "bin" / "python" if self.environment else Path(sys.executable)

    def prepare(self) -> None:
        """Make its environment, unless it is there.

        Raises:
            subprocess.SubprocessError: pip could not install it.
        """
        done = ROOT / self.environment / "ready"
        if not self.environment or done.exists():
            return
        print(f"Installing {self.name} into {self.environment} …", file=sys.stderr)
        venv.create(ROOT / self.environment, with_pip=True, clear=True)
        # The same ipykernel for all: its share of the work is the same then.
        packages = [*self.requires, f"ipykernel=={version('ipykernel')}"]
        subprocess.run(
            [self.python, "-m", "pip", "install", "--quiet", *packages],
            check=True,
            timeout=60 * MINUTES,
            capture_output=True,
            text=True,
        )
        done.touch()

    def versions(self) -> str:
        """Which releases are measured."""
        names = {"llmvision_magic": ("llmvision-magic",), "raw_httpx": ("httpx",)}.get(self.name, self.requires)
        code = f"from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in {names}), sep=', ')"
        return subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


PRODUCT = System(
    name="llmvision_magic",
    load="%load_ext llmvision_magic",
    make="",
    ask="%%chat -m MODEL\nHello",
    saved_as="text/plain",
)

FLOOR = System(
    name="raw_httpx",
    load="import httpx, json",
    make='address = "URL"\nclient = httpx.Client(timeout=None)\n',
    ask="""
parts = []
body = {"model": "MODEL", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
body["stream_options"] = {"include_usage": True}
with client.stream("POST", address + "/chat/completions", json=body) as response:
    for line in response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            event = json.loads(line[6:])
            if event["choices"]:
                parts.append(event["choices"][0]["delta"].get("content") or "")
print("".join(parts))
""",
    saved_as=None,
)

OPENAI = System(
    name="openai + display",
    load="from IPython.display import Markdown, display\nfrom openai import OpenAI",
    make='client = OpenAI(base_url="URL", api_key="none")\n',
    ask="""
text = ""
handle = display(Markdown(text), display_id=True)
messages = [{"role": "user", "content": "Hello"}]
for chunk in client.chat.completions.create(model="MODEL", messages=messages, stream=True):
    if chunk.choices and chunk.choices[0].delta.content:
        text += chunk.choices[0].delta.content
        handle.update(Markdown(text))
""",
    saved_as="text/markdown",
    environment=".venv-bench-openai",
    requires=("openai",),
)

CHATLAB = System(
    name="chatlab",
    load="import chatlab",
    make='address = "URL"\n',
    ask='chat = chatlab.Chat(base_url=address, api_key="none", model="MODEL")\nawait chat("Hello")',
    saved_as="text/markdown",
    environment=".venv-bench-chatlab",
    requires=("chatlab",),
)

OURS = (PRODUCT, FLOOR)
OTHERS = (OPENAI, CHATLAB)
