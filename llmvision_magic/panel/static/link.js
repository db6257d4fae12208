// The way to the kernel. Each message has a key, and the kernel answers it; while a cell runs, that may take long.

import { sizeInWords } from "./attachments.js";

// Bytes of a message. A Jupyter server closes a connection on which more than 10 MiB come at once, and sending it again
// would close the next one.
const LARGEST_MESSAGE = 10_400_000;
const PATIENCE = 300; // milliseconds after which one says that the kernel is not there yet

export class KernelLink {
  #model;
  #prefix = `${Math.random().toString(36).slice(2, 10)}-`;
  #count = 0;
  #open = new Map();
  gone = false;
  // Called when a message begins or ceases to wait for longer than a moment.
  onPatience = () => {};

  constructor(model) {
    this.#model = model;
  }

  // Send a message. The promise ends with the kernel's answer, or fails with its sentence;
  // `braces` of the error says that double braces are the matter, which `raw` of a message would send as text.
  // `answer` names the kind of message that is the answer where "done" is not.
  tell(message, { buffers = [], answer = "done" } = {}) {
    if (this.gone) return Promise.reject(new Error("The kernel is gone."));
    const size = sizeOf(message, buffers);
    if (size > LARGEST_MESSAGE) {
      return Promise.reject(new Error(`This has ${sizeInWords(size)}; up to 10 MB go with one prompt. Leave some of it out.`));
    }
    const key = message.key ?? this.freshKey();
    const isOfConversation = message.do === "ask" || "turn" in message;
    if (isOfConversation) message = { ...message, conversation: this.#model.get("conversation") };
    const promise = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#become(key, true), PATIENCE);
      this.#open.set(key, { message, buffers, answer, resolve, reject, timer, slow: false });
    });
    this.#send(key);
    return promise;
  }

  // Send again what has no answer yet: it may have been lost. The kernel does what it knows by its key only once.
  sendAgain() {
    for (const key of this.#open.keys()) this.#send(key);
  }

  // Send a message that has no answer of its own.
  note(message) {
    if (!this.gone) this.#model.send({ ...message, key: this.freshKey() }, undefined, []);
  }

  freshKey() {
    this.#count += 1;
    return this.#prefix + this.#count;
  }

  // Whether a message of that kind (or of any) has waited for longer than a moment.
  isSlow(what = null) {
    for (const { message, slow } of this.#open.values()) if (slow && (what === null || message.do === what)) return true;
    return false;
  }

  isKeySlow(key) {
    return this.#open.get(key)?.slow ?? false;
  }

  isOpen(what) {
    for (const { message } of this.#open.values()) if (message.do === what) return true;
    return false;
  }

  // Take an answer. Returns a sentence that nobody here asked for but that concerns everybody, or "".
  hear(message) {
    if (message.kind === "sorry") {
      const entry = this.#open.get(message.key);
      if (!entry) return message.key ? "" : String(message.text ?? "");
      this.#close(message.key);
      entry.reject(Object.assign(new Error(String(message.text ?? "")), { braces: Boolean(message.braces) }));
      return "";
    }
    for (const [key, entry] of this.#open) {
      if (!isAnswer(message, key, entry)) continue;
      // What was asked for follows its "done", or comes instead of it.
      if (message.kind === "done" && entry.answer !== "done") {
        this.#become(key, false);
        clearTimeout(entry.timer);
        return "";
      }
      this.#close(key);
      entry.resolve(message);
    }
    return "";
  }

  // What was asked for with such messages has happened.
  settle(what) {
    for (const [key, entry] of [...this.#open]) {
      if (entry.message.do !== what) continue;
      this.#close(key);
      entry.resolve({});
    }
  }

  // No answer will come any more.
  lose(sentence) {
    this.gone = true;
    for (const [key, entry] of [...this.#open]) {
      this.#close(key);
      entry.reject(new Error(sentence));
    }
  }

  close() {
    this.gone = true;
    for (const { timer } of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
    this.onPatience = () => {};
  }

  #send(key) {
    const { message, buffers } = this.#open.get(key);
    this.#model.send({ ...message, key }, undefined, buffers);
  }

  #become(key, slow) {
    const entry = this.#open.get(key);
    if (!entry || entry.slow === slow) return;
    entry.slow = slow;
    this.onPatience();
  }

  #close(key) {
    const entry = this.#open.get(key);
    clearTimeout(entry.timer);
    this.#open.delete(key);
    if (entry.slow) this.onPatience();
  }
}

function sizeOf(message, buffers) {
  const text = new TextEncoder().encode(JSON.stringify(message));
  return buffers.reduce((sum, { byteLength }) => sum + byteLength, text.byteLength);
}

// Whether a message answers what was sent with that key. Not every answer carries it.
function isAnswer(message, key, { message: sent, answer }) {
  if (message.kind !== answer && message.kind !== "done") return false;
  if (message.key !== undefined) return message.key === key;
  return message.turn === sent.turn && (message.before ?? null) === (sent.before ?? null);
}
