// The books as the API shows them: whether they are right, what is stuck, the platform's own money and
// its changes, the marketplace's rules, and the state of the parts.

import { get } from "../api.js";
import { fill, h, refill } from "../dom.js";
import { exporting } from "../exports.js";
import { duration, words } from "../format.js";
import { list } from "../list.js";
import { amount, badge, button, code, facts, head, link, none, panel, signed, table, trouble, when } from "../parts.js";

const COLUMNS = [
  { title: "Change", cell: (one) => words(one.code) },
  { title: "Amount", number: true, cell: (one) => signed(one.change) },
  { title: "Account", cell: (one) => words(one.account) },
  { title: "Order", cell: (one) => (one.orderId ? link(`#/orders/${one.orderId}`, code(one.orderId)) : none()) },
  { title: "Reason", cell: (one) => one.reason ?? none() },
  { title: "When", cell: (one) => when(one.at) },
];

const MONEY = [
  { title: "Currency", cell: (one) => one.currency },
  { title: "Held", number: true, cell: (one) => amount(one.held) },
  { title: "Available", number: true, cell: (one) => amount(one.available) },
  { title: "Reserved", number: true, cell: (one) => amount(one.reserved) },
  { title: "In escrow", number: true, cell: (one) => amount(one.inEscrow) },
  { title: "In suspense", number: true, cell: (one) => amount(one.inSuspense) },
];

const INVARIANTS = [
  { title: "Rule of the ledger", cell: (one) => one.name },
  { title: "Now", cell: (one) => badge(one.holds ? "HOLDS" : "BROKEN") },
  { title: "Checked", cell: (one) => one.details },
];

const DIFFERENCES = [
  { title: "Account", cell: (one) => about(one) },
  { title: "Ledger", number: true, cell: (one) => amount(one.ledger) },
  { title: "Chain", number: true, cell: (one) => amount(one.chain) },
  { title: "Since", cell: (one) => when(one.since) },
];

const WORK = [
  { title: "About", cell: (one) => about(one) },
  { title: "Work", cell: (one) => words(one.kind) },
  { title: "Reason", cell: (one) => (one.reason ? words(one.reason) : none()) },
  { title: "Since", cell: (one) => when(one.since) },
];

const FOREIGN = [
  { title: "Order", cell: (one) => about(one) },
  { title: "Change", cell: (one) => code(one.event) },
  { title: "Transaction", cell: (one) => code(one.transactionHash) },
  { title: "Since", cell: (one) => when(one.since) },
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
  const right = h("div", {}, "Loading…");
  const look = () => get("/books", {}, { signal }).then(
    (found) => refill(right, books(found, look)),
    (error) => error.name === "AbortError" || fill(right, trouble(error, look)),
  );
  fill(place, head("Books", [], exporting("/exports/platform.csv", "platform")), right,
    h("div", { class: "columns" }, money, rules, parts), h("h2", {}, "Changes"), changes.place);
  look();
  await changes.load();
}

/** Whether the books are right, and why. The result is a word, so it does not depend on colour. */
function books({ isWell, ledger, chain, ...rest }, look) {
  const verdict = { true: "RIGHT", false: "WRONG", null: "NOT_CHECKED_YET" };
  return [
    panel("Whether the books are right",
      h("p", {}, badge(verdict[isWell]), " ", button("Look again", look)),
      ledger.isChecking && h("p", { class: "fine" }, "A newer check of the ledger is in progress."),
      facts([
        ["Ledger checked", when(ledger.checkedAt)],
        ["Ledger and chain", badge(chain.agrees === null ? "NOT_CHECKED_YET" : chain.agrees ? "AGREES" : "DIFFERS")],
        ["Compared", when(chain.comparedAt)],
        ["Needs an operator", String(rest.needsOperator.count)],
        ["Waits", String(rest.waits.count)],
        ["Sending", rest.isSendingOnHold ? "on hold until an operator has looked" : "goes on"],
        ["Deposits", rest.areDepositsSeen ? "are seen" : "are not seen"],
        ["Oldest event to publish", when(rest.oldestEventAt)],
      ])),
    ledger.money.length > 0 && table(MONEY, ledger.money, { caption: "Money of the marketplace, without the platform's own" }),
    ledger.invariants.length > 0 && table(INVARIANTS, ledger.invariants, { caption: "Rules of the ledger, as they were last checked" }),
    chain.differences.length > 0 && table(DIFFERENCES, chain.differences, { caption: "Where ledger and chain differ" }),
    rest.needsOperator.count > 0 && table(WORK, rest.needsOperator.oldest, { caption: "Needs an operator, the oldest first" }),
    rest.foreignChanges.length > 0 && table(FOREIGN, rest.foreignChanges, { caption: "Contracts that others have changed" }),
    rest.waits.count > 0 && table(WORK, rest.waits.oldest, { caption: "Waits, and goes on without help, the oldest first" }),
  ];
}

const about = (one) =>
  one.orderId ? link(`#/orders/${one.orderId}`, code(one.orderId))
    : one.userId ? link(`#/users/${one.userId}`, code(one.userId)) : none();

/** A panel that reads its own route. If a scope is missing, only this panel stays closed. */
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
  ["Payouts redirected by", words(found.payoutRedirects)],
]);

const within = (hours) => (hours === null ? "off" : `within ${duration(hours * 3600)}`);

const health = (found) => facts([
  ["Gateway", badge(found.status)],
  ...Object.entries(found.parts).map(([name, state]) => [words(name), badge(state)]),
  ["Version", found.version],
]);
