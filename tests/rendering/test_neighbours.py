"""rendering: outputs of one page, each with the style that it brings. None of them changes another."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from support.rendering_examples import read_examples
from support.seen import browser, page

from llmvision_magic.messages import Reply
from llmvision_magic.panel.assets import stylesheet as panel_stylesheet
from llmvision_magic.rendering import (
    Blocks,
    Footer,
    blocks_bundle,
    reply_bundle,
    status_html,
    style_bundle,
    stylesheet,
    text_bundle,
)
from llmvision_magic.rendering.comparison_table import comparison_bundle

__all__ = ["browser", "page"]

pytestmark = pytest.mark.browser

LONG = "Words that fill more than one line of any page, and then some more of them. " * 6

TEXTS = {
    "words": LONG,
    "the names of classes": f"The columns are wide, left, right and mid; notes and box. {LONG}",
    "rule": f"{LONG}\n\n---\n\n{LONG}",
    "headings": f"# One\n\n## Two\n\n### Three\n\n{LONG}",
    "code": f"Before `code`.\n\n```python\nx = '{'a' * 200}'\n```\n",
    "code of all colours": "```python\n@one\ndef two(x: int) -> str:  # three\n    return f'four {5}' + True\n```\n",
    "change": "```diff\n- one\n+ two\n```\n",
    "table": "| a | b | c |\n| :-- | :-: | --: |\n| one | two | three |\n",
    "lists": "1. one\n   - two\n   - three\n\n2. four\n\n- [x] done\n- [ ] to do\n  1. nested\n",
    "quote": f"> {LONG}\n>\n> > And a quote in it.\n",
    "footnote": f"{LONG}[^1]\n\n[^1]: A note.\n",
    "formula": r"\[\boxed{\begin{matrix}1&2\\3&4\end{matrix}}\]" + "\n\nand $x^2$.\n",
    "link": "[a link](https://example.org), **strong**, *emphasis*, ~~struck~~.",
}


def outputs() -> dict[str, str]:
    """The HTML of outputs of all kinds, by a name."""
    found = {
        name: reply_bundle(Reply(text), Footer(["model", "1.0 s"], "Cut."))["text/html"] for name, text in TEXTS.items()
    }
    found |= {title: reply_bundle(Reply(text))["text/html"] for title, text, *_ in read_examples("replies.txt", 4)}
    everything = "\n\n".join(TEXTS.values())
    found["everything"] = reply_bundle(Reply(everything))["text/html"]
    found["text"] = text_bundle(Reply(everything), Footer())["text/html"]
    replies = [Reply(LONG), Reply(everything), Reply("", status="failed", notice="Refused.")]
    found["comparison"] = comparison_bundle(["one", "two", "three"], replies)["text/html"]
    for name, text in {**TEXTS, "a part": "```\n" + "line\n" * 2000}.items():
        blocks = Blocks(cut_long=True)
        update = blocks.feed(text)
        shown = blocks_bundle([*update.finished, update.tail])["text/html"]
        found[f"{name}, arriving"] = style_bundle()["text/html"] + shown + status_html("waiting 3 s")
        found[f"{name}, arriving in the background"] = style_bundle(shown)["text/html"] + shown
    found["panel"] = f"<style>{stylesheet()}{panel_stylesheet()}</style><div class='llmvm-panel'></div>"
    found["another extension's"] = (
        f"<table class='columns wide'><tr><td>{LONG}</td></tr></table><pre>x</pre><hr><p>y</p>"
    )
    return found


# Each output alone on the page, then with all others above and below it, in both orders.
COMPARED = """
outputs => {
  document.body.innerHTML = '';
  document.body.style = 'width: 1000px; margin: 0; font: 14px sans-serif; color: #222';
  const shown = order => {
    const places = order.map(([name, html]) => {
      const place = document.createElement('div');
      place.innerHTML = html;
      document.body.append(place);
      return [name, place];
    });
    const looks = Object.fromEntries(places.map(([name, place]) => [name, looksOf(place)]));
    for (const [, place] of places) place.remove();
    return looks;
  };
  const looksOf = place => [...place.querySelectorAll('*:not(style)')].flatMap(element =>
    (element.hasAttribute('data-l') ? [null, '::before'] : [null]).map(pseudo => {
      const style = getComputedStyle(element, pseudo);
      const { width, height } = element.getBoundingClientRect();
      const names = [...style].filter(name => !name.startsWith('--'));  // what nothing uses changes nothing
      const rules = names.map(name => `${name}: ${style.getPropertyValue(name)}`);
      return [`${element.localName}.${element.className}${pseudo ?? ''}`, [`box: ${width} x ${height}`, ...rules]];
    }));
  const alone = Object.assign({}, ...outputs.map(output => shown([output])));
  const differing = new Set();
  for (const [order, looks] of [['first', shown(outputs)], ['last', shown([...outputs].reverse())]])
    for (const [name, elements] of Object.entries(looks))
      elements.forEach(([element, rules], at) => rules.forEach((rule, one) => {
        const before = alone[name][at][1][one];
        if (rule !== before) differing.add(`${name}: ${element} has ${rule}, alone ${before}`);
      }));
  return [...differing];
}
"""


def test_no_output_changes_how_another_one_looks(page: Page) -> None:
    """Every computed property and every size of every element: alone on a page, and among outputs of all kinds."""
    page.set_content("<!DOCTYPE html><html><body></body></html>")
    found = outputs()
    assert len(found) > 60
    differing = page.evaluate(COMPARED, list(found.items()))
    assert differing == []
