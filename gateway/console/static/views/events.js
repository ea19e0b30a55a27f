// Live events and the events of the last 30 days, newest first.

import { read } from "../api.js";
import { fill, h } from "../dom.js";
import { clock, words } from "../format.js";
import { filters } from "../list.js";
import { button, code, empty, head, trouble } from "../parts.js";
import { listen, recent } from "../stream.js";

const FIELDS = [
  {
    name: "about",
    label: "About",
    options: ["Order", "Escrow", "Balance", "Dispute", "Offer", "User", "Wallet", "Deposit", "Webhook", "Withdrawal"]
      .map((one) => [one, one]),
  },
  { name: "type", label: "Type contains" },
];
const PLACES = { Order: "orders", Dispute: "disputes", Balance: "users", User: "users", Webhook: "webhooks" };

export async function show(place, { query, signal }) {
  let isPaused = false;
  let earlier = [];
  let cursor = null;
  const shown = h("div", { class: "list events" });
  const bar = filters({ path: "events", fields: FIELDS, query, changed: () => draw() });
  const pause = button("Pause", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) draw();
  });
  const more = h("div", {});
  fill(place, head("Events", [], pause), bar.form, shown, more);

  /** Read a page of earlier events. */
  async function load() {
    try {
      const page = await read("/events", { limit: 50, cursor: cursor ?? "" }, { signal });
      earlier = [...earlier, ...page.data];
      cursor = page.nextCursor;
      fill(more, cursor && button("Show more", load, "more"));
      draw();
    } catch (error) {
      if (error.name !== "AbortError") fill(more, trouble(error, load));
    }
  }

  function draw() {
    if (isPaused) return;
    const rows = together(recent, earlier).filter(fits(bar.values));
    // Rows that the user has opened or focused stay unchanged.
    const opened = new Set([...shown.querySelectorAll("details[open]")].map((one) => one.dataset.id));
    const on = shown.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.id : "";
    fill(shown, rows.length
      ? h("ol", {}, rows.map((one) => h("li", {}, line(one, opened.has(one.eventId)))))
      : empty("No events yet.", "They appear here as they happen; make a change through the API."));
    if (on) shown.querySelector(`details[data-id="${CSS.escape(on)}"] summary`)?.focus();
  }

  signal.addEventListener("abort", listen(draw));
  await load();
}

/** Merge live events and earlier events; an event may be in both. */
function together(live, earlier) {
  const known = new Set(live.map((one) => one.eventId));
  return [...live, ...earlier.filter((one) => !known.has(one.eventId))];
}

const fits = ({ about, type }) => (event) =>
  (!about || event.aggregateType === about) && (!type || event.eventType.includes(type.toLowerCase()));

function line(event, isOpen) {
  const place = PLACES[event.aggregateType];
  return h("details", { open: isOpen, data: { id: event.eventId } },
    h("summary", { data: { row: "" } },
      h("time", { datetime: event.occurredAt }, clock(event.occurredAt)), " ",
      h("strong", {}, event.eventType), " ", code(event.aggregateId)),
    place && h("p", {}, h("a", { href: `#/${place}/${event.aggregateId}` }, `To the ${words(event.aggregateType).toLowerCase()}`)),
    h("pre", { tabindex: "0" }, JSON.stringify(event, null, 2)));
}
