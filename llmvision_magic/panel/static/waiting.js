// What has been sent and is not taken yet: shown at once, with a word when the kernel lets it wait.

import { make, setText } from "./elements.js";

export class WaitingPrompts {
  element = make("div", { class: "lp-waiting" });
  #entries = [];

  get isEmpty() {
    return this.#entries.length === 0;
  }

  // What was typed, oldest first.
  get prompts() {
    return this.#entries.map(({ typed, raw }) => ({ id: null, text: typed, raw }));
  }

  add(key, { text, files, raw }) {
    const said = make("p", { class: "lp-line", role: "status" });
    const names = files.map(({ name }) => name).join(" · ");
    const element = make(
      "article",
      { class: "lp-turn", "aria-label": "Waiting prompt", "data-status": "waiting" },
      make("div", { class: "lp-asked" }, make("div", { class: "lp-prompt lp-plain" }, text)),
      names ? make("p", { class: "lp-beside" }, names) : null,
      said,
    );
    this.#entries.push({ key, typed: text, raw, text: plain(text), element, said, taken: false, passed: false });
    this.element.append(element);
  }

  // `isSlow` tells of a key whether the kernel lets it wait.
  refresh(isSlow) {
    for (const { key, said } of this.#entries) setText(said, isSlow(key) ? "waiting for the kernel" : "");
  }

  // The kernel has taken it; its turn is there, or comes next.
  take(key) {
    const entry = this.#entries.find((one) => one.key === key);
    if (!entry) return;
    entry.taken = true;
    setText(entry.said, "");
    if (entry.passed) this.drop(key);
  }

  // A turn has come: it is that of the prompt with this text, or of the oldest one that was taken.
  turnCame(text) {
    const shown = plain(text);
    const entry = this.#entries.find((one) => one.text === shown) ?? this.#entries.find((one) => one.taken);
    if (entry) this.drop(entry.key);
    else for (const one of this.#entries) one.passed = true;
  }

  drop(key) {
    const at = this.#entries.findIndex((one) => one.key === key);
    if (at < 0) return;
    const [entry] = this.#entries.splice(at, 1);
    entry.element.remove();
  }

  dropAll() {
    for (const { key } of [...this.#entries]) this.drop(key);
  }
}

// Of a text only what Markdown leaves as it is, so that what was typed can be known in what is shown.
function plain(text) {
  return text.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}
