// Users of the marketplace, newest first.

import { fill } from "../dom.js";
import { filters, list } from "../list.js";
import { badge, head, link, when } from "../parts.js";

const FIELDS = [
  { name: "externalUserId", label: "Your id" },
  { name: "email", label: "Email", type: "email" },
];
const COLUMNS = [
  { title: "User", cell: (one) => link(`#/users/${one.id}`, one.id) },
  { title: "Your id", cell: (one) => one.externalUserId },
  { title: "Email", cell: (one) => one.email ?? "–" },
  { title: "Type", cell: (one) => badge(one.type) },
  { title: "Registered", cell: (one) => when(one.createdAt) },
];

export async function show(place, { query, signal }) {
  const bar = filters({ path: "users", fields: FIELDS, query, changed: () => users.load() });
  const users = list({
    path: "/users",
    columns: COLUMNS,
    query: bar.asked,
    none: () => ["There are no users here.", "POST /api/v1/users registers one."],
    concerns: (event) => event.eventType === "user.registered",
    signal,
    caption: "Users, the newest first",
  });
  fill(place, head("Users"), bar.form, users.place);
  await users.load();
}
