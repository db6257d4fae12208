"""Terminal IPython: a real one in a pseudo-terminal, against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.servers.scripting import done, failure, reply, sse, stream, text_stream, wait
from support.terminals import COLUMNS, ROWS, IPython, environment, running_ipython


@pytest.fixture(scope="module")
def ipython_process(chat_server_process, tmp_path_factory) -> Iterator[IPython]:
    """One IPython for this file; each test loads the extension anew."""
    home = tmp_path_factory.mktemp("home")
    no_keyring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with running_ipython(home, LLMVISION_BASE_URL=chat_server_process.url, **no_keyring) as ipython:
        yield ipython


@pytest.fixture
def ipython(ipython_process: IPython, chat_server) -> Iterator[IPython]:
    """IPython with the extension freshly loaded."""
    assert ipython_process.run("%load_ext llmvision_magic") == ""
    yield ipython_process
    ipython_process.run("%unload_ext llmvision_magic")
    ipython_process.run("vars(get_ipython()).pop('_llmvision_magic_kept', None);")


EVERYTHING = """\
# A title

Some *Markdown* with `code` and a [link](https://example.org/x).

## Below it

- one
- two

```python
def double(x):
    return x + x
```

| a | b |
| --- | --- |
| 1 | two |

> quoted

Last."""


def test_reply_is_printed_with_one_blank_line_between_blocks(ipython, chat_server):
    """The page as a person sees it, the footer apart and dim."""
    chat_server.script(text_stream(EVERYTHING))
    shown = ipython.run("%%chat\nHello")
    *text, footer = shown.splitlines()
    assert text == [
        "A title",
        "",
        "Some Markdown with code and a link (https://example.org/x).",
        "",
        "Below it",
        "",
        " • one",
        " • two",
        "",
        "",  # the upper edge of the code's background
        " def double(x):",
        "     return x + x",
        "",
        "",
        " a  b",
        " ──────",
        " 1  two",
        "",
        "▌ quoted",
        "",
        "Last.",
        "",
    ]
    assert footer.startswith("test-model · ")
    assert "\x1b[2mtest-model · " in ipython.raw[ipython.mark :]


def test_cell_is_typed_line_by_line(ipython, chat_server):
    """`%%chat` and Enter does not run the cell: the prompt comes below it."""
    ipython.run("%%chat\nfirst line\nsecond line")
    [request] = chat_server.requests()
    assert request.json["messages"][-1]["content"] == "first line\nsecond line"


def test_text_is_seen_while_it_arrives_and_stands_there_once_at_the_end(ipython, chat_server):
    """The unfinished block is shown before the server goes on; in the end nothing is doubled."""
    chat_server.script(
        stream(
            *(sse("First block.\n\nSecond"), wait(), sse(" block.\n\nThird"), wait(), sse(" one.")),
            *(sse(finish="stop"), done()),
        )
    )
    ipython.start("%%chat\nHello")
    ipython.shows("First block.\n\nSecond")
    chat_server.release()
    ipython.shows("Second block.\n\nThird")
    chat_server.release()
    assert ipython.finish().splitlines()[:-1] == ["First block.", "", "Second block.", "", "Third one.", ""]


def test_finished_block_is_sent_to_the_terminal_once(ipython, chat_server):
    """What is finished is never drawn again, however long the reply goes on."""
    steps = [step for word in ("one", "two", "three", "four") for step in (sse(f" {word}"), wait())]
    chat_server.script(stream(sse("Finished.\n\nGrowing\n"), wait(), *steps, sse(finish="stop"), done()))
    ipython.start("%%chat\nHello")
    for word in ("Growing", "one", "two", "three", "four"):
        ipython.shows(word)
        chat_server.release()
    ipython.finish()
    assert ipython.raw[ipython.mark :].count("Finished.") == 1


def test_no_frame_shows_a_block_twice_or_a_hole(ipython, chat_server):
    """A block that becomes finished stays where it was drawn."""
    words = ("Alpha ", "one.\n\nBe", "ta two.\n\n", "Gamma three.", "\n\nDelta", " four.")
    chat_server.script(stream(*(step for text in words for step in (sse(text), wait())), sse(finish="stop"), done()))
    first = len(ipython.frames)
    ipython.start("%%chat --once\nHello")
    for text in ("Alpha", "Be", "two.", "three.", "Delta", "four."):
        ipython.shows(text)
        chat_server.release()
    ipython.finish()
    seen = [frame.rpartition("...:\n")[2] for frame in ipython.frames[first:]]
    for frame in seen:
        assert frame.count("Alpha") <= 1
        assert frame.count("Beta") <= 1
        assert "\n\n\n" not in frame.strip()
    assert any("Beta" in frame and "Delta" not in frame for frame in seen)


def test_reply_longer_than_the_screen_is_all_there(ipython, chat_server):
    """Each line once and in order, in blocks, and in one block that never fits."""
    many = "\n\n".join(f"Paragraph {number}." for number in range(60))
    code = "```python\n" + "\n".join(f"line_{number} = {number}" for number in range(60)) + "\n```"
    for text, expected in (
        (many, [f"Paragraph {number}." for number in range(60)]),
        (code, [f"line_{number} = {number}" for number in range(60)]),
    ):
        chat_server.script(text_stream(text, rate=150))
        lines = [line.strip() for line in ipython.run("%%chat\nHello").splitlines()]
        assert [line for line in lines[:-1] if line] == expected


def test_end_of_a_block_that_is_higher_than_the_screen_is_what_is_seen(ipython, chat_server):
    """While it grows one reads along at its end, and nothing of it is left behind above."""
    lines = "".join(f"line_{number} = {number}\n" for number in range(3 * ROWS))
    chat_server.script(stream(sse(f"```python\n{lines}"), wait(), sse("```\n"), sse(finish="stop"), done()))
    ipython.start("%%chat\nHello")
    ipython.shows(f"line_{3 * ROWS - 1} = ")
    assert "line_0 " not in ipython.output
    chat_server.release()
    shown = ipython.finish()
    assert [shown.count(f"line_{number} = ") for number in range(3 * ROWS)] == [1] * (3 * ROWS)


def test_ctrl_c_while_the_server_is_silent(ipython, chat_server):
    """The text is kept and a notice says why it ends there; no traceback; IPython and the conversation go on."""
    chat_server.script(stream(sse("Done.\n\nSo far"), wait(), sse("never")))
    ipython.start("%%chat -o reply\nHello")
    ipython.shows("So far")
    ipython.press_ctrl_c()
    *text, footer = ipython.finish().splitlines()
    assert text == ["Done.", "", "So far", "", "Interrupted; what had arrived is kept. %chat continue goes on with it."]
    assert footer.startswith("test-model")
    assert chat_server.ended()[0].ended == "client gone"
    assert ipython.run("print(reply.status)") == "interrupted"
    ipython.run("%%chat\ngo on")
    assert [message["content"] for message in chat_server.requests()[1].json["messages"]] == [
        *("Hello", "Done.\n\nSo far", "go on")
    ]


def test_ctrl_c_before_the_first_word(ipython, chat_server):
    """The waiting line goes away."""
    chat_server.script(stream(wait(), sse("never")))
    ipython.start("%%chat\nHello")
    ipython.shows("waiting for")
    ipython.press_ctrl_c()
    shown = ipython.finish()
    assert shown.splitlines()[0] == "Interrupted before any text arrived."
    assert "waiting for" not in shown
    assert "Traceback" not in shown


def test_ctrl_c_ends_what_would_run_next_too(ipython, chat_server):
    """A loop of questions ends with the first one that is interrupted."""
    chat_server.script(stream(sse("So far"), wait(), repeat=True))
    ipython.start("for _ in range(3): get_ipython().run_line_magic('chat', 'ask Hello')")
    ipython.shows("So far")
    ipython.press_ctrl_c()
    assert "Traceback" not in ipython.finish()
    assert len(chat_server.requests()) == 1


HOSTILE = [
    ("title", "\x1b]0;owned\x07", "␛]0;owned␇"),
    ("erased screen", "\x1b[2J", "␛[2J"),
    ("clipboard", "\x1b]52;c;aGk=\x1b\\", "␛]52;c;aGk="),
    ("eight-bit control", "\x9b2J", "⟨U+009B⟩2J"),
    ("overwritten line", "good\rbad", "good"),
    ("backspace", "a\x08b", "a␈b"),
    ("direction", "\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
]


@pytest.mark.parametrize(("code", "shown"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_commands_to_the_terminal_are_text(ipython, chat_server, code, shown):
    """In prose, in code, in a table and while it streams; also in the history."""
    text = f"Prose {code}.\n\n`{code}`\n\n```\n{code}\n```\n\n| a |\n| - |\n| {code} |\n"
    chat_server.script(text_stream(text))
    assert shown in ipython.run("%%chat\nHello")
    ipython.run("%chat history")
    raw = ipython.raw[ipython.mark :]
    for active in ("\x1b]0;owned", "\x1b[2J", "\x1b]52", "\x9b", "good\rbad", "\x08b", "\u202e"):
        assert active not in raw


def test_direction_written_as_an_entity_is_text_too(ipython, chat_server):
    """An entity becomes its character only when the Markdown is read."""
    chat_server.script(text_stream("&#x202E;gnp.exe &#27;[2J &amp;"))
    shown = ipython.run("%%chat\nHello")
    assert "⟨U+202E⟩gnp.exe" in shown
    assert "&" in shown
    assert not {"\u202e", "\x1b[2J"} & {part for part in ("\u202e", "\x1b[2J") if part in ipython.raw[ipython.mark :]}


@pytest.mark.parametrize(
    "kept",
    [
        "<b>tag</b>",
        "<script>alert(1)</script>",
        "https://later.example/",
        "x_1^2",
        "\\frac{a}{b}",
        "[1]",
        "picture",
        "https://example.org/p.png",
    ],
)
def test_nothing_of_a_reply_is_lost(ipython, chat_server, kept):
    """What a terminal cannot draw is shown as text: tags, late link definitions, formulas, notes, pictures."""
    chat_server.script(
        text_stream(
            "A <b>tag</b> and $x_1^2$ and [later][l].[^1] ![picture](https://example.org/p.png)\n\n"
            "<script>alert(1)</script>\n\n$$\\frac{a}{b}$$\n\n[l]: https://later.example/\n\n[^1]: note\n"
        )
    )
    assert kept in ipython.run("%%chat --once\nHello")


@pytest.mark.parametrize(
    "text",
    [
        "| " + " | ".join(f"c{number}" for number in range(40)) + " |\n|" + " - |" * 40 + "\n" + "| v " * 40,
        f"| a | b |\n| - | - |\n| {'L' * 200} | {'m' * 200} |\n",
        f"```\n{'x = 1; ' * 60}\n```\n",
        "".join("  " * depth + f"- depth{depth}\n" for depth in range(40)),
        ">" * 50 + " deep\n",
        "日本語" * 60,
    ],
    ids=["many columns", "long words in cells", "long line of code", "deep list", "deep quote", "wide characters"],
)
def test_what_is_too_wide_is_broken_into_lines(ipython, chat_server, text):
    """No character is lost at the edge of the screen."""
    chat_server.script(text_stream(text))
    shown = ipython.run("%%chat --once\nHello").rpartition("\n")[0]
    letters = [sum(character.isalnum() for character in part) for part in (text, shown)]
    assert letters[1] == letters[0]
    assert max(len(line) for line in shown.splitlines()) <= COLUMNS


def test_further_choices_are_shown(ipython, chat_server):
    """n=2 was paid for."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(["First.", "Second."])
    ]
    chat_server.script(reply(choices=choices))
    lines = ipython.run("%%chat --no-stream --param n=2\nHello").splitlines()
    assert lines[:5] == ["First.", "", "2 of 2", "", "Second."]


