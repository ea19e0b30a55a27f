// The audit trail: who changed what, when and from where.

import { open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { words } from "../format.js";
import { exporting } from "../exports.js";
import { filters, list } from "../list.js";
import { button, code, copied, facts, head, moment, none, when } from "../parts.js";

const FIELDS = [
  { name: "actor", label: "Who" },
  { name: "action", label: "Action" },
  { name: "targetId", label: "About" },
];
const COLUMNS = [
  { title: "Action", cell: (one) => button(one.action, () => look(one), "row") },
  { title: "Who", cell: (one) => code(one.actor) },
  { title: "As", cell: (one) => words(one.role) },
  { title: "About", cell: (one) => [words(one.targetType), " ", code(one.targetId)] },
  { title: "From", cell: (one) => one.address ?? none() },
  { title: "When", cell: (one) => when(one.at) },
];

export async function show(place, { query, signal }) {
  const bar = filters({ path: "audit", fields: FIELDS, query, changed: () => lines.load() });
  const lines = list({
    path: "/audit",
    columns: COLUMNS,
    query: () => bar.values,
    none: () => ["No change fits.", "Names are whole: key:…, order.create, ord_…."],
    concerns: () => true,
    signal,
    caption: "Changes, the newest first",
  });
  fill(place, head("Audit trail", [], exporting("/exports/audit.csv", "audit")), bar.form, lines.place);
  await lines.load();
}

function look(one) {
  open({
    title: one.action,
    content: [
      facts([
        ["Line", copied(one.id)],
        ["Who", copied(one.actor)],
        ["About", copied(one.targetId)],
        ["From", one.address ?? none()],
        ["Request", one.requestId ? copied(one.requestId) : none()],
        ["When", moment(one.at)],
      ]),
      h("h3", {}, "Before"),
      h("pre", { tabindex: "0" }, JSON.stringify(one.before, null, 2)),
      h("h3", {}, "After"),
      h("pre", { tabindex: "0" }, JSON.stringify(one.after, null, 2)),
    ],
  });
}
