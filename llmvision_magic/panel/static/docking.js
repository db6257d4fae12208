// Beside a notebook the panel fills its place; in a cell it has a height of its own.

const PLACES = ".jupyterlab-sidecar, .jp-LinkedOutputView, .lm-DockPanel-widget, .lm-StackedPanel-child";
const CELL = ".jp-Cell, .jp-CodeConsole-content";

// Keep the panel as high as the place it stands in, if it stands in one.
export function fillPlace(root, signal) {
  let place = null;
  const fit = () => {
    if (!place || place.clientHeight === 0) return;
    const above = root.getBoundingClientRect().top - place.getBoundingClientRect().top + place.scrollTop;
    const height = Math.max(200, Math.floor(place.clientHeight - Math.max(0, above) - margin(root, place)));
    if (root.style.height !== `${height}px`) root.style.height = `${height}px`;
  };
  const observer = new ResizeObserver(() => {
    // Only once it is in the page can it be seen where.
    const found = root.closest(CELL) ? null : root.closest(PLACES);
    if (found !== place) {
      if (place) observer.unobserve(place);
      place = found;
      root.toggleAttribute("data-docked", place !== null);
      if (!place) root.style.height = "";
      else observer.observe(place);
    }
    fit();
  });
  observer.observe(root);
  signal.addEventListener("abort", () => observer.disconnect());
}

// What the elements between the panel and its place leave free below it.
function margin(root, place) {
  let free = 0;
  for (let one = root; one && one !== place; one = one.parentElement) {
    const style = getComputedStyle(one);
    free += Number.parseFloat(style.marginBottom) || 0;
    if (one !== root) free += (Number.parseFloat(style.paddingBottom) || 0) + (Number.parseFloat(style.borderBottomWidth) || 0);
  }
  return free + (Number.parseFloat(getComputedStyle(place).paddingBottom) || 0);
}
