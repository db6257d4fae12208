// The head: which conversation is shown, and what can be done with conversations.

import { freshId, icon, iconButton, make, setText, wordButton } from "./elements.js";

export class ConversationsHead {
  element;
  settings;
  #model;
  #link;
  #refuse;
  #select;
  #bar;
  #asking = null;
  #renames = false;
  #about = ""; // the conversation that is asked about; a cell may show another meanwhile

  // `drawer` is the element that the settings button opens.
  constructor(model, link, refuse, drawer) {
    this.#model = model;
    this.#link = link;
    this.#refuse = refuse;
    const id = freshId("conversation");
    this.#select = make("select", { id, class: "lp-select", "aria-label": "Conversation" });
    this.#select.addEventListener("change", () => this.#use());
    this.settings = iconButton("settings", "Settings", "settings");
    this.settings.setAttribute("aria-expanded", "false");
    this.settings.setAttribute("aria-controls", drawer.id);
    const choice = make("span", { class: "lp-choose" }, this.#select, icon("open"));
    const tools = [
      iconButton("add", "New conversation", "new-conversation"),
      iconButton("edit", "Rename this conversation", "ask-rename"),
      iconButton("drop", "Drop this conversation", "ask-drop"),
    ];
    this.#bar = make("div", { class: "lp-bar" }, choice, ...tools, make("span", { class: "lp-space" }), this.settings);
    this.element = make("div", { class: "lp-head" }, this.#bar);
    this.show();
  }

  show() {
    const shown = this.#model.get("conversation") ?? "";
    const known = this.#model.get("conversations") ?? [];
    const all = known.some(({ name }) => name === shown) ? known : [...known, { name: shown, turns: 0 }];
    const options = [...this.#select.options];
    all.forEach(({ name, turns }, index) => {
      const option = options[index] ?? this.#select.appendChild(make("option"));
      if (option.value !== name) option.value = name;
      setText(option, turns ? `${name} (${turns})` : name);
    });
    for (const option of options.slice(all.length)) option.remove();
    this.#select.value = shown;
  }

  lock(gone) {
    for (const control of this.#bar.querySelectorAll("select, button")) control.disabled = gone;
    if (gone) this.#endAsking();
  }

  // Do what a button here is for; returns whether it is one of this head.
  run(action) {
    const doing = {
      "new-conversation": () => this.#tell({ do: "new", name: "" }),
      "ask-rename": () => this.#askRename(),
      "ask-drop": () => this.#askDrop(),
      rename: () => void this.#rename(),
      drop: () => void this.#drop(),
      "end-asking": () => this.#endAsking(),
    };
    if (!(action in doing)) return false;
    doing[action]();
    return true;
  }

  // Keys in the field for a new name. Returns whether the key was for it.
  press(event) {
    if (!this.#asking?.contains(event.target)) return false;
    if (event.key === "Escape") this.#endAsking();
    else if (event.key === "Enter" && event.target.tagName === "INPUT") void this.#rename();
    else return false;
    return true;
  }

  get #name() {
    return this.#model.get("conversation") ?? "";
  }

  #use() {
    const name = this.#select.value;
    if (name !== this.#name) this.#tell({ do: "use", name });
  }

  async #tell(message) {
    try {
      await this.#link.tell(message);
      this.#refuse("");
      return true;
    } catch (error) {
      this.#refuse(error.message);
      return false;
    } finally {
      this.show();
    }
  }

  #askRename() {
    const field = make("input", { type: "text", class: "lp-field", "aria-label": "New name of the conversation", maxlength: "200" });
    field.value = this.#name;
    this.#ask("Rename conversation", null, field, wordButton("Rename", "rename"), wordButton("Cancel", "end-asking"));
    field.focus();
    field.select();
  }

  async #rename() {
    const to = this.#asking.querySelector("input").value.trim();
    const name = this.#about;
    if (to === name || to === "") {
      this.#endAsking();
      return;
    }
    if (this.#renames) return; // a double click
    this.#renames = true;
    if (await this.#tell({ do: "rename", name, to })) this.#endAsking();
    this.#renames = false;
  }

  #askDrop() {
    const turns = (this.#model.get("conversations") ?? []).find(({ name }) => name === this.#name)?.turns ?? 0;
    const words = `Drop “${this.#name}”${turns === 0 ? "" : turns === 1 ? " with its turn" : ` with its ${turns} turns`}? It cannot be taken back.`;
    const keep = wordButton("Keep", "end-asking");
    this.#ask("Drop conversation", words, wordButton("Drop", "drop"), keep);
    keep.focus();
  }

  async #drop() {
    const name = this.#about;
    this.#endAsking();
    await this.#tell({ do: "drop", name });
  }

  // One question at a time, below the bar.
  #ask(label, words, ...controls) {
    this.#asking?.remove();
    this.#about = this.#name;
    const id = freshId("question");
    this.#asking = make("div", { class: "lp-asking", role: "group", "aria-label": label }, words && make("p", { id }, words), ...controls);
    controls.find((one) => one.tagName === "BUTTON").classList.add("lp-first");
    if (words) controls.at(-1).setAttribute("aria-describedby", id);
    this.element.append(this.#asking);
  }

  #endAsking() {
    if (!this.#asking) return;
    const held = this.#asking.contains(document.activeElement);
    this.#asking.remove();
    this.#asking = null;
    if (held) this.#select.focus();
  }
}
