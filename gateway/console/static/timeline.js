// A timeline: states, postings and chain transactions side by side, oldest first.

import { h } from "./dom.js";
import { transaction as onChain } from "./explorer.js";
import { short, time, words } from "./format.js";
import { amount, badge } from "./parts.js";

const PLACES = { TRANSITION: 1, OPERATION: 1, TRANSFER: 2, TRANSACTION: 3 };
const TITLES = ["When", "State", "Posting", "Chain"];

export function timeline(entries) {
  return h("table", { class: "timeline" },
    h("thead", {}, h("tr", {}, TITLES.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, entries.map((one) => {
      const at = PLACES[one.kind] ?? 1;
      return h("tr", { class: `kind-${at}` },
        h("th", { scope: "row", data: { label: TITLES[0] } }, h("time", { datetime: one.at, title: one.at }, one.at ? time(one.at) : "")),
        [1, 2, 3].map((place) =>
          place === at
            ? h("td", { data: { label: TITLES[place] } }, cell(one))
            : h("td", { class: "blank" })));
    })));
}

function cell({ kind, name, details }) {
  if (kind === "TRANSFER") return posting(name, details);
  if (kind === "TRANSACTION") return transaction(name, details);
  return [
    h("strong", {}, words(name)),
    kind === "OPERATION" && [" ", badge(details.state), h("p", { class: "fine" }, details.error)],
    details.reason && h("p", { class: "fine" }, details.reason),
  ];
}

const posting = (name, details) => [
  h("p", {}, h("strong", {}, words(name)), " ", amount(details.amount)),
  h("p", { class: "fine" }, `${account(details.debit)} → ${account(details.credit)}`),
];

const account = (name) => {
  const [kind, id] = String(name ?? "").split(":");
  return id ? `${kind} ${short(id)}` : kind;
};

const transaction = (name, details) => [
  h("p", {}, h("strong", {}, words(name)), " ", badge(details.state)),
  h("p", { class: "fine" }, onChain(details.hash, { whole: false }), details.ledger ? ` ledger ${details.ledger}` : ""),
];
