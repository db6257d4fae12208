"""What a cell feeds to the model, in a real kernel, against a real server."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernels import Cell, Kernel, running_kernel
from support.servers.scripting import done, failure, sse, stream, text_stream, wait

OPENAI_KEY = "sk-proj-0123456789abcdefghij"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook's folder."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel_process(chat_server_process, folder: Path) -> Iterator[Kernel]:
    """One kernel for this file; each test loads the extension anew."""
    with running_kernel(
        cwd=folder,
        LLMVISION_BASE_URL=chat_server_process.url,
        LLMVISION_API_KEY="sk-made-up-0123456789",
        SHOP_TOKEN="blue-elephant",
        MPLBACKEND="agg",
    ) as kernel:
        yield kernel


def sent(chat_server) -> str | list[dict]:
    """The content of the last message sent."""
    return chat_server.requests()[-1].json["messages"][-1]["content"]


def next_cell(cell: Cell) -> str | None:
    """The text of the new cell that a cell has put below itself."""
    for payload in cell.reply["payload"]:
        if payload["source"] == "set_next_input":
            assert payload["replace"] is False
            return payload["text"]
    return None


# -- {{…}} ------------------------------------------------------------------------------------------------------------


def test_expressions_are_evaluated_once_in_order_and_never_again(kernel, chat_server):
    """Nested brackets, braces in strings, In and Out; what a value holds is text."""
    kernel.ok('calls = []\ndef call(x):\n    calls.append(x)\n    return x\nx = "{{call(9)}}"')
    answer = kernel.ok("40 + 2").reply["execution_count"]
    kernel.ok(
        '%%chat\n{{call(1)}} {{ {"a": {2}} }} {{x}} {{"}}"}} {single} {{call(3)}} '
        f"{{{{In[{answer}]}}}} {{{{Out[{answer}]}}}} open {{{{"
    )
    assert sent(chat_server) == "1 {'a': {2}} {{call(9)}} }} {single} 3 40 + 2 42 open {{"
    assert kernel.value("calls") == [1, 3]


def test_expressions_work_in_the_line_magic(kernel, chat_server):
    """`%chat ask` is a prompt like any other."""
    kernel.ok("n = 7")
    kernel.ok("%chat ask Is {{n}} prime?")
    assert sent(chat_server) == "Is 7 prime?"


def test_raw_sends_braces_and_still_attaches(kernel, chat_server):
    """--raw is about the text alone."""
    kernel.ok("n = 7")
    kernel.ok("%%chat --raw -a n\n{{n}} {{ not python }}")
    assert sent(chat_server) == "{{n}} {{ not python }}\n\n`n`, an int:\n\n```\n7\n```"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%chat\nThe {{missing.shape}}", "name 'missing' is not defined"),
        ("%%chat\n{{1/0}}", "`{{1/0}}` failed: ZeroDivisionError: division by zero"),
        (r"%%chat" + "\n" + r"\frac{{a}{b}}", "`{{a}{b}}` is no Python expression"),
        ("%%chat\n{% for x in y %}{{ x.name | title case }}{% endfor %}", "--raw"),
        ("%%chat\n{{}}", "`{{}}` is no Python expression"),
        ("%%chat\n{{x = 1}}", "no Python expression"),
        ("%%chat\n{{Unwritable()}}", "`Unwritable()` cannot be written as text: ValueError: no words"),
        ("%%chat\n{{exit_now()}}", "SystemExit"),
        ("%%chat\n{{Err[1000]}}", "cell 1000 is not known to have failed"),
        ("%%chat -a missing\nHello", "`-a missing` failed: NameError"),
        ("%%chat -a '1 +'\nHello", "no Python expression"),
        ("%%chat -a [1 for\nHello", "put an expression with spaces into quotes"),
        ("%%chat -i missing\nHello", "`-i missing` failed: NameError"),
        ("%%chat -i nowhere.png\nHello", "'nowhere.png' does not exist"),
        ("%%chat -i 7\nHello", "expected a matplotlib figure, a PIL image, an array, or the path"),
        ("%%chat -i .\nHello", "is a folder"),
        ("%%chat -f html\nHello", "expected markdown, text or code"),
        ("%chat ask {{missing}}", "name 'missing' is not defined"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence_and_nothing_changes(kernel, chat_server, code, said):
    """Before anything is sent, and before the history changes."""
    kernel.ok(
        "class Unwritable:\n    def __repr__(self): raise ValueError('no words')\ndef exit_now(): raise SystemExit"
    )
    cell = kernel.run(code)
    assert cell.status == "error"
    assert said in cell.only.text
    assert "Traceback" not in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    assert chat_server.requests() == []
    assert "no turns yet" in kernel.ok("%chat history").plain


def test_interrupt_while_an_expression_is_evaluated(kernel, chat_server):
    """It ends the user's code where it is; nothing is sent."""
    kernel.ok("import time\ndef slow():\n    print('evaluating', flush=True)\n    time.sleep(60)")

    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if "evaluating" in cell.plain and not pressed:
            pressed.append(True)
            kernel.interrupt()

    cell = kernel.run("%%chat\n{{slow()}}", on_output=interrupt)
    assert cell.status == "error"
    assert cell.reply["ename"] == "Interrupted"
    assert "Traceback" not in cell.plain
    assert chat_server.requests() == []
    kernel.ok("import signal")
    assert kernel.value("signal.getsignal(signal.SIGINT) is signal.default_int_handler") is True


