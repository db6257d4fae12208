// The drawer with the conversation's settings. The widget's traits hold them, here and in the kernel.

import { freshId, iconButton, make } from "./elements.js";
import { Control, PARAMETERS } from "./parameters.js";

const MOST_CHARACTERS = 1_000_000; // of a text; much more would cut the connection

export const SETTING_TRAITS = [...PARAMETERS.map(({ name }) => name), "effective", "models"];

export class SettingsDrawer {
  element;
  #model;
  #controls = new Map();
  #askModels;
  #refuse;
  #asked = false;

  constructor(model, askModels, refuse) {
    this.#model = model;
    this.#askModels = askModels;
    this.#refuse = refuse;
    for (const parameter of PARAMETERS) this.#controls.set(parameter.name, new Control(parameter, (value) => this.#set(parameter.name, value)));
    const close = iconButton("close", "Close settings", "settings");
    const head = make("div", { class: "lp-drawer-head" }, make("span", { class: "lp-drawer-title" }, "Settings"), close);
    const controls = [...this.#controls.values()].map(({ element }) => element);
    const attributes = { class: "lp-drawer", id: freshId("settings"), role: "region", "aria-label": "Settings of this conversation", hidden: true };
    this.element = make("div", attributes, head, make("div", { class: "lp-controls" }, ...controls));
    this.show();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle(open) {
    this.element.hidden = !open;
    if (!open || this.#asked) return;
    this.#asked = true;
    this.#askModels();
  }

  // Show what holds; only what has changed is touched.
  show() {
    const effective = this.#model.get("effective") ?? {};
    for (const [name, control] of this.#controls) control.show(this.#model.get(name) ?? null, effective[name] ?? null);
    const names = this.#model.get("models") ?? [];
    const list = this.element.querySelector("datalist");
    if ([...list.options].map(({ value }) => value).join("\n") === names.join("\n")) return;
    list.replaceChildren(...names.map((name) => make("option", { value: name })));
  }

  lock(locked) {
    for (const control of this.#controls.values()) control.lock(locked);
  }

  // Returns whether the value was taken.
  #set(name, value) {
    if (Number.isNaN(value)) {
      this.#refuse("A number was expected; nothing was changed.");
      return false;
    }
    if (typeof value === "string" && value.length > MOST_CHARACTERS) {
      const [most, got] = [MOST_CHARACTERS, value.length].map((count) => count.toLocaleString("en"));
      this.#refuse(`This may have up to ${most} characters, got ${got}; nothing was changed.`);
      return false;
    }
    this.#refuse("");
    this.#model.set(name, value);
    this.#model.save_changes();
    this.show();
    return true;
  }
}
