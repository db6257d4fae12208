"""`ChatClient` in Python programs: outside IPython, against a real server, and with the embedded model."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator

import pytest
from support.servers.scripting import (
    answer,
    close,
    completion,
    done,
    event,
    failure,
    json_answer,
    raw,
    reply,
    silent,
    sse,
    sse_usage,
    stream,
    text_stream,
    usage_of,
    wait,
)

import llmvision_magic
from llmvision_magic import ChatClient, Reply, errors
from llmvision_magic.backends.connections import close_shared
from llmvision_magic.messages import Message, TokenLogprob, Usage

KEY = "sk-made-up-0123456789"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Iterator[None]:
    """An empty working folder, a user without settings, and no connection left from another test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    close_shared()
    yield
    close_shared()


@pytest.fixture
def client(chat_server) -> Iterator[ChatClient]:
    """A client of the test server."""
    with ChatClient(base_url=chat_server.url, api_key=KEY) as client:
        yield client


def test_complete_gives_the_whole_reply(client, chat_server):
    """All that the server told reaches the caller."""
    chat_server.script(reply("Hello you.", usage=usage_of(5, 3)))
    answered = client.complete("Hello!")
    assert isinstance(answered, Reply)
    assert str(answered) == answered.text == "Hello you."
    assert (answered.model, answered.finish_reason, answered.id) == ("test-model", "stop", "chatcmpl-1")
    assert (answered.object, answered.created) == ("chat.completion", 1_700_000_000)
    assert answered.usage == Usage(5, 3, 8)
    assert answered.status == "complete"
    assert answered.choices[0].message == Message("assistant", "Hello you.")
    assert chat_server.requests()[0].json == {
        "model": "SenseCharacter-20250124-01",
        "messages": [{"role": "user", "content": "Hello!"}],
        "stream": False,
    }


def test_stream_gives_each_piece_when_it_arrives(client, chat_server):
    """The first piece is there while the server holds back the second; the end brings reason and usage."""
    chat_server.script(stream(sse("Hel"), wait(), sse("lo"), sse(finish="stop"), sse_usage(5, 2), done()))
    deltas = client.stream([{"role": "user", "content": "Hello!"}])
    first = next(deltas)
    assert first.text == "Hel"
    chat_server.release()
    rest = list(deltas)
    assert "".join(delta.text for delta in rest) == "lo"
    assert [delta.finish_reason for delta in rest if delta.finish_reason] == ["stop"]
    assert rest[-1].usage == Usage(5, 2, 7)
    assert chat_server.requests()[0].json["stream"] is True


def test_whole_and_streamed_are_the_same_text(client, chat_server):
    """To the caller it makes no difference."""
    chat_server.script(text_stream("The same."), reply("The same."))
    assert "".join(delta.text for delta in client.stream("Hello!")) == client.complete("Hello!").text


def test_all_parameters_reach_the_wire_and_nothing_else_does(client, chat_server):
    """What is given is sent under the API's names."""
    given = {
        "model": "other",
        "max_tokens": 7,
        "temperature": 0.25,
        "top_p": 0.5,
        "stop": ["A", "B"],
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
    }
    client.complete("Hello!", **given, param={"seed": 7, "logit_bias": {"50256": -100}})
    list(client.stream("Hello!", **given))
    whole, streamed = (request.json for request in chat_server.requests())
    message = {"messages": [{"role": "user", "content": "Hello!"}]}
    assert whole == {**given, **message, "stream": False, "seed": 7, "logit_bias": {"50256": -100}}
    assert streamed == {**given, **message, "stream": True, "stream_options": {"include_usage": True}}


