// Orders, newest first, with filters and live updates.

import { fill } from "../dom.js";
import { exporting } from "../exports.js";
import { filters, list } from "../list.js";
import { amount, badge, head, link, when } from "../parts.js";
import { words } from "../format.js";

const STATUSES = `ORDER_CREATED FUNDS_RESERVED ESCROW_CREATING ESCROW_FUNDING ESCROW_FUNDED
  IN_PROGRESS RELEASE_REQUESTED RELEASED REFUND_REQUESTED REFUNDED DISPUTED CLOSED`.split(/\s+/);
const SORTS = [["OLDEST", "Oldest first"], ["LARGEST", "Largest first"], ["SMALLEST", "Smallest first"]];
const FIELDS = [
  { name: "text", label: "Words" },
  { name: "status", label: "Status", options: STATUSES.map((one) => [one, words(one)]) },
  { name: "buyerId", label: "Buyer" },
  { name: "sellerId", label: "Seller" },
  { name: "clientOrderRef", label: "Your reference" },
  { name: "createdFrom", label: "Created from", type: "date" },
  { name: "createdTo", label: "Created until", type: "date", isLast: true },
  { name: "amountFrom", label: "Amount from" },
  { name: "amountTo", label: "Amount up to" },
  { name: "sort", label: "Order", any: "Newest first", options: SORTS },
];
const COLUMNS = [
  { title: "Order", cell: (one) => link(`#/orders/${one.id}`, one.title) },
  { title: "Status", cell: (one) => badge(one.finalStatus ?? one.status) },
  { title: "Amount", number: true, cell: (one) => amount(one.amount, one.currency) },
  { title: "Buyer", cell: (one) => link(`#/users/${one.buyerId}`, one.buyerId) },
  { title: "Seller", cell: (one) => link(`#/users/${one.sellerId}`, one.sellerId) },
  { title: "Created", cell: (one) => when(one.createdAt) },
];

export async function show(place, { query, signal }) {
  const bar = filters({ path: "orders", fields: FIELDS, query, changed: () => orders.load() });
  const orders = list({
    path: "/orders",
    columns: COLUMNS,
    query: bar.asked,
    none: () =>
      Object.values(bar.values).some(Boolean)
        ? ["No order fits these filters.", "Clear a filter to see more."]
        : ["There are no orders yet.", "POST /api/v1/orders creates one; it appears here at once."],
    concerns: (event) => event.aggregateType === "Order",
    signal,
    caption: "Orders",
  });
  fill(place, head("Orders", [], exporting("/exports/orders.csv", "orders")), bar.form, orders.place);
  await orders.load();
}
