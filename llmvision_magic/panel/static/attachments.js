// Files beside a prompt: images and texts, pasted, dropped or chosen.

import { icon, iconButton, make } from "./elements.js";

const MOST = 8;
const LARGEST = 10_000_000; // bytes, of all that goes with one prompt
const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export class Attachments {
  element = make("ul", { class: "lp-files", "aria-label": "Attached files", hidden: true });
  #files = [];
  #onChange;
  #onRefusal;

  constructor(onChange, onRefusal) {
    this.#onChange = onChange;
    this.#onRefusal = onRefusal;
  }

  get list() {
    return [...this.#files];
  }

  // Take files of the user's; what cannot be taken is said in one sentence.
  async add(files) {
    const refused = [];
    for (const file of files) {
      try {
        this.#checkRoom(file);
        const entry = await read(file);
        this.#checkRoom(file);
        this.#put(entry);
      } catch (error) {
        refused.push(`“${nameOf(file)}” was not attached: ${error.message}.`);
      }
    }
    if (refused.length) this.#onRefusal(refused.join(" "));
  }

  #checkRoom({ size }) {
    if (this.#files.length >= MOST) throw new Error(`up to ${MOST} files can be attached to one prompt`);
    const all = this.#files.reduce((sum, { bytes }) => sum + bytes.byteLength, size);
    if (size <= LARGEST && all > LARGEST) {
      throw new Error(`with it there would be ${sizeInWords(all)}, and up to ${sizeInWords(LARGEST)} go with one prompt`);
    }
  }

  // Give the files away, for a prompt that is being sent.
  takeAll() {
    const taken = this.#files;
    this.#files = [];
    this.element.replaceChildren();
    this.#changed();
    return taken;
  }

  putBack(entries) {
    for (const entry of entries) this.#put(entry);
  }

  // Remove the file of a chip's button; returns what should have the focus then, or null for the input.
  remove(button) {
    const chip = button.closest("li");
    const at = [...this.element.children].indexOf(chip);
    const [entry] = this.#files.splice(at, 1);
    if (entry?.picture) URL.revokeObjectURL(entry.picture);
    chip.remove();
    this.#changed();
    return this.element.children[Math.min(at, this.element.children.length - 1)]?.querySelector("button") ?? null;
  }

  close() {
    for (const { picture } of this.#files) if (picture) URL.revokeObjectURL(picture);
    this.#files = [];
  }

  #put(entry) {
    if (IMAGES.includes(entry.type)) entry.picture ??= URL.createObjectURL(new Blob([entry.bytes], { type: entry.type }));
    const shown = entry.picture ? make("img", { src: entry.picture, alt: "" }) : icon("file");
    const remove = iconButton("close", `Remove ${entry.name}`, "remove-file");
    const size = make("span", { class: "lp-size" }, sizeInWords(entry.bytes.byteLength));
    this.#files.push(entry);
    this.element.append(make("li", { class: "lp-file" }, shown, make("span", { class: "lp-name" }, entry.name), size, remove));
    this.#changed();
  }

  #changed() {
    this.element.hidden = this.#files.length === 0;
    this.#onChange();
  }
}

async function read(file) {
  const { size } = file;
  if (size > LARGEST) throw new Error(`it has ${sizeInWords(size)}, and a file may have up to ${sizeInWords(LARGEST)}`);
  const bytes = new Uint8Array(await file.arrayBuffer().catch(unreadable));
  const entry = { name: nameOf(file), bytes, type: file.type };
  if (IMAGES.includes(file.type)) return entry;
  if (file.type.startsWith("image/") || !isText(bytes)) {
    throw new Error("it is neither a text nor an image as PNG, JPEG, GIF or WebP");
  }
  return { ...entry, type: file.type.startsWith("text/") ? file.type : "text/plain" };
}

// Of a folder the browser says no more than that it could not be found.
function unreadable() {
  throw new Error("it cannot be read, as a folder cannot; drop the files in it");
}

function isText(bytes) {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function nameOf(file) {
  return file.name || (file.type.startsWith("image/") ? `image.${file.type.slice(6)}` : "text.txt");
}

export function sizeInWords(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const [number, unit] = bytes < 1_000_000 ? [bytes / 1000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${number < 10 ? Number(number.toFixed(1)) : Math.round(number)} ${unit}`;
}

// What a paste or a drop holds of files. Text copied from a sheet or a page often carries a picture of itself.
export function filesOf(transfer) {
  if (!transfer || transfer.types.includes("text/plain")) return [];
  return [...transfer.files];
}
