// Exports lists as CSV files for a period. A file is saved only when it is complete.

import { file } from "./api.js";
import { open } from "./dialog.js";
import { fill, h, say } from "./dom.js";
import { button, trouble } from "./parts.js";

/** Return a button that exports a list. path: in the API. name: of the file, without its ending. */
export const exporting = (path, name) => button("Export CSV", () => ask(path, name));

function ask(path, name) {
  const from = h("input", { id: "export-from", type: "date" });
  const to = h("input", { id: "export-to", type: "date" });
  const place = h("div", {});
  const sure = button("Export", async () => {
    sure.disabled = true;
    fill(place, h("p", { class: "loading", role: "status" }, "The file is being made…"));
    try {
      hand(await file(path, { from: from.value, to: to.value }), `${name}.csv`);
      asked.close();
      say("The file was handed to the browser.");
    } catch (error) {
      fill(place, trouble(error));
      sure.disabled = false;
    }
  }, "primary");
  const content = [
    h("p", {}, "Leave a day empty for no limit. Days are those of UTC."),
    h("div", { class: "shares" },
      h("div", { class: "field" }, h("label", { for: "export-from" }, "From"), from),
      h("div", { class: "field" }, h("label", { for: "export-to" }, "Before"), to)),
    place,
  ];
  const asked = open({ title: `Export ${name}`, content, actions: [sure], closes: "Leave it" });
  from.focus();
}

function hand(content, name) {
  const href = URL.createObjectURL(content);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}
