// What can be done with a turn that is there.

import { copyText } from "./clipboard.js";
import { icon } from "./elements.js";
import { codeBeside } from "./reply.js";

const SHOWN = 1600; // milliseconds for which a button says that it has done its work

export class TurnActions {
  #link;
  #transcript;
  #notebook;
  #say;
  #refuse;
  #timers = new Set();
  #signal;

  constructor({ link, transcript, notebook, say, refuse, signal }) {
    this.#link = link;
    this.#transcript = transcript;
    this.#notebook = notebook;
    this.#say = say;
    this.#refuse = refuse;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#timers.forEach(clearTimeout));
  }

  // Do what a button of a turn is for; a sentence says why it could not be done.
  async run(action, button) {
    const turn = this.#turnOf(button);
    if (!turn || !(action in this.#doing)) return;
    this.#refuse("");
    try {
      await this.#doing[action](turn, button);
    } catch (error) {
      this.#refuse(error.message);
    }
  }

  #doing = {
    retry: ({ id }) => this.#link.tell({ do: "retry", turn: id }),
    continue: ({ id }) => this.#link.tell({ do: "continue", turn: id }),
    exclude: ({ id, data }) => this.#link.tell({ do: "exclude", turn: id, excluded: !data.excluded }),
    left: (turn) => this.#branch(turn, -1),
    right: (turn) => this.#branch(turn, 1),
    copy: async ({ id }, button) => {
      const text = this.#link.tell({ do: "text", turn: id }, { answer: "text" }).then((answer) => answer.text);
      await this.#copy(text, button, "The reply was copied.");
    },
    "copy-code": (turn, button) => {
      this.#assertShown(turn, button);
      return this.#copy(codeBeside(button), button, "The code was copied.");
    },
    "insert-code": async (turn, button) => {
      this.#assertShown(turn, button);
      if (this.#notebook.insertCell(codeBeside(button))) {
        this.#done(button, "The code is in a new cell.");
        return;
      }
      await this.#copy(codeBeside(button), button, "Cells cannot be added from here: the code was copied instead.");
      this.#refuse("Cells cannot be added from here: the code was copied instead.");
    },
    edit: async (turn) => {
      const source = await this.#link.tell({ do: "source", turn: turn.id }, { answer: "source" });
      this.#transcript.change(() => turn.edit(source));
    },
    "edit-send": (turn) => this.#sendEdit(turn),
    "edit-send-raw": (turn) => this.#sendEdit(turn, { raw: true }),
    "edit-leave": (turn) => this.#transcript.change(() => turn.endEdit()),
  };

  // Of a very long reply the beginning is shown, and its last code may be cut there.
  #assertShown(turn, button) {
    if (turn.data.shortened && turn.reply.isLast(button)) throw new Error("Only the beginning of this code is shown; “Copy the reply” has all of it.");
  }

  sendEdit(area) {
    void this.run("edit-send", area);
  }

  leaveEdit(area) {
    void this.run("edit-leave", area);
  }

  #turnOf(element) {
    return this.#transcript.turn(element.closest("[data-turn]")?.dataset.turn);
  }

  #branch(turn, step) {
    const sibling = turn.sibling(step);
    return sibling === null ? null : this.#link.tell({ do: "branch", turn: sibling });
  }

  async #sendEdit(turn, options = {}) {
    const text = turn.edited;
    if (turn.isHeld || text === null || (text.trim() === "" && !turn.hasMore)) return;
    this.#transcript.change(() => turn.holdEdit(true));
    try {
      await this.#link.tell({ do: "edit", turn: turn.id, text, ...options });
      this.#transcript.change(() => turn.endEdit());
    } catch (error) {
      this.#transcript.change(() => turn.holdEdit(false, error.message, error.braces));
    }
  }

  async #copy(text, button, words) {
    if (await copyText(text)) this.#done(button, words);
    else this.#refuse("The browser does not let this page copy; select the text and copy it with the keyboard.");
  }

  #done(button, words) {
    if (this.#signal.aborted) return; // copying takes a moment
    this.#say(words);
    if (button.dataset.done !== undefined) return;
    button.dataset.done = "";
    const drawing = button.querySelector("svg");
    const check = icon("check");
    drawing?.replaceWith(check);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      delete button.dataset.done;
      if (drawing) check.replaceWith(drawing);
    }, SHOWN);
    this.#timers.add(timer);
  }
}