def test_errors_are_one_sentence(ipython, chat_server, refused_url):
    """Without traceback; the next cell works."""
    chat_server.script(failure(400, "That is \x1b[2J too odd."), failure(400, "That is too odd."))
    for code, said in (
        ("%%chat\nodd", "too odd."),
        ("%%chat -t 3\nHello", "from 0 to 2"),
        ("%chat histry", "Did you mean `history`?"),
    ):
        shown = ipython.run(code)
        assert said in shown.replace("\n", " ")
        assert "Traceback" not in shown
        assert "---" not in shown
        assert len(shown.splitlines()) <= 4
    assert "\x1b[2J" not in ipython.raw[ipython.mark :]
    ipython.run(f"%config ChatMagics.base_url = '{refused_url}'")
    shown = ipython.run("%%chat\nHello")
    assert shown.startswith("NotConnected: ")
    assert "Traceback" not in shown
    ipython.run("%config ChatMagics.base_url = None")
    assert "echo: again" in ipython.run("%%chat\nagain")


def test_cut_reply_keeps_its_text_and_says_why(ipython, chat_server):
    """The notice stands once, under the text."""
    chat_server.script(stream(sse("Half of"), sse(" it")))
    lines = ipython.run("%%chat\nHello").splitlines()
    assert lines[:2] == ["Half of it", ""]
    assert "ended" in " ".join(lines[2:]) or "broke off" in " ".join(lines[2:])
    assert "Traceback" not in "\n".join(lines)


