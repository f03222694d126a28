// The workspace in the browser: who you are, where you look, and the loop that keeps the screen as the stand-in has it.

import { get, post, watch } from "/page/static/api.js";
import { draw } from "/page/static/blocks.js";
import { el, patch, toast } from "/page/static/dom.js";
import { drawMessages, drawThread } from "/page/static/messages.js";
import { drawModals } from "/page/static/modal.js";
import { plain } from "/page/static/mrkdwn.js";
import { learn, readAs } from "/page/static/world.js";
import { composer } from "/page/static/composer.js";

const $ = (id) => document.getElementById(id);
const store = { person: localStorage.getItem("person"), place: localStorage.getItem("place") || "C01GENERAL", tab: "messages", thread: null };
let details = { people: [], apps: [], channels: [], homes: [] };
let screen = { channels: {}, modals: [], home: null };
let stop = () => {};
let asked = 0;
const read = new Map(Object.entries(JSON.parse(localStorage.getItem("read") || "{}")));

async function refresh() {
  const mine = ++asked;
  const user = store.person;
  try {
    const [seen, known] = await Promise.all([get(`/control/screen?user=${user}`), get(`/page/details?user=${user}`)]);
    if (mine !== asked || user !== store.person) return;
    notify(screen, seen);
    screen = seen;
    details = known;
    learn(details);
    readAs(user);
    paint();
    paintPayloads();
  } catch (problem) {
    if (mine === asked) toast(`The workspace does not answer: ${problem.message}`);
  }
}

let soon = null;
const changed = () => {
  if (soon) return;
  soon = setTimeout(() => { soon = null; refresh(); }, 40);
};

const appHere = () => details.apps.find((app) => app.dm === store.place);
const context = () => ({ user: store.person, place: store.place, refresh, openThread: (ts) => { store.thread = ts; paint(); } });

function paint() {
  if (!screen.channels[store.place]) store.place = "C01GENERAL";
  const app = appHere();
  const channel = details.channels.find((c) => c.id === store.place);
  const name = app ? app.name : channel ? `# ${channel.name}` : store.place;
  $("where").textContent = name;
  $("about").textContent = app ? "App" : channel ? channel.purpose || "" : "";
  paintTabs(app);
  const messages = screen.channels[store.place] || [];
  const onHome = Boolean(app) && store.tab === "home";
  $("home").hidden = !onHome;
  $("messages").hidden = onHome;
  $("compose").hidden = onHome;
  if (onHome) paintHome();
  else drawMessages($("messages"), messages, details, context());
  mark(store.place, messages);
  paintSidebar();
  const waiting = Object.keys(screen.channels).reduce((sum, id) => sum + unread(id), 0);
  document.title = `${waiting ? `(${waiting}) ` : ""}${name} · Acme`;
  drawThread($("thread"), store.thread ? messages.filter((m) => m.ts === store.thread || m.thread_ts === store.thread) : [], details, context(), () => { store.thread = null; paint(); });
  drawModals($("modals"), screen.modals, context());
}

function paintTabs(app) {
  const tab = (id, label) => el("button", { role: "tab", type: "button", "aria-selected": String(store.tab === id), onclick: () => openTab(id) }, label);
  $("tabs").replaceChildren(...(app ? [tab("home", "Home"), tab("messages", "Messages")] : []));
}

async function openTab(id) {
  store.tab = id;
  paint();
  if (id === "home") await post("home", { user: store.person, app: appHere().app_id }).catch((problem) => toast(problem.message));
}

function paintHome() {
  const home = details.homes.find((view) => view.app_id === appHere().app_id);
  if (!home) return $("home").replaceChildren(el("p", { class: "hint" }, "The app has not published a Home for you yet."));
  const items = home.blocks.map((block) => ({ block, values: home.state?.values?.[block.block_id] }));
  const where = { ...context(), container: { view_id: home.id } };
  patch($("home"), items, (item) => item.block.block_id, (item) => draw(item.block, where, item.values));
}

