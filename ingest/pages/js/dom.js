// Elements, made in one line.

/** An element: `props` are properties, `data-…`, `aria-…` and `role` attributes, `on` listeners, `style` properties of its style. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "class") element.className = value;
    else if (name.includes("-") || name === "role" || name === "for" || name === "list") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of the page with this id. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Fills `box` anew. What had the focus in it has it again, as what stands there now under the same `data-key`; where nothing does, the
 * box has it, so that the keyboard is not sent back to the top of the page.
 */
export function refill(box, ...children) {
  const focused = document.activeElement;
  const inside = focused !== box && box.contains(focused);
  box.replaceChildren(...children);
  if (!inside) return;
  const again = byKey(focused.dataset.key, box);
  if (!again) box.tabIndex = -1;
  (again ?? box).focus({ preventScroll: true });
}

/** The element with this `data-key`, or null. */
export function byKey(key, within = document) {
  return key ? within.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
}

/** Calls `draw` before the next frame, once however often it is asked. */
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
