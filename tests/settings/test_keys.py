"""The API key: where it is kept, whom it is sent to, and that it is seen nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import failure, sse, stream

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.environment import Environment
from llmvision_magic.settings.keys import Key, Keys, origin_of

KEY = "sk-made-up-" + "0123456789abcdef" * 2
NO_KEYRING = "keyring.backends.fail.Keyring"
"""What the keyring library itself takes where a machine has no keyring."""

BACKEND = '''
"""A keyring in a file. What its file of orders names raises that error."""
import json, os, pathlib
import keyring.errors
from keyring.backend import KeyringBackend

FILE = pathlib.Path(os.environ["TEST_KEYRING"])

class FileKeyring(KeyringBackend):
    priority = 2

    def _kept(self, order):
        orders = FILE.with_suffix(".orders")
        if orders.exists() and order in orders.read_text():
            raise {"locked": keyring.errors.KeyringLocked, "broken": RuntimeError}[orders.read_text().split()[0]]("no")
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._kept("get").get(f"{service} {username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({**self._kept("set"), f"{service} {username}": password}))

    def delete_password(self, service, username):
        kept = self._kept("delete")
        if f"{service} {username}" not in kept:
            raise keyring.errors.PasswordDeleteError
        del kept[f"{service} {username}"]
        FILE.write_text(json.dumps(kept))
'''

Start = Callable[..., AbstractContextManager[Kernel]]


@pytest.fixture
def keyring_file(tmp_path) -> Path:
    """Where the machine's keyring keeps its secrets; its orders lie beside it."""
    return tmp_path / "machine" / "keyring.json"


