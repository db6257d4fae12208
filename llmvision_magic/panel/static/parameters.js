// Controls for one value each. `unset` is a state of its own: nothing is sent, and what holds instead is shown.

import { freshId, make, setText, wordButton } from "./elements.js";

// A value that may be set, with what it is called and how it is given.
export const PARAMETERS = [
  { name: "model", label: "Model", make: lineControl, list: true },
  { name: "system", label: "System prompt", make: textControl },
  { name: "temperature", label: "Temperature", make: sliderControl, low: 0, high: 1, step: 0.01 }, // see `high` of `Control.show`
  { name: "top_p", label: "Top p", make: sliderControl, low: 0, high: 1, step: 0.01 },
  { name: "max_tokens", label: "Longest reply, in tokens", make: wholeControl },
  { name: "presence_penalty", label: "Presence penalty", make: sliderControl, low: -2, high: 2, step: 0.1 },
  { name: "frequency_penalty", label: "Frequency penalty", make: sliderControl, low: -2, high: 2, step: 0.1 },
  { name: "stop", label: "Stop before", make: textsControl },
];

// The frame of a control: its name, where its value comes from, and the button that takes it back.
export class Control {
  element;
  #parts;
  #source = make("span", { class: "lp-source" });
  #unset;

  // `set` is called with a new value, null to take it back; it returns whether that was taken.
  constructor(parameter, set) {
    const id = freshId(parameter.name);
    this.#parts = parameter.make({ ...parameter, id }, set);
    this.#unset = wordButton("Unset", "unset");
    this.#unset.setAttribute("aria-label", `Unset ${parameter.label}`);
    this.#unset.addEventListener("click", () => {
      set(null);
      this.#parts.focus.focus();
    });
    const head = make("div", { class: "lp-control-head" }, make("label", { for: this.#parts.focus.id }, parameter.label), this.#unset);
    this.element = make("div", { class: "lp-control", "data-name": parameter.name }, head, this.#parts.element, this.#source);
  }

  // `effective` is what holds where the value is not set: {value, source}, with `high` where the server says how far it
  // goes; or null where nothing is known of it.
  show(value, effective) {
    const isSet = value !== null && value !== undefined;
    this.element.toggleAttribute("data-set", isSet);
    this.#unset.hidden = !isSet;
    setText(this.#source, isSet ? "set for this conversation" : inWords(effective));
    this.#parts.show(isSet ? value : null, effective?.value ?? null, effective?.high);
  }

  lock(locked) {
    for (const one of this.element.querySelectorAll("input, textarea, button")) one.disabled = locked;
  }
}

function inWords(effective) {
  const { value, source } = effective ?? {};
  if (value === null || value === undefined) return "not set";
  const shown = Array.isArray(value) ? value.map(escaped).join(", ") : String(value);
  return `not set · ${shown} ${source === "default" ? "by default" : `from ${source}`}`;
}

// A field whose value is taken when it is left, or with Enter. What is being typed is not overwritten from outside.
function field(input, set, parse, format) {
  let shown = "";
  const commit = () => {
    if (input.value === shown && !input.validity.badInput) return;
    const value = parse(input);
    const before = shown;
    shown = input.value;
    if (!set(value)) shown = before;
  };
  input.addEventListener("change", commit);
  // What is no number is no change for the browser, which has no value for it.
  const check = () => input.validity.badInput && commit();
  input.addEventListener("blur", check);
  input.addEventListener("keydown", ({ key }) => key === "Enter" && check());
  return (value) => {
    const text = value === null ? "" : format(value);
    const isTyping = input.getRootNode().activeElement === input && input.value !== shown;
    shown = text;
    if (!isTyping && input.value !== text) input.value = text;
  };
}

function lineControl({ id, list }, set) {
  const names = list ? make("datalist", { id: freshId("models") }) : null;
  const input = make("input", { id, type: "text", class: "lp-field", list: names?.id, autocomplete: "off", spellcheck: "false" });
  const fill = field(input, set, ({ value }) => value.trim() || null, String);
  const show = (value, otherwise) => {
    fill(value);
    input.placeholder = otherwise === null ? "" : String(otherwise);
  };
  return { element: make("div", {}, input, names), focus: input, show };
}

function textControl({ id }, set) {
  const area = make("textarea", { id, class: "lp-field", rows: "3" });
  return { element: area, focus: area, show: field(area, set, ({ value }) => (value.trim() ? value : null), String) };
}

function number(input) {
  if (input.validity.badInput) return Number.NaN;
  return input.value === "" ? null : Number(input.value);
}

function wholeControl({ id }, set) {
  const input = make("input", { id, type: "number", class: "lp-field", min: "1", step: "1" });
  const fill = field(input, set, number, String);
  const show = (value, otherwise) => {
    fill(value);
    input.placeholder = otherwise === null ? "" : String(otherwise);
  };
  return { element: input, focus: input, show };
}

function sliderControl({ id, label, low, high, step }, set) {
  const slider = make("input", { id, type: "range", class: "lp-slider", min: low, max: high, step });
  const input = make("input", { type: "number", class: "lp-field lp-number", min: low, max: high, step: "any", "aria-label": `${label}, as a number` });
  const fill = field(input, set, number, String);
  slider.addEventListener("input", () => {
    input.value = slider.value;
    slider.setAttribute("aria-valuetext", slider.value);
  });
  slider.addEventListener("change", () => set(Number(slider.value)));
  const show = (value, otherwise, most = high) => {
    slider.max = input.max = String(most);
    fill(value);
    input.placeholder = otherwise === null ? "–" : String(otherwise);
    const place = value ?? otherwise ?? (low + most) / 2;
    slider.value = String(place);
    slider.setAttribute("aria-valuetext", value === null ? `not set${otherwise === null ? "" : `, ${otherwise}`}` : String(value));
  };
  return { element: make("div", { class: "lp-sliding" }, slider, input), focus: slider, show };
}

// Up to four texts, one a line; a line end within one is written \n.
function textsControl({ id }, set) {
  const area = make("textarea", { id, class: "lp-field", rows: "2", placeholder: "one a line, up to 4; \\n is a line end", spellcheck: "false" });
  const parse = ({ value }) => {
    const texts = value.split("\n").filter((line) => line !== "").map(unescaped);
    return texts.length ? texts : null;
  };
  return { element: area, focus: area, show: field(area, set, parse, (texts) => texts.map(escaped).join("\n")) };
}

function escaped(text) {
  return String(text).replace(/[\\\n\t]/g, (sign) => ({ "\\": "\\\\", "\n": "\\n", "\t": "\\t" })[sign]);
}

function unescaped(text) {
  return text.replace(/\\(.)/g, (all, sign) => ({ n: "\n", t: "\t", "\\": "\\" })[sign] ?? all);
}
