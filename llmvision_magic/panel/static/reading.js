// Where the reader is. The end is followed only by who is there; else what is read stays where it is, whatever is put
// above or below it. The browser's own anchoring is off: not all have it, and two would work against each other.

const AT_END = 8; // pixels

export class ReadersPlace {
  #scroller;
  #turns;
  #anchors = [];
  #top = 0;
  #height = 0;
  #away = true;
  following = true;
  // Called when the reader has moved.
  onMove = () => {};

  // `turns` gives the elements of the turns, from top to bottom.
  constructor(scroller, column, turns, signal) {
    this.#scroller = scroller;
    this.#turns = turns;
    scroller.addEventListener("scroll", () => this.#moved(), { signal, passive: true });
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(scroller);
    observer.observe(column);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  // Change what is shown without moving what is read.
  keep(change) {
    if (this.#isShown() && Math.abs(this.#scroller.scrollTop - this.#top) >= 1) this.#note();
    change();
    this.#settle();
  }

  toEnd() {
    this.following = true;
    this.#settle();
    this.onMove();
  }

  isNearStart() {
    return this.#isShown() && this.#scroller.scrollTop < 1.5 * this.#scroller.clientHeight;
  }

  #isShown() {
    return this.#scroller.clientHeight > 0;
  }

  #moved() {
    // What is taken out of the page forgets how far it was scrolled, and says so when it comes back.
    if (this.#away || !this.#isShown()) return;
    this.#note();
    this.onMove();
  }

  #resized() {
    if (!this.#isShown()) {
      this.#away = true;
      return;
    }
    this.#away = false;
    this.#settle();
    this.onMove();
  }

  #note() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const below = scrollHeight - clientHeight - scrollTop;
    const movedUp = scrollTop < this.#top - 0.5 && scrollHeight >= this.#height;
    this.following = below < (movedUp ? 2 : AT_END);
    this.#remember();
  }

  #remember() {
    this.#top = this.#scroller.scrollTop;
    this.#height = this.#scroller.scrollHeight;
    this.#anchors = this.following ? [] : this.#firstInSight();
  }

  // The first block of text that can be seen and its turn, and how far below the edge each begins.
  #firstInSight() {
    const edge = this.#scroller.getBoundingClientRect().top;
    const turn = firstBelow(this.#turns(), edge);
    if (!turn) return [];
    const block = firstBelow([...turn.querySelectorAll(".llmvm > *")], edge);
    const element = block && block.getBoundingClientRect().top - edge < this.#scroller.clientHeight ? block : turn;
    const offset = (held) => ({ held, offset: held.getBoundingClientRect().top - edge });
    return element === turn ? [offset(turn)] : [offset(element), offset(turn)];
  }

  #settle() {
    if (!this.#isShown()) return;
    const scroller = this.#scroller;
    if (this.following) {
      scroller.scrollTop = scroller.scrollHeight;
    } else {
      const anchor = this.#anchors.find(({ held }) => held.isConnected);
      if (anchor) {
        const offset = anchor.held.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
        if (Math.abs(offset - anchor.offset) >= 0.5) scroller.scrollTop += offset - anchor.offset;
      }
    }
    this.#remember();
  }
}

// The first of elements standing one below the other whose lower edge is below `edge`; by halving, for there are many.
function firstBelow(elements, edge) {
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (elements[middle].getBoundingClientRect().bottom > edge + 1) high = middle;
    else low = middle + 1;
  }
  return elements[low] ?? null;
}
