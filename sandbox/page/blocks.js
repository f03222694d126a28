// Block Kit's blocks, drawn as Slack draws them.

import { chart } from "/page/static/charts.js";
import { el, uid } from "/page/static/dom.js";
import { drawElement } from "/page/static/elements.js";
import { escape, plain, textOf } from "/page/static/mrkdwn.js";
import { richText } from "/page/static/richtext.js";
import { dataTable, table } from "/page/static/tables.js";
import { world } from "/page/static/world.js";

// One block as DOM. `where`: whose screen and which container; `values`: what this person's client holds of its elements.
export function draw(block, where, values, error) {
  const node = (KINDS[block.type] || unknown)(block, where, values, error);
  node.classList.add("block", `block-${block.type.replaceAll("_", "-")}`);
  node.dataset.blockId = block.block_id;
  return node;
}

const text = (object, name = "text") => (object ? el("div", { class: name, html: textOf(object) }) : null);
const unknown = (block) => el("div", { class: "hint" }, `[${block.type}]`);

function section(block, where, values) {
  const fields = block.fields ? el("div", { class: "fields" }, block.fields.map((f) => text(f))) : null;
  const accessory = block.accessory ? el("div", { class: "accessory" }, drawElement(block.accessory, block, where, values, plain(block.text).replaceAll("*", "").slice(0, 75))) : null;
  return el("div", {}, el("div", { class: "body" }, text(block.text), fields), accessory);
}

const header = (block) => el(`h${Math.min(6, (block.level || 1) + 2)}`, {}, plain(block.text));
const divider = () => el("hr");

const context = (block) => el("div", {}, block.elements.map((e) => (e.type === "image" ? el("img", { src: e.image_url || e.slack_file?.url, alt: e.alt_text }) : el("span", { html: textOf(e) }))));
const actions = (block, where, values) => el("div", {}, block.elements.map((e) => drawElement(e, block, where, values, "")));

function image(block) {
  const title = block.title ? el("figcaption", { html: textOf(block.title) }) : null;
  return el("figure", {}, title, el("img", { src: block.image_url || block.slack_file?.url, alt: block.alt_text, loading: "lazy" }));
}

function input(block, where, values, error) {
  const label = plain(block.label);
  const note = error ? uid("error") : null;
  const node = el("div", {}, el("div", { class: "label" }, label, block.optional ? el("span", { class: "optional" }, " (optional)") : null),
    drawElement(block.element, block, where, values, label),
    error ? el("div", { class: "error", id: note, role: "alert" }, error) : null,
    block.hint ? el("div", { class: "hint", html: textOf(block.hint) }) : null);
  if (error) {
    node.classList.add("wrong");
    const field = node.querySelector("[data-action-id]");
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-describedby", note);
  }
  return node;
}

const SIGNS = { default: "💬", info: "ℹ️", warning: "⚠️", error: "⛔", success: "✅" };
const alert = (block) => el("div", { class: block.level || "default", role: "note" }, el("span", { "aria-hidden": "true" }, SIGNS[block.level || "default"]), text(block.text));

function video(block) {
  const title = el("b", {}, block.title_url ? el("a", { href: block.title_url, target: "_blank", rel: "noopener" }, plain(block.title)) : plain(block.title));
  return el("figure", {}, el("figcaption", {}, block.provider_name ? el("small", {}, block.provider_name) : null, title, block.author_name ? el("small", {}, ` ${block.author_name}`) : null, text(block.description)),
    el("a", { class: "video", href: block.video_url, target: "_blank", rel: "noopener", "aria-label": `Play ${plain(block.title)}` }, el("img", { src: block.thumbnail_url, alt: block.alt_text }), el("span", { "aria-hidden": "true" }, "▶")));
}