def test_table_is_markdown_with_shape_dtypes_and_what_is_missing(kernel, chat_server):
    """The frame's head; the count of its further rows."""
    kernel.ok("import pandas as pd\ndf = pd.DataFrame({'a': range(1213), 'b': 'x|y'})")
    cell = kernel.ok('%%chat -a df -a df["a"]\nWhat is this? {{df.shape}}')
    prompt, frame, series = sent(chat_server).split("\n\n`df")
    assert prompt == "What is this? (1213, 2)"
    assert frame.startswith("`, a DataFrame:\n\nDataFrame of 1,213 rows × 2 columns\n\n|  | a (int64) | b (")
    assert "| 9 | 9 | x\\|y |" in frame
    assert frame.endswith("\n\n… 1,203 more rows")
    assert series.startswith('["a"]`, a Series:')
    assert "2 values shortened" in cell.only.html


def test_a_long_value_is_cut_and_says_so_and_the_limit_is_a_setting(kernel, chat_server):
    """4,000 characters, or what is set."""
    kernel.ok("long = 'y' * 16345")
    kernel.ok("%%chat\n{{long}}")
    assert sent(chat_server) == "y" * 4000 + "… 12,345 more characters"
    kernel.ok("%chat set value_limit 100")
    kernel.ok("%%chat\n{{long}}")
    assert sent(chat_server) == "y" * 100 + "… 16,245 more characters"
    assert "at least 100" in kernel.run("%chat set value_limit 5").only.text


def test_frames_of_other_libraries_are_sent_by_their_own_columns_and_counts(kernel, chat_server):
    """As those of pandas; what is left out is told."""
    kernel.ok(
        "import polars as pl, pyarrow as pa, xarray as xr, networkx as nx, pandas as pd\n"
        "data = {'price': [n / 7 for n in range(1213)]}\n"
        "p, t, g = pl.DataFrame(data), pa.table(data), nx.path_graph(3)\nlazy = p.lazy().filter(pl.col('price') > 1)\n"
        "x = xr.Dataset({'v': ('day', [1.5, None])})\nindex = pd.Index(['a', 'b'])\nstyled = pd.DataFrame(data).style"
    )
    kernel.ok("%%chat -a p -a t -a g -a lazy -a x -a index -a styled\nWhat are these?")
    _, p, t, g, lazy, x, index, styled = re.split("\n\n`(?!`)", sent(chat_server))
    for text, kind, column in (
        (p, "p`, a polars DataFrame", "price (Float64)"),
        (t, "t`, a pyarrow Table", "price (double)"),
        (styled, "styled`, a Styler of a DataFrame", "price (float64)"),
    ):
        assert text.startswith(f"{kind}:\n\n")
        assert "DataFrame of 1,213 rows × 1 column" in text or "Table of 1,213 rows × 1 column" in text
        assert column in text
        assert "0.1429 |" in text
        assert "| price | 1213 |" in text
        assert text.endswith("… 1,203 more rows")
    assert "Graph of 3 nodes and 2 edges" in g
    assert "polars LazyFrame of 1 column, not computed" in lazy
    assert "| v | day | object | 2 |" in x
    assert "Index of 2 labels, dtype" in index


def test_source_of_what_was_defined_in_a_cell(kernel, chat_server):
    """Functions and classes are sent as their source."""
    kernel.ok(
        "def double(x):\n    return 2 * x  # twice\n\n"
        "class Point:\n    '''A place.'''\n    def norm(self):\n        return 0"
    )
    kernel.ok("class Colours:\n    red = 1")
    kernel.ok("%%chat -a double -a Point -a Colours\nExplain.")
    assert "`Colours`, a class:\n\n```python\nclass Colours:\n    red = 1\n```" in sent(chat_server)
    assert "`double`, a function:\n\n```python\ndef double(x):\n    return 2 * x  # twice\n```" in sent(chat_server)
    assert "class Point:\n    '''A place.'''\n    def norm(self):\n        return 0\n```" in sent(chat_server)