def test_pages_are_readable(ipython, chat_server):
    """Status, history and help fit the screen."""
    chat_server.script(text_stream("Good *day*."))
    ipython.run("%%chat -s 'Be kind.'\nHello there")
    status = ipython.run("%chat status")
    assert chat_server.url in status
    assert "Be kind." in status
    assert "environment" in status
    history = ipython.run("%chat history").splitlines()
    assert [line for line in history if line] == [
        *("main · system prompt: Be kind.", "-" * COLUMNS, "1 · you", "Hello there", "test-model", "Good day.")
    ]
    help_lines = ipython.run("%chat help").splitlines()
    assert any("--max-tokens" in line for line in help_lines)
    assert any("%chat status" in line for line in help_lines)
    assert "In a terminal an empty line ends the cell" in " ".join(" ".join(help_lines).split())
    assert max(map(len, help_lines)) <= COLUMNS


def test_what_a_thread_prints_during_a_reply_stays(ipython, chat_server, tmp_path):
    """Above what is still unfinished."""
    chat_server.script(stream(sse("First.\n\nHalf"), wait(), sse(" and more."), sse(finish="stop"), done()))
    (tmp_path / "user_code.py").write_text(
        f"import pathlib, time\ngo = pathlib.Path({str(tmp_path / 'go')!r})\ndef work():\n"
        "    while not go.exists():\n        time.sleep(0.01)\n    print('one of it'); print('two of it')\n"
    )
    ipython.run(f"import sys, threading; sys.path.insert(0, {str(tmp_path)!r})")
    ipython.run("from user_code import work; threading.Thread(target=work).start()")
    ipython.start("%%chat\nHello")
    ipython.shows("Half")
    (tmp_path / "go").touch()
    ipython.shows("two of it")
    chat_server.release()
    assert ipython.finish().splitlines()[:5] == ["First.", "one of it", "two of it", "", "Half and more."]


