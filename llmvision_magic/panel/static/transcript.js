// The conversation as it reads: turns from top to bottom, older ones fetched when one comes near the top.

import { make, setText, wordButton } from "./elements.js";
import { ReadersPlace } from "./reading.js";
import { sidewaysWatcher } from "./reply.js";
import { TurnPart } from "./turn.js";
import { WaitingPrompts } from "./waiting.js";

const PAGE = 30; // turns fetched at once

export class Transcript {
  turns = [];
  waiting = new WaitingPrompts();
  #byId = new Map();
  #link;
  #announcer;
  #watcher = sidewaysWatcher();
  #conversation = null;
  #hasOlder = false;
  #asksOlder = null;
  #asksAll = false;
  #catchesUp = false;
  #isBehind = false;
  #reader;
  #older = make("p", { class: "lp-line lp-older", hidden: true });
  #list = make("div", { class: "lp-turns" });
  #column = make("div", { class: "lp-column" });
  #scroller;
  #fallback = () => null;

  constructor(link, announcer, welcome, signal) {
    this.#link = link;
    this.#announcer = announcer;
    this.welcome = welcome;
    this.#column.append(this.#older, welcome, this.#list, this.waiting.element);
    const attributes = { class: "lp-scroller", tabindex: "0", role: "region", "aria-label": "Transcript" };
    this.#scroller = make("div", attributes, this.#column);
    this.below = wordButton("New text below", "to-end", "down");
    this.below.classList.add("lp-below");
    this.below.hidden = true;
    this.element = make("div", { class: "lp-transcript" }, this.#scroller, this.below);
    this.#reader = new ReadersPlace(this.#scroller, this.#column, () => this.#list.children, signal);
    this.#reader.onMove = () => this.#moved();
    signal.addEventListener("abort", () => this.#watcher.disconnect());
    this.#welcome(false);
  }

  // Where the focus goes when what had it is there no more.
  set onLostFocus(give) {
    this.#fallback = give;
  }

  get conversation() {
    return this.#conversation;
  }

  // The prompts of what is shown, as they are shown, oldest first; `raw` where braces in it are text.
  get prompts() {
    return [...this.turns.map(({ id, data }) => ({ id, text: textOf(data).trim(), raw: Boolean(data.raw) })), ...this.waiting.prompts];
  }

  turn(id) {
    return this.#byId.get(id) ?? null;
  }

  // Ask for the newest turns; what is shown stays until they are there.
  async show() {
    if (this.#asksAll) return;
    this.#asksAll = true;
    this.#scroller.setAttribute("aria-busy", "true");
    await this.#ask(null);
    this.#asksAll = false;
    this.#scroller.removeAttribute("aria-busy");
  }

  // Ask for them, and for what stands around them, as something may have been missed; `anew`: also if that is on its way.
  async catchUp({ anew = false } = {}) {
    this.#isBehind ||= anew;
    if (this.#catchesUp) return; // what has no answer yet is sent again with the rest
    this.#catchesUp = true;
    do {
      this.#isBehind = false;
      await this.#ask(null, { again: true });
    } while (this.#isBehind);
    this.#catchesUp = false;
  }

  toEnd() {
    this.#reader.toEnd();
  }

  // Change something in the transcript without moving the reader or losing the focus.
  change(act) {
    const root = this.element.getRootNode();
    const held = this.#column.contains(root.activeElement) ? root.activeElement : null;
    const place = held && this.#placeOf(held);
    let result;
    this.#reader.keep(() => {
      result = act();
    });
    const moved = root.activeElement !== held && this.#column.contains(root.activeElement);
    const isLost = held && !moved && (!held.isConnected || held.getClientRects().length === 0);
    if (isLost) (this.#successor(place) ?? this.#fallback())?.focus({ preventScroll: true });
    return result;
  }

  // Where a button stands: in which turn from the top, and what it does.
  #placeOf(element) {
    const id = element.closest("[data-turn]")?.dataset.turn;
    return { index: this.turns.findIndex((turn) => turn.id === id), action: element.dataset.do };
  }

  // The button that does the same for the version of the turn that has taken its place.
  #successor({ index, action }) {
    const button = action && this.turns[index]?.element.querySelector(`[data-do="${action}"]`);
    return button?.getClientRects().length ? button : null;
  }

  // `turns` of the protocol: a page of older turns, or the newest ones.
  hearTurns(message, conversation) {
    if (message.conversation !== conversation) return;
    if (message.before !== null && message.before !== undefined) {
      if (this.turns[0]?.id === message.before) this.change(() => this.#putAbove(message));
      return;
    }
    const isOther = this.#conversation !== message.conversation;
    this.#conversation = message.conversation;
    this.change(() => this.#putAll(message, isOther));
    if (isOther) this.toEnd();
    this.#moved();
  }

  // `turn` of the protocol: one that is new or has changed.
  hearTurn(data) {
    const known = this.#byId.get(data.id);
    if (known) {
      const arrived = known.data.status === "partial";
      const fresh = this.change(() => known.update(data));
      if (arrived) this.#tell(fresh, data);
      this.#grew(fresh.length > 0 || known.data.notice !== "");
      if (known.isMissing) void this.show();
      return;
    }
    const last = this.turns.at(-1);
    const parent = data.parent || null;
    if (last ? parent === last.id : parent === null || this.turns.length === 0) {
      this.change(() => this.#append(data));
      this.#grew(true);
      return;
    }
    // Another version of a turn that is shown takes its place, and what followed it goes; the kernel says what is there.
    const at = this.turns.findIndex(({ data: shown }) => (shown.parent || null) === parent);
    if (at >= 0 && data.status === "partial") {
      this.change(() => {
        for (const turn of this.turns.splice(at)) this.#remove(turn);
        this.#append(data);
      });
      this.#grew(true);
    }
    void this.show();
  }

  // `more` of the protocol: what arrived of a reply.
  hearMore(message) {
    const turn = this.#byId.get(message.turn);
    const fresh = turn ? this.change(() => turn.arrive(message)) : null;
    if (fresh === null) {
      void this.show();
      return;
    }
    this.#tell(fresh, null);
    this.#grew(true);
  }

  // Nothing will follow any more.
  lose() {
    this.change(() => this.turns.forEach((turn) => turn.lose()));
  }

  clear() {
    this.change(() => {
      for (const turn of this.turns.splice(0)) this.#remove(turn);
      this.#welcome(false);
    });
    this.#hasOlder = false;
  }

  #putAbove(message) {
    this.#hasOlder = Boolean(message.more);
    const parts = (message.turns ?? []).filter(({ id }) => !this.#byId.has(id)).map((data) => this.#make(data));
    this.#list.prepend(...parts.map(({ element }) => element));
    this.turns.unshift(...parts);
  }

  // The newest turns: those that are shown already keep their elements, and so do older ones of the same branch.
  #putAll(message, isOther) {
    const wanted = message.turns ?? [];
    if (isOther) for (const turn of this.turns.splice(0)) this.#remove(turn);
    const at = isOther || wanted.length === 0 ? -1 : this.turns.findIndex(({ id }) => id === wanted[0].id);
    const older = at > 0 ? this.turns.slice(0, at) : [];
    if (older.length === 0) this.#hasOlder = Boolean(message.more);
    const parts = wanted.map((data) => {
      const known = this.#byId.get(data.id);
      if (known) known.update(data);
      return known ?? this.#make(data);
    });
    const kept = new Set([...older, ...parts]);
    for (const turn of this.turns) if (!kept.has(turn)) this.#remove(turn);
    this.turns = [...kept];
    let place = this.#list.firstElementChild;
    for (const { element } of this.turns) {
      if (element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(element, place);
    }
    for (const { data } of this.turns.slice(-2)) if (data.asked_in !== "cell") this.waiting.turnCame(textOf(data));
    this.#welcome(true);
  }

  #append(data) {
    const turn = this.#make(data);
    this.turns.push(turn);
    this.#list.append(turn.element);
    if (data.asked_in !== "cell") this.waiting.turnCame(textOf(data));
    this.#welcome(true);
    return turn;
  }

  #make(data) {
    const turn = new TurnPart(data, this.#watcher);
    this.#byId.set(turn.id, turn);
    return turn;
  }

  #remove(turn) {
    turn.reply.forget();
    turn.element.remove();
    this.#byId.delete(turn.id);
  }

  #welcome(known) {
    const empty = known && this.turns.length === 0 && this.waiting.isEmpty;
    this.welcome.hidden = !empty;
  }

  refreshWelcome() {
    this.#welcome(this.#conversation !== null);
  }

  #grew(something) {
    if (something && !this.#reader.following) this.below.hidden = false;
  }

  #moved() {
    if (this.#reader.following) {
      const held = this.below.contains(document.activeElement);
      this.below.hidden = true;
      if (held) this.#fallback()?.focus({ preventScroll: true });
    }
    if (this.#hasOlder && this.#reader.isNearStart()) void this.#fetchOlder();
  }

  async #fetchOlder() {
    const first = this.turns[0]?.id;
    if (!first || this.#asksOlder === first) return;
    this.#asksOlder = first;
    this.change(() => {
      setText(this.#older, "Fetching older turns …");
      this.#older.hidden = false;
    });
    await this.#ask(first);
    this.change(() => {
      this.#older.hidden = true;
    });
    this.#asksOlder = null;
    if (this.turns[0]?.id !== first) this.#moved();
  }

  async #ask(before, more = {}) {
    try {
      await this.#link.tell({ do: "show", before, count: PAGE, ...more }, { answer: "turns" });
    } catch {
      // That the kernel is gone is said elsewhere.
    }
  }

  #tell(elements, data) {
    this.#announcer.blocks(elements);
    if (data && data.status !== "partial") this.#announcer.end(data);
  }
}

function textOf(data) {
  const reader = document.createElement("template");
  reader.innerHTML = data.prompt;
  return reader.content.textContent;
}