# -- secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_in_values_are_masked_and_counted_and_those_typed_are_not(kernel, chat_server):
    """Known shapes, and values of variables named like keys; the footer says how many."""
    kernel.ok(f"import os\nconfig = {{'key': '{OPENAI_KEY}', 'shop': os.environ['SHOP_TOKEN'], 'home': 'Rome'}}")
    cell = kernel.ok(f"%%chat -a os.environ['LLMVISION_API_KEY']\n{{{{config}}}} and {OPENAI_KEY}")
    first, attached = sent(chat_server).split("\n\n", 1)
    assert first == f"{{'key': '•••', 'shop': '•••', 'home': 'Rome'}} and {OPENAI_KEY}"
    assert "•••" in attached
    assert "made-up" not in attached
    assert "3 secrets masked" in cell.only.html


# -- errors and %chat fix ---------------------------------------------------------------------------------------------


def test_err_is_the_last_traceback_and_that_of_a_cell(kernel, chat_server):
    """Also after a cell that went well, and after a mistyped line of ours."""
    count = kernel.run("rate = 0\n1 / rate").reply["execution_count"]
    kernel.run("{}['later']")
    kernel.ok("fine = 1")
    assert kernel.run("%chat fxi").status == "error"
    kernel.ok("%%chat\n{{Err}}")
    assert sent(chat_server).startswith('Traceback (most recent call last):\n  File "Cell In[')
    assert sent(chat_server).endswith("KeyError: 'later'")
    assert "interactiveshell" not in sent(chat_server)
    kernel.ok(f"%%chat\n{{{{Err[{count}]}}}}")
    assert "    1 / rate" in sent(chat_server)
    assert sent(chat_server).endswith("ZeroDivisionError: division by zero")


def interrupted(kernel: Kernel, code: str) -> Cell:
    """A cell of the user's that is stopped once it has printed that it goes on."""
    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if "going on" in cell.plain and not pressed:
            pressed.append(True)
            kernel.interrupt()

    cell = kernel.run(code, on_output=interrupt)
    assert pressed
    assert cell.status == "error"
    return cell


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "import time\ndef slow(n):\n    print('going on', flush=True)\n    time.sleep(60)\nslow(7)",
            "KeyboardInterrupt",
        ),
        ("import argparse\nprint('going on')\nargparse.ArgumentParser('prog').parse_args(['--no'])", "SystemExit: 2"),
    ],
)
def test_the_last_cell_that_did_not_end_well_is_what_is_explained(kernel, chat_server, code, error):
    """An interrupt is an error with its traceback; an older error is not what `Err` and `%chat fix` mean then."""
    kernel.run("{}['older']")
    count = (interrupted(kernel, code) if "sleep" in code else kernel.run(code)).reply["execution_count"]
    for line in ("%%chat\nWhy? {{Err}}", f"%%chat\nWhy? {{{{Err[{count}]}}}}", "%chat fix"):
        kernel.ok(line)
        assert "older" not in sent(chat_server)
        assert f"Cell In[{count}]" in sent(chat_server)
        assert error in sent(chat_server)
    if error == "KeyboardInterrupt":
        assert "was interrupted" in sent(chat_server)
        assert "`n`, an int:\n\n```\n7\n```" in sent(chat_server)
    kernel.run("{}['newer']")
    kernel.ok("%%chat\nWhy? {{Err}}")
    assert sent(chat_server).endswith("KeyError: 'newer'")


def test_an_interrupted_chat_is_not_what_is_explained(kernel, chat_server):
    """It says itself how it ended."""
    kernel.run("{}['older']")
    chat_server.script(stream(sse("So far. going on"), wait()))
    interrupted(kernel, "%%chat\nHello")
    kernel.ok("%chat fix")
    assert "KeyError: 'older'" in sent(chat_server)


def test_error_that_a_cell_shows_and_survives_is_the_last_one(kernel, chat_server, folder):
    """A script that `%run` ran; the cell itself ended well."""
    kernel.run("{}['older']")
    (folder / "script.py").write_text("1 / 0\n")
    kernel.ok("%run script.py")
    kernel.ok("fine = 1")
    kernel.ok("%%chat\n{{Err}}")
    assert sent(chat_server).endswith("ZeroDivisionError: division by zero")


