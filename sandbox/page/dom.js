// The few things that make building DOM readable.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "html") node.innerHTML = value;
    else if (name === "value") node.value = value;
    else if (name === "dataset") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// Brings the children of `parent` in line with `items`: a node whose item did not change stays as it is, with focus and text.
export function patch(parent, items, key, draw) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let previous = null;
  for (const item of items) {
    const name = key(item);
    const shape = JSON.stringify(item);
    let node = known.get(name);
    known.delete(name);
    if (!node || node.shape !== shape) {
      const fresh = draw(item, node);
      fresh.dataset.key = name;
      fresh.shape = shape;
      if (node) {
        keepFocus(node, fresh, () => node.replaceWith(fresh));
      }
      node = fresh;
    }
    const next = previous ? previous.nextSibling : parent.firstChild;
    if (next !== node) parent.insertBefore(node, next);
    previous = node;
  }
  for (const node of known.values()) node.remove();
}

function keepFocus(old, fresh, swap) {
  const active = document.activeElement;
  const held = old.contains(active) && active.dataset.actionId ? active.dataset.actionId : null;
  const typed = held && "value" in active && active.tagName !== "BUTTON" && active.tagName !== "SELECT" ? active.value : null;
  swap();
  if (!held) return;
  const again = fresh.querySelector(`[data-action-id="${CSS.escape(held)}"]`);
  if (!again) return;
  const [from, to] = typed === null ? [] : [active.selectionStart, active.selectionEnd];
  if (typed !== null) again.value = typed;
  again.focus({ preventScroll: true });
  if (from !== undefined && from !== null) again.setSelectionRange(from, to);
}

let counter = 0;
export const uid = (name) => `${name}-${++counter}`;

export function toast(text) {
  const note = el("div", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}
