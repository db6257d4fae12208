// A widget's model as a front end gets it, with a kernel of the test's own behind it: what the page asks for is kept in
// `sent`; `show` is answered from `turns`, anything else as the test says.

class Kernel {
  constructor(traits, turns) {
    this.traits = traits;
    this.turns = turns;
    this.sent = [];
    this.written = [];
    this.listeners = [];
    this.isFree = true;
    this.held = [];
    this.answers = {};
    this.parts = {}; // by turn: the messages of its reply so far
    this.isAway = false; // what is said does not reach the page
    this.comm_live = true;
    this.liveListeners = new Set();
    this.connectionListeners = new Set();
    this.insertedCells = [];
    this.hasNotebook = true;
    this.saved = 0;
    this.manager = this.makeManager();
  }

  makeManager() {
    const kernel = this;
    const own = {
      get comm_live() {
        return kernel.comm_live;
      },
      on: (type, act) => kernel.liveListeners.add(act),
      off: (type, act) => kernel.liveListeners.delete(act),
    };
    const cells = { length: 3, get: (index) => ({ outputs: { length: 0 }, sharedModel: { getSource: () => `cell ${index}` } }) };
    const sharedModel = {
      cells: [1, 2, 3],
      insertCell: (index, cell) => kernel.insertedCells.push({ index, ...cell }),
    };
    return {
      get_model: async () => own,
      get context() {
        const sessionContext = {
          connectionStatusChanged: {
            connect: (act) => kernel.connectionListeners.add(act),
            disconnect: (act) => kernel.connectionListeners.delete(act),
          },
        };
        const save = async () => (kernel.saved += 1);
        return kernel.hasNotebook ? { model: { sharedModel, cells }, sessionContext, save } : undefined;
      },
    };
  }

  // The model of one view, as anywidget makes one for each.
  model() {
    const kernel = this;
    return {
      get: (name) => kernel.traits[name],
      set(name, value) {
        kernel.pending = { ...kernel.pending, [name]: value };
        kernel.change(name, value);
      },
      save_changes() {
        kernel.written.push(kernel.pending ?? {});
        kernel.pending = {};
      },
      on: (type, act) => kernel.listeners.push([type, act]),
      off(type, act) {
        kernel.listeners = kernel.listeners.filter(([one, other]) => one !== type || other !== act);
      },
      send(message, callbacks, buffers) {
        kernel.take(structuredClone(message), buffers ?? []);
      },
      widget_manager: kernel.manager,
    };
  }

  take(message, buffers) {
    this.sent.push({ ...message, buffers: buffers.map((one) => one.byteLength) });
    if (!this.isFree && message.do !== "show") {
      this.held.push(message);
      return;
    }
    queueMicrotask(() => this.answer(message));
  }

  answer(message) {
    if (message.do === "show") this.page(message.before, message.count);
    const answer = this.answers[message.do];
    if (answer === undefined) return;
    for (const one of answer) this.say({ ...one, ...("key" in one ? { key: message.key } : {}), ...("turn" in one && one.turn === null ? { turn: message.turn } : {}) });
  }

  free() {
    this.isFree = true;
    for (const message of this.held.splice(0)) this.answer(message);
  }

  page(before, count) {
    const at = before === null ? this.turns.length : this.turns.findIndex(({ id }) => id === before);
    const from = Math.max(0, at - count);
    const { conversation } = this.traits;
    const turns = this.turns.slice(from, at).map((data) => this.numbered(data));
    this.say({ kind: "turns", conversation, before, turns, more: from > 0, total: this.turns.length });
  }

  say(message) {
    if (this.isAway) return;
    for (const [type, act] of [...this.listeners]) if (type === "msg:custom") act(structuredClone(message), []);
  }

  // A trait changes, on either side.
  change(name, value) {
    this.traits[name] = value;
    for (const [type, act] of [...this.listeners]) if (type === `change:${name}`) act();
  }

  turn(data) {
    const at = this.turns.findIndex(({ id }) => id === data.id);
    if (at < 0) this.turns.push(data);
    else this.turns[at] = data;
    this.say({ kind: "turn", conversation: this.traits.conversation, turn: this.numbered(data) });
  }

  numbered(data) {
    return { parts: this.parts[data.id] ?? 0, ...data };
  }

  more(turn, at, blocks, tail = null, line = "") {
    const part = (this.parts[turn] = (this.parts[turn] ?? 0) + 1);
    this.say({ kind: "more", conversation: this.traits.conversation, turn, part, at, blocks, tail, line });
  }

  die() {
    this.comm_live = false;
    for (const act of [...this.liveListeners]) act();
  }
}

// Show the panel in an element, as anywidget does; returns a function that takes it away.
async function showPanel(kernel, widget, el) {
  const model = kernel.model();
  await widget.initialize?.({ model });
  return widget.render({ model, el });
}
