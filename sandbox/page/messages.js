// A conversation: grouped messages, day dividers, threads, private ones marked.

import { post } from "/page/static/api.js";
import { draw } from "/page/static/blocks.js";
import { el, patch, toast } from "/page/static/dom.js";
import { menu } from "/page/static/popover.js";
import { mrkdwn } from "/page/static/mrkdwn.js";
import { nameOf, reader, words, world } from "/page/static/world.js";

const atOf = (ts) => new Date(Number(ts) * 1000);
const clock = (ts) => atOf(ts).toLocaleTimeString("en", { hour: "numeric", minute: "2-digit", timeZone: reader.zone });
const dayOf = (ts) => atOf(ts).toLocaleDateString("sv", { timeZone: reader.zone });

function dayName(ts) {
  if (dayOf(ts) === dayOf(Date.now() / 1000)) return "Today";
  return atOf(ts).toLocaleDateString("en", { weekday: "long", month: "long", day: "numeric", timeZone: reader.zone });
}

export function drawMessages(parent, messages, details, context) {
  const low = parent.scrollHeight - parent.scrollTop - parent.clientHeight < 120;
  const place = parent.dataset.place !== context.place + context.user;
  parent.dataset.place = context.place + context.user;
  const replies = new Map();
  messages.filter((m) => m.thread_ts && m.thread_ts !== m.ts).forEach((m) => replies.set(m.thread_ts, (replies.get(m.thread_ts) || 0) + 1));
  const items = [];
  let previous = null;
  for (const m of messages) {
    if (m.thread_ts && m.thread_ts !== m.ts && !m.ephemeral) continue;
    if (!previous || dayOf(previous.ts) !== dayOf(m.ts)) items.push({ key: `day-${dayOf(m.ts)}`, day: dayName(m.ts) });
    const same = previous && previous.user === m.user && Number(m.ts) - Number(previous.ts) < 300 && Boolean(previous.ephemeral) === Boolean(m.ephemeral);
    items.push({ key: m.ts, m, zone: reader.zone, follows: Boolean(same && !m.blocks?.length), replies: replies.get(m.ts) || 0 });
    previous = m;
  }
  if (!items.length) items.push({ key: "empty", empty: true });
  patch(parent, items, (item) => item.key, (item) => (item.day ? divider(item.day) : item.empty ? welcome(details, context) : message(item, context)));
  if (low || place) {
    parent.scrollTop = parent.scrollHeight;
    requestAnimationFrame(() => { parent.scrollTop = parent.scrollHeight; });
  }
}

const divider = (day) => el("div", { class: "day", role: "separator" }, el("span", {}, day));

function welcome(details, context) {
  const app = details.apps.find((a) => a.dm === context.place);
  const text = app ? `This is your conversation with ${app.name}. What it has to tell you alone arrives here.` : "Nothing has been written here yet. Type / for a command.";
  return el("p", { class: "hint" }, text);
}

function message(item, context) {
  const m = item.m;
  const who = m.bot_profile?.name || nameOf(m.user);
  const container = { channel: context.place, ts: m.ts };
  const where = { ...context, container };
  const time = el("time", { class: "when", title: atOf(m.ts).toLocaleString("en", { timeZone: reader.zone }) }, clock(m.ts));
  const head = item.follows ? null : el("div", { class: "who" }, el("b", {}, who), m.bot_id ? el("span", { class: "app" }, "APP") : null, time);
  const values = m.state?.values || {};
  const body = m.blocks?.length
    ? el("div", { class: "blocks" }, m.blocks.map((b) => draw(b, where, values[b.block_id])))
    : el("div", { class: "text", html: mrkdwn(m.text || "") });
  const more = [...(m.attachments || []).map((a) => attachment(a, where)), ...(m.files || []).map(file)];
  const threads = item.replies ? el("button", { class: "replies", type: "button", onclick: () => context.openThread(m.ts) }, `${item.replies} ${item.replies === 1 ? "reply" : "replies"}`) : null;
  return el("article", { class: `message${m.ephemeral ? " private" : ""}${item.follows ? " follows" : ""}`, "aria-label": `${who}: ${m.text || ""}`.slice(0, 200), dataset: { ts: m.ts } },
    item.follows ? el("span", { class: "gutter" }) : el("img", { class: "avatar", src: `/slack/avatar/${m.user}.svg`, alt: "", width: 36, height: 36 }),
    tools(m, context),
    el("div", { class: "said" }, m.ephemeral ? el("div", { class: "only" }, "👁 Only visible to you") : null, head, body, m.edited && !m.bot_id ? el("span", { class: "edited" }, "(edited)") : null, more, threads));
}

// What a person can do with a message: answer in a thread, run an app's shortcut on it.
function tools(m, context) {
  if (m.ephemeral) return null;
  const run = (id) => post("shortcut", { user: context.user, callback_id: id, message: { channel: context.place, ts: m.ts } }).catch((problem) => toast(problem.message)).finally(context.refresh);
  const shortcuts = world.apps.flatMap((app) => app.shortcuts.map((id) => ({ label: words(id), about: app.name, run: () => run(id) })));
  const more = el("button", { type: "button", class: "icon", "aria-label": "Message shortcuts", "aria-haspopup": "menu", onclick: () => menu(more, shortcuts) }, "⚡");
  return el("div", { class: "tools" }, el("button", { type: "button", class: "icon", "aria-label": "Reply in thread", onclick: () => context.openThread(m.thread_ts || m.ts) }, "💬"), shortcuts.length ? more : null);
}

function attachment(a, where) {
  const inner = a.blocks ? a.blocks.map((b) => draw(b, where)) : [a.title ? el("b", { html: mrkdwn(a.title) }) : null, el("div", { html: mrkdwn(a.text || a.fallback || "") })];
  return el("div", { class: "attachment", style: a.color ? `border-color:#${String(a.color).replace("#", "")}` : null }, inner);
}

const file = (f) => el("a", { class: "file", href: f.url || f.url_private || "#", target: "_blank", rel: "noopener", download: f.name }, "📄 ", el("b", {}, f.title || f.name), el("span", {}, f.size ? ` ${Math.max(1, Math.round(f.size / 1024)).toLocaleString("en")} KB` : ""));

export function drawThread(parent, messages, details, context, close) {
  parent.hidden = !messages.length;
  document.body.classList.toggle("threaded", Boolean(messages.length));
  if (!messages.length) return parent.replaceChildren();
  const first = messages[0];
  if (!parent.querySelector("textarea") || parent.dataset.ts !== first.ts) {
    parent.dataset.ts = first.ts;
    const box = el("textarea", { rows: 2, "aria-label": "Reply", placeholder: "Reply…", onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); reply(box, first, context); } } });
    parent.replaceChildren(el("header", {}, el("h2", {}, "Thread"), el("button", { class: "icon", type: "button", "aria-label": "Close the thread", onclick: close }, "✕")), el("div", { class: "list" }), el("form", { onsubmit: (event) => { event.preventDefault(); reply(box, first, context); } }, box));
  }
  patch(parent.querySelector(".list"), messages.map((m) => ({ key: m.ts, m, follows: false, replies: 0 })), (item) => item.key, (item) => message(item, context));
}

async function reply(box, first, context) {
  const text = box.value.trim();
  if (!text) return;
  box.value = "";
  await post("message", { user: context.user, channel: context.place, text, thread_ts: first.ts }).catch((problem) => toast(problem.message));
}