function paintSidebar() {
  const line = (id, label, kind) => ({ id, label, kind, here: id === store.place, unread: unread(id) });
  const shown = details.channels.filter((c) => c.kind !== "im" && screen.channels[c.id]).map((c) => line(c.id, c.name, "#"));
  const apps = details.apps.filter((a) => a.dm && a.installed !== false && screen.channels[a.dm]).map((a) => line(a.dm, a.name, "app"));
  const group = (title, lines) => el("div", { class: "group" }, el("h2", {}, title), lines.map(row));
  const row = (item) => el("button", { class: "row" + (item.unread ? " unread" : ""), type: "button", "aria-current": item.here ? "page" : null, dataset: { channel: item.id }, onclick: () => goTo(item.id) },
    el("span", { class: "sign", "aria-hidden": "true" }, item.kind === "app" ? "◆" : "#"), item.label, item.unread ? el("span", { class: "badge", "aria-label": `${item.unread} unread` }, String(item.unread)) : null);
  $("conversations").replaceChildren(group("Channels", shown), group("Apps", apps));
}

function goTo(id) {
  store.place = id;
  store.thread = null;
  store.tab = "messages";
  localStorage.setItem("place", id);
  document.body.classList.remove("menu");
  paint();
  $("composer").focus();
}

const stamp = (m) => m.edited?.ts && m.edited.ts > m.ts ? m.edited.ts : m.ts;
const unread = (id) => (screen.channels[id] || []).filter((m) => m.user !== store.person && m.ts > (read.get(`${store.person}/${id}`) || "0")).length;

function mark(id, messages) {
  const last = messages.at(-1)?.ts;
  if (!last || document.hidden) return;
  read.set(`${store.person}/${id}`, last);
  localStorage.setItem("read", JSON.stringify(Object.fromEntries(read)));
}

function notify(before, after) {
  for (const [id, messages] of Object.entries(after.channels)) {
    const known = new Set((before.channels[id] || []).map((m) => m.ts));
    if (!before.channels[id] || id === store.place) continue;
    for (const m of messages) if (!known.has(m.ts) && m.user !== store.person && !m.thread_ts) toast(plain(m.text).slice(0, 160));
  }
}

function become(id) {
  store.person = id;
  localStorage.setItem("person", id);
  document.cookie = `sandbox_person=${id}; path=/`;
  screen = { channels: {}, modals: [], home: null };
  store.thread = null;
  stop();
  stop = watch(id, changed);
  refresh().then(() => { if (store.tab === "home" && appHere()) openTab("home"); });
}

async function paintPayloads() {
  if ($("payloads").hidden) return;
  const brought = await get(`/page/payloads?user=${store.person}`).catch(() => []);
  const named = (item) => item.payload.command ? `${item.payload.command} ${item.payload.text}` : item.payload.actions?.[0]?.action_id || item.payload.event?.type || item.payload.action_id || item.payload.callback_id || item.payload.view?.callback_id || "";
  const draw = (item) => el("details", {}, el("summary", {}, el("b", {}, item.payload.type || item.kind), ` ${named(item)} `, el("span", { class: "hint" }, `${item.app} · ${item.took_ms} ms`)),
    el("pre", {}, JSON.stringify(item.payload, null, 2)), el("div", { class: "hint" }, "The app answered"), el("pre", {}, item.answer === null ? "(nothing)" : JSON.stringify(item.answer, null, 2)));
  patch($("payloads").querySelector("div"), brought, (item) => String(item.at) + item.kind, draw);
}

async function begin() {
  const people = await get("/control/people");
  const roles = { primary_admin: "Primary Administrator", abm_admin: "ABM Administrator", marketing_user: "Marketing User", viewer: "View-only", guest: "Guest" };
  $("person").append(...people.map((p) => el("option", { value: p.id }, `${p.name} · ${roles[p.role] || p.role}`)));
  const known = people.some((p) => p.id === store.person);
  const first = known ? store.person : (people.find((p) => p.role === "marketing_user") || people[0]).id;
  $("person").value = first;
  $("person").addEventListener("change", (event) => become(event.target.value));
  const dark = localStorage.getItem("theme");
  if (dark) document.documentElement.dataset.theme = dark;
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  });
  $("open-menu").addEventListener("click", () => document.body.classList.add("menu"));
  $("menu").addEventListener("click", () => document.body.classList.remove("menu"));
  const togglePayloads = () => {
    $("payloads").hidden = !$("payloads").hidden;
    $("payloads-toggle").setAttribute("aria-pressed", String(!$("payloads").hidden));
    paintPayloads();
  };
  $("payloads-toggle").addEventListener("click", togglePayloads);
  $("payloads").querySelector("button").addEventListener("click", togglePayloads);
  composer($("compose"), () => ({ ...context(), apps: details.apps }), changed);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) changed(); });
  become(first);
}

begin();