def test_fix_sends_cell_traceback_and_variables_and_offers_the_correction(kernel, chat_server):
    """The last code block of the reply is in a new cell; secrets are masked."""
    chat_server.script(text_stream("It was:\n\n```python\nold()\n```\n\nNow:\n\n```python\ntotal / 2\n```\n"))
    kernel.ok(f"token = '{OPENAI_KEY}'\ntotal = [1, 2]\nother = 'unnamed'")
    kernel.ok("from fractions import Fraction\ndef half(x):\n    return x / 2")
    kernel.run("print(token[:0], Fraction(1))\ntotal / 2\nhalf(1)")
    kernel.ok("fine = 1")
    cell = kernel.ok("%chat fix")
    prompt = sent(chat_server)
    assert "print(token[:0], Fraction(1))\ntotal / 2\nhalf(1)" in prompt
    assert "`half`, a function" in prompt
    assert "`Fraction`" not in prompt
    assert "TypeError: unsupported operand" in prompt
    assert "`total`, a list:\n\n```\n[1, 2]\n```" in prompt
    assert "`token`, a str:" in prompt or "`token`, a text:" in prompt
    assert OPENAI_KEY not in prompt
    assert "unnamed" not in prompt
    assert "1 secret masked" in cell.only.html
    assert next_cell(cell) == "total / 2"


@pytest.mark.parametrize(
    ("reply", "cell_text", "note"),
    [
        ("```python\ntotal / 2)\n```\n", None, "the corrected code does not parse (line 1: unmatched ')')"),
        ("```python\na = 1\n```\n\n```python\n%%time\nf(\n```\n", None, "does not parse"),
        ("```pycon\n>>> total = 4\n>>> total\n4\n```\n", "total = 4\ntotal", "new cell below"),
        ("```{python}\n%matplotlib inline\ntotal\n```\n", "%matplotlib inline\ntotal", "new cell below"),
        ("```bash\npip install total\n```\n", None, "the code is in bash"),
    ],
)
def test_fix_offers_only_what_parses(kernel, chat_server, reply, cell_text, note):
    """A cell that could not even begin corrects nothing; the reply is there to be read."""
    chat_server.script(text_stream(reply))
    kernel.run("total / 2")
    cell = kernel.ok("%chat fix")
    assert next_cell(cell) == cell_text
    assert note in cell.only.html.replace("&quot;", '"')


def test_fix_names_the_cell_it_explains_and_is_asked_as_its_line_says(kernel, chat_server):
    """Also where others have run since; `--dry-run` sends nothing, and changes nothing."""
    count = kernel.run("total = 'three'\ntotal / 2").reply["execution_count"]
    kernel.ok("fine = 1")
    page = kernel.ok("%chat fix --dry-run -o body -m other-model -t 0.5")
    assert chat_server.requests() == []
    assert page.reply["payload"] == []
    assert f"Of the prompt: about cell In[{count}]." in page.plain
    assert "total / 2" in page.plain
    asked = json.loads(kernel.value("body"))
    assert (asked["model"], asked["temperature"]) == ("other-model", 0.5)
    assert "no turns yet" in kernel.ok("%chat history").plain
    chat_server.script(text_stream("```python\ntotal * 2\n```"))
    cell = kernel.ok("%chat fix -m other-model -t 0.5 -n help -o reply")
    assert next_cell(cell) == "total * 2"
    assert f"about cell In[{count}]" in cell.only.html
    assert chat_server.requests()[0].json["messages"] == asked["messages"]
    assert chat_server.requests()[0].json["temperature"] == 0.5
    assert kernel.value("reply.text").startswith("```python")
    chat_server.script(text_stream("```python\ntotal * 3\n```"))
    assert next_cell(kernel.ok("%chat retry -n help")) == "total * 3"
    assert chat_server.requests()[1].json["temperature"] == 0.5
    assert "--dry-run" in kernel.complete("%chat fix --dr")
    for line in ("-a total", "-f text", "--background", "--replace 1", "--raw"):
        assert "it takes no -a, -i, -f" in kernel.run(f"%chat fix {line}").only.text
    assert "no option `--dryrun`. Did you mean `--dry-run`?" in kernel.run("%chat fix --dryrun").only.text
    assert "takes nothing else" in kernel.run("%chat fix please").only.text


def test_fix_knows_the_variables_of_the_function_that_failed(kernel, chat_server):
    """The frame where it failed says more than the notebook."""
    kernel.run("def ratio(top, bottom):\n    return top / bottom\nratio(3, 0)")
    kernel.ok("%chat fix")
    assert "`bottom`, an int:\n\n```\n0\n```" in sent(chat_server)


def test_fix_of_a_cell_that_is_no_python(kernel, chat_server):
    """A syntax error has a source and no variables."""
    kernel.run("for x in range(3)\n    print(x)")
    kernel.ok("%chat fix")
    assert "for x in range(3)\n    print(x)" in sent(chat_server)
    assert "SyntaxError" in sent(chat_server)


