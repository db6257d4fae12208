// The chat panel: one view of the widget. Everything it shows comes from the kernel, everything it does is asked of it.

import { Announcer } from "./announcer.js";
import { Composer } from "./composer.js";
import { ConversationsHead } from "./conversations.js";
import { fillPlace } from "./docking.js";
import { keepDraft, takeDraft } from "./drafts.js";
import { make } from "./elements.js";
import { KernelLink } from "./link.js";
import { NotebookAround, watchKernel } from "./notebook.js";
import { SETTING_TRAITS, SettingsDrawer } from "./settings.js";
import { Transcript } from "./transcript.js";
import { TurnActions } from "./actions.js";
import { welcomePart } from "./welcome.js";

const GONE = "The kernel that this panel belongs to is gone. Run the cell again to go on; `%chat resume` brings back what was said.";
const SUPPRESS = "data-lm-suppress-shortcuts";
const UNHEARD = ["keydown", "keyup", "keypress", "paste", "copy", "cut", "contextmenu"];

// What a double click asks for once.
const ONCE = new Set(["retry", "continue", "edit-send", "edit-send-raw", "insert-code", "new-conversation"]);

class PanelView {
  #model;
  #life = new AbortController();
  #undo = [];
  #root;
  #link;
  #announcer;
  #transcript;
  #composer;
  #actions;
  #notebook;
  #head;
  #drawer;
  #hint = "";
  #stopping = false;
  #revision = 0;
  #gone = false;

