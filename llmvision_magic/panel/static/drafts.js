// What was typed and not sent when its panel went: the notebook's next panel has it, as when the cell is run again.

const DRAFTS = Symbol.for("llmvision_magic.drafts"); // each panel has a module of its own, and all have this

export function keepDraft({ widget_manager: notebook }, { text, files, raw }) {
  if (!notebook) return;
  globalThis[DRAFTS] ??= new WeakMap();
  globalThis[DRAFTS].set(notebook, { text, raw, files: files.map(({ name, bytes, type }) => ({ name, bytes, type })) });
}

export function takeDraft({ widget_manager: notebook }) {
  const draft = notebook && globalThis[DRAFTS]?.get(notebook);
  if (draft) globalThis[DRAFTS].delete(notebook);
  return draft;
}
