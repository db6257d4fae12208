// The reply of one turn: finished blocks, which stay as they are once they are shown, and an unfinished one below them.

import { iconButton, make, safely, setText } from "./elements.js";

const OVERFLOWING = "pre, .wide";

export class ReplyBlocks {
  element = make("div", { class: "lp-reply", role: "group", "aria-label": "Reply" });
  #pieces = [];
  #tail = null;
  #line = make("p", { class: "lp-line", hidden: true });
  #watcher;

  // `watcher` is told of what may have to be scrolled sideways.
  constructor(watcher) {
    this.#watcher = watcher;
    this.element.append(this.#line);
  }

  get isEmpty() {
    return this.#pieces.length === 0 && this.#tail === null;
  }

  get count() {
    return this.#pieces.length;
  }

  // Show finished blocks from the index `at` on; those that are shown already are left alone. Returns the new elements.
  put(at, blocks) {
    const fresh = [];
    let common = 0;
    while (common < blocks.length && isSame(this.#pieces[at + common], blocks[common])) common += 1;
    for (const { element } of this.#pieces.splice(at + common)) {
      this.#unwatch(element);
      element.remove();
    }
    for (const [html, joined] of blocks.slice(common)) {
      const element = safely(html, joined);
      this.#finish(element);
      (this.#tail?.element ?? this.#line).before(element);
      this.#pieces.push({ html, joined: Boolean(joined), element });
      fresh.push(element);
    }
    return fresh;
  }

  putTail(tail) {
    if (!tail) {
      this.#tail?.element.remove();
      this.#tail = null;
      return;
    }
    const [html, joined] = tail;
    if (!this.#tail) {
      this.#tail = { html: "", element: safely("") };
      this.#line.before(this.#tail.element);
    }
    this.#tail.element.className = joined ? "llmvm llmvm-on" : "llmvm";
    if (this.#tail.html !== html) this.#tail.element.innerHTML = html;
    this.#tail.html = html;
    this.#tail.joined = Boolean(joined);
  }

  // What was unfinished stays as it is: nothing follows any more.
  settle() {
    if (!this.#tail) return [];
    const { html, joined, element } = this.#tail;
    this.#tail = null;
    if (!html) {
      element.remove();
      return [];
    }
    this.#finish(element);
    this.#pieces.push({ html, joined, element });
    return [element];
  }

  // Whether nothing of the reply stands below an element's block of code.
  isLast(element) {
    return element.closest(".lp-code-tools") === [...this.element.querySelectorAll(".lp-code-tools")].at(-1);
  }

  // What is going on, in a few quiet words.
  say(line) {
    setText(this.#line, line);
    this.#line.hidden = line === "";
  }

  forget() {
    this.#unwatch(this.element);
  }

  #finish(element) {
    for (const one of element.querySelectorAll(OVERFLOWING)) this.#watcher.observe(one);
    for (const code of element.querySelectorAll("pre")) {
      const tools = make(
        "div",
        { class: "lp-code-tools" },
        iconButton("copy", "Copy this code", "copy-code"),
        iconButton("insert", "Put this code into a new cell", "insert-code"),
      );
      code.before(tools);
    }
  }

  #unwatch(element) {
    for (const one of element.querySelectorAll(OVERFLOWING)) this.#watcher.unobserve(one);
  }
}

function isSame(piece, block) {
  return piece !== undefined && piece.html === block[0] && piece.joined === Boolean(block[1]);
}

// The code a button of `lp-code-tools` belongs to.
export function codeBeside(button) {
  return button.closest(".lp-code-tools").nextElementSibling.textContent.replace(/\n$/, "");
}

// Whether something has to be scrolled sideways is known once it is laid out; then the keyboard must reach it.
export function sidewaysWatcher() {
  return new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth + 1;
      if (scrolls === target.hasAttribute("tabindex")) continue;
      const name = target.tagName === "PRE" ? `Code${target.dataset.l ? ` in ${target.dataset.l}` : ""}` : "Wide content";
      for (const [key, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": name })) {
        if (scrolls) target.setAttribute(key, value);
        else target.removeAttribute(key);
      }
    }
  });
}