def test_status_alone_fits_the_screen(ipython):
    """What is at its default is only named."""
    ipython.run("%chat set temperature 0.25")
    lines = ipython.run("%chat").splitlines()
    assert len(lines) < ROWS - 4
    assert [line.split() for line in lines if "temperature" in line] == [["temperature", "0.25", "%chat", "set"]]
    assert "%chat status shows each" in " ".join(" ".join(lines).split())
    assert "connect_timeout         5.0" in ipython.run("%chat status")


def test_tab_says_how_a_cell_ends(ipython):
    """An empty line ends it, which nobody can guess."""
    ipython.run("print('\\n' * 30)")  # nothing else is on the screen
    ipython.write("%%chat --\t")
    ipython.until(lambda: "--temperature" in ipython.visible)
    ipython.write("\t")  # the first of them is chosen, and what is told of it stands below
    ipython.until(lambda: "an empty line ends the cell" in ipython.visible)
    ipython.write("\x15")  # Ctrl-U: nothing is typed


def test_branches_by_verbs(ipython, chat_server):
    """History, tree, undo, use, retry, edit and continue on a terminal, where no cell has an id."""
    chat_server.script(text_stream("One."), text_stream("Two, and", finish="length"), text_stream(" more."))
    ipython.run("%%chat\nfirst")
    ipython.run("%%chat\nsecond")
    assert "%chat continue goes on with the last reply." in ipython.run("%chat history")
    assert ipython.run("%chat continue").splitlines()[0] == "Two, and more."
    tree = ipython.run("%chat history --tree")
    assert tree.count("second") == 2
    assert "← here" in tree
    assert "after turn 1" in ipython.run("%chat undo")
    assert "after turn 1" in ipython.run("%chat use main@1")
    assert "echo: first" in ipython.run("%chat retry -t 1")
    assert [message["content"] for message in chat_server.requests()[-1].json["messages"]] == ["first"]
    ipython.start("%chat edit 1")
    ipython.until(lambda: "--replace" in ipython.visible)
    ipython.press_ctrl_c()  # the next input stands there already; it is given up
    ipython.finish()


