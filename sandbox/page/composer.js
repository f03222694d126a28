// The message box: plain messages, and slash commands with suggestions.

import { post } from "/page/static/api.js";
import { el, toast } from "/page/static/dom.js";
import { menu } from "/page/static/popover.js";
import { words } from "/page/static/world.js";

const WORDS = ["overview", "create", "list", "show", "pause", "resume", "refresh", "connect", "disconnect", "usage", "alerts", "approvals", "help"];

export function composer(form, context, changed) {
  const box = form.querySelector("textarea");
  const list = form.querySelector("#suggestions");
  let at = 0;

  const offers = () => {
    const text = box.value;
    if (!text.startsWith("/") || text.includes("\n")) return [];
    const commands = context().apps.flatMap((app) => app.commands.map((c) => ({ text: c, about: app.name })));
    const known = commands.filter((c) => c.text.startsWith(text));
    const own = commands.find((c) => c.text === "/segsync" && text.startsWith("/segsync "));
    const further = own ? WORDS.map((w) => ({ text: `/segsync ${w}`, about: own.about })).filter((w) => w.text.startsWith(text) && w.text !== text) : [];
    return [...known, ...further].slice(0, 8);
  };

  const show = () => {
    const found = offers();
    at = Math.min(at, Math.max(found.length - 1, 0));
    list.hidden = !found.length;
    list.replaceChildren(...found.map((offer, n) => el("button", { type: "button", role: "option", class: "offer", "aria-selected": String(n === at), onmousedown: (event) => { event.preventDefault(); take(offer); } }, el("b", {}, offer.text), el("span", {}, offer.about))));
  };

  const take = (offer) => {
    box.value = `${offer.text} `;
    at = 0;
    show();
    box.focus();
  };

  const grow = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
  };

  const send = async () => {
    const text = box.value.trim();
    if (!text) return;
    box.value = "";
    show();
    grow();
    const { user, place } = context();
    try {
      await post(text.startsWith("/") ? "command" : "message", { user, channel: place, text });
    } catch (problem) {
      toast(problem.message);
      box.value = text;
    }
    changed();
  };

  box.addEventListener("input", () => { at = 0; show(); grow(); });
  box.addEventListener("blur", () => { list.hidden = true; });
  box.addEventListener("keydown", (event) => {
    const found = list.hidden ? [] : offers();
    if (found.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      at = (at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      show();
      event.preventDefault();
    } else if (found.length && event.key === "Tab") {
      take(found[at]);
      event.preventDefault();
    } else if (event.key === "Escape") {
      list.hidden = true;
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      const exact = found.some((offer) => offer.text === box.value.trim());
      if (found.length && !exact && !box.value.includes(" ")) take(found[at]);
      else send();
    }
  });
  const run = (shortcut) => post("shortcut", { user: context().user, callback_id: shortcut }).catch((problem) => toast(problem.message)).finally(changed);
  form.querySelector("#shortcuts").addEventListener("click", (event) => {
    const known = context().apps.flatMap((app) => app.shortcuts.map((id) => ({ label: words(id), about: app.name, run: () => run(id) })));
    menu(event.currentTarget, known.length ? known : [{ label: "No app offers a shortcut here", run: () => {} }]);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
}
