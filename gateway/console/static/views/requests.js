// The request log: requests to the API, their answers, and the refused requests.

import { open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { words } from "../format.js";
import { filters, list } from "../list.js";
import { button, code, copied, facts, head, moment, none, when } from "../parts.js";

const STATUSES = [
  ["4xx", "Refused (4xx)"],
  ["5xx", "Failed (5xx)"],
  ["2xx", "Answered (2xx)"],
];
const FIELDS = [
  { name: "status", label: "Answer", options: STATUSES },
  { name: "method", label: "Method", options: ["GET", "POST", "PATCH", "DELETE"].map((one) => [one, one]) },
  { name: "actor", label: "Who" },
  { name: "requestId", label: "Request id" },
];
const COLUMNS = [
  { title: "Request", cell: (one) => button(`${one.method} ${one.path}`, () => look(one), "row") },
  { title: "Answer", cell: (one) => answer(one.status) },
  { title: "Code", cell: (one) => one.code ?? none() },
  { title: "Who", cell: (one) => code(one.actor) },
  { title: "Took", number: true, cell: (one) => `${one.milliseconds} ms` },
  { title: "When", cell: (one) => when(one.at) },
];

export async function show(place, { query, signal }) {
  const bar = filters({ path: "requests", fields: FIELDS, query, changed: () => lines.load() });
  const lines = list({
    path: "/requests",
    columns: COLUMNS,
    query: () => bar.values,
    none: () => ["No request fits.", "A request is listed a second or two after its answer, for seven days."],
    signal,
    caption: "Requests, the newest first",
  });
  fill(place, head("Requests", [], button("Look again", () => lines.load())), bar.form, lines.place);
  await lines.load();
}

function answer(status) {
  const tone = status < 400 ? "good" : status < 500 ? "warn" : "bad";
  return h("span", { class: `badge ${tone}` }, status);
}

function look(one) {
  open({
    title: `${one.method} ${one.route}`,
    content: facts([
      ["Path", copied(one.path)],
      ["Answer", answer(one.status)],
      ["Code", one.code ?? none()],
      ["Message", one.message ?? none()],
      ["Who", copied(one.actor)],
      ["As", words(one.role)],
      ["Request", copied(one.requestId)],
      ["Idempotency key", one.idempotencyKey ? copied(one.idempotencyKey) : none()],
      ["Took", `${one.milliseconds} ms`],
      ["When", moment(one.at)],
    ]),
  });
}
