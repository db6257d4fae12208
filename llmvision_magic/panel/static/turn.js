// One turn: what was asked, what came back, and what can be done with it.

import { freshId, growing, iconButton, make, safely, setText, wordButton } from "./elements.js";
import { ReplyBlocks } from "./reply.js";

const ENDED = { interrupted: "Interrupted", cut: "Cut short", failed: "Failed", partial: "Not finished" };

export class TurnPart {
  id;
  data = null;
  reply;
  #prompt = make("div", { class: "lp-prompt" });
  #promptHtml = null;
  #beside = make("p", { class: "lp-beside", hidden: true });
  #notice = make("p", { class: "lp-notice", hidden: true });
  #branch = make("span", { class: "lp-branch", hidden: true });
  #facts = make("span", { class: "lp-facts" });
  #left = make("span", { class: "lp-left", hidden: true }, "Not sent to the model");
  #tools = {};
  #asked;
  #editor = null;
  #isFinal = false;
  #parts = 0; // messages of the reply that were heard

  constructor(data, watcher) {
    this.id = data.id;
    this.reply = new ReplyBlocks(watcher);
    this.#tools = {
      edit: iconButton("edit", "Edit and send again", "edit"),
      copy: iconButton("copy", "Copy the reply as Markdown", "copy"),
      retry: iconButton("retry", "Retry", "retry"),
      again: wordButton("Retry", "retry", "retry"),
      continue: wordButton("Continue", "continue", "more"),
      exclude: iconButton("leave", "Leave out of what is sent", "exclude"),
    };
    const title = make("span", { class: "lp-unseen", id: freshId("turn") });
    this.title = title;
    this.#asked = make("div", { class: "lp-asked", role: "group", "aria-label": "You asked" }, this.#prompt, this.#tools.edit);
    const tools = ["copy", "retry", "exclude"].map((name) => this.#tools[name]);
    const foot = make("div", { class: "lp-foot" }, this.#branch, this.#left, this.#facts, make("span", { class: "lp-tools" }, ...tools));
    this.foot = foot;
    const ends = make("div", { class: "lp-ends" }, this.#notice, this.#tools.again, this.#tools.continue);
    const attributes = { class: "lp-turn", "data-turn": data.id, "aria-labelledby": title.id };
    this.element = make("article", attributes, title, this.#asked, this.#beside, this.reply.element, ends, foot);
    this.update(data);
  }

  // Whether the reply has ended as the parts that were sent, and not all of those have come.
  get isMissing() {
    return this.data.status !== "partial" && !this.#isFinal;
  }

  // Show what is new in `data`. Returns the elements of blocks that were not there before.
  update(data) {
    const before = this.data;
    this.data = data;
    setText(this.title, `Turn ${data.number}`);
    if (this.#promptHtml !== data.prompt) {
      this.#promptHtml = data.prompt;
      this.#prompt.replaceChildren(safely(data.prompt));
    }
    const images = data.images ? [data.images === 1 ? "1 image" : `${data.images} images`] : [];
    show(this.#beside, [...images, ...(data.files ?? []), ...(data.notes ?? [])].join(" · "));
    this.#prompt.hidden = data.prompt === "";
    const fresh = this.#updateReply(data, before);
    this.#updateEnd(data);
    this.#updateBranch(data);
    return fresh;
  }

  // Take what arrived of the reply. Returns null where something in between is missing, else the new elements.
  arrive(message) {
    if (message.part !== this.#parts + 1) return null;
    this.#parts = message.part;
    this.#isFinal = false;
    const fresh = this.reply.put(message.at, message.blocks ?? []);
    this.reply.putTail(message.tail ?? null);
    this.reply.say(message.line ?? "");
    return fresh;
  }

  #updateReply(data, before) {
    const arrives = data.status === "partial";
    if (arrives && typeof data.html !== "string") {
      this.#isFinal = false;
      this.#parts = data.parts;
      // Without blocks of its own it says nothing about those that are shown.
      const fresh = Array.isArray(data.blocks) && (data.blocks.length > 0 || before === null) ? this.reply.put(0, data.blocks) : [];
      if (data.tail || before === null) this.reply.putTail(data.tail ?? null);
      this.reply.say(data.line ?? "");
      return fresh;
    }
    this.reply.say(arrives ? (data.line ?? "") : "");
    if (typeof data.html !== "string") {
      this.#isFinal = data.parts === this.#parts;
      return this.#isFinal ? this.reply.settle() : [];
    }
    // Blocks that were seen to arrive are the reply: drawing them anew would only flicker.
    if (this.#isFinal && before && before.status === data.status && !this.reply.isEmpty && before.html === null) {
      this.data = { ...data, html: null };
      return [];
    }
    this.#isFinal = true;
    this.#parts = data.parts;
    this.reply.putTail(null);
    return this.reply.put(0, data.html === "" ? [] : [[data.html, false]]);
  }

  #updateEnd(data) {
    const arrives = data.status === "partial" && !data.notice;
    const failed = data.status === "failed";
    this.element.dataset.status = data.status;
    this.element.toggleAttribute("data-excluded", Boolean(data.excluded));
    const said = data.notice || (arrives ? "" : (ENDED[data.status] ?? ""));
    show(this.#notice, data.status === "complete" ? data.notice : said);
    this.#tools.again.hidden = !failed;
    this.#tools.continue.hidden = !data.unfinished;
    this.#tools.retry.hidden = failed;
    this.#tools.copy.hidden = failed && this.reply.isEmpty;
    this.#left.hidden = !data.excluded;
    name(this.#tools.exclude, data.excluded ? "Take in again" : "Leave out of what is sent");
    setText(this.#facts, (data.facts ?? []).join(" · "));
    this.foot.hidden = arrives;
  }

  #updateBranch(data) {
    const siblings = data.siblings ?? [];
    const at = siblings.indexOf(data.id);
    this.#branch.hidden = siblings.length < 2 || at < 0;
    if (this.#branch.hidden) return;
    if (!this.#branch.firstChild) {
      const [back, forward] = [iconButton("back", "Previous version", "left"), iconButton("forward", "Next version", "right")];
      this.#branch.append(back, make("span"), forward);
    }
    const [back, place, forward] = this.#branch.children;
    setText(place, `${at + 1} of ${siblings.length}`);
    disable(back, at === 0);
    disable(forward, at === siblings.length - 1);
  }

  // The kernel is gone, and with it what would have followed.
  lose() {
    if (this.data.status === "partial") show(this.#notice, "The kernel ended before this reply did.");
  }

  // The id of the version to the left (-1) or to the right (1), or null.
  sibling(step) {
    const siblings = this.data.siblings ?? [];
    return siblings[siblings.indexOf(this.id) + step] ?? null;
  }

  // Open the prompt for editing: `text` is what was typed, `raw` says that braces in it are text, `anew` what is evaluated
  // beside it when it is sent.
  edit({ text, raw = false, anew = "" }) {
    if (!this.#editor) {
      const area = make("textarea", { class: "lp-editing", "aria-label": "Edit the prompt", "data-keys": "edit" });
      const grown = growing(area);
      const told = make("p", { class: "lp-beside" });
      const words = make("p", { class: "lp-refusal", role: "alert", hidden: true });
      const asText = wordButton("Send as text", "edit-send-raw");
      asText.hidden = true;
      const buttons = make("div", { class: "lp-choices" }, wordButton("Send", "edit-send"), asText, wordButton("Cancel", "edit-leave"));
      buttons.firstChild.classList.add("lp-first");
      const element = make("div", { class: "lp-editor" }, grown.frame, told, words, buttons);
      this.#editor = { area, told, words, asText, element, fit: grown.fit };
      this.#asked.after(element);
    }
    this.#asked.hidden = true;
    const notes = [raw && text.includes("{{") ? "Double braces are sent as text." : "", anew ? `Evaluated anew: ${anew}` : ""];
    show(this.#editor.told, notes.filter(Boolean).join(" "));
    this.#editor.area.value = text;
    this.#editor.fit();
    this.#editor.area.focus();
    this.#editor.area.setSelectionRange(text.length, text.length);
  }

  // Whether something goes along with the prompt, so that it may be empty.
  get hasMore() {
    return Boolean(this.data.images || this.data.files?.length);
  }

  get edited() {
    return this.#editor?.area.value ?? null;
  }

  get isHeld() {
    return this.#editor?.area.readOnly ?? false;
  }

  // While it is being sent the editor is locked; a sentence says why it was refused, `braces` that it can be sent with
  // them as text.
  holdEdit(locked, sentence = "", braces = false) {
    if (!this.#editor) return;
    this.#editor.area.readOnly = locked;
    this.#editor.element.toggleAttribute("data-locked", locked);
    this.#editor.asText.hidden = !braces;
    show(this.#editor.words, sentence);
  }

  // Close the editor; the focus goes back to the button it came from.
  endEdit() {
    if (!this.#editor) return;
    const held = this.#editor.element.contains(document.activeElement);
    this.#editor.element.remove();
    this.#editor = null;
    this.#asked.hidden = false;
    if (held) this.#tools.edit.focus();
  }
}

function show(element, text) {
  setText(element, text ?? "");
  element.hidden = !text;
}

export function name(button, words) {
  button.title = words;
  button.setAttribute("aria-label", words);
}

// A button that says it cannot be used, and keeps the focus if it has it.
export function disable(button, disabled) {
  if (disabled) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}
