// Copying, also where the page may not use the clipboard's own interface (a server without TLS).

// Copy a text, or one that is promised: the permission of the click lasts only a moment, the promise keeps it.
export async function copyText(text) {
  const promised = Promise.resolve(text);
  if (typeof text !== "string" && navigator.clipboard?.write && typeof ClipboardItem === "function") {
    try {
      const blob = promised.then((words) => new Blob([words], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      return true;
    } catch {
      // Some browsers want the text itself.
    }
  }
  const words = await promised;
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return copyBySelection(words);
  }
}

function copyBySelection(words) {
  const held = document.activeElement;
  const area = document.createElement("textarea");
  area.value = words;
  area.style.cssText = "position:fixed;opacity:0";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    held?.focus?.({ preventScroll: true });
  }
}
