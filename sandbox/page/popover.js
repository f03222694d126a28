// One thing that floats above the page at a time, beside what opened it.

import { el } from "/page/static/dom.js";

let open = null;

export function popover(anchor, content, { wide = false, closed = () => {} } = {}) {
  open?.();
  const node = el("div", { class: "popover" }, content);
  document.body.append(node);
  const place = () => {
    if (!anchor.isConnected) return close();
    const box = anchor.getBoundingClientRect();
    if (wide) node.style.minWidth = `${Math.min(box.width, innerWidth - 16)}px`;
    const { width, height } = node.getBoundingClientRect();
    const below = box.bottom + 4 + height <= innerHeight || box.top < height;
    node.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    node.style.top = `${Math.max(8, below ? Math.min(box.bottom + 4, innerHeight - height - 8) : box.top - height - 4)}px`;
  };
  const outside = (event) => { if (!node.contains(event.target) && !anchor.contains(event.target)) close(); };
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
    anchor.focus();
  };
  const watching = setInterval(() => { if (!anchor.isConnected) close(); }, 200);
  function close() {
    if (open !== close) return;
    open = null;
    clearInterval(watching);
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", escape, true);
    node.remove();
    closed();
  }
  open = close;
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", escape, true);
  place();
  return { node, place, close };
}

export function menu(anchor, entries) {
  const rows = entries.map((entry) => el("button", { type: "button", role: "menuitem", class: "entry", onclick: () => { floating.close(); entry.run(); } }, el("span", {}, entry.label), entry.about ? el("small", {}, entry.about) : null));
  const list = el("div", { role: "menu", class: "entries", onkeydown: (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
  } }, rows);
  const floating = popover(anchor, list);
  rows[0]?.focus();
}