def test_fix_of_an_error_from_before_loading_and_of_none(chat_server):
    """IPython's own memory serves for the time before; with nothing to fix it says so."""
    with running_kernel(LLMVISION_BASE_URL=chat_server.url) as fresh:
        fresh.ok("%load_ext llmvision_magic")
        assert "No cell has failed" in fresh.ok("%chat fix").plain
        assert "no cell has failed" in fresh.run("%%chat\n{{Err}}").plain
        fresh.unload()
        fresh.run("early = 5\nearly.missing")
        fresh.ok("%load_ext llmvision_magic")
        fresh.ok("%chat fix")
        assert "early = 5\nearly.missing" in sent(chat_server)
        assert "`early`, an int" in sent(chat_server)


# -- images -----------------------------------------------------------------------------------------------------------


def image_of(part: dict):
    """The image of a part, read back."""
    from PIL import Image

    assert part["type"] == "image_url"
    head, data = part["image_url"]["url"].split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{image.format.lower()};base64"
    return image


def test_images_of_every_kind_are_sent_and_are_part_of_the_history(kernel, chat_server, folder):
    """Figure, array, PIL image, path and a displayed object, after the text, in order."""
    from PIL import Image

    Image.new("RGB", (3000, 1000), "red").save(folder / "wide.jpg")
    kernel.ok(
        "import matplotlib.pyplot as plt, numpy as np\nfrom PIL import Image\n"
        "from IPython.display import Image as Shown"
    )
    kernel.ok("fig, ax = plt.subplots(figsize=(4, 3), dpi=100)\nax.plot([1, 2])\nplt.close(fig)")
    kernel.ok("arr = np.linspace(0, 1, 600).reshape(20, 30)\npic = Image.new('RGBA', (5, 7))")
    out = kernel.ok("Shown('wide.jpg', embed=True)").reply["execution_count"]
    cell = kernel.ok(f"%%chat -i fig -i ax -i arr -i pic -i wide.jpg -i Out[{out}]\nWhat do these show?")
    text, *images = sent(chat_server)
    assert text == {"type": "text", "text": "What do these show?"}
    assert [image_of(one).size for one in images] == [
        (400, 300),
        (400, 300),
        (30, 20),
        (5, 7),
        (1568, 523),
        (1568, 523),
    ]
    assert cell.only.plain
    kernel.ok("%%chat\nAnd then?")
    assert chat_server.requests()[-1].json["messages"][0]["content"][1:] == images
    assert "What do these show?" in kernel.ok("%chat history").plain
    assert "an image" in kernel.ok("%chat history").plain


def test_axes_charts_and_figures_are_pictures_or_one_sentence(kernel, chat_server):
    """An array of axes is its figure; a chart is drawn by what its library draws with."""
    kernel.ok(
        "import matplotlib.pyplot as plt, altair as alt, pandas as pd, plotly.graph_objects as go\n"
        "fig, axes = plt.subplots(2, 2, figsize=(4, 3), dpi=100)\nplt.close(fig)\n"
        "chart = alt.Chart(pd.DataFrame({'a': [1, 2]})).mark_bar().encode(x='a')\nbars = go.Figure(go.Bar(y=[1, 2]))"
    )
    kernel.ok("%%chat -i axes -i axes[0] -i chart\nWhat do these show?")
    _, *images = sent(chat_server)
    sizes = [image_of(one).size for one in images]
    assert sizes[:2] == [(400, 300)] * 2
    assert len(sizes) == 3
    cell = kernel.run("%%chat -i bars\nWhat does it show?")
    assert "-i bars: a picture of a figure of plotly is made by kaleido (`pip install kaleido`)" in cell.only.text
    assert len(cell.only.text.splitlines()) == 1
    cell = kernel.ok("%%chat\nLook: {{bars}} {{chart}}")
    assert sent(chat_server).startswith("Look: <plotly figure, 1 trace: bar> <altair Chart of 2 rows: ")
    assert "`-i bars` sends the picture" in cell.only.html.replace("<code>", "`").replace("</code>", "`")


def test_server_that_refuses_images_gives_its_words_and_a_hint(kernel, chat_server):
    """Its own sentence, and what may be the reason."""
    kernel.ok("import numpy as np\narr = np.zeros((2, 2))")
    chat_server.script(failure(400, "content must be a string"), failure(400, "content must be a string"))
    cell = kernel.run("%%chat -i arr\nWhat is it?")
    assert "content must be a string" in cell.only.text
    assert "the model may not take any" in cell.only.text
    assert "no turns yet" in kernel.ok("%chat history").plain


