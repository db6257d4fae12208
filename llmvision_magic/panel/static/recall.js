// Earlier prompts, gone through with the arrow keys; what was being typed comes back at the end.

export class Recall {
  #prompts;
  #at = null;
  #draft = "";
  #shown = null;

  // `prompts` gives the earlier prompts, oldest first.
  constructor(prompts) {
    this.#prompts = prompts;
  }

  // Whether an arrow key goes through the prompts here, and does not move in the text.
  isMeant(key, area) {
    if (area.selectionStart !== area.selectionEnd) return false;
    const going = this.#at !== null && area.value === this.#shown;
    if (key === "ArrowUp") return going || area.selectionStart === 0;
    return going;
  }

  // The text to show after a step back (-1) or forth (1), or null where there is none.
  step(direction, current) {
    const prompts = this.#prompts();
    if (this.#at === null || current !== this.#shown) {
      if (direction > 0) return null;
      this.#draft = current;
      this.#at = prompts.length;
    }
    const at = this.#at + direction;
    if (at < 0 || at > prompts.length) return null;
    this.#at = at === prompts.length ? null : at;
    this.#shown = at === prompts.length ? this.#draft : prompts[at];
    return this.#shown;
  }

  reset() {
    this.#at = null;
    this.#shown = null;
    this.#draft = "";
  }
}
