// Texts about a dispute: messages, which both sides read, and notes, which only support reads.

import { all, once } from "./api.js";
import { fill, h, settled } from "./dom.js";
import { words } from "./format.js";
import { badge, empty, panel, trouble, when } from "./parts.js";
import { listen } from "./stream.js";

const MOST = 200;
const LONGEST = 4000;

/** Show the texts of a path, oldest first, and a field to write another one. */
export function talk({ title, path, none, label, canWrite, concerns, signal }) {
  const lines = h("div", {}, "Loading…");

  async function draw() {
    try {
      const { rows } = await all(path, {}, { most: MOST, signal });
      fill(lines, rows.length ? h("ol", { class: "talk" }, rows.reverse().map(line)) : empty(none));
    } catch (error) {
      if (error.name !== "AbortError") fill(lines, trouble(error));
    }
  }

  draw();
  signal.addEventListener("abort", listen(settled(draw), concerns));
  return panel(title, lines, canWrite && writing({ path, label, draw }));
}

const line = (one) =>
  h("li", {},
    h("p", { class: "fine" },
      one.writtenBy && badge(one.writtenBy), " ", one.authorName ?? one.authorId, " ", when(one.createdAt)),
    h("p", { class: "said-text" }, one.text));

function writing({ path, label, draw }) {
  const id = `write-${words(label).replaceAll(" ", "-")}`;
  const field = h("textarea", { id, rows: "2", maxlength: LONGEST, required: true });
  const place = h("div", {});
  const send = h("button", { type: "submit" }, label);
  const say = once();
  const form = h("form", { class: "write" },
    h("div", { class: "field" }, h("label", { for: id }, label), field), place, send);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    send.disabled = true;
    try {
      await say("POST", path, { text: field.value.trim() });
      field.value = "";
      place.replaceChildren();
      await draw();
    } catch (error) {
      fill(place, trouble(error));
    }
    send.disabled = false;
  });
  return form;
}
