// The notebook around the panel, as far as the page gives access to it: JupyterLab and Notebook 7 do, others do not.

const WIDGET = "application/vnd.jupyter.widget-view+json";

export class NotebookAround {
  #model;
  #root;

  constructor(model, root) {
    this.#model = model;
    this.#root = root;
  }

  // Put code into a new cell: below the cell of this panel, or below the active one where the panel stands elsewhere.
  // Returns false where the page knows no notebook.
  insertCell(code) {
    const context = this.#context();
    const shared = context?.model?.sharedModel;
    if (typeof shared?.insertCell !== "function") return false;
    const above = this.#ownCell(context) ?? this.#activeCell(context) ?? shared.cells.length - 1;
    shared.insertCell(above + 1, { cell_type: "code", source: code, metadata: {}, outputs: [], execution_count: null });
    return true;
  }

  // Save the notebook, as its own shortcut would if it reached it from here.
  save() {
    void Promise.resolve(this.#context()?.save?.()).catch(() => {});
  }

  #context() {
    try {
      return this.#model.widget_manager?.context ?? null;
    } catch {
      return null;
    }
  }

  // Index of the cell in whose output this view stands.
  #ownCell(context) {
    const cell = this.#root.closest(".jp-Cell");
    if (!cell) return null;
    const shown = indexShown(cell);
    if (shown !== null) return shown;
    const cells = context.model.cells;
    const id = this.#model.get("panel_id");
    for (let index = 0; index < (cells?.length ?? 0); index += 1) {
      const outputs = cells.get(index).outputs;
      for (let one = 0; one < (outputs?.length ?? 0); one += 1) {
        if (outputs.get(one).data?.[WIDGET]?.model_id === id) return index;
      }
    }
    return null;
  }

  // Index of the active cell of the notebook that is this panel's, as the page shows it.
  #activeCell(context) {
    const count = context.model.cells?.length ?? 0;
    for (const notebook of document.querySelectorAll(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")) {
      const active = notebook.querySelector(".jp-Cell.jp-mod-active");
      const index = active && indexShown(active);
      if (index === null || index >= count) continue;
      const source = context.model.cells.get(index)?.sharedModel?.getSource?.();
      const lines = [...active.querySelectorAll(".cm-line")].map((line) => line.textContent);
      // Where the text can be compared, another notebook that lies beside this one is not taken for it.
      if (source === undefined || lines.length === 0 || source.startsWith(lines[0])) return index;
    }
    return null;
  }
}

// The place of a cell among all cells: long notebooks keep only some in the page, and note it on each.
function indexShown(cell) {
  const noted = Number.parseInt(cell.dataset.windowedListIndex ?? "", 10);
  if (Number.isInteger(noted)) return noted;
  const notebook = cell.closest(".jp-Notebook");
  if (!notebook) return null;
  const index = [...notebook.querySelectorAll(".jp-Cell")].indexOf(cell);
  return index < 0 ? null : index;
}

// Tell `onGone` once when the kernel of this widget can no longer be reached, and `onBack` each time the connection to
// it is there again after it was away. Returns a function that ends the watch.
export function watchKernel(model, onGone, onBack) {
  let ended = false;
  const undo = [];
  const gone = () => {
    if (!ended) onGone();
  };
  const watch = async () => {
    const id = model.get("panel_id");
    const own = id ? await model.widget_manager?.get_model?.(id) : null;
    if (ended || !own) return;
    if (own.comm_live === false) {
      gone();
      return;
    }
    const check = () => own.comm_live === false && gone();
    own.on?.("comm_live_update", check);
    undo.push(() => own.off?.("comm_live_update", check));
  };
  watch().catch(() => {}); // without access to it, a comm that closes is all that can be known
  const closed = () => gone();
  model.on("comm:close", closed);
  undo.push(() => model.off("comm:close", closed));
  const session = kernelSession(model);
  if (session?.statusChanged?.connect) {
    const changed = (_, status) => {
      if (["dead", "autorestarting", "restarting", "terminating"].includes(status)) gone();
    };
    session.statusChanged.connect(changed);
    undo.push(() => session.statusChanged.disconnect(changed));
  }
  if (session?.kernelChanged?.connect) {
    let id = session.session?.kernel?.id ?? null; // null while the page still looks for it
    const changed = (_, { newValue }) => {
      if (id !== null && newValue?.id !== id) gone();
      id ??= newValue?.id ?? null;
    };
    session.kernelChanged.connect(changed);
    undo.push(() => session.kernelChanged.disconnect(changed));
  }
  if (session?.connectionStatusChanged?.connect) {
    let away = false;
    const changed = (_, status) => {
      if (away && status === "connected") onBack();
      away = status !== "connected";
    };
    session.connectionStatusChanged.connect(changed);
    undo.push(() => session.connectionStatusChanged.disconnect(changed));
  }
  return () => {
    ended = true;
    for (const one of undo) one();
  };
}

function kernelSession(model) {
  try {
    return model.widget_manager?.context?.sessionContext ?? null;
  } catch {
    return null;
  }
}