// Standard markdown, the part of it that apps write (docs.slack.dev, markdown block).
function markdown(block) {
  const kept = [];
  const keep = (html) => `\u0002${kept.push(html) - 1}\u0002`;
  const spans = (line) => escape(line)
    .replace(/`([^`]+)`/g, (_, code) => keep(`<code>${code}</code>`))
    .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, (_, label, url) => keep(`<a href="${url}" target="_blank" rel="noopener">${label}</a>`))
    .replace(/\*\*(.+?)\*\*/g, "<b>$1</b>").replace(/~~(.+?)~~/g, "<s>$1</s>").replace(/(^|\W)[*_](\S.*?)[*_](?=\W|$)/g, "$1<i>$2</i>");
  const whole = block.text.replace(/```\w*\n([\s\S]*?)```/g, (_, code) => keep(`<pre>${escape(code)}</pre>`));
  let list = null;
  const out = [];
  for (const line of whole.split("\n")) {
    const item = line.match(/^\s*(?:([-*])|(\d+)\.)\s+(.*)/);
    const kind = item ? (item[1] ? "ul" : "ol") : null;
    if (list && list !== kind) out.push(`</${list}>`);
    if (kind && list !== kind) out.push(`<${kind}>`);
    list = kind;
    const head = line.match(/^(#{1,6})\s+(.*)/);
    if (item) out.push(`<li>${spans(item[3])}</li>`);
    else if (head) out.push(`<h${Math.min(6, head[1].length + 2)}>${spans(head[2])}</h${Math.min(6, head[1].length + 2)}>`);
    else if (line.startsWith("> ")) out.push(`<blockquote>${spans(line.slice(2))}</blockquote>`);
    else if (line.trim()) out.push(`<p>${spans(line)}</p>`);
  }
  if (list) out.push(`</${list}>`);
  return el("div", { html: out.join("").replace(/\u0002(\d+)\u0002/g, (_, n) => kept[Number(n)]) });
}

function card(block, where, values) {
  const face = block.icon ? el("img", { class: "icon", src: block.icon.image_url, alt: block.icon.alt_text }) : block.slack_icon ? el("span", { class: "icon", "aria-hidden": "true" }, "◆") : null;
  return el("div", { class: "card" }, block.hero_image ? el("img", { class: "hero", src: block.hero_image.image_url, alt: block.hero_image.alt_text }) : null,
    el("div", { class: "card-head" }, face, el("div", {}, text(block.title, "title"), text(block.subtitle, "subtitle"))), text(block.body), text(block.subtext, "subtext"),
    block.actions ? el("div", { class: "row-of-buttons" }, block.actions.map((e) => drawElement(e, block, where, values, ""))) : null);
}

const carousel = (block, where, values) => el("div", { tabindex: 0, role: "group", "aria-label": "Cards" }, block.elements.map((c) => card({ ...c, block_id: block.block_id }, where, values)));

function container(block, where, values) {
  const title = block.rich_text_title ? richText(block.rich_text_title) : text(block.title, "title");
  const head = [block.icon ? el("img", { class: "icon", src: block.icon.image_url, alt: block.icon.alt_text }) : null, el("div", {}, title, text(block.subtitle, "subtitle"))];
  const inside = el("div", { class: "children" }, block.child_blocks.map((child) => draw(child, where, values?.[child.block_id])));
  if (block.is_collapsible) return el("details", { open: !block.default_collapsed }, el("summary", {}, head), inside);
  return el("div", {}, el("div", { class: "container-head" }, head), inside);
}

const STATES = { pending: "○", in_progress: "◐", complete: "✓", error: "✕" };
function task(block) {
  const sources = block.sources?.length ? el("div", { class: "sources" }, block.sources.map((s) => el("a", { href: s.url, target: "_blank", rel: "noopener" }, s.text))) : null;
  const more = [block.details ? richText(block.details) : null, block.output ? richText(block.output) : null, sources].filter(Boolean);
  const head = [el("span", { class: `state ${block.status}`, "aria-label": block.status.replace("_", " ") }, STATES[block.status]), el("span", {}, block.title)];
  return more.length ? el("details", { class: "task" }, el("summary", {}, head), more) : el("div", { class: "task" }, el("div", { class: "summary" }, head));
}
const plan = (block) => el("div", {}, el("b", {}, block.title), (block.tasks || []).map(task));

function file(block) {
  const found = world.files.find((f) => f.external_id === block.external_id);
  return el("div", {}, el("a", { class: "file", href: found?.url || null }, "📄 ", el("b", {}, found?.name || block.external_id)));
}

const KINDS = {
  section, header, divider, context, actions, image, input, alert, video, markdown, card, carousel, container, plan, file, table,
  data_table: dataTable, task_card: task, context_actions: actions, rich_text: richText,
  data_visualization: (block) => el("figure", {}, el("figcaption", {}, block.title), chart(block.chart, block.title)),
};
