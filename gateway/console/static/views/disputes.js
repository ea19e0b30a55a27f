// Disputes that wait for a decision, oldest first; the overdue disputes; and the resolved disputes.

import { all } from "../api.js";
import { fill, h, settled } from "../dom.js";
import { words } from "../format.js";
import { filters } from "../list.js";
import { amount, badge, code, empty, head, link, none, table, trouble, when } from "../parts.js";
import { due } from "../waits.js";
import { listen } from "../stream.js";

const MOST = 500;
const FIELDS = [
  {
    name: "status",
    label: "Cases",
    any: "That wait",
    options: [["OVERDUE", "Overdue"], ["OPEN", "Open"], ["UNDER_REVIEW", "Under review"], ["RESOLVED", "Resolved"]],
  },
  { name: "assignedTo", label: "Assigned to" },
  {
    name: "openedBy",
    label: "Opened by",
    options: [["BUYER", "Buyer"], ["SELLER", "Seller"]],
  },
];
const COLUMNS = [
  { title: "Case", cell: (one) => link(`#/disputes/${one.id}`, words(one.reason)) },
  { title: "Waits since", cell: (one) => when(one.createdAt) },
  { title: "Status", cell: (one) => [badge(one.status), one.overdue && [" ", badge("OVERDUE")]] },
  { title: "Due", cell: due },
  { title: "Amount", number: true, cell: (one) => amount(one.amount) },
  { title: "Opened by", cell: (one) => words(one.openedBy) },
  { title: "Assigned to", cell: (one) => one.assignedToName ?? one.assignedTo ?? none() },
  { title: "Evidence", number: true, cell: (one) => String(one.evidence.length) },
  { title: "Order", cell: (one) => link(`#/orders/${one.orderId}`, code(one.orderId)) },
];

export async function show(place, { query, signal }) {
  const bar = filters({ path: "disputes", fields: FIELDS, query, changed: () => draw() });
  const cases = h("div", { class: "list" });
  fill(place, head("Disputes"), bar.form, cases);

  async function draw() {
    const isLate = bar.values.status === "OVERDUE";
    const wanted = bar.values.status ? [bar.values.status] : ["OPEN", "UNDER_REVIEW"];
    const which = (status) => (isLate ? { status: "", overdue: "true" } : { status });
    try {
      const found = await Promise.all(
        wanted.map((status) => all("/disputes", { ...bar.asked(), ...which(status) }, { most: MOST, signal })),
      );
      const rows = found.flatMap((one) => one.rows);
      if (!isLate) rows.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
      if (bar.values.status === "RESOLVED") rows.reverse();
      fill(cases, rows.length
        ? table(COLUMNS, rows, { caption: caption(found, isLate) })
        : empty("No case waits.", "A side opens one with a dispute of its order."));
    } catch (error) {
      if (error.name !== "AbortError") fill(cases, trouble(error, draw));
    }
  }

  await draw();
  const again = settled(draw);
  signal.addEventListener("abort", listen(again, (event) => event.aggregateType === "Dispute"));
}

function caption(found, isLate) {
  const order = isLate ? "Cases, the longest overdue first" : "Cases by age";
  if (found.every((one) => one.isWhole)) return order;
  return isLate ? `${order}; only ${MOST} are shown` : `${order}; only the newest ${MOST} of each status are shown`;
}
