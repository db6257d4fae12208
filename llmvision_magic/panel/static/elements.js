// Small helpers for elements. Text is always put in as text; only `safely` takes HTML, and only the kernel's own.

const SVG = "http://www.w3.org/2000/svg";

// Lines on a grid of 16 by 16.
const ICONS = {
  add: "M8 3v10M3 8h10",
  attach: "M13 7.5 8.2 12.3a3 3 0 0 1-4.3-4.3l5-5a2 2 0 0 1 2.9 2.9l-5 5a1 1 0 0 1-1.5-1.4l4.4-4.4",
  back: "M9.5 4 5.5 8l4 4",
  check: "M3.5 8.5 6.5 11.5 12.5 4.5",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M6 5.5h7v8H6zM10.5 5.5v-3h-7v8H6",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
  drop: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.7 7v4M9.3 7v4",
  edit: "M3 13l.6-2.8 7-7 2.2 2.2-7 7zM9.3 4.5l2.2 2.2",
  file: "M4 2.5h5l3 3v8H4zM9 2.5v3h3",
  forward: "M6.5 4l4 4-4 4",
  insert: "M2.5 9.5h11v4h-11zM8 2v5M5.5 4.5h5",
  leave: "M2.5 8h11M4.5 3.5h7M4.5 12.5h7",
  more: "M3.5 4l4 4-4 4M8.5 4l4 4-4 4",
  open: "M5 6.5l3 3 3-3",
  retry: "M12.8 9.5A5 5 0 1 1 12.3 5.5M12.6 2.5v3.2h-3.2",
  send: "M8 13V3.5M4 7.5l4-4 4 4",
  settings: "M2.5 5h6M11.5 5h2M2.5 11h2M7.5 11h6M8.5 5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0M4.5 11a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0",
  take: "M8 3.5v9M3.5 8h9",
};

let made = 0;

// An id that no other element of the page has.
export function freshId(word) {
  made += 1;
  return `llmvm-${word}-${made}-${Math.random().toString(36).slice(2, 8)}`;
}

// An element with attributes; null and false leave one out, true sets it empty.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  drawing.setAttribute("focusable", "false");
  drawing.setAttribute("class", "lp-icon");
  if (name === "stop") {
    const square = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ x: 4, y: 4, width: 8, height: 8, rx: 1.5 })) square.setAttribute(key, value);
    square.setAttribute("class", "lp-filled");
    drawing.append(square);
    return drawing;
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

// A quiet button with an icon; its words are its name and its tooltip. `action` is what a click on it asks for.
export function iconButton(name, words, action) {
  return make("button", { type: "button", class: "lp-button", title: words, "aria-label": words, "data-do": action }, icon(name));
}

export function wordButton(words, action, name = null) {
  return make("button", { type: "button", class: "lp-button lp-worded", "data-do": action }, name && icon(name), words);
}

// HTML of the kernel's renderer, in an element that its style knows.
export function safely(html, joined = false) {
  const element = make("div", { class: joined ? "llmvm llmvm-on" : "llmvm" });
  element.innerHTML = html;
  return element;
}

// Set a text only where it changes, so that nothing that reads along is told twice.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const TYPED = 10_000; // characters; browsers type long texts slowly

// Put a text in place of what stands between two places of a textarea, as if it were typed: it can be undone. A browser
// without that command, or one that has the focus elsewhere, just gets the text.
export function typeInto(area, text, from = 0, to = area.value.length) {
  const isHeld = area.getRootNode().activeElement === area;
  if (isHeld) area.setSelectionRange(from, to);
  const canType = isHeld && text.length + to - from <= TYPED;
  if (canType && document.execCommand(text ? "insertText" : "delete", false, text)) return;
  area.setRangeText(text, from, to, "end");
}

// A textarea that is as high as its text, or as its placeholder. The text stands in an unseen copy below it, which gives the height: nothing
// is measured, so nothing jumps. The bound is in the style.
export function growing(textarea) {
  const frame = make("div", { class: "lp-growing" }, textarea);
  const fit = () => {
    frame.dataset.text = `${textarea.value || textarea.placeholder}\n`;
  };
  textarea.rows = 1;
  textarea.addEventListener("input", fit);
  fit();
  return { frame, fit };
}
