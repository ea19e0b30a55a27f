// The view of a person with a token of the party API: their balance, purchases and sales.

import { get } from "../api.js";
import { open } from "../dialog.js";
import { h, refill, settled } from "../dom.js";
import { short } from "../format.js";
import { amount, badge, button, copied, empty, facts, head, moment, outside, panel, table, when } from "../parts.js";
import { listen } from "../stream.js";

const COLUMNS = [
  { title: "Order", cell: (one) => button(short(one.id), () => look(one), "row") },
  { title: "Status", cell: (one) => badge(one.status) },
  { title: "Amount", number: true, cell: (one) => amount(one.amount, one.currency) },
  { title: "Created", cell: (one) => when(one.created_at) },
  { title: "Paid", cell: (one) => when(one.paid_at) },
];

export async function show(place, { me, signal }) {
  async function draw() {
    const [balance, purchases, sales] = await Promise.all([
      get("/me/balance", {}, { signal }),
      get("/orders/", { role: "personal", limit: 100 }, { signal }),
      get("/orders/", { role: "business", limit: 100 }, { signal }),
    ]);
    refill(
      place,
      head("My orders"),
      panel("Balance", facts([
        ["You", copied(me.public_id)],
        ["Available", amount(balance.available, balance.currency)],
        ["Reserved", amount(balance.reserved, balance.currency)],
      ])),
      side("Purchases", purchases, "You have not bought anything yet."),
      side("Sales", sales, "You have not sold anything yet."),
    );
  }

  await draw();
  const again = settled(() => draw().catch(() => {}));
  signal.addEventListener("abort", listen(again));
}

function side(title, { items, total }, none) {
  const caption = items.length < total ? `The newest ${items.length} of ${total}` : "The newest first";
  return [
    h("h2", { class: "next" }, title),
    h("div", { class: "list" }, items.length ? table(COLUMNS, items, { caption }) : empty(none)),
  ];
}

function look(one) {
  open({
    title: `Order of ${one.amount} ${one.currency}`,
    content: facts([
      ["Id", copied(one.id)],
      ["Status", badge(one.status)],
      ["Platform fee", amount(one.platform_fee)],
      ["Created", moment(one.created_at)],
      ["Paid", moment(one.paid_at)],
      ["Delivered", moment(one.delivered_at)],
      ["Confirmed", moment(one.confirmed_at)],
      ["Notes", one.delivery_notes ?? undefined],
      ["Delivery", one.deliverable_url ? outside(one.deliverable_url) : undefined],
      ["Milestones", one.milestones?.length
        ? h("ul", { class: "plain" }, one.milestones.map((part) =>
            h("li", {}, `${part.title}: `, amount(part.amount), " ", badge(part.completed_at ? "COMPLETED" : "PENDING"))))
        : undefined],
    ]),
  });
}
