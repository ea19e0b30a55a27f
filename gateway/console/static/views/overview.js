// The overview: what needs a decision, and three charts of the newest orders.

import { all, get } from "../api.js";
import { bars, steps } from "../charts.js";
import { h, refill, settled } from "../dom.js";
import { duration, money, words } from "../format.js";
import { empty, head, panel } from "../parts.js";
import { listen } from "../stream.js";

const MOST = 500;
const LIMITS = [60, 600, 3600, 6 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400];

export async function show(place, { signal }) {
  async function draw() {
    const [orders, cases, withdrawals] = await Promise.all([
      all("/orders", {}, { most: MOST, signal }),
      all("/disputes", { status: "OPEN" }, { most: 100, signal }),
      all("/withdrawals", { status: "AWAITING_APPROVAL" }, { most: 100, signal }),
    ]);
    refill(
      place,
      head("Overview"),
      h("div", { class: "tiles" },
        tile("Open disputes", cases, "#/disputes"),
        tile("Withdrawals to approve", withdrawals, "#/withdrawals"),
        tile("Orders with money", { rows: orders.rows.filter(isHolding), isWhole: orders.isWhole }, "#/orders")),
      orders.rows.length
        ? h("div", { class: "columns" }, byState(orders), held(orders), speed(orders))
        : empty("There are no orders yet.", "POST /api/v1/orders creates one; the pictures follow."),
      !orders.isWhole && h("p", { class: "fine" }, `The pictures show the newest ${orders.rows.length} orders.`),
    );
  }

  await draw();
  const again = settled(() => draw().catch(() => {}), 5000);
  const concerns = (event) => ["Order", "Dispute"].includes(event.aggregateType) || event.eventType.startsWith("withdrawal.");
  signal.addEventListener("abort", listen(again, concerns));
}

const tile = (name, { rows, isWhole }, href) =>
  h("a", { class: "tile", href }, h("strong", {}, `${rows.length}${isWhole ? "" : "+"}`), h("span", {}, name));

const isHolding = (one) => one.reservedAt && !one.closedAt;

function byState({ rows }) {
  const counts = new Map();
  for (const one of rows) {
    const name = one.finalStatus ?? one.status;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return panel("Orders by state", bars(sorted.map(([name, value]) => ({ name: words(name), value, text: String(value) }))));
}

/** The chart of the money that is reserved or in a contract, over time. */
function held({ rows }) {
  const moves = rows.filter((one) => one.reservedAt).flatMap((one) => [
    { at: Date.parse(one.reservedAt), by: Number(one.amount) },
    ...(one.closedAt ? [{ at: Date.parse(one.closedAt), by: -Number(one.amount) }] : []),
  ]);
  moves.sort((a, b) => a.at - b.at);
  let sum = 0;
  const points = moves.map(({ at, by }) => ({ at, value: (sum += by) }));
  if (!points.length) return panel("Money held over time", empty("No money was reserved yet."));
  points.push({ at: Date.now(), value: sum });
  return panel("Money held over time", steps(points, { text: (value) => money(value.toFixed(2)) }));
}

/** The chart of the times from the funding of the contract to the seller's payment. */
function speed({ rows }) {
  const seconds = rows
    .filter((one) => one.fundedAt && one.releasedAt)
    .map((one) => (Date.parse(one.releasedAt) - Date.parse(one.fundedAt)) / 1000);
  if (!seconds.length) return panel("Time to release", empty("No order was released yet."));
  const last = Math.max(LIMITS.findIndex((limit) => Math.max(...seconds) <= limit), 0);
  const limits = [0, ...LIMITS.slice(0, Math.max(last + 1, 4)), Infinity];
  const found = limits.slice(1).map((limit, place) => {
    const value = seconds.filter((one) => one > limits[place] && one <= limit).length;
    const name = limit === Infinity ? `over ${duration(limits[place])}` : `up to ${duration(limit)}`;
    return { name, value, text: String(value) };
  });
  return panel("Time to release", bars(found));
}
