// What an empty conversation shows: how to begin.

import { make } from "./elements.js";

// The text, and the part of it that is to be replaced.
const EXAMPLES = [
  ["Explain list comprehensions with one example.", ""],
  ["Write a function that plots two columns of a DataFrame against each other.", ""],
  ["What stands out in {{name}}?", "name"],
];

export function welcomePart() {
  const list = make("ul", { class: "lp-examples" });
  for (const [text, marked] of EXAMPLES) {
    const button = make("button", { type: "button", class: "lp-example", "data-do": "example", "data-marked": marked }, text);
    list.append(make("li", {}, button));
  }
  const words = make("p", { class: "lp-welcome-words" }, "What is asked here and what is asked in ", make("code", {}, "%%chat"), " cells is one conversation.");
  return make("div", { class: "lp-welcome" }, make("p", { class: "lp-welcome-title" }, "Ask about your notebook"), words, list);
}
