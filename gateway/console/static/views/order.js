// One order: its facts, its timeline, and where its money is. The view is updated live.

import { get, part } from "../api.js";
import { h, refill, settled } from "../dom.js";
import { contract as onChain } from "../explorer.js";
import { words } from "../format.js";
import { amount, badge, copied, empty, facts, head, link, moment, outside, panel, table, when } from "../parts.js";
import { listen } from "../stream.js";
import { timeline } from "../timeline.js";

export async function show(place, { params, signal }) {
  const path = `/orders/${part(params.id)}`;

  let newest = 0;

  async function draw() {
    const now = (newest += 1);
    const [order, story] = await Promise.all([
      get(path, {}, { signal }),
      get(`${path}/timeline`, {}, { signal }),
    ]);
    const balances = await Promise.all([order.buyerId, order.sellerId].map((one) => balance(one, signal)));
    // An earlier request may be answered later. Its answer is out of date.
    if (now !== newest) return;
    refill(
      place,
      head(order.title, badge(order.finalStatus ?? order.status), link(`#/audit?targetId=${part(order.id)}`, "Who changed it")),
      h("p", { class: "lead" }, amount(order.amount, order.currency), " ", copied(order.id)),
      order.operation && running(order.operation),
      h("div", { class: "columns" }, about(order), sides(order, balances), contract(order)),
      order.milestones.length > 0 && milestones(order),
      panel("Timeline", story.entries.length ? timeline(story.entries) : empty("Nothing has happened yet.")),
    );
  }

  await draw();
  const again = settled(() => draw().catch(() => {}));
  const concerns = (event) => event.aggregateId === params.id || event.payload?.orderId === params.id;
  signal.addEventListener("abort", listen(again, concerns));
}

async function balance(user, signal) {
  try {
    return await get(`/users/${part(user)}/balance`, {}, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { available: null, reserved: null };
  }
}

function running(operation) {
  return h("p", { class: "note", role: "status" },
    h("strong", {}, words(operation.kind)), ` is ${words(operation.state).toLowerCase()}`,
    operation.step && `: ${words(operation.step).toLowerCase()}`,
    operation.attempts > 1 && ` (try ${operation.attempts})`);
}

function about(order) {
  return panel("Order", facts([
    ["Status", badge(order.status)],
    ["End", order.finalStatus ? badge(order.finalStatus) : undefined],
    ["Reference", order.clientOrderRef ?? undefined],
    ["Description", order.description ?? undefined],
    ["Platform fee", h("span", {}, amount(order.platformFee), ` (${order.platformFeeBps / 100} %)`)],
    ["To the seller", order.releasedAmount === null ? undefined : amount(order.releasedAmount)],
    ["To the buyer", order.refundedAmount === null ? undefined : amount(order.refundedAmount)],
    ["Created", moment(order.createdAt)],
    ["Delivered", order.delivery ? moment(order.delivery.deliveredAt) : undefined],
    ["Delivery", order.delivery?.url ? outside(order.delivery.url) : undefined],
    ["Notes", order.delivery?.notes ?? undefined],
    ["Closed", order.closedAt ? moment(order.closedAt) : undefined],
    ["Dispute", order.dispute
      ? link(`#/disputes/${order.dispute.id}`, words(order.dispute.reason))
      : undefined],
  ]));
}

function sides(order, [buyer, seller]) {
  const side = (name, user, has) => h("div", { class: "side" },
    h("h3", {}, name, " ", link(`#/users/${user}`, user)),
    facts([["Available", amount(has.available)], ["Reserved", amount(has.reserved)]]));
  return panel("Balances", side("Buyer", order.buyerId, buyer), side("Seller", order.sellerId, seller));
}

function contract({ escrow }) {
  if (!escrow) return panel("Contract", empty("No contract yet.", "It is deployed when the escrow is created."));
  return panel("Contract", facts([
    ["Escrow", copied(escrow.id)],
    ["State", badge(escrow.status)],
    ["Contract", onChain(escrow.trustlessContractId)],
    ["Funded", moment(escrow.fundedAt)],
    ["Last error", escrow.lastError ?? undefined],
  ]));
}

const milestones = (order) =>
  panel("Milestones", table([
    { title: "Part", cell: (one) => one.title },
    { title: "Status", cell: (one) => badge(one.status) },
    { title: "Amount", number: true, cell: (one) => amount(one.amount) },
    { title: "Completed", cell: (one) => when(one.completedAt) },
  ], order.milestones));