def test_reply_in_the_background_is_printed_when_it_has_ended(ipython, chat_server):
    """The prompt is back at once; other cells run meanwhile; then the reply stands above the prompt."""
    chat_server.script(stream(sse("So"), wait(), sse(" far."), sse(finish="stop"), done()), stream(sse("Or"), wait()))
    assert "%chat stop 1 ends it" in ipython.run("%%chat --background -o answer\nHello")
    assert ipython.run("print(6 * 7)") == "42"
    chat_server.release()
    ipython.until(lambda: "So far." in ipython.visible and "test-model · " in ipython.visible)
    assert "1 · Hello" in ipython.visible
    assert ipython.run("print(answer.text)") == "So far."
    ipython.run("%%chat --background\nand then?")
    chat_server.holding(count=2)
    assert "2 · main · and then?" in ipython.run("%chat stop")


def test_dry_run_in_the_terminal_can_be_copied(ipython, chat_server):
    """The line for curl is one line, however wide the terminal is."""
    said = ipython.run("%%chat --dry-run\n" + "x" * 300)
    shown = "".join(said.splitlines())  # the screen breaks the line, and nothing else does
    assert "curl -N" in shown
    assert "── user" in said.splitlines()
    assert "-o request` binds the JSON" in shown
    assert '"role": "user"' not in shown
    assert shown.count("x" * 300) == 2


def test_key_is_typed_unseen(ipython, chat_server):
    """It is on no screen and in no history; the next request carries it."""
    ipython.start("%chat key")
    ipython.shows("(hidden):")
    ipython.write("sk-made-up-0123456789\r")
    assert f"The key for {chat_server.root} is kept in memory" in ipython.finish().replace("\n", " ")
    ipython.run("%%chat\nHello")
    assert chat_server.requests()[0].headers["authorization"] == "Bearer sk-made-up-0123456789"
    ipython.run("%history -n")
    ipython.run("%chat status")
    assert "sk-made-up" not in ipython.raw


def test_cursor_and_streams_are_given_back(ipython, chat_server):
    """After a reply, an error and an interrupt the terminal is as it was."""
    before = ipython.run("import sys; print(type(sys.stdout).__name__)")
    chat_server.script(stream(sse("So far"), wait()), failure(400, "no"), failure(400, "no"))
    ipython.start("%%chat\nHello")
    ipython.shows("So far")
    ipython.press_ctrl_c()
    ipython.finish()
    ipython.run("%%chat\nHello")
    assert ipython.run("print(type(sys.stdout).__name__)") == before
    assert ipython.cursor_is_visible


