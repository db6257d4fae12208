"""TeX → MathML, which browsers draw without a script.

The converter is given hostile input and its serialiser leaves angle brackets unescaped, so only its tree is used: this
module writes the markup itself, from a list of elements and attributes.
"""

from __future__ import annotations

import functools
import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# fmt: off
ELEMENTS = frozenset((
    "math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts",
    "mroot", "mrow", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder",
    "munderover", "none",
))
ATTRIBUTES = frozenset((
    "accent", "depth", "display", "displaystyle", "fence", "form", "height", "largeop", "linethickness", "lspace",
    "mathcolor", "mathvariant", "maxsize", "minsize", "movablelimits", "rspace", "scriptlevel", "separator", "stretchy",
    "symmetric", "voffset", "width",
))
# fmt: on
CLASSES = {"mtd": {"left", "right"}, "mrow": {"box"}}

_MAX_DEPTH = 60
# These are texts, for most replies have no formula, and compiling them is part of a first chat.
# A word, a colour, a small number or a small length: a formula must not reach beyond its place.
_VALUE = (
    r"(?:[a-z-]{1,24}|\#[0-9a-fA-F]{3,8}|[+-]?\d{0,2}(?:\.\d{1,4})?(?:px|pt|ex|mu)?|"
    r"[+-]?\d?(?:\.\d{1,4})?em|\d{1,3}%)\Z"
)
_REFUSED = r"\\(?:(?:re)?newcommand|providecommand|[gex]?def|let|href|style|class|unicode)(?![A-Za-z])"
_UNKNOWN = r"\\[A-Za-z]"
# Environments the converter does not have, as ones it has.
_ENVIRONMENTS = {
    "aligned": "split",
    "alignedat": "split",
    "gathered": "matrix",
    "gather": "matrix",
    "gather*": "matrix",
    "equation": "matrix",
    "equation*": "matrix",
    "align": "align*",
    "dcases": "cases",
}
_ENVIRONMENT = r"\\(begin|end)\{([a-z]+\*?)\}"
_LIMITS = frozenset(("lim", "max", "min", "sup", "inf", "det", "gcd", "Pr", "argmax", "argmin", "arg max", "arg min"))
_CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
_LIMITS_BELOW = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
# Browsers draw only "normal" of the mathvariant values (https://w3c.github.io/mathml-core/#the-mathvariant-attribute);
# the others are characters of their own: first capital, first small letter, first digit.
_VARIANTS = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE),
    "bold-italic": (0x1D468, 0x1D482, 0),
    "sans-serif": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "monospace": (0x1D670, 0x1D68A, 0x1D7F6),
    "bold-fraktur": (0x1D56C, 0x1D586, 0),
    "bold-script": (0x1D4D0, 0x1D4EA, 0),
}


@functools.lru_cache(maxsize=1024)
def try_mathml(tex: str, *, display: bool) -> str | None:
    """A formula as a ``<math>`` element.

    Args:
        tex: The formula, without its delimiters.
        display: On a line of its own, with limits above and below.

    Returns:
        The markup; None when the formula is not understood, or is too deep to be a formula somebody reads.
    """
    from latex2mathml.converter import convert_to_element

    # Macros could grow without bound; the other commands concern the page, not the formula.
    if re.search(_REFUSED, tex):
        return None
    known = re.sub(_ENVIRONMENT, lambda match: f"\\{match[1]}{{{_ENVIRONMENTS.get(match[2], match[2])}}}", tex)
    try:
        tree = convert_to_element(known, display="block" if display else "inline")
        markup = _markup(tree, display, 0)
    except Exception:
        # The converter has no common base for its errors and lets IndexError, StopIteration and RecursionError of
        # its own pass; whatever it was, the formula is shown as it was written.
        return None
    return markup


def _markup(element: Element, display: bool, depth: int) -> str:
    """An element and all below it.

    Raises:
        ValueError: It is nested too deep, or holds a command or sign the converter did not understand.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    tag, attributes = element.tag, dict(element.attrib)
    text = html.unescape(element.text or "")
    if tag == "mi" and (text == "&" or re.match(_UNKNOWN, text)):
        raise ValueError("unknown command")
    if len(element) != _CHILDREN.get(tag, len(element)):
        raise ValueError("an argument is missing")
    if element.get("linebreak"):
        raise ValueError("line break outside of an environment")
    if tag == "mi" and _is_upright(element):
        attributes["mathvariant"] = "normal"
    variant = attributes.get("mathvariant", "")
    if variant in _VARIANTS:
        text = "".join(_styled(character, variant) for character in text)
        del attributes["mathvariant"]
    if display and tag in _LIMITS_BELOW and len(element) and html.unescape(element[0].text or "") in _LIMITS:
        tag = _LIMITS_BELOW[tag]
    if "columnalign" in attributes:
        attributes["class"] = attributes["columnalign"]
    if tag == "menclose" and attributes.get("notation") == "box":
        tag, attributes = "mrow", {"class": "box"}
    inner = html.escape(text, quote=False) + "".join(_markup(child, display, depth + 1) for child in element)
    if tag not in ELEMENTS:
        return inner
    return f"<{tag}{_attributes(attributes)}>{inner}</{tag}>"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(
        f' {name}="{value}"'
        for name, value in attributes.items()
        if value and (name in ATTRIBUTES or name == "class") and re.match(_VALUE, value)
    )


def _is_upright(element: Element) -> bool:
    """Whether a letter is upright in TeX: a capital Greek one, or one out of ``\\mathrm``.

    The converter writes the latter as a character reference and says nothing else about it; a browser would slant it.
    """
    text = element.text or ""
    letter = html.unescape(text)
    if len(letter) != 1 or letter == text or "mathvariant" in element.attrib:
        return False
    return "Α" <= letter <= "Ω" or (letter.isascii() and letter.isalpha())


def _styled(character: str, variant: str) -> str:
    capital, small, digit = _VARIANTS[variant]
    if "A" <= character <= "Z":
        return chr(capital + ord(character) - ord("A"))
    if "a" <= character <= "z":
        return chr(small + ord(character) - ord("a"))
    if digit and "0" <= character <= "9":
        return chr(digit + ord(character) - ord("0"))
    if variant == "bold-italic" and "α" <= character <= "ω":
        return chr(0x1D736 + ord(character) - ord("α"))
    return character