@pytest.fixture
def home(tmp_path) -> Path:
    """The user's folder."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def start(tmp_path, home, keyring_file, chat_server) -> Start:
    """Starts kernels of one user on one machine, which has a keyring, the extension loaded."""
    keyring_file.parent.mkdir()
    (tmp_path / "machine" / "file_keyring.py").write_text(BACKEND)

    def start(**environment: str) -> AbstractContextManager[Kernel]:
        defaults = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "PYTHONPATH": str(keyring_file.parent),
            "PYTHON_KEYRING_BACKEND": "file_keyring.FileKeyring",
            "TEST_KEYRING": str(keyring_file),
            "LLMVISION_BASE_URL": chat_server.url,
        }
        return running_kernel(cwd=home, **{**defaults, **environment})

    return start


@pytest.fixture
def kernel(start) -> Iterator[Kernel]:
    """A kernel on a machine with a keyring."""
    with start() as kernel:
        kernel.ok("%load_ext llmvision_magic")
        yield kernel


def give(kernel: Kernel, key: str | None = KEY) -> Cell:
    """Run `%chat key` and type the key."""
    return kernel.run("%chat key", on_input=lambda: key)


def sent(chat_server) -> list[str | None]:
    """The Authorization headers so far."""
    return [request.headers.get("authorization") for request in chat_server.requests()]


def test_key_is_typed_hidden_and_kept_in_the_keyring(start, kernel, chat_server, home, keyring_file):
    """It is sent from then on, in this kernel and in the next; a file of ours names the server alone."""
    cell = give(kernel)
    assert cell.status == "ok"
    assert cell.asked["password"] is True
    assert chat_server.root in cell.asked["prompt"]
    assert f"The key for {chat_server.root} is kept in the system keyring." in cell.plain
    assert json.loads(keyring_file.read_text()) == {f"llmvision_magic {chat_server.root}": KEY}
    kernel.ok("%%chat\nHello")
    with start() as second:
        second.ok("%load_ext llmvision_magic\n%chat ask Hello")
        assert "system keyring" in second.ok("%chat status").plain
    assert sent(chat_server) == [f"Bearer {KEY}"] * 2
    assert [path.read_text() for path in home.rglob("keyring.json")] == [json.dumps([chat_server.root])]


def test_key_stays_in_memory_where_there_is_no_keyring(start, chat_server, home):
    """The sentence says so; the next kernel has no key."""
    with start(PYTHON_KEYRING_BACKEND=NO_KEYRING) as kernel:
        kernel.ok("%load_ext llmvision_magic")
        assert "in memory, until this kernel ends (this machine has no system keyring)" in give(kernel).plain
        kernel.ok("%%chat\nHello")
    with start(PYTHON_KEYRING_BACKEND=NO_KEYRING) as second:
        second.ok("%load_ext llmvision_magic\n%chat ask Hello")
    assert sent(chat_server) == [f"Bearer {KEY}", None]
    assert list(home.rglob("keyring.json")) == []


def test_key_goes_to_its_server_alone(start, kernel, chat_server):
    """Another host name is another server, also for the next kernel, and though it is the same machine."""
    give(kernel)
    other = f"http://localhost:{chat_server.port}/v1"
    kernel.ok(f"%chat set base_url {other}")
    kernel.ok("%%chat\nHello")
    kernel.ok("%chat models")
    with start(LLMVISION_BASE_URL=other) as second:
        second.ok("%load_ext llmvision_magic\n%chat ask Hello")
    assert sent(chat_server) == [None, None, None]
    kernel.ok(f"%chat set base_url {chat_server.root}/another/path")
    kernel.run("%%chat\nHello")
    assert sent(chat_server)[3] == f"Bearer {KEY}"


def test_forgotten_key_is_gone(start, kernel, chat_server, keyring_file):
    """From this kernel, from the keyring, and so from the next kernel; forgetting again says that there is none."""
    give(kernel)
    assert f"The key for {chat_server.root} is forgotten." in kernel.ok("%chat key forget").plain
    assert json.loads(keyring_file.read_text()) == {}
    kernel.ok("%%chat\nHello")
    assert f"No key was kept for {chat_server.root}." in kernel.ok("%chat key forget").plain
    with start() as second:
        second.ok("%load_ext llmvision_magic\n%chat ask Hello")
    assert sent(chat_server) == [None, None]


def test_key_is_seen_nowhere(kernel, chat_server, home):
    """Not in outputs, errors, tracebacks, objects, logs, histories or files, though the server quotes it."""
    cells = [kernel.ok("import logging, sys; logging.basicConfig(level=1, stream=sys.stderr)"), give(kernel)]
    quoting = failure(401, f"The key {KEY} is not known")
    chat_server.script(stream(sse("text"), sse(finish="stop")), quoting)
    chat_server.script(stream(sse("cut"), f'data: {{"error": {{"message": "key {KEY} was revoked"}}}}\n\n'))
    for code in (
        "%xmode Verbose",
        *("%%chat -o reply\nHello", "%%chat\nwith a refusal", "%tb", "%%chat\nand cut", "%tb"),
        *("%chat status", "%chat history", "%chat models", "%%chat --dry-run\nHello", "reply, vars(reply.usage or 1)"),
        "shell = get_ipython(); magics = shell._llmvision_magic.magics; session = magics.session",
        "[magics, session, session.connections, session.connections.keys]",
        "settings = magics.settings(); target = session.connections.target(settings); print(target, [target])",
        "line = session.connections.open(target, settings, print, None); print(line, f'{line}', repr(line.client))",
        "from llmvision_magic import ChatClient; print(ChatClient(), vars(ChatClient()))",
        f"print(vars(ChatClient(api_key={KEY[:20]!r} + {KEY[20:]!r})))",
        "print(In, Out)",
        "%history -n",
        "%config ChatMagics",
    ):
        cells.append(kernel.run(code))
    assert f"Bearer {KEY}" in sent(chat_server)
    said = [cell.plain for cell in cells]
    assert "•••" in said[4]
    for cell in cells:
        assert KEY not in json.dumps([cell.messages, cell.reply], default=str)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_without_a_key_the_keyring_is_not_even_imported(kernel):
    """Loading and asking stay cheap, and no keyring asks the user to unlock it."""
    kernel.ok("%%chat\nHello")
    kernel.ok("%chat status")
    assert kernel.value("[name for name in __import__('sys').modules if name.startswith('keyring')]") == []


@pytest.mark.parametrize(("kind", "name"), [("locked", "KeyringLocked"), ("broken", "RuntimeError")])
def test_keyring_that_does_not_take_the_key(kernel, chat_server, keyring_file, kind, name):
    """One sentence says what holds now; the key is used from memory."""
    keyring_file.with_suffix(".orders").write_text(f"{kind} set")
    cell = give(kernel)
    assert cell.status == "ok"
    assert f"in memory, until this kernel ends (the system keyring did not take it: {name})." in cell.plain
    kernel.ok("%%chat\nHello")
    assert sent(chat_server) == [f"Bearer {KEY}"]


@pytest.mark.parametrize("kind", ["locked", "broken"])
def test_keyring_that_does_not_give_the_key(start, kernel, chat_server, keyring_file, kind):
    """Nothing is sent without it; a key given anew works, and what is there can be forgotten later."""
    give(kernel)
    keyring_file.with_suffix(".orders").write_text(f"{kind} get set delete")
    with start() as second:
        second.ok("%load_ext llmvision_magic")
        cell = second.run("%%chat\nHello")
        assert cell.status == "error"
        assert "unlock it" in cell.only.text
        assert len(cell.only.text.splitlines()) == 1
        assert sent(chat_server) == []
        assert "does not let it go" in second.run("%chat key forget").only.text
        assert give(second).status == "ok"
        second.ok("%%chat\nHello")
        assert sent(chat_server) == [f"Bearer {KEY}"]
        keyring_file.with_suffix(".orders").unlink()
        second.ok("%chat key forget")
        assert json.loads(keyring_file.read_text()) == {}


def test_keyring_that_does_not_load(start, chat_server):
    """A backend that is configured and not installed counts as one that does not take the key."""
    with start(PYTHON_KEYRING_BACKEND="not_installed.Keyring") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        assert "in memory, until this kernel ends (the system keyring did not take it" in give(kernel).plain
        kernel.ok("%%chat\nHello")
    assert sent(chat_server) == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "No key was given"),
        ("   ", "No key was given"),
        ("sk-two words", "one word of ASCII"),
        ("sk-one\nsk-two", "one word of ASCII"),
        ("sk-\u2013dash", "one word of ASCII"),
        ("sk-\x1b[2J", "one word of ASCII"),
    ],
)
def test_what_is_no_key_is_one_sentence(keyring_file, tmp_path, typed, said):
    """Nothing is kept, and the sentence does not repeat what was typed."""
    keys = Keys(tmp_path)
    with pytest.raises(InvalidInput, match=said) as caught:
        keys.keep(typed, "https://example.org/v1")
    assert "sk-" not in str(caught.value)
    assert keys.find("https://example.org/v1", Environment()) is None


def test_bad_key_in_a_kernel_is_one_sentence_and_changes_nothing(kernel, chat_server):
    """The key before it stays; blanks around a key are not part of it."""
    assert give(kernel, f"  {KEY}\t").status == "ok"
    cell = give(kernel, "two words")
    assert cell.status == "error"
    assert len(cell.only.text.splitlines()) == 1
    kernel.ok("%%chat\nHello")
    assert sent(chat_server) == [f"Bearer {KEY}"]


def test_interrupt_while_the_key_is_asked_for(kernel, chat_server):
    """No traceback; nothing is kept."""

    def interrupt() -> None:
        kernel.interrupt()

    cell = kernel.run("%chat key", on_input=interrupt)
    assert cell.status == "error"
    assert cell.only.text == "Interrupted."
    kernel.ok("%%chat\nHello")
    assert sent(chat_server) == [None]


def test_key_of_a_server_with_a_password_in_its_address(kernel, chat_server):
    """The password is not shown when the key is asked for."""
    kernel.ok(f"%chat set base_url http://user:hidden-word@127.0.0.1:{chat_server.port}/v1")
    cell = give(kernel)
    assert "hidden-word" not in json.dumps([cell.asked, cell.messages], default=str)
    kernel.ok("%%chat\nHello")
    assert sent(chat_server) == [f"Bearer {KEY}"]


def test_key_for_what_is_no_address(kernel):
    """One sentence, before anything is asked."""
    kernel.ok("%chat set base_url http://host:port/v1")
    cell = kernel.run("%chat key")
    assert cell.status == "error"
    assert "no address" in cell.only.text
    assert len(kernel.run("%%chat\nHello").only.text.splitlines()) == 1


def test_dotenv_sends_no_variable_of_the_environment_away(tmp_path, chat_server):
    """A stranger's file may name an address, a key and a model; other variables' values are not put into them."""
    lines = {
        "BASE_URL": f"{chat_server.root}/${{CLOUD_TOKEN}}/v1",
        "API_KEY": "${CLOUD_TOKEN}",
        "MODEL": "model-${CLOUD_TOKEN}",
    }
    lines |= {"PARAM": '{"user": "${CLOUD_TOKEN}"}', "STOP": "${CLOUD_TOKEN}"}
    (tmp_path / ".env").write_text("".join(f"LLMVISION_{name}={value}\n" for name, value in lines.items()))
    with running_kernel(cwd=tmp_path, CLOUD_TOKEN="made-up-s3cret") as kernel:
        kernel.ok("%load_ext llmvision_magic")
        for cell in ("%%chat\nHello", "%chat models", "%chat status"):
            assert "made-up-s3cret" not in str(kernel.run(cell))
        kernel.client.complete("%%chat -m ", 10)
    [asked, *_] = received = chat_server.requests()
    assert "made-up-s3cret" not in str(received)
    assert "CLOUD_TOKEN" in asked.path
    assert asked.headers["authorization"] == "Bearer ${CLOUD_TOKEN}"
    assert (asked.json["model"], asked.json["user"]) == ("model-${CLOUD_TOKEN}", "${CLOUD_TOKEN}")
    assert asked.json["stop"] == ["${CLOUD_TOKEN}"]


def test_key_given_here_is_stronger_than_the_environment(start, chat_server):
    """What is typed now is meant now; without it the environment's is sent."""
    with start(LLMVISION_API_KEY="sk-of-the-environment") as kernel:
        kernel.ok("%load_ext llmvision_magic\n%chat ask Hello")
        give(kernel)
        kernel.ok("%%chat\nHello")
        kernel.ok("%chat key forget")
        kernel.ok("%%chat\nHello")
    environment = "Bearer sk-of-the-environment"
    assert sent(chat_server) == [environment, f"Bearer {KEY}", environment]


