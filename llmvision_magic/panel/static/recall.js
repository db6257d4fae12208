// Earlier prompts, gone through with the arrow keys; what was being typed comes back at the end.

const MOST_SENT = 50;

export class Recall {
  #prompts;
  #source;
  #typed = new Map();
  #sent = []; // what was sent from here, oldest first: a prompt that got no reply gives way to the next one
  #at = null;
  #draft = "";
  #isRaw = false; // whether braces of the draft are text
  #shown = null;

  // `prompts` gives the earlier prompts, oldest first, as they are shown: {id, text, raw}, the id that of their turn or
  // null, `raw` where braces in it are text.
  // `source` promises what was typed for the turn of an id.
  constructor(prompts, source) {
    this.#prompts = prompts;
    this.#source = source;
  }

  // Whether an arrow key goes through the prompts here, and does not move in the text.
  isMeant(key, area) {
    if (area.selectionStart !== area.selectionEnd) return false;
    const going = this.#at !== null && area.value === this.#shown;
    if (key === "ArrowUp") return going || area.selectionStart === 0;
    return going;
  }

  // Step back (-1) or forth (1) from the text that is there and may be raw: `put` is called with another and whether it is raw, if there
  // is one, and again when the kernel says that something else had been typed. Returns whether there was one.
  step(direction, current, isRaw, put) {
    const prompts = this.#distinct();
    if (this.#at === null || current !== this.#shown) {
      if (direction > 0) return false;
      this.#draft = current;
      this.#isRaw = isRaw;
      this.#at = prompts.length;
    }
    const at = this.#at + direction;
    if (at < 0 || at > prompts.length) return false;
    this.#at = at === prompts.length ? null : at;
    const { id, text, raw } = prompts[at] ?? { id: null, text: this.#draft, raw: this.#isRaw };
    this.#shown = text;
    put(text, raw);
    if (id !== null && !this.#typed.has(id)) void this.#learn(id, raw, put);
    return true;
  }

  // Remember what is being sent.
  note({ text, raw }) {
    if (text.trim()) this.#sent.push({ id: null, text: text.trim(), raw });
    this.#sent.splice(0, this.#sent.length - MOST_SENT);
  }

  reset() {
    this.#at = null;
    this.#shown = null;
    this.#draft = "";
  }

  // The same prompt several times in a row is one.
  #distinct() {
    const prompts = this.#prompts().map(({ id, text, raw }) => ({ id, raw, text: this.#typed.get(id) ?? text }));
    let at = prompts.length;
    for (const one of this.#sent.toReversed()) {
      const there = prompts.findLastIndex(({ text }, index) => index < at && text === one.text);
      if (there < 0) prompts.splice(at, 0, one);
      else at = there;
    }
    return prompts.filter(({ text }, index) => text && text !== prompts[index + 1]?.text);
  }

  async #learn(id, raw, put) {
    const shown = this.#shown;
    const text = await this.#source(id).catch(() => null);
    if (!text) return;
    this.#typed.set(id, text);
    if (this.#shown !== shown || text === shown) return;
    this.#shown = text;
    put(text, raw, shown);
  }
}