def test_values_of_the_client_hold_for_all_requests_and_are_weaker(chat_server):
    """What a request gives is stronger, parameter by parameter; None gives nothing."""
    with ChatClient(base_url=chat_server.url, temperature=0.1, max_tokens=9, param={"seed": 1, "top_k": 2}) as client:
        client.complete("one")
        client.complete("two", temperature=0.9, max_tokens=None, param={"seed": 3})
    one, two = (request.json for request in chat_server.requests())
    assert (one["temperature"], one["max_tokens"], one["seed"], one["top_k"]) == (0.1, 9, 1, 2)
    assert (two["temperature"], two["max_tokens"], two["seed"], two["top_k"]) == (0.9, 9, 3, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temprature": 0.5}, "Did you mean `temperature`?"),
        ({"maxtokens": 5}, "Did you mean `max_tokens`?"),
        ({"zzz": 5}, "param="),
        ({"temperature": 2.5}, "from 0 to 2"),
        ({"top_p": -0.1}, "from 0 to 1"),
        ({"max_tokens": 0}, "at least 1"),
        ({"max_tokens": 1.5}, "whole number"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "up to 4"),
        ({"presence_penalty": float("nan")}, "a number"),
        ({"frequency_penalty": "much"}, "a number"),
        ({"param": {"temperature": 1}}, "temperature"),
        ({"connect_timeout": -1}, "seconds above 0"),
        ({"retries": -1}, "at least 0"),
        ({"stream": True}, "`stream` is no setting here"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_nothing_is_sent(client, chat_server, given, said):
    """Unknown names tell the nearest, values their range: for `complete`, for `stream`, for the client itself."""
    for ask in (
        lambda: client.complete("Hello!", **given),
        lambda: list(client.stream("Hello!", **given)),
        lambda: ChatClient(base_url=chat_server.url, **given).complete("Hello!"),
    ):
        with pytest.raises(errors.InvalidInput) as caught:
            ask()
        assert said in str(caught.value)
    assert chat_server.requests() == []


def test_stream_is_checked_before_its_first_piece_is_asked_for(client):
    """A mistake is told where it was made."""
    with pytest.raises(errors.InvalidInput):
        client.stream("Hello!", temperature=3)


def test_system_prompt_comes_first(client, chat_server):
    """Before a text, and before messages."""
    client.complete("Hello!", system="Be kind.")
    client.complete([Message("user", "Hello!")], system="Be kind.")
    list(client.stream("Hello!", system="Be kind."))
    for request in chat_server.requests():
        assert request.json["messages"] == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello!"},
        ]


def test_messages_in_all_their_forms(client, chat_server):
    """The API's objects, our messages, lists of parts, and any iterable of them."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    said = [
        {"role": "system", "content": "Be kind."},
        Message("user", "Hello!"),
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": parts},
    ]
    client.complete(said)
    client.complete(message for message in said)
    client.complete([Message("user", tuple(parts))])
    plain = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": parts},
    ]
    sent = [request.json["messages"] for request in chat_server.requests()]
    assert sent == [plain, plain, [{"role": "user", "content": parts}]]


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"role": "user", "content": "Hello!"},
        ["Hello!"],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": 1, "content": "Hello!"}],
        [{"role": "user", "content": ["Hello!"]}],
        [{"role": "user", "content": "Hello!", "name": "me"}],
        "\ud800",
    ],
    ids=[
        "none",
        "no list",
        "text",
        "no content",
        "content None",
        "role 1",
        "parts that are texts",
        "field",
        "surrogate",
    ],
)
def test_what_is_no_message_is_one_sentence_and_nothing_is_sent(client, chat_server, said):
    """Nothing given is dropped in silence."""
    with pytest.raises(errors.InvalidInput):
        client.complete(said)
    assert chat_server.requests() == []


def test_key_and_address_come_from_arguments_environment_and_dotenv(chat_server, tmp_path, monkeypatch):
    """In this order, and read anew at each request."""
    (tmp_path / ".env").write_text(f"LLMVISION_BASE_URL={chat_server.root}/dotenv/v1\nLLMVISION_API_KEY=sk-dotenv\n")
    chat_server.script(reply(repeat=True))
    client = ChatClient()
    client.complete("one")
    monkeypatch.setenv("LLMVISION_BASE_URL", f"{chat_server.root}/environment/v1")
    monkeypatch.setenv("LLMVISION_API_KEY", "sk-environment")
    monkeypatch.setenv("LLMVISION_MODEL", "environment-model")
    client.complete("two")
    client.complete("three", model="argument-model", base_url=f"{chat_server.root}/request/v1")
    with ChatClient(base_url=f"{chat_server.root}/argument/v1", api_key="sk-argument") as other:
        other.complete("four")
    seen = [
        (request.path.split("/")[1], request.headers["authorization"], request.json["model"])
        for request in chat_server.requests()
    ]
    assert seen == [
        ("dotenv", "Bearer sk-dotenv", "SenseCharacter-20250124-01"),
        ("environment", "Bearer sk-environment", "environment-model"),
        ("request", "Bearer sk-environment", "argument-model"),
        ("argument", "Bearer sk-argument", "environment-model"),
    ]


def test_address_without_a_key_sends_no_authorization(chat_server):
    """Nothing is made up."""
    ChatClient(base_url=chat_server.url).complete("Hello!")
    assert "authorization" not in chat_server.requests()[0].headers


def test_key_that_no_header_can_carry_is_told_at_once():
    """Without repeating it."""
    with pytest.raises(errors.InvalidInput) as caught:
        ChatClient(api_key="sk-two words")
    assert "sk-two" not in str(caught.value)


def test_leaving_the_loop_closes_the_connection(client, chat_server):
    """The server is told to stop, and the next request is served."""
    chat_server.script(stream(sse("one"), sse("two"), silent()))
    for delta in client.stream("Hello!"):
        if delta.text:
            break
    del delta
    assert chat_server.ended()[0].ended == "client gone"
    assert client.complete("again").text.startswith("echo: again")


def test_closing_the_stream_closes_the_connection(client, chat_server):
    """Explicitly too, while somebody holds on to it."""
    chat_server.script(stream(sse("one"), silent()))
    deltas = client.stream("Hello!")
    assert next(deltas).text == "one"
    deltas.close()
    assert chat_server.ended()[0].ended == "client gone"
    assert list(deltas) == []


def test_nothing_is_sent_before_the_first_piece_is_asked_for(client, chat_server):
    """A stream that nobody reads costs nothing."""
    client.stream("Hello!")
    assert chat_server.requests() == []


def test_models_are_listed(client, chat_server):
    """As the server names them."""
    assert client.models() == ["test-model", "test-model-large"]
    assert chat_server.requests()[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("scripted", "error"),
    [
        (failure(400, "Too odd."), errors.RequestRefused),
        (failure(401, "Who are you?"), errors.KeyRefused),
        (failure(429, "Slow down."), errors.ServerBusy),
        (failure(400, "too long", code="context_length_exceeded"), errors.ContextTooLong),
        (answer("<html><title>Welcome</title></html>"), errors.BadResponse),
        (json_answer({"choices": []}), errors.BadResponse),
        (answer(close()), errors.NotConnected),
    ],
    ids=["refused", "key", "busy", "context", "page", "no choices", "closed"],
)
def test_failures_are_the_errors_of_the_tree(chat_server, scripted, error):
    """One class for one kind; the key is in none of them."""
    chat_server.script(scripted)
    with (
        ChatClient(base_url=chat_server.url, api_key=KEY, retries=0) as client,
        pytest.raises(error) as caught,
    ):
        client.complete("Hello!")
    assert type(caught.value) is error
    assert KEY not in str(caught.value)


def test_refusal_carries_status_and_the_servers_words(client, chat_server):
    """For programs that decide by them."""
    chat_server.script(failure(402, "Pay first."))
    with pytest.raises(errors.RequestRefused) as caught:
        client.complete("Hello!")
    assert (caught.value.status, caught.value.server_message) == (402, "Pay first.")


def test_no_server_is_not_connected(refused_url):
    """Nothing listens there."""
    with pytest.raises(errors.NotConnected):
        ChatClient(base_url=refused_url, retries=0).complete("Hello!")


def test_silent_server_is_no_reply(client, chat_server):
    """The limit is the caller's."""
    chat_server.script(answer(silent()))
    with pytest.raises(errors.NoReply):
        client.complete("Hello!", first_event_timeout=0.1)


def test_cut_stream_gives_what_came_and_then_the_error(client, chat_server):
    """The text before is all there is."""
    chat_server.script(stream(sse("Half of"), sse(" it")))
    texts = []
    with pytest.raises(errors.ReplyCut):
        texts.extend(delta.text for delta in client.stream("Hello!"))
    chat_server.script(stream(sse("Half of"), sse(" it")))
    deltas = client.stream("Hello!")
    assert [next(deltas).text, next(deltas).text] == ["Half of", " it"]


def test_all_choices_are_there(client, chat_server):
    """The text is the first one's."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(["First.", "Second."])
    ]
    chat_server.script(json_answer(completion(choices=choices)))
    answered = client.complete("Hello!", param={"n": 2})
    assert answered.text == "First."
    assert [choice.message.content for choice in answered.choices] == ["First.", "Second."]


def test_code_blocks_of_a_reply(client, chat_server):
    """Language and code."""
    chat_server.script(reply("Run:\n\n```python\nprint(1)\n```\n"))
    [block] = client.complete("Hello!").code_blocks
    assert (block.language, block.code) == ("python", "print(1)")


def test_repr_says_where_and_never_the_key(monkeypatch):
    """Nor a password in the address; and it never raises."""
    assert repr(ChatClient(api_key=KEY)) == "<ChatClient of https://platform.llmprovider.ai/v1>"
    assert repr(ChatClient(base_url="http://me:word@h:1/v1")) == "<ChatClient of http://h:1/v1>"
    client = ChatClient()
    assert "embedded model" in repr(client)
    assert KEY not in str(vars(ChatClient(api_key=KEY)))
    monkeypatch.setenv("LLMVISION_BASE_URL", "http://[::1")
    assert "cannot be read" in repr(client)


def test_environment_that_cannot_be_used_is_told_with_its_place(chat_server, monkeypatch):
    """The sentence names the variable."""
    monkeypatch.setenv("LLMVISION_TEMPERATURE", "hot")
    with pytest.raises(errors.InvalidInput, match="LLMVISION_TEMPERATURE"):
        ChatClient(base_url=chat_server.url)


def test_closing_one_client_leaves_the_others(chat_server):
    """Those with keys of their own, and those that share."""
    with ChatClient(base_url=chat_server.url, api_key=KEY) as one, ChatClient(base_url=chat_server.url) as other:
        one.complete("one")
        other.complete("other")
        one.close()
        assert other.complete("other again").text.startswith("echo: other again")


def test_promised_names_are_there():
    """`__all__` is what may be relied on."""
    for name in llmvision_magic.__all__:
        assert getattr(llmvision_magic, name) is not None
    assert set(llmvision_magic.__all__) <= set(dir(llmvision_magic))
    with pytest.raises(AttributeError, match="ChatKlient"):
        _ = llmvision_magic.ChatKlient


def fresh(code: str) -> str:
    """What a fresh Python prints."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


EDGE = (
    "print([name for name in sys.modules if name.split('.')[0] in {'IPython', 'ipywidgets', 'traitlets', 'ipykernel'}])"
)


def test_program_without_ipython(chat_server):
    """The whole way of a request, text and rendered reply included."""
    code = (
        f"import sys\nfrom llmvision_magic import ChatClient\nclient = ChatClient(base_url={chat_server.url!r})\n"
        "reply = client.complete('Hello!')\nreply._repr_mimebundle_()\nlist(client.stream('Hello!'))\n"
    )
    assert fresh(f"{code}{EDGE}") == "[]"
    assert len(chat_server.requests()) == 2


def test_plain_import_is_cheap():
    """What is heavy is imported when it is first used."""
    heavy = "{'httpx', 'markdown_it', 'IPython', 'pygments', 'rich', 'keyring', 'dotenv', 'xllamacpp', 'openai'}"
    assert fresh(f"import sys, llmvision_magic\nprint({heavy} & set(sys.modules))") == "set()"


@pytest.mark.model
def test_no_key_and_no_address_is_the_embedded_model():
    """It answers really, whole and streamed, from one server."""
    with ChatClient(max_tokens=16, temperature=0) as client:
        whole = client.complete("Name a colour.")
        deltas = list(client.stream("Name a colour."))
    assert whole.text.strip()
    assert whole.model.startswith("SmolLM2")
    assert whole.usage.completion_tokens <= 16
    assert "".join(delta.text for delta in deltas) == whole.text
    assert deltas[-1].usage is not None


@pytest.mark.model
def test_other_client_talks_to_the_embedded_server():
    """The OpenAI SDK: whole, streamed with usage, and refused with a wrong key."""
    import openai

    from llmvision_magic.backends.local import LocalServer, model_path

    question = {"messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 8, "temperature": 0}
    with LocalServer(model_path()) as server:
        with openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as client:
            whole = client.chat.completions.create(model=server.model, **question)
            assert whole.choices[0].message.content.strip()
            assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
            chunks = list(
                client.chat.completions.create(
                    model=server.model, stream=True, stream_options={"include_usage": True}, **question
                )
            )
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert text == whole.choices[0].message.content
            assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
            assert [model.id for model in client.models.list()] == [server.model]
        with (
            openai.OpenAI(base_url=server.base_url, api_key="sk-wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError),
        ):
            stranger.chat.completions.create(model=server.model, **question)


def test_cut_reply_is_on_the_error(chat_server):
    """Whoever asked for the whole reply gets what had arrived of it."""
    chat_server.script(stream(sse("Half of"), sse(" it")))
    with ChatClient(base_url=chat_server.url) as client, pytest.raises(errors.ReplyCut) as caught:
        client.complete("Hello")
    assert caught.value.reply is not None
    assert (caught.value.reply.text, caught.value.reply.status) == ("Half of it", "cut")


def test_environments_key_is_not_sent_to_a_dotenvs_address(chat_server, tmp_path, monkeypatch):
    """A file that came with somebody's notebook cannot collect the key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"LLMVISION_BASE_URL={chat_server.url}\n")
    monkeypatch.setenv("LLMVISION_API_KEY", "sk-environment")
    with ChatClient() as client, pytest.raises(errors.InvalidInput, match="may be a stranger's"):
        client.complete("Hello")
    assert chat_server.requests() == []
    (tmp_path / ".env").write_text(f"LLMVISION_BASE_URL={chat_server.url}\nLLMVISION_API_KEY=sk-file\n")
    with ChatClient() as client:
        client.complete("Hello")
    monkeypatch.delenv("LLMVISION_API_KEY")
    with ChatClient() as client:
        client.complete("Hello")
    assert [one.headers["authorization"] for one in chat_server.requests()] == ["Bearer sk-file"] * 2


def test_key_that_is_given_is_not_sent_to_a_dotenvs_address(chat_server, tmp_path, monkeypatch):
    """Who gives a key, and no address, does not mean the one of a file that came with the folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"LLMVISION_BASE_URL={chat_server.url}\n")
    with ChatClient(api_key="sk-argument") as client, pytest.raises(errors.InvalidInput, match="may be a stranger's"):
        client.complete("Hello")
    assert chat_server.requests() == []


def test_dotenv_does_not_say_who_asks_a_server_that_it_does_not_name(chat_server, tmp_path, monkeypatch):
    """Its headers would put a stranger's account in the place of the key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMVISION_BASE_URL", chat_server.url)
    monkeypatch.setenv("LLMVISION_API_KEY", "sk-environment")
    (tmp_path / ".env").write_text('LLMVISION_HEADERS={"Authorization": "Bearer sk-theirs"}\n')
    with ChatClient() as client, pytest.raises(errors.InvalidInput, match="the header Authorization"):
        client.complete("Hello")
    (tmp_path / ".env").write_text('LLMVISION_HEADERS={"Host": "theirs.example"}\n')
    with ChatClient() as client, pytest.raises(errors.InvalidInput):
        client.complete("Hello")
    assert chat_server.requests() == []


def test_repr_and_the_whole_traceback_hold_no_key(chat_server):
    """What a script logs of an error."""
    chat_server.script(failure(403, "you sent sk-argument-0123456789"))
    with ChatClient(base_url=chat_server.url, api_key="sk-argument-0123456789") as client:
        with pytest.raises(errors.KeyRefused) as caught:
            client.complete("Hello")
        assert "0123456789" not in repr(caught.value) + "".join(traceback.format_exception(caught.value))
        chat_server.script(stream(raw("zz sk-argument-0123456789\r\n")))
        with pytest.raises(errors.ChatError) as caught:
            client.complete("Hello")
        frames = traceback.format_exception(caught.value, limit=0)
        assert "0123456789" not in "".join(frames)


def test_logprobs_come_in_pieces_and_in_the_reply(chat_server):
    """`stream` gives those of each piece, `complete` those of all."""
    told = {"content": [{"token": "Yes", "logprob": -0.25, "top_logprobs": [{"token": "No", "logprob": -1.5}]}]}
    choice = {"index": 0, "finish_reason": "stop"}
    chat_server.script(
        stream(event({"choices": [choice | {"delta": {"content": "Yes"}, "logprobs": told}]}), done()),
        json_answer(completion(choices=[choice | {"message": {"content": "Yes"}, "logprobs": told}])),
        text_stream("Yes"),
    )
    expected = (TokenLogprob("Yes", -0.25, (TokenLogprob("No", -1.5),)),)
    with ChatClient(base_url=chat_server.url) as client:
        [delta] = client.stream("Hello", param={"logprobs": True})
        assert delta.logprobs == expected
        reply = client.complete("Hello", param={"logprobs": True})
        assert reply.logprobs == reply.choices[0].logprobs == expected
        assert client.complete("Hello").logprobs is None


def test_reply_that_the_server_broke_off_is_a_cut(chat_server):
    """The pieces come, then the exception, which has what came."""
    broken = stream(sse("Half"), sse(finish="network_error"), sse_usage(3, 1), done())
    chat_server.script(broken, broken)
    with ChatClient(base_url=chat_server.url) as client:
        texts = []
        with pytest.raises(errors.ReplyCut, match="network_error"):
            texts.extend(delta.text for delta in client.stream("Hello"))
        assert "".join(texts) == "Half"
        with pytest.raises(errors.ReplyCut) as caught:
            client.complete("Hello")
    kept = caught.value.reply
    assert (kept.text, kept.status, kept.finish_reason, kept.usage) == ("Half", "cut", "network_error", Usage(3, 1, 4))


def test_blank_reply_has_failed_and_says_so(chat_server):
    """A program sees it by the status."""
    chat_server.script(reply(" \n", usage=usage_of(3, 1)), text_stream("", finish="length"))
    with ChatClient(base_url=chat_server.url) as client:
        blank = client.complete("Hello")
        assert (blank.status, blank.notice) == ("failed", "The server sent an empty reply.")
        assert blank.usage == Usage(3, 1, 4)
        assert "limit of tokens" in client.complete("Hello").notice


def test_what_is_odd_about_a_reply_is_in_its_notice(chat_server):
    """It is complete all the same."""
    chat_server.script(reply("One."))
    with ChatClient(base_url=chat_server.url) as client:
        got = client.complete("Hello", param={"n": 2})
    assert (got.status, got.notice) == ("complete", "Of the choices asked for 1 of 2 came.")