def test_two_ctrl_c_leave_at_once_and_give_the_terminal_back(ipython, chat_server):
    """The second one, after a time of patience, breaks into whatever is going on."""
    code = (
        "import os, signal\nfrom llmvision_magic.chat.reply_stream import ReplyStream\nend = ReplyStream.end\n"
        "from llmvision_magic.kernel import interrupts\ninterrupts.PATIENCE = 0\n"
        "def stuck(*args):\n    os.kill(os.getpid(), signal.SIGINT)\n    return end(*args)\n\nReplyStream.end = stuck"
    )
    ipython.run(f"exec({code!r})")
    chat_server.script(stream(sse("So far"), wait()))
    ipython.start("%%chat\nHello")
    ipython.shows("So far")
    ipython.press_ctrl_c()
    assert "KeyboardInterrupt" in ipython.finish()
    ipython.run("Arrival.end = end")
    assert ipython.run("print(type(sys.stdout).__name__)") != "FileProxy"
    assert "echo: again" in ipython.run("%%chat\nagain")


def piped(tmp_path, chat_server, code: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """`ipython -c` with pipes instead of a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "IPython", "-c", f"%load_ext llmvision_magic\n{code}"],
        env=environment(tmp_path, LLMVISION_BASE_URL=chat_server.url, **settings),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("settings", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "colours asked for"])
def test_pipe_gets_the_text_as_it_is(tmp_path, chat_server, settings):
    """No colour, no wrapping, no footer in it: the text can be saved or read by a program."""
    text = EVERYTHING + " " + "word " * 40 + "\n"
    chat_server.script(text_stream(text + "\x1b[2J\r\n"))
    run = piped(tmp_path, chat_server, "%chat ask Hello", **settings)
    assert run.stdout.decode() == text + "␛[2J\n"
    assert run.stderr.decode().startswith("test-model · ")
    assert run.returncode == 0


def test_pipe_that_knows_few_characters_gets_all_of_them(tmp_path, chat_server):
    """A character without a code there is written by its number; the reply is not lost."""
    chat_server.script(text_stream("naïve → 日本"))
    run = piped(tmp_path, chat_server, "%chat ask Hello\n%chat status", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert run.stdout.decode("latin-1").startswith("naïve \\u2192 \\u65e5\\u672c\n")
    assert "API key" in run.stdout.decode("latin-1")
    assert run.returncode == 0


def test_error_in_a_pipe_fails_the_run(tmp_path, chat_server):
    """A script that asks can see that it went wrong."""
    chat_server.script(failure(400, "Too odd."))
    chat_server.script(failure(400, "Too odd."))
    run = piped(tmp_path, chat_server, "%chat ask Hello")
    assert run.returncode != 0
    assert "Too odd." in (run.stdout + run.stderr).decode()
    assert "Traceback" not in (run.stdout + run.stderr).decode()


def test_reply_as_text_and_the_last_error_in_a_terminal(ipython, chat_server):
    """No Markdown is drawn; the traceback of a cell is sent by its number, not by a file name."""
    chat_server.script(text_stream("# No *heading*\n"))
    ipython.run("1/0")
    shown = ipython.run("%%chat -f text\nExplain: {{Err}}")
    assert shown.splitlines()[0] == "# No *heading*"
    sent = chat_server.requests()[0].json["messages"][0]["content"]
    assert 'File "Cell In[' in sent
    assert sent.endswith("ZeroDivisionError: division by zero")


def test_code_of_a_reply_is_typed_at_the_next_prompt_of_a_terminal(tmp_path, chat_server):
    """`set_next_input` of terminal IPython."""
    chat_server.script(text_stream("```python\nprint(6 * 7)\n```\n"))
    run = piped(
        tmp_path,
        chat_server,
        "ip = get_ipython()\nip.run_cell_magic('chat', '-f code', 'Write it.')\nprint('NEXT', ip.rl_next_input)",
    )
    assert b"NEXT print(6 * 7)" in run.stdout
