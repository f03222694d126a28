// Block elements: what a person presses, picks and types. Every act goes to the stand-in, which holds the state.

import { post } from "/page/static/api.js";
import { confirmed } from "/page/static/confirm.js";
import { el, toast, uid } from "/page/static/dom.js";
import { plain, textOf } from "/page/static/mrkdwn.js";
import { select } from "/page/static/select.js";
import { menu } from "/page/static/popover.js";
import { world } from "/page/static/world.js";

// Tells the stand-in of one act; a confirm dialog of the element is asked first. True when it was done.
export async function act(element, block, where, value) {
  if (element.confirm && !(await confirmed(element.confirm))) return false;
  const body = { user: where.user, container: where.container, action_id: element.action_id, block_id: block.block_id };
  if (value !== undefined) body.value = value;
  try {
    await post("click", body);
    return true;
  } catch (problem) {
    toast(problem.message);
    return false;
  } finally {
    where.refresh();
  }
}

const known = (element, block) => ({ "data-action-id": element.action_id, "data-block-id": block.block_id });

export function drawElement(element, block, where, values, label) {
  const held = values?.[element.action_id] || {};
  const draw = KINDS[element.type];
  if (!draw) return element.type.endsWith("select") ? select(element, block, where, held, label, act) : el("span", { class: "hint" }, `[${element.type}]`);
  return draw(element, block, where, held, label);
}

function button(element, block, where) {
  const style = element.style ? ` ${element.style}` : "";
  const name = element.accessibility_label || null;
  if (element.url) {
    const press = () => act({ ...element, confirm: undefined }, block, where);
    return el("a", { class: `button${style}`, href: element.url, target: "_blank", rel: "noopener", "aria-label": name, ...known(element, block), onclick: press }, plain(element.text));
  }
  const node = el("button", { type: "button", class: `button${style}`, "aria-label": name, ...known(element, block) }, plain(element.text));
  node.addEventListener("click", async () => {
    node.classList.add("busy");
    node.setAttribute("aria-busy", "true");
    await act(element, block, where);
    node.classList.remove("busy");
    node.removeAttribute("aria-busy");
  });
  return node;
}

function image(element) {
  return el("img", { class: "picture", src: element.image_url || element.slack_file?.url, alt: element.alt_text, loading: "lazy" });
}

function overflow(element, block, where) {
  const node = el("button", { type: "button", class: "button overflow", "aria-haspopup": "menu", "aria-label": "More actions", ...known(element, block) }, "⋯");
  const pick = (option) => {
    if (option.url) window.open(option.url, "_blank", "noopener");
    return act(element, block, where, option.value);
  };
  node.addEventListener("click", () => menu(node, element.options.map((o) => ({ label: plain(o.text), about: plain(o.description), run: () => pick(o) }))));
  return node;
}

function several(element, block, where, held, label, kind) {
  const now = new Set((held.selected_options || (held.selected_option ? [held.selected_option] : [])).map((o) => o.value));
  const name = uid(element.action_id);
  const change = (event, option) => {
    if (kind === "radio") return act(element, block, where, option.value);
    if (event.target.checked) now.add(option.value);
    else now.delete(option.value);
    return act(element, block, where, element.options.filter((o) => now.has(o.value)).map((o) => o.value));
  };
  const line = (option) => el("label", { class: "choice" },
    el("input", { type: kind, name, checked: now.has(option.value), dataset: { value: option.value }, ...known(element, block), onchange: (event) => change(event, option) }),
    el("span", {}, el("span", { html: textOf(option.text) }), option.description ? el("small", { html: textOf(option.description) }) : null));
  return el("div", { class: "choices", role: kind === "radio" ? "radiogroup" : "group", "aria-label": label || null }, element.options.map(line));
}

