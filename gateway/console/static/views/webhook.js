// One webhook: its deliveries, and a button that sends a delivery again.

import { change, get, part } from "../api.js";
import { confirm, open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { duration, words } from "../format.js";
import { filters, list } from "../list.js";
import { badge, button, code, copied, facts, head, moment, none, panel, when } from "../parts.js";
import { showSecret } from "./webhooks.js";

const SECONDS = 3000;
const FIELDS = [
  {
    name: "status",
    label: "Deliveries",
    options: ["PENDING", "DELIVERED", "FAILED"].map((one) => [one, words(one)]),
  },
];

export async function show(place, { params, query, signal }) {
  const path = `/webhooks/${part(params.id)}`;
  const about = h("div", {});
  const bar = filters({ path: `webhooks/${params.id}`, fields: FIELDS, query, changed: () => deliveries.load() });
  const deliveries = list({
    path: `${path}/deliveries`,
    columns: columns(path, () => deliveries.load()),
    query: () => bar.values,
    none: () => ["No delivery fits.", "“Send a test” sends one."],
    signal,
    caption: "Deliveries of the last 30 days, the newest first",
  });
  const draw = async () => fill(about, headed(await get(path, {}, { signal }), path, draw, deliveries.load));
  await draw();
  fill(place, about, h("h2", {}, "Deliveries"), bar.form, deliveries.place);
  await deliveries.load();
  // No event reports the result of a delivery, so the list is polled while it is visible.
  const looking = setInterval(() => document.hidden || deliveries.load(), SECONDS);
  signal.addEventListener("abort", () => clearInterval(looking));
}

function headed(found, path, draw, reload) {
  const turn = found.enabled ? "Disable" : "Enable";
  return [
    head(found.url, badge(found.enabled ? "ENABLED" : "DISABLED"), [
      button("Send a test", () => confirm({
        title: "Send a test?",
        text: "An event of the type webhook.test is sent to this URL.",
        label: "Send",
        act: (key) => change("POST", `${path}/test`, {}, { key }).then(reload),
        done: "The test is on its way.",
      })),
      button("Send many again", () => resendAll(path, reload)),
      button("New secret", () => confirm({
        title: "Replace the secret?",
        text: "For 24 hours, events are signed with both.",
        label: "Replace",
        act: (key) => change("POST", `${path}/rotate-secret`, {}, { key }).then(showSecret),
      })),
      button(turn, () => confirm({
        title: `${turn} this webhook?`,
        text: found.enabled
          ? "Events are kept, and sent when it is enabled again."
          : "Events that came meanwhile are sent now.",
        label: turn,
        danger: found.enabled,
        act: (key) => change("PATCH", path, { enabled: !found.enabled }, { key }).then(draw),
      })),
    ]),
    panel("Webhook", facts([
      ["Id", copied(found.id)],
      ["Events", found.eventTypes.join(", ")],
      ["Description", found.description || none()],
      ["Disabled", found.disabledAt ? h("span", {}, moment(found.disabledAt), ` (${words(found.disabledReason)})`) : undefined],
      ["Old secret until", found.previousSecretUntil ? moment(found.previousSecretUntil) : undefined],
      ["Registered", moment(found.createdAt)],
    ])),
  ];
}

const columns = (path, reload) => [
  { title: "Event", cell: (one) => button(one.eventType, () => look(one), "row") },
  { title: "Status", cell: (one) => badge(one.status) },
  { title: "Answer", cell: answer },
  { title: "Attempts", number: true, cell: (one) => String(one.attempts) },
  { title: "About", cell: (one) => code(one.aggregateId) },
  { title: "Created", cell: (one) => when(one.createdAt) },
  { title: "Send", cell: (one) => resend(one, path, reload) },
];

function answer({ lastAttempt: last }) {
  if (!last) return none();
  return `${last.statusCode ?? last.error ?? "no answer"} in ${last.durationMilliseconds} ms`;
}

function resend(one, path, reload) {
  if (one.status === "PENDING") return one.nextAttemptAt ? `in ${until(one.nextAttemptAt)}` : none();
  return h("button", {
    type: "button",
    "aria-label": `Send ${one.eventType} of ${one.aggregateId} again`,
    on: {
      click: () => confirm({
        title: "Send this event again?",
        text: `${one.eventType} is sent again, under the same webhook-id.`,
        label: "Send again",
        act: (key) => change("POST", `${path}/deliveries/${part(one.id)}/resend`, {}, { key }).then(reload),
        done: "It is on its way again.",
      }),
    },
  }, "Send again");
}

const until = (at) => duration(Math.max(0, (new Date(at) - Date.now()) / 1000));

function resendAll(path, reload) {
  const hours = h("select", { id: "since" }, [1, 6, 24, 72, 720].map((one) => h("option", { value: one }, duration(one * 3600))));
  const sure = button("Go on", () => {
    const since = new Date(Date.now() - hours.value * 3600000).toISOString();
    asked.close();
    confirm({
      title: "Send all of them again?",
      text: `Every ended delivery since ${since} is sent again, under its own webhook-id.`,
      label: "Send again",
      act: async (key) => {
        const found = await change("POST", `${path}/resend`, { since }, { key });
        await reload();
        return found;
      },
      done: (found) => `${found.count} deliveries are sent again.`,
    });
  }, "primary");
  const content = h("div", { class: "field" }, h("label", { for: "since" }, "Deliveries of the last"), hours);
  const asked = open({ title: "Send many again", content, actions: [sure], closes: "Leave it" });
}

function look(one) {
  const last = one.lastAttempt;
  open({
    title: one.eventType,
    content: [
      facts([
        ["Delivery", copied(one.id)],
        ["Event", copied(one.eventId)],
        ["Status", badge(one.status)],
        ["Last attempt", last ? moment(last.at) : none()],
        ["Answered", last ? answer(one) : none()],
        ["Next attempt", one.nextAttemptAt ? moment(one.nextAttemptAt) : undefined],
      ]),
      last?.answer && [h("h3", {}, "Its answer"), h("pre", { tabindex: "0" }, last.answer)],
      h("h3", {}, "The event"),
      h("pre", { tabindex: "0" }, JSON.stringify(one.request.event, null, 2)),
    ],
  });
}
