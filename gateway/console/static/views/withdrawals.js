// Withdrawals. Those that wait for an approval come first, and are approved or canceled here.

import { change, part } from "../api.js";
import { confirm, open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { exporting } from "../exports.js";
import { account, transaction } from "../explorer.js";
import { short, time, words } from "../format.js";
import { filters, list } from "../list.js";
import { amount, badge, button, code, copied, facts, head, link, moment, none, when } from "../parts.js";

const STATUSES = ["CREATED", "AWAITING_APPROVAL", "PENDING", "COMPLETED", "FAILED", "CANCELED"];
const USERS = "/withdrawals";
const PLATFORM = "/platform/withdrawals";
const FIELDS = [
  { name: "status", label: "Status", options: STATUSES.map((one) => [one, words(one)]) },
  { name: "userId", label: "User" },
  { name: "reference", label: "Reference" },
];

export async function show(place, { me, query, signal }) {
  const bar = filters({ path: "withdrawals", fields: FIELDS, query, changed: () => draw() });
  const again = () => draw();
  const concerns = (event) => event.eventType.startsWith("withdrawal.");
  const waiting = list({
    path: USERS,
    columns: columns(again, USERS),
    query: () => ({ status: "AWAITING_APPROVAL" }),
    none: () => ["No withdrawal waits for an approval."],
    concerns,
    signal,
    caption: "They wait for another key's approval",
  });
  const rest = list({
    path: USERS,
    columns: columns(again, USERS),
    query: () => bar.values,
    none: () => ["No withdrawal fits.", "POST /api/v1/withdrawals creates one."],
    concerns,
    signal,
    caption: "Withdrawals, the newest first",
  });
  // Withdrawals of the platform's fees have their own routes, which need the scope admin.
  const fees = me.scopes.includes("admin") && list({
    path: PLATFORM,
    columns: columns(again, PLATFORM).filter((one) => one.title !== "User"),
    none: () => ["No fees were withdrawn yet.", "POST /api/v1/platform/withdrawals withdraws some."],
    concerns,
    signal,
    caption: "Withdrawals of the platform's fees, the newest first",
  });
  const draw = () => Promise.all([waiting.load(), rest.load(), fees && fees.load()]);
  fill(place, head("Withdrawals", [], exporting("/exports/withdrawals.csv", "withdrawals")), h("h2", {}, "To approve"), waiting.place,
    h("h2", { class: "next" }, "All"), bar.form, rest.place,
    fees && [h("h2", { class: "next" }, "Of the platform"), fees.place]);
  await draw();
}

const columns = (again, root) => [
  { title: "Withdrawal", cell: (one) => button(one.reference ?? short(one.id), () => look(one), "row") },
  { title: "Status", cell: (one) => badge(one.status) },
  { title: "Amount", number: true, cell: (one) => amount(one.amount, one.currency) },
  { title: "User", cell: (one) => link(`#/users/${one.userId}`, one.userId) },
  { title: "Destination", cell: (one) => code(one.destination) },
  { title: "Created", cell: (one) => when(one.createdAt) },
  { title: "Decide", cell: (one) => actions(one, again, root) },
];

function actions(one, again, root) {
  const found = [
    one.status === "AWAITING_APPROVAL" && act(one, again, root, "approve", "Approve"),
    one.status === "CREATED" && act(one, again, root, "commit", "Pay out"),
    ["CREATED", "AWAITING_APPROVAL"].includes(one.status) && act(one, again, root, "cancel", "Cancel"),
  ].filter(Boolean);
  return found.length ? h("span", { class: "acts" }, found) : none();
}

function act(one, again, root, verb, label) {
  const path = `${root}/${part(one.id)}/${verb}`;
  const owner = one.userId ?? "the platform";
  const ask = () => confirm({
    title: `${label} ${one.amount} ${one.currency}?`,
    text: verb === "cancel"
      ? "Nothing is paid, and the withdrawal ends."
      : `The amount of ${owner} is held and paid out on chain. It cannot be called back.`,
    label,
    danger: verb === "cancel",
    previewed: { path, body: {} },
    act: async (key) => {
      const answer = await change("POST", path, {}, { key });
      await again();
      return answer;
    },
    done: (answer) => `The withdrawal is ${words(answer.status).toLowerCase()}.`,
  });
  return h("button", { type: "button", "aria-label": `${label} ${one.amount} of ${owner}`, on: { click: ask } }, label);
}

function look(one) {
  open({
    title: `Withdrawal of ${one.amount} ${one.currency}`,
    content: facts([
      ["Id", copied(one.id)],
      ["Status", badge(one.status)],
      ["Why", one.failure ? `${one.failure.reason}: ${one.failure.message}` : undefined],
      ["Destination", account(one.destination)],
      ["Memo", one.memo ? `${one.memo} (${words(one.memoType)})` : undefined],
      ["Reference", one.reference ?? undefined],
      ["Transaction", transaction(one.transactionHash)],
      ["Created by", one.createdBy ? code(one.createdBy) : "the user"],
      ["Committed by", code(one.committedBy)],
      ["Approved by", code(one.approvedBy)],
      ["Approve until", one.approvalEndsAt ? time(one.approvalEndsAt) : undefined],
      ["Finished", moment(one.finishedAt)],
    ]),
  });
}
