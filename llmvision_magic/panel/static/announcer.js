// What a screen reader is told of a reply: each block once it is finished, and the end. Never single words.

import { make } from "./elements.js";

const KEPT = 6; // announcements that stay in the page

// The view that speaks. Several views of one panel show the same, and it should be heard once.
let speaking = null;

export class Announcer {
  element = make("div", { class: "lp-unseen", role: "status", "aria-live": "polite", "aria-relevant": "additions" });

  constructor(root, signal) {
    speaking ??= this;
    root.addEventListener("focusin", () => (speaking = this), { signal });
    signal.addEventListener("abort", () => {
      if (speaking === this) speaking = null;
    });
  }

  blocks(elements) {
    for (const element of elements) this.say(element.textContent.replace(/\s+/g, " ").trim());
  }

  end(data) {
    this.say(data.status === "complete" ? "The reply is complete." : data.notice || "The reply has ended.");
  }

  say(text) {
    speaking ??= this;
    if (!text || speaking !== this) return;
    this.element.append(make("p", {}, text));
    while (this.element.children.length > KEPT) this.element.firstChild.remove();
  }
}