def test_model_without_eyes_is_asked_once_and_not_later(kernel, chat_server):
    """llama.cpp, and so the embedded model, says it as a failure of the server: it will say the same again."""
    kernel.ok("import numpy as np\narr = np.zeros((2, 2))")
    chat_server.script(failure(500, "image input is not supported - hint: you may need to provide the mmproj"))
    cell = kernel.run("%%chat -i arr\nWhat is it?")
    assert "refused the images (500): image input is not supported" in cell.only.text
    assert "the model may not take any" in cell.only.text
    assert "later" not in cell.only.text
    assert len(chat_server.requests()) == 1


def test_figure_as_text_is_one_line_and_says_how_to_send_it(kernel, chat_server):
    """A text cannot hold it; the footer names the option."""
    kernel.ok("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.set_title('Sales')\nplt.close(fig)")
    cell = kernel.ok("%%chat\nLook: {{fig}}")
    assert sent(chat_server).startswith("Look: <matplotlib figure, 640 × 480 pixels; Sales (")
    assert "-i fig" in cell.only.html


# -- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "cell_text", "note"),
    [
        ("One:\n\n```python\na = 1\n```\n\nand\n\n```py\nb = 2\n```\n", "a = 1\n\nb = 2", "new cell below"),
        ("```\n%pip list\n```\n", "%pip list", "new cell below"),
        ("```python\nprint(1)\n```\n\nIt prints:\n\n```\n1\n```\n", "print(1)", "1 other block only here"),
        ("```python\na = 1\n```\n\n```bash\nls\n```\n", "a = 1", "1 other block only here"),
        ("```bash\nls\n```\n", "%%bash\nls", "new cell below"),
        ("```{python}\na = 1\n```\n\n```{.python .numberLines}\nb = 2\n```\n", "a = 1\n\nb = 2", "new cell below"),
        ("```python:src/a.py\na = 1\n```\n\n```py3\nb = 2\n```\n", "a = 1\n\nb = 2", "new cell below"),
        (
            "```pycon\n>>> a = 1\n>>> def f():\n...     return a\n...\n>>> f()\n1\n```\n",
            "a = 1\ndef f():\n    return a\n\nf()",
            "",
        ),
        ("```python\n>>> print('>>>')\n>>>\n```\n", "print('>>>')", "new cell below"),
        ("```python\na = 1\n```\n\n```python\n%%time\nf()\n```\n", "a = 1", "1 other block only here"),
        ("```python\n%%time\na = 1\n```\n\n```python\nb = 2\n```\n", "%%time\na = 1\n\nb = 2", "new cell below"),
        (
            "```python\n%%writefile a.py\na\n```\n\n```python\nb = 2\n```\n",
            "%%writefile a.py\na",
            "1 other block only here",
        ),
        ("```python\nf(a b)\n```\n\n```python\nb = 2\n```\n", "b = 2", "1 other block only here"),
        ("```python\ndef f():\n```\n\n```python\n    return 1\n```\n", "def f():\n\n    return 1", "new cell below"),
        (
            "```python\n!ls\nfiles = !ls\n?print\nprint??\n%who\nawait f()\n```\n",
            "!ls\nfiles = !ls\n?print\nprint??\n%who\nawait f()",
            "new cell below",
        ),
        ("```sql\nselect 1\n```\n", None, "the code is in sql"),
        ("No code at all.", None, "no code block"),
    ],
)
def test_code_of_a_reply_becomes_a_new_cell(kernel, chat_server, reply, cell_text, note):
    """Blocks in the notebook's language are joined; the prose stays in the one output."""
    chat_server.script(text_stream(reply))
    cell = kernel.ok("%%chat -f code\nWrite it.")
    assert next_cell(cell) == cell_text
    assert cell.only.plain == reply
    assert note in cell.only.html


@pytest.mark.parametrize(
    ("code", "line", "below"),
    [
        ("a = 1\n\nprint a", "# This does not parse (line 4: ", "a = 1\n\nprint a"),
        ("%%time\nf(a b)", "%%time\n# This does not parse (line 3: ", "f(a b)"),
        ("return 1", "# This does not parse (line 2: 'return' outside function).", "return 1"),
        ("a = 1\n%%time\nb", "# This does not parse (`%%time` stands only in the first line", "a = 1\n%%time\nb"),
    ],
)
def test_code_that_does_not_parse_is_offered_under_a_line_that_says_so(kernel, chat_server, code, line, below):
    """With the number that its line has in the new cell; the footer says it too."""
    chat_server.script(text_stream(f"```python\n{code}\n```\n"))
    cell = kernel.ok("%%chat -f code\nWrite it.")
    offered = next_cell(cell)
    assert offered.startswith(line)
    assert offered.endswith(f").\n{below}")
    assert "in a new cell below, and does not parse (" in cell.only.html
    assert kernel.run(offered).status == "error"


