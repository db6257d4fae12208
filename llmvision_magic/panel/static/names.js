// Names of the notebook while `{{…}}` is typed: a list above the input. The text stays in the input, and so does the focus.

import { freshId, make, typeInto } from "./elements.js";

// A name as Python knows it, with its dots or without, before the cursor.
const NAME = /[\p{L}\p{M}\p{N}_.]*$/u;
const LAST = /[\p{L}\p{M}\p{N}_]*$/u;

const PAUSE = 80; // milliseconds without typing before the kernel is asked

export class NamesList {
  element;
  #area;
  #link;
  #announce;
  #timer = null;
  #asked = 0;
  #names = [];
  #at = 0;

  constructor(area, link, announce) {
    this.#area = area;
    this.#link = link;
    this.#announce = announce;
    this.element = make("ul", { class: "lp-names", id: freshId("names"), role: "listbox", "aria-label": "Names of the notebook", hidden: true });
    for (const [key, value] of Object.entries({ "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-controls": this.element.id })) {
      area.setAttribute(key, value);
    }
    // The press must not take the focus from the input.
    this.element.addEventListener("mousedown", (event) => event.preventDefault());
    this.element.addEventListener("click", (event) => {
      const option = event.target.closest("li");
      if (option) this.#take([...this.element.children].indexOf(option));
    });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  // The text has changed, or the cursor has moved.
  follow() {
    clearTimeout(this.#timer);
    const expression = this.#expression();
    if (expression === null) {
      this.close();
      return;
    }
    this.#timer = setTimeout(() => void this.#ask(expression), PAUSE);
  }

  // Returns whether the key was for the list.
  press(event) {
    if (!this.isOpen) return false;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) this.#mark((this.#at + moves[event.key] + this.#names.length) % this.#names.length);
    else if ((event.key === "Enter" && !event.shiftKey) || (event.key === "Tab" && !event.shiftKey)) this.#take(this.#at);
    else if (event.key === "Escape") this.close();
    else return false;
    return true;
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.element.hidden = true;
    this.#area.removeAttribute("aria-activedescendant");
  }

  // What stands between an open `{{` and the cursor, or null.
  #expression() {
    const { value, selectionStart, selectionEnd } = this.#area;
    if (selectionStart !== selectionEnd) return null;
    return /\{\{([^{}\n]*)$/.exec(value.slice(0, selectionStart))?.[1] ?? null;
  }

  async #ask(expression) {
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const { names } = await this.#link.tell({ do: "names", text: expression }, { answer: "names" });
      if (asked === this.#asked && this.#expression() === expression) this.#open(names ?? []);
    } catch {
      this.close();
    }
  }

  #open(names) {
    this.#names = names;
    if (names.length === 0) {
      this.close();
      return;
    }
    const id = freshId("name");
    const options = names.map((name, index) => make("li", { role: "option", id: `${id}-${index}`, "aria-selected": "false" }, name));
    this.element.replaceChildren(...options);
    this.element.hidden = false;
    this.#mark(0);
    this.#announce(names.length === 1 ? "1 name" : `${names.length} names`);
  }

  #mark(index) {
    this.element.children[this.#at]?.setAttribute("aria-selected", "false");
    this.#at = index;
    const option = this.element.children[index];
    option.setAttribute("aria-selected", "true");
    // By hand: scrollIntoView would move the notebook too.
    const { offsetTop, offsetHeight } = option;
    if (offsetTop < this.element.scrollTop) this.element.scrollTop = offsetTop;
    const hidden = offsetTop + offsetHeight - this.element.clientHeight;
    if (hidden > this.element.scrollTop) this.element.scrollTop = hidden;
    this.#area.setAttribute("aria-activedescendant", option.id);
  }

  #take(index) {
    const { value, selectionStart } = this.#area;
    const name = this.#names[index];
    const before = value.slice(0, selectionStart);
    const after = value.slice(selectionStart);
    const typed = NAME.exec(before)[0];
    // The kernel may name the whole of `df.shape` or only what comes after the last dot.
    const replaced = name.startsWith(typed) ? typed : LAST.exec(before)[0];
    const closing = after.startsWith("}}") ? "" : "}}";
    this.close();
    typeInto(this.#area, name + closing, selectionStart - replaced.length, selectionStart);
    if (!closing) this.#area.setSelectionRange(this.#area.selectionStart + 2, this.#area.selectionStart + 2);
    this.#area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
