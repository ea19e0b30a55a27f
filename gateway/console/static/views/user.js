// One user: available and held money, the wallet, and the statement of payments.

import { get, part } from "../api.js";
import { fill, h, settled } from "../dom.js";
import { account } from "../explorer.js";
import { exporting } from "../exports.js";
import { words } from "../format.js";
import { list } from "../list.js";
import { amount, badge, code, copied, facts, head, link, moment, none, panel, signed, when } from "../parts.js";
import { listen } from "../stream.js";

const COLUMNS = [
  { title: "Payment", cell: (one) => words(one.code) },
  { title: "Available", number: true, cell: (one) => signed(one.availableChange) },
  { title: "Reserved", number: true, cell: (one) => signed(one.reservedChange) },
  { title: "Available after", number: true, cell: (one) => amount(one.available) },
  { title: "Order", cell: (one) => (one.orderId ? link(`#/orders/${one.orderId}`, code(one.orderId)) : none()) },
  { title: "Transaction", cell: (one) => code(one.transactionHash) },
  { title: "When", cell: (one) => when(one.at) },
];

export async function show(place, { params, signal }) {
  const path = `/users/${part(params.id)}`;
  const user = await get(path, {}, { signal });
  const balance = h("div", {});
  const wallet = h("div", {}, "Reading the chain…");
  const entries = list({
    path: `${path}/balance/entries`,
    columns: COLUMNS,
    none: () => ["No payments yet.", "A deposit to the wallet is the first."],
    signal,
    caption: "Payments, the newest first",
    id: (one) => one.transferId,
  });

  async function drawBalance() {
    const found = await get(`${path}/balance`, {}, { signal });
    fill(balance, facts([
      ["Available", amount(found.available, found.currency)],
      ["Reserved", amount(found.reserved, found.currency)],
    ]));
  }

  fill(
    place,
    head(user.id, badge(user.type), [...orders(user), exporting(`${path}/statement.csv`, `statement of ${user.id}`)]),
    h("div", { class: "columns" },
      panel("Balance", balance), panel("User", about(user)), panel("Wallet", wallet)),
    h("h2", {}, "Statement"),
    entries.place,
  );
  showWallet(wallet, path, signal);
  await Promise.all([drawBalance(), entries.load()]);
  const again = settled(() => {
    drawBalance().catch(() => {});
    entries.load();
  });
  const concerns = (event) => event.aggregateType === "Balance" && event.aggregateId === user.id;
  signal.addEventListener("abort", listen(again, concerns));
}

const orders = ({ id }) => [
  link(`#/orders?buyerId=${part(id)}`, "Purchases"),
  link(`#/orders?sellerId=${part(id)}`, "Sales"),
];

const about = (user) => facts([
  ["Your id", user.externalUserId],
  ["UUID", copied(user.uuid)],
  ["Email", user.email ?? none()],
  ["Registered", moment(user.createdAt)],
]);

async function showWallet(place, path, signal) {
  try {
    const found = await get(`${path}/wallet`, {}, { signal });
    fill(place, facts([
      ["State", badge(found.status)],
      ["Address", account(found.publicKey)],
      ...found.balances.map((one) => [`${one.asset} on chain`, amount(one.balance)]),
    ]));
  } catch (error) {
    if (error.name !== "AbortError") fill(place, h("p", {}, `${error.code}: ${error.message}`));
  }
}
