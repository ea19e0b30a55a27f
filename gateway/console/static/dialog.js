// Dialogs: they hold the keyboard focus, close with Esc, and then return the focus.

import { isAnswer, newKey, preview } from "./api.js";
import { fill, h, say } from "./dom.js";
import { button, trouble } from "./parts.js";
import { foretold } from "./preview.js";

let made = 0;

/** Open a dialog; returns its elements. actions: buttons beside "Close". */
export function open({ title, content, actions = [], closes = "Close", onClose = () => {} }) {
  const id = `dialog-${(made += 1)}`;
  const body = h("div", { class: "body" }, content);
  const shut = button(closes, () => dialog.close());
  const foot = h("div", { class: "foot" }, shut, actions);
  const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), body, foot);
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, body, foot, close: () => dialog.close() };
}

/**
 * Ask for confirmation of a change. text: what will happen. previewed: path and body of the change,
 * to show its preview first. act(key): sends the change; the key stays the same until it is answered.
 */
export function confirm({ title, text, label, danger = false, previewed, act, done = "Done." }) {
  let key = newKey();
  const place = h("div", { class: "outcome" });
  const sure = button(label, () => carryOut(), danger ? "primary danger" : "primary");
  const content = [text && h("p", {}, text), place];
  const asked = open({ title, content, actions: [sure], closes: "Leave it" });

  async function foresee() {
    sure.disabled = true;
    fill(place, h("p", { class: "loading", role: "status" }, "Asking what would happen…"));
    try {
      fill(place, foretold(await preview(previewed.method ?? "POST", previewed.path, previewed.body)));
      sure.disabled = false;
      sure.focus();
    } catch (error) {
      fill(place, trouble(error, foresee));
    }
  }

  async function carryOut() {
    sure.disabled = true;
    sure.textContent = "Working…";
    try {
      const answer = await act(key);
      asked.close();
      say(typeof done === "function" ? done(answer) : done);
    } catch (error) {
      if (isAnswer(error)) key = newKey();
      fill(place, trouble(error));
      sure.disabled = false;
      sure.textContent = "Try again";
    }
  }

  if (previewed) foresee();
  else sure.focus();
}