def test_without_the_option_no_cell_appears(kernel, chat_server):
    """Markdown is the default."""
    chat_server.script(text_stream("```python\na = 1\n```\n"))
    assert next_cell(kernel.ok("%%chat\nWrite it.")) is None


def test_reply_as_text_is_shown_as_it_stands(kernel, chat_server):
    """No mark of Markdown is read, while it arrives and at the end."""
    text = "# No *heading*\n\n```python\nx = 1\n```\n\n<b>&</b>\n"
    parts = text[:20], text[20:]
    chat_server.script(stream(*(step for part in parts for step in (sse(part), wait())), sse(finish="stop"), done()))
    shown: list[str] = []
    awaited = ["# No *heading*", "&amp;&lt;/b&gt;"]

    def look(cell: Cell) -> None:
        shown.append(cell.html)
        if awaited and awaited[0] in cell.html:
            awaited.pop(0)
            chat_server.release()

    cell = kernel.ok("%%chat -f text\nSay it.", on_output=look)
    assert awaited == []
    assert cell.only.plain == text
    assert "# No *heading*\n\n```python\nx = 1\n```" in cell.only.html
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in cell.only.html
    assert not any("<h1" in html or "<em>" in html or "~~~" in html for html in shown)
    assert "test-model" in cell.only.html
    assert cell.only.data["text/markdown"].startswith("````text\n# No *heading*")


def test_long_reply_as_text_is_whole_at_any_time(kernel, chat_server):
    """In parts while it arrives, and nothing of what holds them together is seen."""
    lines = [f"*line* {number}\n" for number in range(3000)]
    parts = ["".join(lines[start : start + 500]) for start in range(0, 3000, 500)]
    chat_server.script(stream(*(step for part in parts for step in (sse(part), wait())), sse(finish="stop"), done()))
    shown: list[str] = []
    ends = [f"*line* {number}" for number in range(499, 3000, 500)]

    def look(cell: Cell) -> None:
        shown.append(cell.html)
        if ends and ends[0] in cell.html:
            ends.pop(0)
            chat_server.release()

    cell = kernel.ok("%%chat -f text\nSay it.", on_output=look)
    assert ends == []
    assert cell.only.plain == "".join(lines)
    assert not any("<em>" in html or "~~~" in html for html in shown)


def test_interrupted_reply_offers_no_cell(kernel, chat_server):
    """Half of a code block would be no code."""
    chat_server.script(stream(sse("```python\na = 1"), wait(), sse("never")))
    pressed: list[bool] = []

    def interrupt(cell: Cell) -> None:
        if "a = 1" in cell.plain and not pressed:
            pressed.append(True)
            kernel.interrupt()

    cell = kernel.run("%%chat -f code\nWrite it.", on_output=interrupt)
    assert cell.only.plain == "```python\na = 1"
    assert next_cell(cell) is None


# -- --dry-run --------------------------------------------------------------------------------------------------------


def test_dry_run_shows_exact_json_an_estimate_and_a_line_for_curl(kernel, chat_server):
    """The key is a variable; the estimate says that it is one; what is masked is said."""
    kernel.ok("import os")
    cell = kernel.ok("%%chat --dry-run -t 0.5\nIt's {{os.environ['SHOP_TOKEN']}}")
    page = cell.plain
    body = json.loads(page.split("```json\n")[1].split("\n```")[0])
    assert body["messages"] == [{"role": "user", "content": "It's •••"}]
    assert "an estimate" in page
    assert "1 secret masked" in page
    line = page.split("```bash\n")[1].split("\n```")[0]
    assert "Bearer $LLMVISION_API_KEY" in line
    assert "made-up" not in page
    assert chat_server.requests() == []
    subprocess.run(
        ["bash", "-c", line], check=True, capture_output=True, env={"LLMVISION_API_KEY": "a", "PATH": "/usr/bin:/bin"}
    )
    assert chat_server.requests()[0].json == body
    assert chat_server.requests()[0].headers["authorization"] == "Bearer a"