  constructor(model, el) {
    this.#model = model;
    const { signal } = this.#life;
    // The attribute keeps the shortcuts of Jupyter's front ends away; those that hear it first, Notebook 7's among
    // them, look for it from the focused element upwards and ask at each whether a shortcut is meant, so the focused
    // element gets it too. Where front ends listen on the document in other ways, the events do not get there.
    this.#root = make("section", { class: "llmvm-panel", "aria-label": "Chat", [SUPPRESS]: "true" });
    this.#link = new KernelLink(model);
    this.#link.onPatience = () => this.#show();
    this.#announcer = new Announcer(this.#root, signal);
    this.#transcript = new Transcript(this.#link, this.#announcer, welcomePart(), signal);
    this.#composer = new Composer(this.#link, this.#announcer, () => this.#transcript.prompts, signal);
    this.#composer.takeDrops(this.#root, signal);
    this.#transcript.onLostFocus = () => this.#composer.area;
    this.#notebook = new NotebookAround(model, this.#root);
    const refuse = (sentence) => this.#composer.refuse(sentence);
    this.#actions = new TurnActions({
      link: this.#link,
      transcript: this.#transcript,
      notebook: this.#notebook,
      say: (words) => this.#announcer.say(words),
      refuse,
      signal,
    });
    this.#drawer = new SettingsDrawer(model, () => this.#link.note({ do: "models" }), refuse);
    this.#head = new ConversationsHead(model, this.#link, refuse, this.#drawer.element);
    const body = make("div", { class: "lp-body" }, this.#drawer.element, this.#transcript.element, this.#composer.element);
    this.#root.append(this.#head.element, body, this.#announcer.element);
    el.append(this.#root);
    el.classList.add("llmvm-panel-place");
    fillPlace(this.#root, signal);
    this.#listen(signal);
    this.#undo.push(watchKernel(model, () => this.#lose(), () => this.#catchUp()));
    this.#revision = this.#model.get("revision");
    void this.#transcript.show();
    this.#show();
    const draft = takeDraft(model);
    if (draft) this.#composer.putBack(draft);
  }

  close() {
    if (!this.#composer.isEmpty) keepDraft(this.#model, this.#composer.draft);
    this.#life.abort();
    for (const one of this.#undo) one();
    this.#link.close();
    this.#composer.close();
    this.#root.remove();
  }

  #listen(signal) {
    const on = (type, act) => {
      const heard = (...details) => act(...details);
      this.#model.on(type, heard);
      this.#undo.push(() => this.#model.off(type, heard));
    };
    on("msg:custom", (message) => this.#hear(message));
    on("change:busy", () => {
      this.#hint = "";
      if (!this.#model.get("busy")) this.#ended();
      this.#show();
    });
    on("change:where", () => this.#show());
    on("change:revision", () => this.#compare());
    on("change:conversation", () => {
      this.#head.show();
      void this.#transcript.show();
    });
    on("change:conversations", () => this.#head.show());
    for (const name of SETTING_TRAITS) on(`change:${name}`, () => this.#drawer.show());
    this.#root.addEventListener("focusin", ({ target }) => target.setAttribute(SUPPRESS, "true"), { signal });
    this.#root.addEventListener("click", (event) => this.#click(event), { signal });
    this.#root.addEventListener("keydown", (event) => this.#press(event), { signal });
    for (const type of UNHEARD) this.#root.addEventListener(type, (event) => event.stopPropagation(), { signal });
  }

  #hear(message) {
    const here = message.conversation === this.#model.get("conversation");
    const sentence = this.#link.hear(message);
    if (sentence) this.#composer.refuse(sentence);
    if (message.kind === "turns") this.#transcript.hearTurns(message, this.#model.get("conversation"));
    else if (message.kind === "turn" && here) this.#transcript.hearTurn(message.turn);
    else if (message.kind === "more" && here) this.#transcript.hearMore(message);
    if (message.kind === "turn" || message.kind === "turns") this.#show();
  }

  #show() {
    const asks = this.#link.isOpen("ask");
    const slow = this.#link.isSlow("stop")
      ? "Stopping: waits for the kernel"
      : this.#link.isSlow() && !this.#link.isSlow("ask")
        ? "Waits for the kernel"
        : this.#hint;
    this.#transcript.change(() => this.#transcript.waiting.refresh((key) => this.#link.isKeySlow(key)));
    this.#composer.show({
      busy: Boolean(this.#model.get("busy")) || asks,
      stopping: this.#stopping,
      slow,
      gone: this.#gone ? GONE : "",
      place: placeInWords(this.#model.get("where")),
    });
  }

  #press(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const keys = event.target.dataset?.keys;
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      this.#notebook.save();
    } else if (this.#head.press(event)) event.preventDefault();
    else if (event.key === "Escape" && this.#drawer.isOpen && this.#isOfSettings(event.target)) this.#openSettings(false);
    else if (keys === "send" && this.#composer.press(event)) event.preventDefault();
    else if (keys && event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (keys === "send") this.#send();
      else this.#actions.sendEdit(event.target);
    } else if (event.key === "Escape") {
      if (keys === "edit") this.#actions.leaveEdit(event.target);
      else if (this.#model.get("busy") || this.#link.isOpen("ask")) this.#stop();
      event.preventDefault();
    }
  }

  #click(event) {
    const button = event.target.closest("[data-do]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const action = button.dataset.do;
    if (event.detail > 1 && ONCE.has(action)) return;
    if (action === "send") this.#send();
    else if (action === "send-raw") {
      this.#composer.area.focus();
      this.#send({ raw: true });
    }
    // The second click of a double click was meant for the button that stood there before.
    else if (action === "stop") event.detail < 2 && this.#stop();
    else if (action === "hear") this.#composer.refuse("");
    else if (action === "attach") this.#composer.choose();
    else if (action === "remove-file") (this.#composer.files.remove(button) ?? this.#composer.area).focus();
    else if (action === "to-end") {
      this.#transcript.toEnd();
      this.#composer.area.focus({ preventScroll: true });
    } else if (action === "settings") this.#openSettings(!this.#drawer.isOpen);
    else if (this.#head.run(action)) {
      if (action === "new-conversation") this.#composer.area.focus({ preventScroll: true });
    }
    else if (action === "example") this.#composer.offer(button.textContent, button.dataset.marked);
    else this.#actions.run(action, button);
  }

  #isOfSettings(element) {
    return this.#drawer.element.contains(element) || element === this.#head.settings;
  }

  #openSettings(open) {
    const held = this.#drawer.element.contains(document.activeElement);
    this.#drawer.toggle(open);
    this.#head.settings.setAttribute("aria-expanded", String(open));
    if (held && !open) this.#head.settings.focus();
  }

  // `raw` sends double braces as text.
  async #send({ raw = false } = {}) {
    if (this.#composer.isEmpty || this.#gone) return;
    if (this.#model.get("busy") || this.#link.isOpen("ask")) {
      this.#hint = "A reply is still arriving; Esc stops it.";
      this.#show();
      return;
    }
    this.#hint = "";
    const taken = this.#composer.takeAll();
    taken.raw ||= raw;
    const key = this.#link.freshKey();
    const { waiting } = this.#transcript;
    this.#transcript.change(() => {
      waiting.add(key, taken);
      this.#transcript.refreshWelcome();
    });
    this.#transcript.toEnd();
    const files = taken.files.map(({ name, type }) => ({ name, type }));
    const buffers = taken.files.map(({ bytes }) => bytes);
    const answer = this.#link.tell({ do: "ask", key, text: taken.text, files, ...(taken.raw ? { raw: true } : {}) }, { buffers });
    this.#show();
    try {
      await answer;
      this.#transcript.change(() => waiting.take(key));
      for (const { picture } of taken.files) if (picture) URL.revokeObjectURL(picture);
    } catch (error) {
      this.#transcript.change(() => waiting.drop(key));
      this.#composer.putBack(taken);
      this.#composer.refuse(error.message, error.braces);
    } finally {
      this.#transcript.refreshWelcome();
      this.#show();
    }
  }

  async #stop() {
    if (this.#stopping) return;
    this.#stopping = true;
    const stopped = this.#link.tell({ do: "stop" });
    this.#show();
    try {
      await stopped;
    } catch (error) {
      this.#composer.refuse(error.message);
    } finally {
      if (!this.#model.get("busy")) this.#stopping = false;
      this.#show();
    }
  }

  // No reply arrives any more: there is nothing left to stop.
  #ended() {
    this.#stopping = false;
    this.#link.settle("stop");
  }

  // Older values than those there were, set late by the front end, hide what has come since.
  #compare() {
    const revision = this.#model.get("revision");
    if (revision < this.#revision) void this.#transcript.catchUp({ anew: true });
    else this.#revision = revision;
  }

  // The connection was away: what was sent, and what came, may have been lost with it.
  #catchUp() {
    this.#link.sendAgain();
    void this.#transcript.catchUp();
  }

  #lose() {
    if (this.#gone) return;
    this.#gone = true;
    this.#root.toggleAttribute("data-gone", true);
    this.#transcript.lose();
    this.#link.lose(GONE);
    this.#head.lock(true);
    this.#drawer.lock(true);
    this.#show();
  }
}

function placeInWords(where) {
  if (where?.trouble) return where.trouble;
  if (!where?.model) return "";
  return `${where.model} · ${where.embedded ? "on this machine" : where.server}`;
}

function render({ model, el }) {
  const view = new PanelView(model, el);
  return () => view.close();
}

export default { render };
