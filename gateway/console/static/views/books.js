// The books, as the API shows them: the platform's own money, its changes, the rules, the parts.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { exporting } from "../exports.js";
import { duration, words } from "../format.js";
import { list } from "../list.js";
import { amount, badge, code, facts, head, link, none, panel, signed, trouble, when } from "../parts.js";

const COLUMNS = [
  { title: "Change", cell: (one) => words(one.code) },
  { title: "Amount", number: true, cell: (one) => signed(one.change) },
  { title: "Account", cell: (one) => words(one.account) },
  { title: "Order", cell: (one) => (one.orderId ? link(`#/orders/${one.orderId}`, code(one.orderId)) : none()) },
  { title: "Reason", cell: (one) => one.reason ?? none() },
  { title: "When", cell: (one) => when(one.at) },
];

export async function show(place, { signal }) {
  const changes = list({
    path: "/platform/entries",
    columns: COLUMNS,
    none: () => ["The platform's own money has not changed yet.", "A fee of a released order is the first."],
    signal,
    caption: "Changes of the platform's own money, the newest first",
    id: (one) => `${one.transferId} ${one.account}`,
  });
  const money = section("Platform", "/platform/balance", platform, signal);
  const rules = section("Marketplace", "/marketplace", marketplace, signal);
  const parts = section("Parts", "/health/detailed", health, signal);
  fill(place, head("Books", [], exporting("/exports/platform.csv", "platform")), h("div", { class: "columns" }, money, rules, parts),
    h("h2", {}, "Changes"), changes.place,
    h("p", { class: "fine" }, "Whether every sum holds, and whether ledger and chain agree, is for the operator of the ",
      "deployment: make reconcile, make suspense and make stuck say it."));
  await changes.load();
}

/** A panel that reads its own route, so that a missing scope closes one panel only. */
function section(title, path, shown, signal) {
  const place = h("div", {}, "Loading…");
  get(path, {}, { signal }).then(
    (found) => fill(place, shown(found)),
    (error) => error.name === "AbortError" || fill(place, trouble(error)),
  );
  return panel(title, place);
}

const platform = (found) => facts([
  ["To withdraw", amount(found.available, found.currency)],
  ["Reserved", amount(found.reserved)],
  ["Fees earned", amount(found.feesEarned)],
  ["Fees borne", amount(found.feesBorne)],
  ["Withdrawn", amount(found.feesWithdrawn)],
  ["Credits paid", amount(found.float)],
  ["Suspense", h("span", {}, amount(found.suspense), " ", badge(/^0(\.0+)?$/.test(found.suspense) ? "OK" : "OPEN"))],
]);

const marketplace = (found) => facts([
  ["Environment", badge(found.environment)],
  ["Fee", `${found.platformFeeBps / 100} %`],
  ["Fee, party API", `${found.partyPlatformFeeBps / 100} %`],
  ...found.deadlines.map((one) => [words(one.name), `${duration(one.days * 86400)}, then ${words(one.action).toLowerCase()}`]),
  ["Approval above", found.withdrawals.approvalAbove === null ? "off" : amount(found.withdrawals.approvalAbove)],
  ["Dispute answered", within(found.disputeAnswerHours)],
  ["Dispute decided", within(found.disputeDecisionHours)],
]);

const within = (hours) => (hours === null ? "off" : `within ${duration(hours * 3600)}`);

const health = (found) => facts([
  ["Gateway", badge(found.status)],
  ...Object.entries(found.parts).map(([name, state]) => [words(name), badge(state)]),
  ["Version", found.version],
]);