def test_dry_run_shows_each_message_as_it_reads(kernel, chat_server):
    """Line by line, with nothing of JSON's in it; the JSON is a click away, and stands in the plain text."""
    chat_server.script(text_stream('**No**: a "tuple".\n\n```\n(1,)\n```'))
    kernel.ok("%%chat -n read -s 'Be kind.'\nHello")
    kernel.ok("import numpy as np, pandas as pd\nframe = pd.DataFrame({'a': [1]})\nred = np.zeros((8, 8, 3), 'uint8')")
    page = kernel.ok('%%chat --dry-run -n read -t 0.5 -a frame -i red\nIs it <b>"so"</b>?\n\n  $x$ ```').only
    seen, *folded = page.html.split("<details>")
    texts = [html.unescape(text).rstrip("\n") for text in re.findall(r'<pre class="said">(.*?)</pre>', seen, re.S)]
    kernel.ok('%%chat -n read -t 0.5 -a frame -i red\nIs it <b>"so"</b>?\n\n  $x$ ```')
    sent = chat_server.requests()[-1].json["messages"]
    asked, _ = sent[-1]["content"]
    assert re.findall(r"<strong>(\w+)</strong>", seen) == [message["role"] for message in sent]
    assert texts[:3] == [message["content"] for message in sent[:3]]
    assert texts[3].startswith(asked["text"] + "\n\n[an image: image/png, ")
    assert "| 0 | 1 |" in texts[3]
    assert "<code>0.5</code>" in seen
    assert ["JSON" in folded[0], "curl" in folded[1]] == [True, True]
    assert '**assistant**\n\n````text\n**No**: a "tuple".\n\n```\n(1,)' in page.plain
    assert '"content": "Be kind."' in page.plain


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a", "About 1 token of text. This is an estimate from the text's 1 byte, at 4 bytes a token;"),
        ("Hi", "About 1 token of text. This is an estimate from the text's 2 bytes, at 4 bytes a token;"),
        (
            "12345 " * 1000,
            "About 1,500 tokens of text. This is an estimate from the text's 5,999 bytes, at 4 bytes a token;",
        ),
    ],
)
def test_dry_run_estimates_in_a_plain_sentence(kernel, chat_server, prompt, said):
    """One and many."""
    assert said in " ".join(kernel.ok(f"%%chat --once --dry-run\n{prompt}").plain.split())


def test_dry_run_binds_the_whole_json(kernel, chat_server):
    """What the page shortens can be had: it is what a server gets."""
    kernel.ok("import numpy as np\npicture = np.zeros((64, 64, 3), 'uint8')")
    page = kernel.ok("%%chat --once --dry-run -o request -i picture\nWhat is it?").plain
    assert "`--dry-run -o request` binds the whole of it" in page
    kernel.ok("%%chat --once -i picture\nWhat is it?")
    assert json.loads(kernel.value("request")) == chat_server.requests()[0].json


def test_images_that_cannot_be_had_say_what_to_do(kernel, chat_server):
    """Nothing blank is sent, and nothing fetched."""
    kernel.ok("import matplotlib.pyplot as plt\nplt.close('all')")
    assert "no open figure" in kernel.run("%%chat -i plt\nWhat is it?").plain
    assert "nothing is fetched" in kernel.run("%%chat -i http://example.org/x.png\nWhat is it?").plain
    assert not chat_server.requests()


def test_parts_of_a_multiindex_keep_their_names(kernel, chat_server):
    """Else nobody knows what the labels of the rows are."""
    kernel.ok("import pandas as pd\nframe = pd.DataFrame({'city': ['a', 'b'], 'year': [1, 2], 'p': [1.0, 2.0]})")
    kernel.ok("%%chat --once\n{{frame.groupby(['city', 'year']).mean()}}")
    kernel.ok("%%chat --once\n{{frame.groupby(['city', 'year']).p.mean()}}")
    for request in chat_server.requests():
        assert "| (city, year) |" in request.json["messages"][0]["content"]


def test_dry_run_shortens_nothing_but_the_bytes_of_images(kernel, chat_server):
    """And says how many there are."""
    kernel.ok("import numpy as np\narr = np.random.default_rng(1).random((64, 64))")
    page = kernel.ok("%%chat --dry-run -i arr\nWhat is it?").plain
    assert "more characters of base64" in page
    assert len(page) < 2500
    assert "1 image" in page
    assert "-d @request.json" in page


# -- completion -------------------------------------------------------------------------------------------------------


def test_tab_completes_the_notebooks_names(kernel):
    """After -a and -i, and inside double braces."""
    kernel.ok("import pandas as pd\nsales_table = pd.DataFrame({'a': [1]})")
    assert kernel.complete("%%chat -a sales_t") == ["sales_table"]
    assert kernel.complete("%%chat -i sales_t") == ["sales_table"]
    assert "sales_table.shape" in kernel.complete("%%chat -a sales_table.sha")
    assert any("sales_table" in match for match in kernel.complete("%%chat\nHello {{sales_t"))
    assert "-f" in kernel.complete("%%chat -")
    assert kernel.complete("%%chat -f co") == ["code"]