def test_blank_key_in_the_environment_is_none(tmp_path):
    """Of blanks no header can be made."""
    environment = Environment(("environment", {"LLMVISION_API_KEY": "  "}))
    assert Keys(tmp_path).find("https://example.org/v1", environment) is None


def test_key_shows_its_source_and_not_itself():
    """In a repr, in a text, inside a list."""
    key = Key(KEY, "a place")
    assert f"{key} {key!r} {[key]}".count("source='a place'") == 3
    assert KEY not in f"{key} {key!r} {[key]}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/v1", "https://example.org"),
        ("https://example.org/v1", "https://EXAMPLE.org:443/other/"),
        ("http://example.org/v1", "HTTP://example.org:80"),
        ("https://example.org/v1", "https://user:password@example.org/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
    ],
)
def test_same_server(one, other):
    """Path, user and letter case make no difference, nor does a port that is the usual one."""
    assert origin_of(one) == origin_of(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/v1", "http://example.org/v1"),
        ("https://example.org/v1", "https://example.org:8443/v1"),
        ("https://example.org/v1", "https://example.org.evil.example/v1"),
        ("https://example.org/v1", "https://example.org@evil.example/v1"),
        ("https://example.org/v1", "https://api.example.org/v1"),
    ],
)
def test_other_server(one, other):
    """Scheme, host and port do."""
    assert origin_of(one) != origin_of(other)


@pytest.mark.parametrize(
    "url", ["", "example.org/v1", "http://", "http://host:port", "http://[::1", "http://host:99999"]
)
def test_no_server(url):
    """What is no address has no origin, and no error of Python's own."""
    assert origin_of(url) == ""
