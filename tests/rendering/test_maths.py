"""rendering: TeX becomes MathML, or stays what it is."""

from __future__ import annotations

import re

import pytest

from llmvision_magic.rendering import render, safe_markdown
from llmvision_magic.rendering.mathml import try_mathml


def drawn(tex: str) -> bool:
    return "<math" in render(f"$${tex}$$")


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{a}{b} + \sqrt[3]{x}",
        r"\sum_{i=1}^n i^2 = \int_0^\infty e^{-x}\,dx",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}",
        r"\begin{equation} a = b \end{equation}",
        r"\hat{\mathbf{x}} \in \mathbb{R}^n, \lVert x \rVert \le 1",
        r"\left( \frac{1}{2} \right) \operatorname{rank}(A)",
        r"\underbrace{a + b}_{c} \boxed{42}",
    ],
)
def test_usual_formula_is_drawn(tex: str) -> None:
    """What models write is drawn, on lines of its own and in a line."""
    assert drawn(tex)
    assert "<math" in render(f"a \\({tex}\\) b")


@pytest.mark.parametrize(
    "tex",
    [
        r"\unknowncommand{x}",
        r"\frac{1}",
        r"x^2^3",
        r"\left( x",
        r"\href{https://example.org/}{x}",
        r"\newcommand{\a}{xx}\a",
        r"a & b",
        "{" * 100 + "x" + "}" * 100,
        r"\sqrt" * 700,
        "x_" * 500,
    ],
)
def test_formula_not_understood_is_shown_as_it_is(tex: str) -> None:
    """What can not be drawn, could grow without bound or leads elsewhere is shown as TeX."""
    html = render(f"$${tex}$$")
    assert "<math" not in html
    assert re.sub(r"<[^>]*>", "", html).replace("&amp;", "&").strip() == tex


def test_text_in_a_formula_is_text() -> None:
    """Angle brackets in TeX can not become elements."""
    html = render(r"$\text{<b>x</b>} < \mathrm{<i>}$")
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


@pytest.mark.parametrize(
    ("tex", "markup"),
    [
        (r"\mathbf{AB}", "𝐀"),
        (r"\mathrm{d}", '<mi mathvariant="normal">d</mi>'),
        (r"\Gamma", '<mi mathvariant="normal">Γ</mi>'),
        (r"\gamma", "<mi>γ</mi>"),
        (r"\boxed{x}", 'class="box"'),
        (r"\lim_{x} y", "<munder>"),
    ],
)
def test_markup_is_what_browsers_draw(tex: str, markup: str) -> None:
    """Letters, boxes and limits are written in the part of MathML that all browsers implement."""
    assert markup in (try_mathml(tex, display=True) or "")


@pytest.mark.parametrize("length", ["999em", "-50em", "9999px", "40cm"])
def test_formula_can_not_reach_beyond_its_place(length: str) -> None:
    """A large length in TeX does not get into the page."""
    html = render(rf"$a\hspace{{{length}}}b$")
    assert "<mspace></mspace>" in html
    assert length not in html


@pytest.mark.parametrize(
    "text",
    [
        "costs $5-$10",
        "US$5 and US$6",
        "$5 and $10",
        "$ 5 and $ 6",
        "a$b and c$d",
        "$5 million or 6 million$",
        "`$a$` and `$b$`",
        r"\$a$",
        "$a",
        "$$",
        "$$$$",
        r"\(\)",
        r"\\(a_1\\)",
    ],
)
def test_text_is_not_maths(text: str) -> None:
    """Prices, variables, code and escaped signs are no formulas."""
    assert "<math" not in render(text)
    assert "<math" not in render(safe_markdown(text))


@pytest.mark.parametrize("text", ["$a$", "$5$", "$-1$", "$a\nb$", r"$a\$b$", "($a$)", "**$a$**", "$a$-th", "$a$, $b$"])
def test_text_is_maths(text: str) -> None:
    """Formulas beside punctuation, over a line end and in emphasis are formulas."""
    assert "<math" in render(text)


ACTIVE = ["href{a}{b}", "require{a}", "style{a}{b}", "class{a}{b}", "unicode{1}", "htmlId{a}{b}", "def\\a{b}", "csname"]


@pytest.mark.parametrize("command", ACTIVE)
def test_active_command_is_handed_on_as_code(command: str) -> None:
    """A command that concerns the page, not the formula, is no maths in what is handed on."""
    for text in (f"$x \\{command}$", f"\\[\nx \\{command}\n\\]"):
        assert "$" not in safe_markdown(text)
        assert "`" in safe_markdown(text)
