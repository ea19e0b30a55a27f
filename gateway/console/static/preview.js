// Shows a preview: what each side gets, the fees, and the chain steps.

import { h } from "./dom.js";
import { words } from "./format.js";
import { amount, badge, facts, table } from "./parts.js";

/** Show the answer to a preview request. */
export function foretold(found) {
  const { order, withdrawal, balances, fees, chainSteps } = found;
  return [
    h("p", { class: "fine" }, "A preview: nothing has changed yet."),
    order && facts(aboutOrder(order)),
    withdrawal &&
      facts([
        ["Withdrawal", badge(withdrawal.status)],
        ["Amount", amount(withdrawal.amount)],
        ["Destination", h("code", {}, withdrawal.destination)],
      ]),
    balances.length > 0 && table(CHANGES, balances, { caption: "Balances" }),
    facts([
      ["Platform fee", amount(fees.platform)],
      ["Provider fee", amount(fees.provider)],
      ["Reimbursed", amount(fees.reimbursed)],
    ]),
    chainSteps.length > 0 && [
      h("h3", {}, "Chain transactions to come"),
      h("ol", { class: "steps" }, chainSteps.map((one) => h("li", {}, words(one)))),
    ],
  ];
}

const aboutOrder = (order) => [
  ["Order", badge(order.finalStatus ?? order.status)],
  ["Decision", order.dispute?.decision ? words(order.dispute.decision) : undefined],
  ["To the seller", order.releasedAmount === null ? undefined : amount(order.releasedAmount)],
  ["To the buyer", order.refundedAmount === null ? undefined : amount(order.refundedAmount)],
];

const CHANGES = [
  { title: "User", cell: (one) => [one.userId, one.side && h("small", {}, ` ${words(one.side)}`)] },
  { title: "Available", number: true, cell: (one) => change(one, "available") },
  { title: "Reserved", number: true, cell: (one) => change(one, "reserved") },
];

function change({ before, after }, name) {
  if (before[name] === after[name]) return amount(after[name]);
  return [amount(before[name]), h("span", { class: "to" }, " → "), amount(after[name])];
}
