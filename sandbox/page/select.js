// Selects of every kind: a button that shows the choice, and a list in which one searches as one types.

import { post } from "/page/static/api.js";
import { el, toast, uid } from "/page/static/dom.js";
import { plain } from "/page/static/mrkdwn.js";
import { popover } from "/page/static/popover.js";
import { nameOf, world } from "/page/static/world.js";

const option = (value, text, about) => ({ value, text: { type: "plain_text", text }, description: about ? { type: "plain_text", text: about } : undefined });

function offered(element) {
  const kind = element.type.replace("multi_", "");
  if (kind === "users_select") return [{ options: world.people.filter((p) => !p.deleted).map((p) => option(p.id, p.name, p.handle ? `@${p.handle}` : "")) }];
  if (kind === "channels_select" || kind === "conversations_select") {
    return [{ options: world.channels.filter((c) => c.kind === "public" || (kind === "conversations_select" && c.kind !== "im")).map((c) => option(c.id, `# ${c.name}`)) }];
  }
  return element.option_groups || [{ options: element.options || [] }];
}

function chosenIn(element, held) {
  const single = held.selected_option || held.selected_user || held.selected_conversation || held.selected_channel;
  const many = held.selected_options || held.selected_users || held.selected_conversations || held.selected_channels || (single ? [single] : []);
  return many.map((item) => (typeof item === "string" ? option(item, element.type.includes("users") ? nameOf(item) : `# ${nameOf(item)}`) : item));
}

export function select(element, block, where, held, label, act) {
  const multi = element.type.startsWith("multi_");
  const external = element.type.endsWith("external_select");
  let chosen = chosenIn(element, held);
  const text = el("span", { class: "chosen" });
  const node = el("button", { type: "button", class: "select", "aria-haspopup": "listbox", "aria-expanded": "false", "data-action-id": element.action_id, "data-block-id": block.block_id }, text, el("span", { class: "arrow", "aria-hidden": "true" }, "⌄"));

  const show = () => {
    const hint = plain(element.placeholder) || (multi ? "Select options" : "Select an option");
    node.setAttribute("aria-label", `${label ? `${label}: ` : ""}${chosen.map((o) => plain(o.text)).join(", ") || hint}`);
    node.classList.toggle("empty", !chosen.length);
    if (!chosen.length) text.replaceChildren(hint);
    else text.replaceChildren(...(multi ? chosen.map((o) => el("span", { class: "chip" }, plain(o.text))) : [plain(chosen[0].text)]));
  };
  const tell = () => act(element, block, where, multi ? chosen.map((o) => o.value) : chosen.length ? chosen[0].value : null);

  const take = (picked, floating) => {
    const has = chosen.some((o) => o.value === picked.value);
    if (multi) {
      if (!has && element.max_selected_items && chosen.length >= element.max_selected_items) return toast(`No more than ${element.max_selected_items} can be chosen.`);
      chosen = has ? chosen.filter((o) => o.value !== picked.value) : [...chosen, picked];
    } else chosen = [picked];
    show();
    if (!multi) { floating.close(); node.focus(); }
    return tell();
  };

  node.addEventListener("click", () => list(element, block, where, { external, has: (o) => chosen.some((c) => c.value === o.value), take, anchor: node, label }));
  node.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); node.click(); }
    if ((event.key === "Backspace" || event.key === "Delete") && multi && chosen.length) { chosen = chosen.slice(0, -1); show(); tell(); }
  });
  show();
  return node;
}

function list(element, block, where, { external, has, take, anchor, label }) {
  const name = uid("options");
  const box = el("input", { type: "text", class: "search", role: "combobox", "aria-expanded": "true", "aria-controls": name, "aria-label": `Search ${label || "options"}`, placeholder: "Search…", autocomplete: "off", spellcheck: "false" });
  const listed = el("div", { class: "options", role: "listbox", id: name, "aria-label": label || "Options" });
  const floating = popover(anchor, [box, listed], { wide: true, closed: () => anchor.setAttribute("aria-expanded", "false") });
  anchor.setAttribute("aria-expanded", "true");
  let rows = [];
  let at = 0;
  let asked = 0;

  const mark = () => rows.forEach(({ node }, n) => {
    node.classList.toggle("at", n === at);
    if (n === at) { box.setAttribute("aria-activedescendant", node.id); node.scrollIntoView({ block: "nearest" }); }
  });
  const paint = (groups, nothing = "Nothing found.") => {
    rows = [];
    const row = (o) => {
      const node = el("div", { class: "option", role: "option", id: uid("option"), "aria-selected": String(has(o)), dataset: { value: o.value } }, el("span", {}, plain(o.text)), o.description ? el("small", {}, plain(o.description)) : null);
      node.addEventListener("pointerdown", (event) => event.preventDefault());
      node.addEventListener("click", () => { take(o, floating); node.setAttribute("aria-selected", String(has(o))); });
      rows.push({ node, o });
      return node;
    };
    const shown = groups.filter((g) => g.options.length);
    listed.replaceChildren(...(shown.length ? shown.flatMap((g) => [g.label ? el("div", { class: "group-label" }, plain(g.label)) : null, ...g.options.map(row)]).filter(Boolean) : [el("p", { class: "hint" }, nothing)]));
    at = Math.max(0, rows.findIndex(({ o }) => has(o)));
    mark();
    floating.place();
  };
  const narrow = async () => {
    const query = box.value.trim();
    if (!external) {
      const words = query.toLowerCase();
      return paint(offered(element).map((g) => ({ ...g, options: g.options.filter((o) => plain(o.text).toLowerCase().includes(words)) })));
    }
    const least = element.min_query_length ?? 3;
    if (query.length < least) return paint([], `Type ${least === 1 ? "a letter" : `${least} letters`} or more to search.`);
    const mine = ++asked;
    listed.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => { if (mine === asked && !rows.length) listed.replaceChildren(el("p", { class: "hint" }, "Searching…")); }, 150);
    const answer = await post("options", { user: where.user, container: where.container, action_id: element.action_id, block_id: block.block_id, query }).catch((problem) => ({ options: [], problem: problem.message }));
    clearTimeout(slow);
    if (mine !== asked) return undefined;
    listed.removeAttribute("aria-busy");
    return paint(answer.option_groups || [{ options: answer.options || [] }], answer.problem);
  };
  let timer = null;
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(narrow, external ? 120 : 0); });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && rows.length) { at = (at + step + rows.length) % rows.length; mark(); event.preventDefault(); }
    if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); rows[at]?.node.click(); }
    if (event.key === "Tab") { floating.close(); anchor.focus(); }
  });
  box.focus();
  narrow();
}
