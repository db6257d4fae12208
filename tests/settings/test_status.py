"""Values that cannot be used: what overrules them counts, the status page shows them, errors name their source."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.kernels import Kernel, running_kernel


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, tmp_path_factory) -> Iterator[Kernel]:
    """One kernel for this file, in a folder of its own."""
    with running_kernel(
        cwd=tmp_path_factory.mktemp("notebook"),
        LLMVISION_BASE_URL=chat_server_process.url,
        LLMVISION_API_KEY="sk-made-up-0123456789",
    ) as kernel:
        kernel.ok("import os, pathlib")
        yield kernel


@pytest.fixture
def given(kernel: Kernel) -> Iterator[Callable[..., None]]:
    """Sets variables in the kernel's environment, or in the `.env` file beside its notebook, for one test."""
    before = kernel.value("{name: value for name, value in os.environ.items() if name.startswith('LLMVISION_')}")

    def give(*, dotenv: str = "", remove: tuple[str, ...] = (), **variables: str) -> None:
        kernel.ok(f"pathlib.Path('.env').write_text({dotenv!r})\nos.environ.update({variables!r})")
        kernel.ok(f"for name in {remove!r}: del os.environ[name]")

    yield give
    kernel.ok("for name in [name for name in os.environ if name.startswith('LLMVISION_')]: del os.environ[name]")
    kernel.ok(f"os.environ.update({before!r})\npathlib.Path('.env').unlink(missing_ok=True)")


def row(kernel: Kernel, name: str) -> list[str]:
    """The cells of a row of the status page; fails where there is not exactly one."""
    rows = [line for line in kernel.ok("%chat").plain.splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1, rows
    return [cell.strip() for cell in rows[0].strip("|").split(" | ")]


@pytest.mark.parametrize("is_dotenv", [False, True])
def test_value_that_is_overruled_is_not_looked_at(kernel, chat_server, given, is_dotenv):
    """By an option, by the conversation, by the configuration."""
    variable = {"LLMVISION_TEMPERATURE": "hot"}
    given(**({"dotenv": "LLMVISION_TEMPERATURE=hot\n"} if is_dotenv else variable))
    kernel.ok("%%chat -t 0.5\noption")
    kernel.ok("%chat set temperature 0.25")
    kernel.ok("%%chat\nconversation")
    kernel.ok("%chat unset temperature\n%config ChatMagics.temperature = 0.125")
    kernel.ok("%%chat\nconfiguration")
    assert row(kernel, "temperature")[1:] == ["`0.125`", "configuration"]
    kernel.ok("%config ChatMagics.temperature = None")
    assert [one.json["temperature"] for one in chat_server.requests()] == [0.5, 0.25, 0.125]
    place = ".env" if is_dotenv else "environment"
    assert f"LLMVISION_TEMPERATURE ({place})" in kernel.run("%%chat\nnothing overrules it").only.text


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("LLMVISION_TEMPERATURE", "hot", "temperature"),
        ("LLMVISION_TEMPERATURE", "5", "temperature"),
        ("LLMVISION_MAX_TOKENS", "-3", "max_tokens"),
        ("LLMVISION_CONNECT_TIMEOUT", "0", "connect_timeout"),
        ("LLMVISION_PARAM", "seed=[1", "param"),
        ("LLMVISION_PARAM", '{"temperature": 0.5}', "param"),
        ("LLMVISION_MODEL", " ", "model"),
        ("LLMVISION_BASE_URL", "ftp://somebody:secret@example.org", "server"),
        ("LLMVISION_BASE_URL", "http://[::1", "server"),
    ],
)
def test_value_that_cannot_be_used_is_shown_with_its_source(kernel, chat_server, given, variable, value, name):
    """On the status page, which does not fail; and the error of a cell names where it was given."""
    given(**{variable: value})
    shown = row(kernel, name)
    assert shown[1].startswith("unusable"), shown
    assert shown[2] == f"{variable} (environment)"
    cell = kernel.run("%%chat\nHello")
    assert cell.status == "error"
    assert f"It was given by: {variable} (environment)." in cell.only.text
    assert "secret" not in cell.only.text + kernel.ok("%chat").plain
    assert chat_server.requests() == []


def test_configured_value_out_of_its_range_names_the_configuration(kernel, given):
    """And what was typed on the line needs no source."""
    kernel.ok("%config ChatMagics.top_p = 7")
    assert row(kernel, "top_p")[1:] == ["unusable: `7.0`; expected a number from 0 to 1", "configuration"]
    assert "It was given by: configuration." in kernel.run("%%chat\nHello").only.text
    assert "given by" not in kernel.run("%%chat --top-p 5\nHello").only.text
    kernel.ok("%config ChatMagics.top_p = None")


def test_status_at_a_glance_folds_what_is_at_its_default(kernel, given):
    """Where it goes and what is set stands there; a click, or the verb itself, shows each value and its source."""
    given(LLMVISION_RETRIES="2", LLMVISION_VALUE_LIMIT="9999")
    glance, full = kernel.ok("%chat").only, kernel.ok("%chat status").only
    table, _, named = glance.plain.partition("\n\n")
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == [
        *("conversation", "server", "API key", "model", "retries", "value_limit", "journal")
    ]
    assert "At their defaults: stream, connect_timeout" in named
    assert "temperature" in named
    seen, _, folded = glance.html.partition("<details>")
    assert "value_limit" in seen
    assert "<td>connect_timeout</td>" in folded
    assert "<td>value_limit</td>" not in folded
    assert "| connect_timeout | `5.0` | default |" in full.plain
    assert "<details>" not in full.html


def test_status_says_why_nothing_is_sent_to_a_strangers_server(kernel, chat_server, given):
    """A `.env` file names the server, the key is the environment's own: cells are refused, the page says it."""
    given(dotenv=f"LLMVISION_BASE_URL={chat_server.url}\n", remove=("LLMVISION_BASE_URL",))
    refusal = kernel.run("%%chat\nHello")
    assert refusal.status == "error"
    page = kernel.ok("%chat").plain
    assert "Nothing can be asked: The .env file beside the notebook names the server" in page
    assert row(kernel, "server")[1:] == [f"unusable: `{chat_server.url}`", "LLMVISION_BASE_URL (.env)"]
    assert row(kernel, "API key")[1] == "none is sent"
    assert "made-up" not in page
    assert chat_server.requests() == []
