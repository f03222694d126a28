// Rich text, piece by piece.

import { el } from "/page/static/dom.js";
import { date, emoji } from "/page/static/mrkdwn.js";
import { nameOf } from "/page/static/world.js";

const TAGS = { bold: "b", italic: "i", strike: "s", code: "code", underline: "u", highlight: "mark", client_highlight: "mark" };

function bare(piece) {
  switch (piece.type) {
    case "text": return piece.text;
    case "link": return el("a", { href: piece.url, target: "_blank", rel: "noopener" }, piece.text || piece.url);
    case "emoji": return piece.unicode ? String.fromCodePoint(...piece.unicode.split("-").map((c) => parseInt(c, 16))) : emoji(`:${piece.name}:`);
    case "user": return el("span", { class: "mention" }, `@${nameOf(piece.user_id)}`);
    case "channel": return el("span", { class: "mention" }, `#${nameOf(piece.channel_id)}`);
    case "usergroup": return el("span", { class: "mention" }, `@${piece.usergroup_id}`);
    case "broadcast": return el("span", { class: "mention" }, `@${piece.range}`);
    case "color": return el("span", { class: "color" }, el("i", { style: `background:${piece.value}` }), piece.value);
    case "date": return date(piece.timestamp, piece.format, piece.fallback || "");
    default: return piece.text || "";
  }
}

function piece(item) {
  let node = bare(item);
  for (const [name, on] of Object.entries(item.style || {})) if (on && TAGS[name]) node = el(TAGS[name], {}, node);
  return node;
}

const pieces = (part) => part.elements.map(piece);

function part(item) {
  switch (item.type) {
    case "rich_text_list": return el(item.style === "ordered" ? "ol" : "ul", { style: `margin-left:${(item.indent || 0) * 1.5}em`, start: item.offset ? item.offset + 1 : null }, item.elements.map((line) => el("li", {}, pieces(line))));
    case "rich_text_quote": return el("blockquote", {}, pieces(item));
    case "rich_text_preformatted": return el("pre", {}, pieces(item));
    default: return el("div", { class: "rich" }, pieces(item));
  }
}

export const richText = (block) => el("div", { class: "rich-text" }, block.elements.map(part));
