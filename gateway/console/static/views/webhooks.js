// Webhooks: the URLs that receive events.

import { once } from "../api.js";
import { open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { list } from "../list.js";
import { badge, button, copied, head, link, trouble, when } from "../parts.js";

const COLUMNS = [
  { title: "URL", cell: (one) => link(`#/webhooks/${one.id}`, one.url) },
  { title: "State", cell: (one) => badge(one.enabled ? "ENABLED" : "DISABLED") },
  { title: "Events", cell: (one) => one.eventTypes.join(", ") },
  { title: "Description", cell: (one) => one.description || "–" },
  { title: "Registered", cell: (one) => when(one.createdAt) },
];

export async function show(place, { signal }) {
  const webhooks = list({
    path: "/webhooks",
    columns: COLUMNS,
    none: () => ["There are no webhooks.", "Register a URL, and events are sent to it."],
    concerns: (event) => event.aggregateType === "Webhook",
    signal,
    caption: "Webhooks, the newest first",
  });
  fill(place, head("Webhooks", [], button("Register a webhook", () => register(webhooks.load))), webhooks.place);
  await webhooks.load();
}

function register(again) {
  const url = h("input", { id: "url", type: "url", autocomplete: "off" });
  const types = h("input", { id: "types", type: "text", value: "order.*", autocomplete: "off" });
  const place = h("div", {});
  const make = once();
  const sure = button("Register", async () => {
    const eventTypes = types.value.split(",").map((one) => one.trim()).filter(Boolean);
    try {
      const made = await make("POST", "/webhooks", { url: url.value.trim(), eventTypes });
      asked.close();
      showSecret(made);
      await again();
    } catch (error) {
      fill(place, trouble(error));
    }
  }, "primary");
  const content = [
    h("div", { class: "field" }, h("label", { for: "url" }, "URL"), url),
    h("div", { class: "field" }, h("label", { for: "types" }, "Events, with commas between them"), types),
    place,
  ];
  const asked = open({ title: "Register a webhook", content, actions: [sure], closes: "Leave it" });
  url.focus();
}

/** Show a secret. It can be shown only this once. */
export const showSecret = (made) =>
  open({
    title: "The secret of the webhook",
    content: [h("p", {}, "Events are signed with it. It is shown only now."), h("p", {}, copied(made.secret))],
  });
