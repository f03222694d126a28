// Tables: the plain one, and the one that is sorted and paged by whoever reads it.

import { el } from "/page/static/dom.js";
import { emoji } from "/page/static/mrkdwn.js";
import { richText } from "/page/static/richtext.js";

const shown = (cell) => (cell.type === "rich_text" ? richText(cell) : cell.type === "raw_number" ? cell.text || cell.value.toLocaleString("en") : emoji(cell.text));
const plainText = (cell) => (cell.type === "raw_number" ? cell.value : cell.type === "rich_text" ? JSON.stringify(cell.elements) : cell.text.toLowerCase());

export function table(block) {
  const [head, ...rows] = block.rows;
  const style = (n) => {
    const setting = block.column_settings?.[n] || {};
    return `text-align:${setting.align || "left"};white-space:${setting.is_wrapped ? "normal" : "nowrap"}`;
  };
  const line = (tag) => (row) => el("tr", {}, row.map((cell, n) => el(tag, { style: style(n), scope: tag === "th" ? "col" : null }, shown(cell))));
  return el("div", { class: "scroll", tabindex: 0 }, el("table", {}, el("thead", {}, line("th")(head)), el("tbody", {}, rows.map(line("td")))));
}

export function dataTable(block) {
  const [head, ...rows] = block.rows;
  const size = block.page_size || 5;
  const named = block.row_header_column_index ?? 0;
  const pages = Math.max(1, Math.ceil(rows.length / size));
  let page = 0;
  let sorted = null;
  const body = el("tbody");
  const count = el("span", { class: "hint" });
  const order = () => {
    if (!sorted) return rows;
    const key = (row) => plainText(row[sorted.by]);
    return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (sorted.up ? 1 : -1));
  };
  const number = (cell) => (cell.type === "raw_number" ? "text-align:right" : null);
  const paint = () => {
    body.replaceChildren(...order().slice(page * size, (page + 1) * size).map((row) => el("tr", {}, row.map((cell, n) => el(n === named ? "th" : "td", { scope: n === named ? "row" : null, style: number(cell) }, shown(cell))))));
    count.textContent = pages > 1 ? `${page + 1} of ${pages}` : "";
  };
  const sort = (by) => { sorted = { by, up: sorted?.by === by ? !sorted.up : true }; page = 0; paint(); };
  const turn = (step) => { page = (page + step + pages) % pages; paint(); };
  const column = (cell, n) => el("th", { scope: "col", style: number(rows[0]?.[n] || {}) }, el("button", { type: "button", class: "quiet", title: "Sort", onclick: () => sort(n) }, shown(cell)));
  paint();
  return el("div", {}, el("div", { class: "scroll", tabindex: 0 }, el("table", {}, el("caption", {}, block.caption), el("thead", {}, el("tr", {}, head.map(column))), body)),
    pages > 1 ? el("div", { class: "pages" }, el("button", { type: "button", class: "button small", "aria-label": "Previous rows", onclick: () => turn(-1) }, "‹"), count, el("button", { type: "button", class: "button small", "aria-label": "Next rows", onclick: () => turn(1) }, "›")) : null);
}
