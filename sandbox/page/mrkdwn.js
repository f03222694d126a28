// Slack's mrkdwn, as a client shows it: escaped text in, HTML out.

import { EMOJI } from "/page/static/emoji.js";
import { nameOf, reader } from "/page/static/world.js";

export const escape = (text) => text.replace(/&(?!amp;|lt;|gt;)/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
const DAY = 86400000;

const isoDay = (at) => at.toLocaleDateString("sv", { timeZone: reader.zone });

export function date(unix, format, fallback) {
  const at = new Date(unix * 1000);
  if (Number.isNaN(at.getTime())) return fallback;
  const days = Math.round((Date.parse(isoDay(at)) - Date.parse(isoDay(new Date()))) / DAY);
  const pretty = { 0: "today", 1: "tomorrow", "-1": "yesterday" }[days];
  const show = (options) => at.toLocaleString("en", { ...options, timeZone: reader.zone });
  const day = { date_num: isoDay(at), date: show({ month: "long", day: "numeric", year: "numeric" }), date_short: show({ month: "short", day: "numeric", year: "numeric" }), date_long: show({ weekday: "long", month: "long", day: "numeric", year: "numeric" }) };
  const values = { ...day, date_pretty: pretty || day.date, date_short_pretty: pretty || day.date_short, date_long_pretty: pretty || day.date_long, time: show({ hour: "numeric", minute: "2-digit" }), time_secs: show({ hour: "numeric", minute: "2-digit", second: "2-digit" }), ago: ago(at) };
  return format.replace(/\{(\w+)\}/g, (all, token) => values[token] ?? all);
}

export function ago(at) {
  const minutes = Math.round((Date.now() - at) / 60000);
  const ahead = minutes < 0;
  const n = Math.abs(minutes);
  const words = n < 1 ? "now" : n < 60 ? `${n} min` : n < 1440 ? `${Math.round(n / 60)} h` : `${Math.round(n / 1440)} days`;
  return words === "now" ? words : ahead ? `in ${words}` : `${words} ago`;
}

function special(inside) {
  const [target, label] = inside.split(/\|(.*)/s);
  if (target.startsWith("@")) return `<span class="mention">@${escape(label || nameOf(target.slice(1)))}</span>`;
  if (target.startsWith("#")) return `<span class="mention">#${escape(label || nameOf(target.slice(1)))}</span>`;
  if (target.startsWith("!date^")) {
    const [, unix, format, link] = target.split("^");
    const shown = escape(date(Number(unix), format, label || ""));
    const title = escape(label || "");
    return link ? `<a href="${escape(link)}" target="_blank" rel="noopener">${shown}</a>` : `<time title="${title}">${shown}</time>`;
  }
  if (target.startsWith("!")) return `<span class="mention">@${escape(label || target.slice(1).replace(/^subteam\^/, ""))}</span>`;
  const known = /^(https?|mailto|slack):/.test(target);
  return known ? `<a href="${escape(target)}" target="_blank" rel="noopener">${escape(label || target)}</a>` : escape(`<${inside}>`);
}

const inline = (text) => text
  .replace(/(^|[\s([{*_~>"'])\*(\S(?:[^*\n]*\S)?)\*(?=$|[\s)\]}.,:;!?_~<"'])/gm, "$1<b>$2</b>")
  .replace(/(^|[\s([{*~>"'])_(\S(?:[^_\n]*\S)?)_(?=$|[\s)\]}.,:;!?*~<"'])/gm, "$1<i>$2</i>")
  .replace(/(^|[\s([{*_>"'])~(\S(?:[^~\n]*\S)?)~(?=$|[\s)\]}.,:;!?*_<"'])/gm, "$1<s>$2</s>");

export const emoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (all, name) => EMOJI[name] || all);

export function mrkdwn(text) {
  const kept = [];
  const keep = (html) => `\u0001${kept.push(html) - 1}\u0001`;
  let out = String(text)
    .replace(/```\n?([\s\S]*?)```/g, (_, code) => keep(`<pre>${escape(code)}</pre>`))
    .replace(/`([^`\n]+)`/g, (_, code) => keep(`<code>${escape(code)}</code>`))
    .replace(/<([^<>\n]+)>/g, (_, inside) => keep(special(inside)));
  out = inline(emoji(escape(out)));
  out = out.split("\n").map((line) => (line.startsWith("&gt;") ? `<blockquote>${line.slice(4).trim() || "&nbsp;"}</blockquote>` : line)).join("\n");
  out = out.replace(/<\/blockquote>\n<blockquote>/g, "<br>").replace(/\n/g, "<br>").replace(/<\/blockquote><br>/g, "</blockquote>");
  return out.replace(/\u0001(\d+)\u0001/g, (_, n) => kept[Number(n)]);
}

export function textOf(object) {
  if (!object) return "";
  if (typeof object === "string") return mrkdwn(object);
  return object.type === "mrkdwn" ? mrkdwn(object.text) : escape(emoji(object.text)).replace(/\n/g, "<br>");
}

export const plain = (object) => (object ? emoji(typeof object === "string" ? object : object.text) : "");
