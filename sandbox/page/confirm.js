// The small dialog that an element may ask for before it acts.

import { el } from "/page/static/dom.js";
import { plain, textOf } from "/page/static/mrkdwn.js";

export function confirmed(asked) {
  return new Promise((decide) => {
    const before = document.activeElement;
    const node = el("dialog", { class: "confirm", "aria-label": plain(asked.title) || "Are you sure?" });
    const end = (answer) => {
      node.close();
      node.remove();
      before?.focus?.();
      decide(answer);
    };
    const yes = el("button", { type: "button", class: `button ${asked.style || "primary"}`, onclick: () => end(true) }, plain(asked.confirm) || "Yes");
    const no = el("button", { type: "button", class: "button", onclick: () => end(false) }, plain(asked.deny) || "Cancel");
    node.append(el("h2", {}, plain(asked.title) || "Are you sure?"), el("p", { html: textOf(asked.text) }), el("footer", {}, no, yes));
    node.addEventListener("cancel", (event) => { event.preventDefault(); end(false); });
    node.addEventListener("keydown", (event) => event.stopPropagation());
    document.body.append(node);
    node.showModal();
    yes.focus();
  });
}
