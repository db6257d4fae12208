// Where one types: the input, its files, and the one button that sends or stops.

import { Attachments, filesOf } from "./attachments.js";
import { freshId, growing, icon, iconButton, make, setText, typeInto, wordButton } from "./elements.js";
import { NamesList } from "./names.js";
import { Recall } from "./recall.js";
import { disable, name } from "./turn.js";

const HINT = "Ask something; {{ brings in a variable";

export class Composer {
  element;
  area;
  files;
  names;
  #sentence = make("p");
  #asText = wordButton("Send as text", "send-raw");
  #alert = make("div", { class: "lp-refusal", role: "alert", hidden: true }, this.#sentence, iconButton("close", "Close this message", "hear"));
  #status = make("span", { class: "lp-status", role: "status" });
  #button = make("button", { type: "button", class: "lp-send", "data-do": "send" }, icon("send"));
  #attach = iconButton("attach", "Attach images or text files", "attach");
  #chooser = make("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-hidden": "true" });
  #box;
  #recall;
  #grown;
  #place = "";
  #told = "";
  #mode = "send";
  #raw = false; // braces of what is there are text, as they were where it comes from

  constructor(link, announcer, prompts, signal) {
    const id = freshId("input");
    this.area = make("textarea", { id, class: "lp-input", placeholder: HINT, "aria-label": "Prompt", spellcheck: "true", "data-keys": "send" });
    this.#grown = growing(this.area);
    const source = (turn) => link.tell({ do: "source", turn }, { answer: "source" }).then(({ text }) => text);
    this.#recall = new Recall(prompts, source);
    this.files = new Attachments(() => this.#refresh(), (sentence) => this.refuse(sentence));
    this.names = new NamesList(this.area, link, (words) => announcer.say(words));
    const row = make("div", { class: "lp-row" }, this.#attach, this.#chooser, this.#status, this.#button);
    this.#box = make("div", { class: "lp-box" }, this.files.element, this.#grown.frame, row);
    this.element = make("div", { class: "lp-composer" }, this.#alert, this.names.element, this.#box);
    this.#listen(signal);
    this.show({});
  }

  get draft() {
    return { text: this.area.value, files: this.files.list, raw: this.#raw };
  }

  get isEmpty() {
    return this.area.value.trim() === "" && this.files.list.length === 0;
  }

  // What is going on decides what the button does and what the quiet line says.
  show({ busy = false, stopping = false, slow = "", gone = "", place = this.#place }) {
    this.#place = place;
    const stops = (busy || stopping) && !gone;
    this.#mode = stops ? "stop" : "send";
    const words = stops ? (stopping ? "Stopping" : "Stop (Esc)") : "Send (Enter)";
    if (this.#button.dataset.do !== this.#mode) {
      this.#button.dataset.do = this.#mode;
      this.#button.replaceChildren(icon(this.#mode));
    }
    name(this.#button, words);
    this.#button.toggleAttribute("data-stopping", stops && stopping);
    this.area.disabled = Boolean(gone);
    this.area.placeholder = gone ? "" : HINT;
    this.#grown.fit();
    this.#attach.disabled = Boolean(gone);
    this.element.toggleAttribute("data-gone", Boolean(gone));
    this.#told = gone || slow || (stopping ? "Stopping …" : "");
    this.#refresh();
  }

  // Say why something cannot be; nothing of what was typed is lost. `braces`: it can be sent with them as text.
  refuse(sentence, braces = false) {
    const held = this.#alert.contains(document.activeElement);
    setText(this.#sentence, sentence);
    if (braces) this.#sentence.after(this.#asText);
    else this.#asText.remove();
    this.#alert.hidden = sentence === "";
    if (held && !sentence) this.area.focus();
  }

  put(text, raw = false) {
    if (this.area.value !== text) typeInto(this.area, text);
    this.#raw = raw;
    this.#grown.fit();
    this.#refresh();
  }

  // Put a text in for the user to go on with; `marked` is selected in it.
  offer(text, marked = "") {
    this.put(text);
    this.area.focus();
    const at = marked ? text.indexOf(marked) : -1;
    if (at < 0) this.area.setSelectionRange(text.length, text.length);
    else this.area.setSelectionRange(at, at + marked.length);
    this.names.follow();
  }

  // Give away what is to be sent.
  takeAll() {
    const taken = { text: this.area.value, files: this.files.takeAll(), raw: this.#raw };
    this.#recall.reset();
    this.#recall.note(taken);
    this.names.close();
    this.refuse("");
    this.put("");
    return taken;
  }

  // What could not be sent comes back, above what has been typed since.
  putBack({ text, files, raw }) {
    const since = this.area.value;
    this.put(since.trim() ? `${text}\n\n${since}` : text, raw);
    this.files.putBack(files);
  }

  choose() {
    this.#chooser.click();
  }

  // Keys of the input that are no text. Returns whether this one was.
  press(event) {
    if (this.names.press(event)) return true;
    if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey) {
      if (!this.#recall.isMeant(event.key, this.area)) return false;
      // What was typed may be known only later; then it is put in for what is still there.
      const put = (text, raw, instead = this.area.value) => {
        if (this.area.value !== instead) return;
        this.put(text, raw);
        this.area.setSelectionRange(text.length, text.length);
      };
      if (!this.#recall.step(event.key === "ArrowUp" ? -1 : 1, this.area.value, this.#raw, put)) return false;
      return true;
    }
    return false;
  }

  close() {
    this.names.close();
    this.files.close();
  }

  #refresh() {
    if (this.area.value === "") this.#raw = false;
    const braces = this.#raw && this.area.value.includes("{{") ? "Double braces are sent as text" : "";
    setText(this.#status, this.#told || braces || this.#place);
    this.#status.title = this.#status.textContent;
    disable(this.#button, this.#mode === "send" && (this.isEmpty || this.area.disabled));
  }

  #listen(signal) {
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this.area, "input", () => {
      this.#refresh();
      this.names.follow();
    });
    on(this.area, "click", () => this.names.follow());
    on(this.area, "blur", () => this.names.close());
    on(this.area, "paste", (event) => {
      const files = filesOf(event.clipboardData);
      if (files.length === 0) return;
      event.preventDefault();
      void this.files.add(files);
    });
    on(this.#chooser, "change", () => {
      void this.files.add([...this.#chooser.files]);
      this.#chooser.value = "";
      this.area.focus();
    });
  }

  // Files may be dropped anywhere on the panel.
  takeDrops(root, signal) {
    let inside = 0;
    const hasFiles = (event) => !this.area.disabled && [...(event.dataTransfer?.types ?? [])].includes("Files");
    const mark = (change) => {
      inside = change === 0 ? 0 : Math.max(0, inside + change);
      root.toggleAttribute("data-dropping", inside > 0);
    };
    const on = (type, act) =>
      root.addEventListener(
        type,
        (event) => {
          if (!hasFiles(event)) return;
          event.preventDefault();
          event.stopPropagation();
          act(event);
        },
        { signal },
      );
    on("dragenter", () => mark(1));
    on("dragleave", () => mark(-1));
    on("dragover", (event) => {
      event.dataTransfer.dropEffect = "copy";
    });
    on("drop", (event) => {
      mark(0);
      void this.files.add([...event.dataTransfer.files]);
      this.area.focus();
    });
  }
}
