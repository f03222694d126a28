// Modals: a stack, the top one in use. Errors stand beside the input that they are about.

import { post } from "/page/static/api.js";
import { draw } from "/page/static/blocks.js";
import { el, patch, toast } from "/page/static/dom.js";
import { settled } from "/page/static/elements.js";
import { plain } from "/page/static/mrkdwn.js";

const errors = new Map(); // view id → {block id: text}
const busy = new Set();
let opener = null;

export function drawModals(parent, modals, context) {
  if (modals.length && !parent.children.length) opener = document.activeElement;
  for (const id of [...errors.keys()]) if (!modals.some((m) => m.id === id)) errors.delete(id);
  const known = new Map([...parent.children].map((node) => [node.dataset.view, node]));
  modals.forEach((view, n) => {
    const node = known.get(view.id) || frame(view, context);
    known.delete(view.id);
    fill(node, view, context);
    node.inert = n < modals.length - 1;
    node.classList.toggle("beneath", node.inert);
    if (parent.children[n] !== node) parent.insertBefore(node, parent.children[n] || null);
    if (!node.inert && !node.contains(document.activeElement) && !document.querySelector(".popover, dialog[open]")) first(node)?.focus();
  });
  for (const node of known.values()) node.remove();
  document.getElementById("workspace").inert = modals.length > 0;
  if (!modals.length && opener) {
    (opener.isConnected && opener !== document.body ? opener : document.getElementById("composer")).focus();
    opener = null;
  }
}

const first = (node) => node.querySelector(".modal-body :is(input:not([type=radio]:not(:checked)), textarea, button.select)") || node.querySelector(".modal-body :is(button, a)") || node.querySelector("footer button.primary, footer button");

function frame(view, context) {
  const title = `title-${view.id}`;
  const close = () => post("close", { user: context.user, view_id: view.id }).catch((problem) => toast(problem.message)).finally(context.refresh);
  const node = el("div", { class: "veil", dataset: { view: view.id } },
    el("div", { class: "modal", role: "dialog", "aria-modal": "true", "aria-labelledby": title },
      el("header", {}, el("h2", { id: title }), el("button", { type: "button", class: "icon", "aria-label": "Close", onclick: close }, "✕")),
      el("div", { class: "trouble", role: "alert", hidden: true }),
      el("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(node, view.id, context); } },
        el("div", { class: "modal-body" }), el("footer", {}))));
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.preventDefault(); close(); }
    if (event.key === "Enter" && event.target.tagName === "INPUT" && !["checkbox", "radio"].includes(event.target.type)) { event.preventDefault(); submit(node, view.id, context); }
    if (event.key === "Tab") trap(node, event);
  });
  node.close = close;
  return node;
}

function trap(node, event) {
  const all = [...node.querySelectorAll("a[href], button, input, textarea, select")].filter((n) => !n.disabled && n.offsetParent !== null);
  if (!all.length) return;
  const last = all.at(-1);
  if (event.shiftKey && document.activeElement === all[0]) { event.preventDefault(); last.focus(); }
  else if (!event.shiftKey && document.activeElement === last) { event.preventDefault(); all[0].focus(); }
}

const TYPED = new Set(["plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input"]);
// What was typed lives in the field: only what the app changes draws it anew.
const shown = (block, values) => (block.type === "input" && TYPED.has(block.element.type) ? undefined : values);

function fill(node, view, context) {
  node.querySelector("h2").textContent = plain(view.title);
  const where = { ...context, container: { view_id: view.id } };
  const wrong = errors.get(view.id) || {};
  const values = view.state?.values || {};
  const items = view.blocks.map((block) => ({ block, values: shown(block, values[block.block_id]), error: wrong[block.block_id] }));
  patch(node.querySelector(".modal-body"), items, (item) => item.block.block_id, (item, old) => {
    const now = old?.querySelector(".typed")?.value;
    const fresh = draw(item.block, where, values[item.block.block_id], item.error);
    const field = fresh.querySelector(".typed");
    if (field && now !== undefined && old.querySelector(".typed").dataset.actionId === field.dataset.actionId) field.value = now;
    return fresh;
  });
  const close = plain(view.close) || "Close";
  const shape = JSON.stringify([close, view.submit, busy.has(view.id)]);
  const footer = node.querySelector("footer");
  if (footer.shape === shape) return;
  footer.shape = shape;
  const waiting = busy.has(view.id);
  footer.replaceChildren(...[
    el("button", { type: "button", class: "button", onclick: node.close }, close),
    view.submit ? el("button", { type: "submit", class: `button primary${waiting ? " busy" : ""}`, disabled: waiting }, plain(view.submit)) : null,
  ].filter(Boolean));
}

async function submit(node, id, context) {
  if (busy.has(id) || !node.querySelector("footer button[type=submit]")) return;
  busy.add(id);
  const trouble = node.querySelector(".trouble");
  trouble.hidden = true;
  const pressed = node.querySelector("footer button[type=submit]");
  pressed.classList.add("busy");
  try {
    await settled();
    const answer = await post("submit", { user: context.user, view_id: id, values: {} });
    if (answer.errors) errors.set(id, answer.errors);
    else errors.delete(id);
    trouble.textContent = answer.trouble || "";
    trouble.hidden = !answer.trouble;
  } catch (problem) {
    trouble.textContent = problem.message;
    trouble.hidden = false;
  } finally {
    busy.delete(id);
    pressed.classList.remove("busy");
    await context.refresh();
    node.querySelector(".error")?.closest("[data-block-id]")?.scrollIntoView({ block: "nearest" });
  }
}