function picker(type, key) {
  return (element, block, where, held, label) => {
    const value = type === "datetime-local" ? localTime(held[key]) : held[key] || "";
    const told = (text) => (text === "" ? null : type === "datetime-local" ? String(Math.round(new Date(text).getTime() / 1000)) : text);
    return el("input", { type, class: "picker", value, "aria-label": label || plain(element.placeholder) || type, ...known(element, block), onchange: (event) => act(element, block, where, told(event.target.value)) });
  };
}

function localTime(seconds) {
  if (!seconds) return "";
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

const pending = new Set();
// What was typed a moment ago and has not been told to the stand-in yet.
export const settled = () => Promise.all([...pending].map((later) => later.now()));

function text(type) {
  return (element, block, where, held, label) => {
    const first = type === "rich" ? plainOf(held.rich_text_value) : held.value ?? "";
    const many = element.multiline || type === "rich";
    const attributes = { class: "typed", "aria-label": label || null, placeholder: plain(element.placeholder) || null, maxlength: element.max_length || (type === "text" ? 3000 : null), ...known(element, block) };
    const node = many ? el("textarea", { ...attributes, rows: 4, value: first }) : el("input", { ...attributes, type: type === "number" ? "text" : type, inputmode: type === "number" ? "decimal" : null, value: first });
    const on = block.type !== "input" || block.dispatch_action ? element.dispatch_action_config?.trigger_actions_on || ["on_enter_pressed"] : null;
    let told = first;
    const later = { timer: null, now: async () => {
      clearTimeout(later.timer);
      pending.delete(later);
      if (node.value === told) return;
      told = node.value;
      await act(element, block, where, told === "" ? null : told);
    } };
    const silent = !on;
    node.addEventListener("input", () => {
      if (!silent && !on.includes("on_character_entered")) return;
      pending.add(later);
      clearTimeout(later.timer);
      later.timer = setTimeout(later.now, silent ? 400 : 250);
    });
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && on?.includes("on_enter_pressed") && !event.shiftKey) { event.preventDefault(); event.stopPropagation(); later.now(); }
    });
    node.addEventListener("change", () => (silent ? later.now() : null));
    return node;
  };
}

const plainOf = (rich) => (rich?.elements || []).flatMap((part) => part.elements.map((piece) => piece.text || "")).join("");

function files(element, block, where, held, label) {
  const chosen = new Set((held.files || []).map((file) => file.id));
  const line = (file) => el("label", { class: "choice" },
    el("input", { type: "checkbox", checked: chosen.has(file.id), ...known(element, block), onchange: (event) => {
      if (event.target.checked) chosen.add(file.id);
      else chosen.delete(file.id);
      act(element, block, where, [...chosen]);
    } }), el("span", {}, file.name));
  return el("div", { class: "choices", role: "group", "aria-label": label }, world.files.length ? world.files.map(line) : el("p", { class: "hint" }, "No file has been shared with you yet."));
}

function feedback(element, block, where) {
  const one = (side, sign) => el("button", { type: "button", class: "button small", title: plain(side.text), "aria-label": side.accessibility_label || plain(side.text), ...known(element, block), onclick: () => act(element, block, where, side.value) }, sign);
  return el("span", { class: "feedback" }, one(element.positive_button, "👍"), one(element.negative_button, "👎"));
}

const ICONS = { trash: "🗑️" };
const icon = (element, block, where) => el("button", { type: "button", class: "button small", title: plain(element.text), "aria-label": element.accessibility_label || plain(element.text), ...known(element, block), onclick: () => act(element, block, where) }, ICONS[element.icon] || "◆");

const KINDS = {
  button, image, overflow, workflow_button: button, feedback_buttons: feedback, icon_button: icon, file_input: files,
  radio_buttons: (...given) => several(...given, "radio"),
  checkboxes: (...given) => several(...given, "checkbox"),
  datepicker: picker("date", "selected_date"), timepicker: picker("time", "selected_time"), datetimepicker: picker("datetime-local", "selected_date_time"),
  plain_text_input: text("text"), number_input: text("number"), email_text_input: text("email"), url_text_input: text("url"), rich_text_input: text("rich"),
};
