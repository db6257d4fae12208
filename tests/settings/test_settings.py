"""Settings: kinds, precedence, and sentences for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmvision_magic.errors import InvalidInput
from llmvision_magic.settings.declarations import BY_NAME, SETTINGS, setting_named
from llmvision_magic.settings.environment import Environment, Value
from llmvision_magic.settings.layers import Settings
from llmvision_magic.settings.parsing import parse_value


def test_precedence_is_option_conversation_configuration_environment_default():
    """The strongest place that gives a value wins, and says so."""
    layers = [("option", {}), ("%chat set", {}), ("configuration", {})]
    environment = Environment(("environment", {"LLMVISION_MAX_TOKENS": "4"}), (".env", {"LLMVISION_MAX_TOKENS": "5"}))
    assert Settings(layers, Environment()).find("max_tokens") == Value(None, "default")
    assert Settings(layers, environment).find("max_tokens") == Value(4, "LLMVISION_MAX_TOKENS (environment)")
    for position, (source, layer) in reversed(list(enumerate(layers))):
        layer["max_tokens"] = position + 1
        assert Settings(layers, environment).find("max_tokens") == Value(position + 1, source)


def test_dotenv_beside_the_notebook_is_read_and_weaker_than_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A .env file in the working folder counts, each time anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMVISION_MODEL", raising=False)
    Path(".env").write_text("LLMVISION_MODEL=from-file\n")
    assert Settings().find("model") == Value("from-file", "LLMVISION_MODEL (.env)")
    Path(".env").write_text("LLMVISION_MODEL=changed\n")
    assert Settings().get("model") == "changed"
    monkeypatch.setenv("LLMVISION_MODEL", "from-environment")
    assert Settings().get("model") == "from-environment"


def test_unreadable_dotenv_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that is not text is named."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(b"LLMVISION_MODEL=\xff\xfe\n")
    with pytest.raises(InvalidInput, match=r"\.env file beside the notebook cannot be read"):
        Settings()


@pytest.mark.parametrize(
    "value", ["${SHOP_TOKEN}", "sk-${SHOP_TOKEN:-x}", '"${SHOP_TOKEN}"', "'a ${SHOP_TOKEN}'", "$SHOP_TOKEN"]
)
def test_dotenv_means_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str):
    """Such a file may be a stranger's: it names no other variable's value, and a key may hold any characters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    Path(".env").write_text(f"LLMVISION_MODEL={value}\nLLMVISION_TOP_P=0.5\n")
    assert Settings().get("model") == value.strip("\"'")


@pytest.mark.parametrize("line", ["LLMVISION_BASE_URL: http://here/v1", 'LLMVISION_MODEL="open'])
def test_dotenv_line_that_says_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    """What stands there was meant; going on without it would ask another server."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"# ours\n{line}\n")
    with pytest.raises(InvalidInput, match=r"Line 2 of the \.env file"):
        Settings()


def test_misspelt_variable_names_the_nearest(monkeypatch: pytest.MonkeyPatch):
    """A slip in a name does not silently send the prompt elsewhere; what is far from all our names is not ours."""
    monkeypatch.setenv("LLMVISION_SOMETHING_ELSE", "1")
    Settings()
    monkeypatch.setenv("LLMVISION_BASEURL", "http://here/v1")
    with pytest.raises(InvalidInput, match="LLMVISION_BASE_URL"):
        Settings()


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("temperature", "0.5", 0.5),
        ("temperature", 1, 1.0),
        ("max_tokens", "12", 12),
        ("stop", "END", ("END",)),
        ("stop", '["a", "b"]', ("a", "b")),
        ("stream", "off", False),
        ("param", "seed=7", {"seed": 7}),
        ("param", ["seed=7", "user=me"], {"seed": 7, "user": "me"}),
        ("param", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_value_is_read_by_its_kind(name: str, given: object, value: object):
    """Text from a line or a variable becomes the kind that is sent."""
    assert parse_value(BY_NAME[name], given) == value


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("temperature", True),
        ("max_tokens", "1.5"),
        ("max_tokens", 1.5),
        ("max_tokens", "1e400"),
        ("stream", "perhaps"),
        ("param", "seed"),
        ("param", '{"a":'),
        ("stop", "[1]"),
        ("model", " "),
        ("connect_timeout", "1e300"),
        ("connect_timeout", 0),
        ("retries", "-1"),
    ],
)
def test_value_of_the_wrong_kind_is_named_with_what_was_expected(name: str, given: object):
    """The sentence says which setting, what was expected, what came."""
    with pytest.raises(InvalidInput) as caught:
        parse_value(BY_NAME[name], given)
    assert name in str(caught.value)
    assert BY_NAME[name].expected in str(caught.value)
    assert repr(given) in str(caught.value)


def test_wrong_value_in_the_environment_names_the_variable():
    """One must know where to mend it."""
    environment = Environment(("environment", {"LLMVISION_TEMPERATURE": "hot"}))
    with pytest.raises(InvalidInput, match="LLMVISION_TEMPERATURE"):
        Settings((), environment).find("temperature")


def test_extra_parameters_of_all_places_are_sent_together():
    """An option adds to what the conversation sets, and wins key by key."""
    settings = Settings([("option", {"param": {"a": 1}}), ("%chat set", {"param": {"a": 2, "b": 2}})], Environment())
    assert settings.get("param") == {"a": 1, "b": 2}


def test_unknown_setting_names_the_nearest():
    """A slip of the finger gets its correction."""
    with pytest.raises(InvalidInput, match="`temperature`"):
        setting_named("temprature")
    assert setting_named("--top-p").name == "top_p"


def test_each_setting_says_what_it_expects():
    """Messages and help are made of these."""
    for setting in SETTINGS:
        assert setting.expected
        assert setting.help.endswith(".")
